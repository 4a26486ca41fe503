package adhoc

import (
	"strings"

	"linnet/netsvc/command"
	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// formType is the FORM_TYPE that XEP-0133 and XEP-0401 give the forms of their
// commands; "" for our own.
func formType(c *command.Command) string {
	family, _, _ := strings.Cut(c.Node, "#")
	switch family {
	case "http://jabber.org/protocol/admin":
		return family
	case "urn:xmpp:invite":
		return "urn:xmpp:invite#invitation"
	}
	return ""
}

// kinds are the field types of arguments and of values in results.
var kinds = map[command.Kind]form.FieldType{
	command.Text:     form.TextSingle,
	command.Lines:    form.TextMulti,
	command.JID:      form.JIDSingle,
	command.JIDs:     form.JIDMulti,
	command.Password: form.TextPrivate,
	command.Bool:     form.Boolean,
	command.Enum:     form.ListSingle,
}

func kind(k command.Kind) form.FieldType {
	if t, ok := kinds[k]; ok {
		return t
	}
	return form.TextSingle
}

// formOf is what a command asks for.
func formOf(c *command.Command) *form.Form {
	f := form.New(form.Ask, formType(c))
	f.Title = c.Summary()
	for i := range c.Args {
		a := &c.Args[i]
		field := form.Field{Var: a.Field(), Type: kind(a.Kind), Label: a.Help, Required: a.Required}
		if a.Default != "" {
			field.Values = []string{a.Default}
		}
		for _, choice := range a.Choices {
			field.Options = append(field.Options, form.Option{Value: choice})
		}
		f.Add(field)
	}
	return f
}

// ask answers with the form.
func ask(c *command.Command, session string) []byte {
	w := answer(c, session, "executing")
	w.Start("", "actions").Attr("execute", "complete").Leaf("", "complete", "").End()
	formOf(c).Append(w)
	return w.End().Bytes()
}

// read turns a submitted form into arguments.
func read(c *command.Command, x *xmlstream.Node) (command.Values, *stanza.Error) {
	values := command.Values{}
	if x == nil {
		return values, nil
	}
	submitted, err := form.Parse(x)
	if err == nil {
		if submitted.Type == form.Cancel { // XEP-0050 section 3.5.1: the action says what is canceled
			submitted.Type = form.Submit
		}
		submitted, err = formOf(c).Check(submitted)
	}
	if err != nil {
		e := stanza.NewError(stanza.BadRequest, err.Error())
		e.App = []byte("<bad-payload xmlns='" + space + "'/>")
		return nil, e
	}
	for i := range c.Args {
		a := &c.Args[i]
		if v := submitted.Values(a.Field()); len(v) > 0 {
			values[a.Name] = v
		}
	}
	return values, nil
}

// appendResult writes what a command had to say: a note for the text, a form for
// the values and the table.
func appendResult(w *xmlstream.Writer, c *command.Command, r *command.Result) {
	if r == nil || r.IsEmpty() {
		w.Start("", "note").Attr("type", "info").Text("Done.").End()
		return
	}
	if len(r.Fields) > 0 || len(r.Columns) > 0 {
		f := form.New(form.Result, formType(c))
		f.Title = c.Summary()
		for _, field := range r.Fields {
			t := kind(field.Kind)
			if t == form.TextSingle && len(field.Values) > 1 { // which has one at most, XEP-0004 section 3.2
				t = form.TextMulti
			}
			f.Add(form.Field{Var: field.Name, Type: t, Label: field.Label, Values: field.Values})
		}
		for _, col := range r.Columns {
			f.Reported = append(f.Reported, form.Field{Var: col.Name, Type: kind(col.Kind), Label: col.Label})
		}
		for _, row := range r.Rows {
			item := make([]form.Field, len(row))
			for i, cell := range row {
				item[i] = form.Field{Var: r.Columns[i].Name, Values: []string{cell}}
			}
			f.Items = append(f.Items, item)
		}
		f.Append(w)
	}
	if r.Text != "" {
		w.Start("", "note").Attr("type", "info").Text(r.Text).End()
	}
}
