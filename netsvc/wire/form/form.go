// Package form owns data forms, XEP-0004 2.13.2: asking for data, checking what
// was submitted against what was asked, and reporting rows of results. The
// FORM_TYPE of XEP-0068 is a field like others, with a reader of its own.
//
// What extends forms (validation of XEP-0122, media of XEP-0221, layout of
// XEP-0141) is ignored when read and cannot be written, but for the mark of an open
// list (XEP-0122 section 3.2.2).
package form

import (
	"slices"
	"strconv"
	"strings"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// Space is the namespace of the x element, and the disco feature.
const Space = "jabber:x:data"

// TypeField is the name of the hidden field that tells what a form is about
// (XEP-0068).
const TypeField = "FORM_TYPE"

// Type is what a form is for, as in its type attribute.
type Type string

// The types of a form.
const (
	Ask    Type = "form"   // to be filled in
	Submit Type = "submit" // filled in
	Cancel Type = "cancel" // not to be filled in
	Result Type = "result" // data that was asked for
)

// FieldType is the type of a field, as in its type attribute.
type FieldType string

// The types of a field. Untyped occurs outside of forms to be filled in, where
// the type follows from the context.
const (
	Untyped     FieldType = ""
	Boolean     FieldType = "boolean"
	Fixed       FieldType = "fixed"
	Hidden      FieldType = "hidden"
	JIDMulti    FieldType = "jid-multi"
	JIDSingle   FieldType = "jid-single"
	ListMulti   FieldType = "list-multi"
	ListSingle  FieldType = "list-single"
	TextMulti   FieldType = "text-multi"
	TextPrivate FieldType = "text-private"
	TextSingle  FieldType = "text-single"
)

// known reports whether t is one of the types of XEP-0004.
func (t FieldType) known() bool {
	switch t {
	case Boolean, Fixed, Hidden, JIDMulti, JIDSingle, ListMulti, ListSingle, TextMulti, TextPrivate, TextSingle:
		return true
	}
	return false
}

// multiple reports whether a field of this type may have several values.
func (t FieldType) multiple() bool {
	switch t {
	case Hidden, JIDMulti, ListMulti, TextMulti:
		return true
	}
	return false
}

// Option is one of the choices of a list field.
type Option struct {
	Label string // for humans; may be empty
	Value string
}

// Field is one field of a form, of its table head or of a row.
type Field struct {
	Var      string // its name; may be empty for fixed fields only
	Type     FieldType
	Label    string // for humans; may be empty
	Desc     string // for humans; may be empty
	Required bool
	Values   []string
	Options  []Option
	Open     bool // of a list: it takes other values than those of Options, too; never read
}

// Form is a data form. Fields are in the order of their presentation. Reported
// and Items are the head and the rows of a table, in results only.
type Form struct {
	Type         Type
	Title        string
	Instructions []string
	Fields       []Field
	Reported     []Field
	Items        [][]Field
}

// New begins a form of a type with a FORM_TYPE, which may be "" for none.
func New(t Type, formType string) *Form {
	f := &Form{Type: t}
	if formType != "" {
		f.Add(Field{Var: TypeField, Type: Hidden, Values: []string{formType}})
	}
	return f
}

// Add appends fields and returns f.
func (f *Form) Add(fields ...Field) *Form {
	f.Fields = append(f.Fields, fields...)
	return f
}

// Flag spells a boolean value. Digits are what the oldest clients understand.
func Flag(value bool) string {
	if value {
		return "1"
	}
	return "0"
}

// Field returns the field of that name, or nil. It accepts a nil form.
func (f *Form) Field(name string) *Field {
	if f != nil {
		for i := range f.Fields {
			if f.Fields[i].Var == name {
				return &f.Fields[i]
			}
		}
	}
	return nil
}

// Has reports whether the form has a field of that name. In a submission, a
// field that is not there keeps the value it had.
func (f *Form) Has(name string) bool { return f.Field(name) != nil }

// Values returns the values of a field, or nil.
func (f *Form) Values(name string) []string {
	if field := f.Field(name); field != nil {
		return field.Values
	}
	return nil
}

// Value returns the first value of a field, or "".
func (f *Form) Value(name string) string {
	if values := f.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// FormType returns what the form is about, or "".
func (f *Form) FormType() string { return f.Value(TypeField) }

// Text returns the lines of a field of several as one text.
func (f *Form) Text(name string) string { return strings.Join(f.Values(name), "\n") }

// Bool returns the value of a boolean field; ok is false when it has none, or
// one that is no boolean.
func (f *Form) Bool(name string) (value, ok bool) { return parseBool(f.Value(name)) }

// Int returns the value of a field that holds a decimal number; ok is false
// when it has none.
func (f *Form) Int(name string) (value int64, ok bool) {
	value, err := strconv.ParseInt(strings.TrimSpace(f.Value(name)), 10, 64)
	return value, err == nil
}

// JID returns the value of a field that holds an address; ok is false when it
// has none.
func (f *Form) JID(name string) (value jid.JID, ok bool) {
	value, err := jid.Parse(f.Value(name))
	return value, err == nil
}

// parseBool reads the lexical forms of XML Schema.
func parseBool(s string) (value, ok bool) {
	switch s {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

// Append writes the form.
func (f *Form) Append(w *xmlstream.Writer) {
	w.Start(Space, "x").Attr("type", string(f.Type))
	if f.Title != "" {
		w.Leaf("", "title", f.Title)
	}
	for _, line := range f.Instructions {
		w.Leaf("", "instructions", line)
	}
	appendFields(w, f.Fields)
	if len(f.Reported) > 0 {
		w.Start("", "reported")
		appendFields(w, f.Reported)
		w.End()
	}
	for _, item := range f.Items {
		w.Start("", "item")
		appendFields(w, item)
		w.End()
	}
	w.End()
}

func appendFields(w *xmlstream.Writer, fields []Field) {
	for i := range fields {
		field := &fields[i]
		w.Start("", "field").AttrIf("var", field.Var).AttrIf("type", string(field.Type)).AttrIf("label", field.Label)
		if field.Desc != "" {
			w.Leaf("", "desc", field.Desc)
		}
		if field.Required {
			w.Start("", "required").End()
		}
		for _, value := range field.Values {
			w.Leaf("", "value", value)
		}
		if field.Open {
			w.Raw([]byte("<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate>"))
		}
		for _, option := range field.Options {
			w.Start("", "option").AttrIf("label", option.Label).Leaf("", "value", option.Value).End()
		}
		w.End()
	}
}

// Parse reads an x element. It is lenient where other programs are careless: a
// field without a name is kept, the head of a table may follow its rows. In a
// form to be filled in, a field without a type, or of one that is not known,
// is text-single, as XEP-0004 demands; elsewhere it is Untyped.
//
// The error is an *Error.
func Parse(n *xmlstream.Node) (*Form, error) {
	if !n.Is(Space, "x") {
		return nil, &Error{Reason: NotForm}
	}
	f := &Form{Type: Type(n.Attr("type"))}
	if !slices.Contains([]Type{Ask, Submit, Cancel, Result}, f.Type) {
		return nil, &Error{Reason: BadType}
	}
	for _, kid := range n.Kids {
		if kid.Name.Space != Space {
			continue
		}
		switch kid.Name.Local {
		case "title":
			f.Title = kid.Text
		case "instructions":
			f.Instructions = append(f.Instructions, kid.Text)
		case "field":
			f.Fields = append(f.Fields, f.parseField(kid))
		case "reported":
			if f.Reported != nil {
				return nil, &Error{Reason: ReportedTwice}
			}
			f.Reported = f.parseFields(kid)
		case "item":
			f.Items = append(f.Items, f.parseFields(kid))
		}
	}
	return f, nil
}

func (f *Form) parseFields(n *xmlstream.Node) []Field {
	fields := []Field{}
	for _, kid := range n.Kids {
		if kid.Is(Space, "field") {
			fields = append(fields, f.parseField(kid))
		}
	}
	return fields
}

func (f *Form) parseField(n *xmlstream.Node) Field {
	field := Field{Var: n.Attr("var"), Type: FieldType(n.Attr("type")), Label: n.Attr("label")}
	if !field.Type.known() {
		field.Type = Untyped
		if f.Type == Ask {
			field.Type = TextSingle
		}
	}
	for _, kid := range n.Kids {
		if kid.Name.Space != Space {
			continue
		}
		switch kid.Name.Local {
		case "desc":
			field.Desc = kid.Text
		case "required":
			field.Required = true
		case "value":
			field.Values = append(field.Values, kid.Text)
		case "option":
			field.Options = append(field.Options, Option{Label: kid.Attr("label"), Value: kid.ChildText(Space, "value")})
		}
	}
	return field
}
