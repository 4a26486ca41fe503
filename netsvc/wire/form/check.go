package form

import (
	"slices"
	"strings"

	"linnet/netsvc/wire/jid"
)

// Reason says what is wrong with a form or with one of its fields. It may be
// shown to the peer.
type Reason string

// The reasons that Parse and Check give.
const (
	NotForm       Reason = "not a data form"
	BadType       Reason = "unknown type of form"
	ReportedTwice Reason = "more than one reported element"
	NotSubmitted  Reason = "not a submission"
	WrongForm     Reason = "submission of another form"
	Missing       Reason = "is required"
	Twice         Reason = "is there twice"
	OneValue      Reason = "takes one value only"
	NotBoolean    Reason = "is neither true nor false"
	NotJID        Reason = "is not an address"
	NotOption     Reason = "is none of the options"
)

// Error is a form that cannot be accepted. XEP-0004 section 4 wants it told as
// not-acceptable, with the text.
type Error struct {
	Var    string // the field at fault, or "" for the form
	Reason Reason
}

func (e *Error) Error() string { return "form: " + e.Text() }

// Text returns what to tell the peer.
func (e *Error) Text() string {
	if e.Var == "" {
		return string(e.Reason)
	}
	return e.Var + ": " + string(e.Reason)
}

// Check holds a submission against f, the form that asked for it, and returns
// what to apply: the fields of f that the submission has, in the order of f,
// with their types, and with values that need no further check:
//
//   - booleans are as Flag spells them, addresses as package jid does;
//   - an address or a choice occurs once;
//   - lines of a text are one value each;
//   - a field that was emptied has no values, however that was spelled.
//
// Fields that f does not have are ignored, and so are the types that the
// submission claims. Fields of f that it does not have keep their value, unless
// they are required. The error is an *Error.
func (f *Form) Check(submission *Form) (*Form, error) {
	if submission == nil || submission.Type != Submit {
		return nil, &Error{Reason: NotSubmitted}
	}
	// A submission without a FORM_TYPE came in answer to this form, or so its
	// wrapper says.
	if theirs, ours := submission.FormType(), f.FormType(); theirs != "" && theirs != ours {
		return nil, &Error{Reason: WrongForm}
	}
	checked := &Form{Type: Submit}
	for i := range f.Fields {
		declared := &f.Fields[i]
		if declared.Type == Fixed || declared.Var == "" {
			continue
		}
		field, err := submission.single(declared.Var)
		if err != nil {
			return nil, err
		}
		var values []string
		if field != nil {
			var reason Reason
			if values, reason = declared.accept(field.Values); reason != "" {
				return nil, &Error{declared.Var, reason}
			}
		}
		if declared.Required && len(values) == 0 {
			return nil, &Error{declared.Var, Missing}
		}
		if field != nil {
			checked.Add(Field{Var: declared.Var, Type: declared.Type, Values: values})
		}
	}
	return checked, nil
}

// single returns the one field of that name, or nil.
func (f *Form) single(name string) (*Field, error) {
	field := f.Field(name)
	if field == nil {
		return nil, nil
	}
	for i := range f.Fields {
		if other := &f.Fields[i]; other != field && other.Var == name {
			return nil, &Error{name, Twice}
		}
	}
	return field, nil
}

// accept returns submitted values as Check promises, or why it refuses them.
func (f *Field) accept(values []string) ([]string, Reason) {
	if f.Type == TextMulti {
		return lines(values), ""
	}
	var accepted []string
	for _, value := range values {
		if value == "" && !f.offers("") {
			continue // emptied, as far as there is no choice of this value
		}
		switch f.Type {
		case Boolean:
			flag, ok := parseBool(value)
			if !ok {
				return nil, NotBoolean
			}
			value = Flag(flag)
		case JIDSingle, JIDMulti:
			address, err := jid.Parse(value)
			if err != nil {
				return nil, NotJID
			}
			value = address.String()
		case ListSingle, ListMulti:
			// A list declared without options takes what it is given: the
			// form does not know the choices, its owner will.
			if len(f.Options) > 0 && !f.offers(value) {
				return nil, NotOption
			}
		}
		// XEP-0004 section 3.3: duplicate addresses are ignored.
		if (f.Type == JIDMulti || f.Type == ListMulti) && slices.Contains(accepted, value) {
			continue
		}
		accepted = append(accepted, value)
	}
	if len(accepted) > 1 && !f.Type.multiple() {
		return nil, OneValue
	}
	return accepted, ""
}

// offers reports whether value is one of the options of a list.
func (f *Field) offers(value string) bool {
	return slices.ContainsFunc(f.Options, func(option Option) bool { return option.Value == value })
}

// lines splits a text at its line ends. A text of nothing has no lines.
func lines(values []string) []string {
	var split []string
	for _, value := range values {
		for line := range strings.SplitSeq(value, "\n") {
			split = append(split, strings.TrimSuffix(line, "\r"))
		}
	}
	if len(split) == 1 && split[0] == "" {
		return nil
	}
	return split
}
