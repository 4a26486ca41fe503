package form

import (
	"reflect"
	"testing"
)

// submission of XEP-0004 section 5.1, example 3, with the values that a client
// may also send.
const submission = `<x xmlns='jabber:x:data' type='submit'>
	<field type='hidden' var='FORM_TYPE'><value>jabber:bot</value></field>
	<field type='text-single' var='botname'><value>The Jabber Google Bot</value></field>
	<field type='text-multi' var='description'><value>This bot enables you to send requests to</value><value>Google</value></field>
	<field type='boolean' var='public'><value>false</value></field>
	<field type='text-private' var='password'><value>v3r0na</value></field>
	<field type='list-multi' var='features'><value>news</value><value>search</value><value>news</value></field>
	<field type='list-single' var='maxsubs'><value>50</value></field>
	<field type='jid-multi' var='invitelist'><value>Juliet@capulet.com</value><value>benvolio@montague.net</value><value>juliet@CAPULET.com</value></field>
	<field var='unknown'><value>ignored</value></field>
</x>`

func TestCheck(t *testing.T) {
	got, err := creation().Check(parse(t, submission))
	if err != nil {
		t.Fatal(err)
	}
	want := &Form{Type: Submit, Fields: []Field{
		{Var: TypeField, Type: Hidden, Values: []string{"jabber:bot"}},
		{Var: "botname", Type: TextSingle, Values: []string{"The Jabber Google Bot"}},
		{Var: "description", Type: TextMulti, Values: []string{"This bot enables you to send requests to", "Google"}},
		{Var: "public", Type: Boolean, Values: []string{"0"}},
		{Var: "password", Type: TextPrivate, Values: []string{"v3r0na"}},
		{Var: "features", Type: ListMulti, Values: []string{"news", "search"}},
		{Var: "maxsubs", Type: ListSingle, Values: []string{"50"}},
		{Var: "invitelist", Type: JIDMulti, Values: []string{"juliet@capulet.com", "benvolio@montague.net"}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got\n%+v, want\n%+v", got, want)
	}
}

func TestCheckField(t *testing.T) {
	choice := []Option{{"One", "1"}, {"Two", "2"}}
	tests := []struct {
		name     string
		declared Field
		absent   bool
		values   []string
		want     []string
		reason   Reason
	}{
		{name: "optional, not there", declared: Field{Type: TextSingle}, absent: true},
		{name: "required, not there", declared: Field{Type: TextSingle, Required: true}, absent: true, reason: Missing},
		{name: "required, no value", declared: Field{Type: TextSingle, Required: true}, reason: Missing},
		{name: "required, empty value", declared: Field{Type: TextSingle, Required: true}, values: []string{""}, reason: Missing},
		{name: "required lines, empty value", declared: Field{Type: TextMulti, Required: true}, values: []string{""}, reason: Missing},
		{name: "required address, empty value", declared: Field{Type: JIDSingle, Required: true}, values: []string{""}, reason: Missing},
		{name: "required, there", declared: Field{Type: TextSingle, Required: true}, values: []string{"x"}, want: []string{"x"}},
		{name: "required and hidden", declared: Field{Type: Hidden, Required: true}, values: []string{"x", "y"}, want: []string{"x", "y"}},

		{name: "text emptied", declared: Field{Type: TextSingle}, values: []string{""}},
		{name: "text twice", declared: Field{Type: TextSingle}, values: []string{"a", "b"}, reason: OneValue},
		{name: "private twice", declared: Field{Type: TextPrivate}, values: []string{"a", "b"}, reason: OneValue},
		{name: "lines", declared: Field{Type: TextMulti}, values: []string{"a\r\nb\n", "", "c"}, want: []string{"a", "b", "", "", "c"}},

		{name: "true", declared: Field{Type: Boolean}, values: []string{"true"}, want: []string{"1"}},
		{name: "false", declared: Field{Type: Boolean}, values: []string{"false"}, want: []string{"0"}},
		{name: "digit", declared: Field{Type: Boolean}, values: []string{"1"}, want: []string{"1"}},
		{name: "boolean emptied", declared: Field{Type: Boolean}, values: []string{""}},
		{name: "boolean yes", declared: Field{Type: Boolean}, values: []string{"yes"}, reason: NotBoolean},
		{name: "boolean in capitals", declared: Field{Type: Boolean}, values: []string{"TRUE"}, reason: NotBoolean},
		{name: "boolean two", declared: Field{Type: Boolean}, values: []string{"2"}, reason: NotBoolean},
		{name: "boolean twice", declared: Field{Type: Boolean}, values: []string{"1", "1"}, reason: OneValue},

		{name: "address", declared: Field{Type: JIDSingle}, values: []string{"A@B/c"}, want: []string{"a@b/c"}},
		{name: "bad address", declared: Field{Type: JIDSingle}, values: []string{"a@"}, reason: NotJID},
		{name: "address twice", declared: Field{Type: JIDSingle}, values: []string{"a@b", "c@d"}, reason: OneValue},
		{name: "addresses", declared: Field{Type: JIDMulti}, values: []string{"a@b", "", "A@b", "c"}, want: []string{"a@b", "c"}},
		{name: "addresses, one bad", declared: Field{Type: JIDMulti}, values: []string{"a@b", "/"}, reason: NotJID},

		{name: "choice", declared: Field{Type: ListSingle, Options: choice}, values: []string{"2"}, want: []string{"2"}},
		{name: "choice by its label", declared: Field{Type: ListSingle, Options: choice}, values: []string{"Two"}, reason: NotOption},
		{name: "two choices", declared: Field{Type: ListSingle, Options: choice}, values: []string{"1", "2"}, reason: OneValue},
		{name: "choice emptied", declared: Field{Type: ListSingle, Options: choice}, values: []string{""}},
		{name: "choice of nothing", declared: Field{Type: ListSingle, Required: true, Options: []Option{{"None", ""}}}, values: []string{""}, want: []string{""}},
		{name: "choices", declared: Field{Type: ListMulti, Options: choice}, values: []string{"2", "1", "2"}, want: []string{"2", "1"}},
		{name: "choices, one bad", declared: Field{Type: ListMulti, Options: choice}, values: []string{"1", "3"}, reason: NotOption},
		{name: "open list", declared: Field{Type: ListMulti}, values: []string{"x"}, want: []string{"x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.declared.Var = "v"
			asked, given := New(Ask, "").Add(test.declared), New(Submit, "")
			if !test.absent {
				given.Add(Field{Var: "v", Values: test.values})
			}
			got, err := asked.Check(given)
			if test.reason != "" {
				if e, ok := err.(*Error); !ok || *e != (Error{"v", test.reason}) || got != nil {
					t.Fatalf("got %+v, %v; want %q", got, err, test.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Has("v") == test.absent || !reflect.DeepEqual(got.Values("v"), test.want) {
				t.Fatalf("got %+v, want %q", got, test.want)
			}
		})
	}
}

func TestCheckForm(t *testing.T) {
	asked := New(Ask, "urn:a").Add(Field{Var: "v", Type: TextSingle}, Field{Type: Fixed, Values: []string{"x"}})
	tests := []struct {
		name  string
		given *Form
		want  *Error
	}{
		{"nothing", nil, &Error{"", NotSubmitted}},
		{"cancelled", New(Cancel, ""), &Error{"", NotSubmitted}},
		{"a form", New(Ask, "urn:a"), &Error{"", NotSubmitted}},
		{"another form", New(Submit, "urn:b"), &Error{"", WrongForm}},
		{"no form type", New(Submit, ""), nil},
		{"its form type", New(Submit, "urn:a"), nil},
		{"a field twice", New(Submit, "").Add(Field{Var: "v"}, Field{Var: "v"}), &Error{"v", Twice}},
		{"an unknown field twice", New(Submit, "").Add(Field{Var: "w"}, Field{Var: "w"}), nil},
		{"fields without a name", New(Submit, "").Add(Field{Values: []string{"x"}}, Field{}), nil},
	}
	for _, test := range tests {
		_, err := asked.Check(test.given)
		switch e, _ := err.(*Error); {
		case test.want == nil && err != nil, test.want != nil && (e == nil || *e != *test.want):
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if text := (&Error{"v", Missing}).Text(); text != "v: is required" {
		t.Errorf("text for the peer: %q", text)
	}
}
