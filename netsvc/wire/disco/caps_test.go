package disco

import (
	"slices"
	"strings"
	"testing"

	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/xmlstream"
)

// XEP-0115 section 5.2.
const simpleInfo = `<query xmlns='http://jabber.org/protocol/disco#info' node='http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0='>
	<identity category='client' name='Exodus 0.9.1' type='pc'/>
	<feature var='http://jabber.org/protocol/caps'/>
	<feature var='http://jabber.org/protocol/disco#items'/>
	<feature var='http://jabber.org/protocol/disco#info'/>
	<feature var='http://jabber.org/protocol/muc'/>
</query>`

// XEP-0115 section 5.3.
const complexInfo = `<query xmlns='http://jabber.org/protocol/disco#info' node='http://psi-im.org#q07IKJEyjvHSyhy//CH0CxmKi8w='>
	<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
	<identity xml:lang='el' category='client' name='&#936; 0.11' type='pc'/>
	<feature var='http://jabber.org/protocol/caps'/>
	<feature var='http://jabber.org/protocol/disco#info'/>
	<feature var='http://jabber.org/protocol/disco#items'/>
	<feature var='http://jabber.org/protocol/muc'/>
	<x xmlns='jabber:x:data' type='result'>
		<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
		<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>
		<field var='os'><value>Mac</value></field>
		<field var='os_version'><value>10.5.1</value></field>
		<field var='software'><value>Psi</value></field>
		<field var='software_version'><value>0.11</value></field>
	</x>
</query>`

func TestVer(t *testing.T) {
	tests := []struct{ name, xml, ver string }{
		{"XEP-0115 section 5.2", simpleInfo, "QgayPKawpkPSDYmwT/WM94uAlu0="},
		{"XEP-0115 section 5.3", complexInfo, "q07IKJEyjvHSyhy//CH0CxmKi8w="},
	}
	for _, test := range tests {
		info := parseInfo(t, test.xml)
		if got := info.Ver(); got != test.ver {
			t.Errorf("%s: %s, want %s", test.name, got, test.ver)
		}
		// The order on the wire means nothing.
		slices.Reverse(info.Identities)
		slices.Reverse(info.Features)
		for _, f := range info.Forms {
			slices.Reverse(f.Fields)
			for _, field := range f.Fields {
				slices.Reverse(field.Values)
			}
		}
		c := Caps{Hash: HashName, Node: "n", Ver: test.ver}
		if err := c.Verify(info); err != nil {
			t.Errorf("%s in another order: %v", test.name, err)
		}
	}
}

// XEP-0115 section 5.4.
func TestVerify(t *testing.T) {
	const ver = "q07IKJEyjvHSyhy//CH0CxmKi8w="
	formOf := func(kind form.FieldType, types ...string) *form.Form {
		return form.New(form.Result, "").Add(form.Field{Var: form.TypeField, Type: kind, Values: types}, form.Field{Var: "x", Values: []string{"y"}})
	}
	tests := []struct {
		name   string
		hash   string
		change func(*Info)
		want   error
	}{
		{name: "as it is", change: func(*Info) {}},
		{name: "legacy", hash: "none", change: func(*Info) {}, want: ErrHash},
		{name: "another function", hash: "md5", change: func(*Info) {}, want: ErrHash},
		{name: "identity twice", change: func(i *Info) { i.Identities = append(i.Identities, i.Identities[0]) }, want: ErrIdentity},
		{name: "identity of another name", change: func(i *Info) {
			i.Identities = append(i.Identities, Identity{"client", "pc", "en", "Other"})
		}, want: ErrMismatch},
		{name: "feature twice", change: func(i *Info) { i.Features = append(i.Features, i.Features[0]) }, want: ErrFeature},
		{name: "feature more", change: func(i *Info) { i.Features = append(i.Features, "urn:more") }, want: ErrMismatch},
		{name: "feature less", change: func(i *Info) { i.Features = i.Features[1:] }, want: ErrMismatch},
		{name: "form twice", change: func(i *Info) { i.Forms = append(i.Forms, i.Forms[0]) }, want: ErrForm},
		{name: "form of two types", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.Hidden, "a", "b")) }, want: ErrForm},
		{name: "form of one type said twice", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.Hidden, "a", "a")) }, want: ErrMismatch},
		{name: "form more", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.Hidden, "a")) }, want: ErrMismatch},
		{name: "form whose type is not hidden", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.TextSingle, "a")) }},
		{name: "form whose type has no type", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.Untyped, "a")) }},
		{name: "form with an empty type field", change: func(i *Info) { i.Forms = append(i.Forms, formOf(form.Hidden)) }},
		{name: "form without a type", change: func(i *Info) { i.Forms = append(i.Forms, form.New(form.Result, "")) }},
		{name: "two features as one", change: func(i *Info) {
			i.Features = append(i.Features[2:], i.Features[0]+"<"+i.Features[1])
		}, want: ErrBracket},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info := parseInfo(t, complexInfo)
			test.change(info)
			hash := HashName
			if test.hash != "" {
				hash = strings.TrimPrefix(test.hash, "none")
			}
			if err := (Caps{Hash: hash, Node: "n", Ver: ver}).Verify(info); err != test.want {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
}

// A literal "&lt;" must not be read once more (the note of section 5.1).
func TestVerIsNotUnescapedTwice(t *testing.T) {
	info := parseInfo(t, `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc' name='a&amp;lt;b'/></query>`)
	if err := info.Check(); err != nil || info.Identities[0].Name != "a&lt;b" {
		t.Fatalf("%q, %v", info.Identities[0].Name, err)
	}
}

func TestCaps(t *testing.T) {
	const xml = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
	c, err := ParseCaps(parse(t, xml))
	if err != nil || c != (Caps{"sha-1", "http://code.google.com/p/exodus", "QgayPKawpkPSDYmwT/WM94uAlu0="}) {
		t.Fatalf("%+v, %v", c, err)
	}
	if node := c.InfoNode(); node != "http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Errorf("node %s", node)
	}
	w := xmlstream.NewWriter("jabber:client")
	c.Append(w)
	if got := string(w.Bytes()); got != xml {
		t.Errorf("written as %s", got)
	}
	for _, bad := range []string{
		"<c node='n' ver='v'/>",
		"<c xmlns='http://jabber.org/protocol/caps' ver='v'/>",
		"<c xmlns='http://jabber.org/protocol/caps' node='n'/>",
	} {
		if c, err := ParseCaps(parse(t, bad)); err != ErrCaps || c != (Caps{}) {
			t.Errorf("%s: %+v, %v", bad, c, err)
		}
	}
	if _, err := ParseCaps(nil); err != ErrCaps {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzInfo(f *testing.F) {
	f.Add("<identity category='client' type='pc' xml:lang='el' name='&#936;'/><feature var='a'/>")
	f.Add("<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value></field><field var='b'><value>c</value></field></x>")
	f.Fuzz(func(t *testing.T, inner string) {
		node, err := xmlstream.Parse([]byte("<query xmlns='"+InfoSpace+"'>"+inner+"</query>"), "")
		if err != nil {
			return
		}
		info, err := ParseInfo(node)
		if err != nil {
			t.Fatal(err)
		}
		w := xmlstream.NewWriter("")
		info.Append(w)
		again := parseInfo(t, string(w.Bytes()))
		if again.Ver() != info.Ver() || again.Check() != info.Check() {
			t.Fatalf("%+v became %+v", info, again)
		}
		// A hash that is accepted is that of the features that were told.
		caps := Caps{Hash: HashName, Node: "n", Ver: info.Ver()}
		if err := caps.Verify(info); err == nil {
			info.Features = append(info.Features, "urn:example:more")
			if caps.Verify(info) == nil {
				t.Fatalf("%+v: one feature more does not show", info)
			}
		}
	})
}
