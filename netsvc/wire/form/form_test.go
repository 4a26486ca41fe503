package form

import (
	"reflect"
	"testing"

	"linnet/netsvc/wire/xmlstream"
)

func parse(t *testing.T, xml string) *Form {
	t.Helper()
	node, err := xmlstream.Parse([]byte(xml), "jabber:client")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(f *Form) string {
	w := xmlstream.NewWriter("jabber:client")
	f.Append(w)
	return string(w.Bytes())
}

// creation is the form of XEP-0004 section 5.1, example 2.
func creation() *Form {
	f := New(Ask, "jabber:bot")
	f.Title = "Bot Configuration"
	f.Instructions = []string{"Fill out this form to configure your new bot!"}
	options := func(pairs ...string) (list []Option) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, Option{Label: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	return f.Add(
		Field{Type: Fixed, Values: []string{"Section 1: Bot Info"}},
		Field{Var: "botname", Type: TextSingle, Label: "The name of your bot"},
		Field{Var: "description", Type: TextMulti, Label: "Helpful description of your bot"},
		Field{Var: "public", Type: Boolean, Label: "Public bot?", Required: true},
		Field{Var: "password", Type: TextPrivate, Label: "Password for special access"},
		Field{Var: "features", Type: ListMulti, Label: "What features will the bot support?",
			Options: options("Contests", "contests", "News", "news", "Polls", "polls", "Search", "search"), Values: []string{"news", "search"}},
		Field{Var: "maxsubs", Type: ListSingle, Label: "Maximum number of subscribers",
			Options: options("10", "10", "20", "20", "50", "50", "None", "none"), Values: []string{"20"}},
		Field{Var: "invitelist", Type: JIDMulti, Label: "People to invite", Desc: "Tell all your friends about your new bot!"},
		Field{Var: "owner", Type: JIDSingle},
	)
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		form *Form
		xml  string // as written; "" where only the way back counts
	}{
		{"all types of fields", creation(), ""},
		{"cancel", New(Cancel, ""), "<x xmlns='jabber:x:data' type='cancel'/>"},
		{
			// XEP-0004 section 5.2, example 8.
			"table",
			&Form{Type: Result, Title: "Joogle Search: verona",
				Reported: []Field{{Var: "name"}, {Var: "url", Type: TextSingle, Label: "Address"}},
				Items: [][]Field{
					{{Var: "name", Values: []string{"Comune di Verona"}}, {Var: "url", Values: []string{"http://www.comune.verona.it/"}}},
					{{Var: "name", Values: []string{"benvenuto!"}}, {Var: "url", Values: []string{""}}},
				}},
			"<x xmlns='jabber:x:data' type='result'><title>Joogle Search: verona</title>" +
				"<reported><field var='name'/><field var='url' type='text-single' label='Address'/></reported>" +
				"<item><field var='name'><value>Comune di Verona</value></field><field var='url'><value>http://www.comune.verona.it/</value></field></item>" +
				"<item><field var='name'><value>benvenuto!</value></field><field var='url'><value/></field></item></x>",
		},
		{
			"everything a field has",
			&Form{Type: Ask, Fields: []Field{{Var: "v", Type: ListSingle, Label: "l", Desc: "d", Required: true, Values: []string{"1"}, Options: []Option{{"one", "1"}, {"", "2"}}}}},
			"<x xmlns='jabber:x:data' type='form'><field var='v' type='list-single' label='l'><desc>d</desc><required/><value>1</value>" +
				"<option label='one'><value>1</value></option><option><value>2</value></option></field></x>",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			xml := write(test.form)
			if test.xml != "" && xml != test.xml {
				t.Fatalf("written as\n%s, want\n%s", xml, test.xml)
			}
			if got := parse(t, xml); !reflect.DeepEqual(got, test.form) {
				t.Fatalf("read as\n%+v, want\n%+v", got, test.form)
			}
		})
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, xml string
		want      *Form
		reason    Reason
	}{
		{name: "not a form", xml: "<x xmlns='urn:example' type='form'/>", reason: NotForm},
		{name: "no type", xml: "<x xmlns='jabber:x:data'/>", reason: BadType},
		{name: "unknown type", xml: "<x xmlns='jabber:x:data' type='error'/>", reason: BadType},
		{name: "two table heads", xml: "<x xmlns='jabber:x:data' type='result'><reported/><reported/></x>", reason: ReportedTwice},
		{name: "head after the rows", xml: "<x xmlns='jabber:x:data' type='result'><item/><reported><field var='a'/></reported></x>",
			want: &Form{Type: Result, Reported: []Field{{Var: "a"}}, Items: [][]Field{{}}}},
		{name: "unknown type of field in a form", xml: "<x xmlns='jabber:x:data' type='form'><field var='a' type='color'/><field var='b'/></x>",
			want: &Form{Type: Ask, Fields: []Field{{Var: "a", Type: TextSingle}, {Var: "b", Type: TextSingle}}}},
		{name: "unknown type of field in a submission", xml: "<x xmlns='jabber:x:data' type='submit'><field var='a' type='color'/></x>",
			want: &Form{Type: Submit, Fields: []Field{{Var: "a"}}}},
		{name: "foreign elements", xml: "<x xmlns='jabber:x:data' type='submit'><title xmlns='urn:a'>no</title><field var='a'><media xmlns='urn:a'/><value xmlns='urn:a'>no</value><value>yes</value></field></x>",
			want: &Form{Type: Submit, Fields: []Field{{Var: "a", Values: []string{"yes"}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node, err := xmlstream.Parse([]byte(test.xml), "jabber:client")
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(node)
			if test.reason != "" {
				if e, ok := err.(*Error); !ok || e.Reason != test.reason || got != nil {
					t.Fatalf("got %+v, %v; want %q", got, err, test.reason)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	if _, err := Parse(nil); err == nil {
		t.Fatal("nothing was read as a form")
	}
}

func TestReaders(t *testing.T) {
	f := parse(t, `<x xmlns='jabber:x:data' type='submit'>
		<field var='FORM_TYPE'><value>urn:example</value></field>
		<field var='yes'><value>true</value></field>
		<field var='no'><value>0</value></field>
		<field var='number'><value> 42 </value></field>
		<field var='lines'><value>a</value><value>b</value></field>
		<field var='owner'><value>A@b</value></field>
		<field var='none'/>
	</x>`)
	if f.FormType() != "urn:example" || f.Text("lines") != "a\nb" || f.Value("lines") != "a" || f.Value("none") != "" {
		t.Errorf("texts: %q %q %q %q", f.FormType(), f.Text("lines"), f.Value("lines"), f.Value("none"))
	}
	if !f.Has("none") || f.Has("nowhere") || f.Field("nowhere") != nil || f.Values("nowhere") != nil {
		t.Error("presence")
	}
	for name, want := range map[string][2]bool{"yes": {true, true}, "no": {false, true}, "number": {}, "none": {}, "nowhere": {}} {
		if value, ok := f.Bool(name); [2]bool{value, ok} != want {
			t.Errorf("boolean %s: %v, %v", name, value, ok)
		}
	}
	if n, ok := f.Int("number"); n != 42 || !ok {
		t.Errorf("number: %d, %v", n, ok)
	}
	if _, ok := f.Int("yes"); ok {
		t.Error("a boolean was read as a number")
	}
	if address, ok := f.JID("owner"); !ok || address.String() != "a@b" {
		t.Errorf("address: %q, %v", address, ok)
	}
	if _, ok := f.JID("none"); ok {
		t.Error("nothing was read as an address")
	}
	var none *Form
	if none.Has("x") || none.Value("x") != "" || none.FormType() != "" {
		t.Error("no form has something")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<title>t</title><field var='a' type='boolean'><required/><value>1</value></field>", "form")
	f.Add("<reported><field var='a'/></reported><item><field var='a'><value/></field></item>", "result")
	f.Add(write(creation()), "submit")
	asked := creation()
	f.Fuzz(func(t *testing.T, inner, kind string) {
		w := xmlstream.NewWriter("")
		w.Start(Space, "x").Attr("type", kind)
		start := string(w.Start("", "y").End().Bytes())
		start = start[:len(start)-len("<y/></x>")]
		node, err := xmlstream.Parse([]byte(start+inner+"</x>"), "")
		if err != nil {
			return
		}
		got, err := Parse(node)
		if err != nil {
			return
		}
		if again := parse(t, write(got)); !same(again, got) {
			t.Fatalf("%+v became %+v", got, again)
		}
		checked, err := asked.Check(got)
		if err != nil {
			return
		}
		// What was accepted is accepted as it stands.
		again, err := asked.Check(checked)
		if err != nil || !reflect.DeepEqual(again, checked) {
			t.Fatalf("%+v became %+v, %v", checked, again, err)
		}
	})
}

// same compares what is written of two forms: an element that is empty, and
// the attribute or element that is not there, are not told apart.
func same(a, b *Form) bool { return write(a) == write(b) }
