package disco

import (
	"reflect"
	"testing"

	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

func parse(t *testing.T, xml string) *xmlstream.Node {
	t.Helper()
	node, err := xmlstream.Parse([]byte(xml), "jabber:client")
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func parseInfo(t *testing.T, xml string) *Info {
	t.Helper()
	info, err := ParseInfo(parse(t, xml))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestInfo(t *testing.T) {
	software := form.New(form.Result, "urn:xmpp:dataforms:softwareinfo").Add(form.Field{Var: "os", Values: []string{"Mac"}})
	info := &Info{
		Node:       "n#v",
		Identities: []Identity{{"server", "im", "", "linnet"}, {"server", "im", "el", "\u03a8"}, {"pubsub", "pep", "", ""}},
		Features:   []string{InfoSpace, ItemsSpace},
		Forms:      []*form.Form{software},
	}
	const xml = "<query xmlns='http://jabber.org/protocol/disco#info' node='n#v'>" +
		"<identity category='server' type='im' name='linnet'/><identity category='server' type='im' xml:lang='el' name='\u03a8'/><identity category='pubsub' type='pep'/>" +
		"<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>" +
		"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>" +
		"<field var='os'><value>Mac</value></field></x></query>"
	w := xmlstream.NewWriter("jabber:client")
	info.Append(w)
	if got := string(w.Bytes()); got != xml {
		t.Fatalf("written as\n%s, want\n%s", got, xml)
	}
	if got := parseInfo(t, xml); !reflect.DeepEqual(got, info) {
		t.Fatalf("read as %+v", got)
	}
	if !info.Has(ItemsSpace) || info.Has("urn:other") || !info.Is("server", "im") || !info.Is("pubsub", "") || info.Is("pubsub", "service") {
		t.Error("readers")
	}
	if info.Form("urn:xmpp:dataforms:softwareinfo") != software || info.Form("urn:other") != nil {
		t.Error("forms")
	}
	var none *Info
	if none.Has("") || none.Is("server", "") || none.Form("") != nil {
		t.Error("no info tells something")
	}
}

func TestAdd(t *testing.T) {
	var info Info
	info.Add("a", "b", "a")
	info.Add("b", "c")
	if want := []string{"a", "b", "c"}; !reflect.DeepEqual(info.Features, want) {
		t.Fatalf("got %q", info.Features)
	}
}

func TestParseInfoLeavesOut(t *testing.T) {
	got := parseInfo(t, `<query xmlns='http://jabber.org/protocol/disco#info'>
		<identity category='client'/><identity type='pc'/><identity category='client' type='pc'/>
		<feature/><feature var=''/><feature var='a'/><feature xmlns='urn:example' var='b'/>
		<x xmlns='jabber:x:data'/><x xmlns='jabber:x:data' type='form'/><x xmlns='urn:example'/>
	</query>`)
	want := &Info{Identities: []Identity{{Category: "client", Type: "pc"}}, Features: []string{"a"}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
}

func TestItems(t *testing.T) {
	items := &Items{Node: "n", Items: []Item{
		{JID: jid.MustParse("people.shakespeare.lit"), Name: "Directory of Characters"},
		{JID: jid.MustParse("a@b/c"), Node: "music"},
	}}
	const xml = "<query xmlns='http://jabber.org/protocol/disco#items' node='n'>" +
		"<item jid='people.shakespeare.lit' name='Directory of Characters'/><item jid='a@b/c' node='music'/>"
	w := xmlstream.NewWriter("jabber:client")
	items.Append(w, nil)
	if got := string(w.Bytes()); got != xml+"</query>" {
		t.Fatalf("written as %s", got)
	}
	got, err := ParseItems(parse(t, xml+"<item/><item jid='@'/><item xmlns='urn:a' jid='b'/></query>"))
	if err != nil || !reflect.DeepEqual(got, items) {
		t.Fatalf("read as %+v, %v", got, err)
	}
	w = xmlstream.NewWriter("jabber:client")
	items.Append(w, func(w *xmlstream.Writer) { w.Start("urn:page", "page").End() })
	if got := string(w.Bytes()); got != xml+"<page xmlns='urn:page'/></query>" {
		t.Fatalf("a page was written as %s", got)
	}
}

func TestWrongQuery(t *testing.T) {
	for _, xml := range []string{"<query/>", "<query xmlns='urn:example'/>", "<x xmlns='http://jabber.org/protocol/disco#info'/>"} {
		if _, err := ParseInfo(parse(t, xml)); err != ErrQuery {
			t.Errorf("info %s: %v", xml, err)
		}
		if _, err := ParseItems(parse(t, xml)); err != ErrQuery {
			t.Errorf("items %s: %v", xml, err)
		}
	}
	if _, err := ParseInfo(nil); err != ErrQuery {
		t.Errorf("nothing: %v", err)
	}
}
