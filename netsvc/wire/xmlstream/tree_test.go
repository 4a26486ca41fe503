package xmlstream

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	in := []byte("<query xmlns='jabber:iq:roster' xmlns:x='urn:x' ver='&amp;1' x:ver='2'>a<item jid='r&#64;n'\n/>&lt;<![CDATA[<&\r\n]]>\r<x:item xml:lang='de'><group>G</group><group xmlns=''>H</group></x:item></query>")
	n, err := Parse(in, ClientSpace)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := in[0]
	in[0] = 'x'
	if !n.Is("jabber:iq:roster", "query") || n.Raw[0] != spoilt {
		t.Errorf("the root is %+v", n)
	}
	if n.Text != "a<<&\n\n" {
		t.Errorf("text %q", n.Text)
	}
	if got, ok := n.Lookup("ver"); got != "&1" || !ok {
		t.Errorf("ver %q %v", got, ok)
	}
	if len(n.Attrs) != 2 || n.Attrs[1] != (Attr{Name{"urn:x", "ver"}, "2"}) {
		t.Errorf("attributes %v", n.Attrs)
	}
	if got := n.Child("jabber:iq:roster", "item").Attr("jid"); got != "r@n" {
		t.Errorf("jid %q", got)
	}
	item := n.Child("urn:x", "item")
	if item.Lang() != "de" || item.ChildText("jabber:iq:roster", "group") != "G" || item.ChildText("", "group") != "H" {
		t.Errorf("item %+v", item)
	}
	if got := string(item.Kids[1].Raw); got != "<group xmlns=''>H</group>" {
		t.Errorf("raw %s", got)
	}
	if n.First() != n.Kids[0] || len(n.Kids) != 2 {
		t.Errorf("children %v", n.Kids)
	}
}

func TestParseDefaultSpace(t *testing.T) {
	n, err := Parse([]byte("<body>x</body>"), ClientSpace)
	if err != nil || !n.Is(ClientSpace, "body") || n.Text != "x" {
		t.Errorf("%+v %v", n, err)
	}
}

// An attribute without a prefix is in no namespace, whatever the default one is.
func TestParseAttributesWithAndWithout(t *testing.T) {
	n, err := Parse([]byte("<body xmlns:c='jabber:client' c:id='1' id='2'/>"), ClientSpace)
	if err != nil || n.Attr("id") != "2" {
		t.Errorf("%+v %v", n, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, in string }{
		{"nothing", ""},
		{"white space", " "},
		{"two elements", "<a/><b/>"},
		{"white space behind", "<a/> "},
		{"white space before", " <a/>"},
		{"half an element", "<a>"},
	} {
		if n, err := Parse([]byte(test.in), ""); !errors.Is(err, ErrNotOne) || n != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, test := range refused {
		if test.whole {
			continue
		}
		if n, err := Parse([]byte("<r>"+test.in+"</r>"), ""); err == nil && !strings.HasPrefix(test.condition, BadFormat) && test.in[0] == '<' &&
			!strings.Contains(test.name, "CDATA section between") {
			t.Errorf("%s: %+v", test.name, n)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("<a>", 65)+strings.Repeat("</a>", 65)), ""); err == nil {
		t.Error("65 elements within each other")
	}
}

// TestNilNode: an extension asks for what may not be there.
func TestNilNode(t *testing.T) {
	var n *Node
	if n.Attr("a") != "" || n.Lang() != "" || n.Child("", "a") != nil || n.ChildText("", "a") != "" || n.Is("", "") || n.First() != nil {
		t.Error("a nil node has something in it")
	}
	if _, ok := n.Lookup("a"); ok {
		t.Error("a nil node has an attribute")
	}
	if got := n.Child("", "a").Child("", "b").First().Attr("c"); got != "" {
		t.Error(got)
	}
}

func TestEach(t *testing.T) {
	tests := []struct {
		name, in string
		want     string
	}{
		{"nothing", "", ""},
		{"two", "<a/><b xmlns='u'><b/></b>", "{jabber:client}a <a/>|{u}b <b xmlns='u'><b/></b>|"},
		{"prefix", "<x:a xmlns='v' xmlns:x='&#117;'></x:a>", "{u}a <x:a xmlns='v' xmlns:x='&#117;'></x:a>|"},
		{"text between", " <a/>x<![CDATA[<]]><b/> ", "{jabber:client}a <a/>|{jabber:client}b <b/>|"},
		{"end behind", "<a/></b><c/>", "{jabber:client}a <a/>|"},
		{"half an element", "<a/><b>", "{jabber:client}a <a/>|"},
		{"markup in values", "<a b='/>' c=\"'>\">x</a><b/>", "{jabber:client}a <a b='/>' c=\"'>\">x</a>|{jabber:client}b <b/>|"},
	}
	for _, test := range tests {
		got := ""
		Each([]byte(test.in), ClientSpace, func(space, local string, raw []byte) bool {
			got += "{" + space + "}" + local + " " + string(raw) + "|"
			return true
		})
		if got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	count := 0
	Each([]byte("<a/><b/>"), "", func(_, _ string, _ []byte) bool { count++; return false })
	if count != 1 {
		t.Error("Each went on after false")
	}
}
