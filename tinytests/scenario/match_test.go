package scenario

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		name, want, got string
		bound, after    bindings
		fault           string // part of the reason, "" when they match
	}{
		{name: "equal", want: "<presence/>", got: "<presence/>"},
		{name: "attributes in any order", want: "<iq id='1' type='get'/>", got: "<iq type='get' id='1'/>"},
		{name: "free attributes of a stanza", want: "<presence/>", got: "<presence from='a@b/c' to='d@e' id='7' xml:lang='en'/>"},
		{name: "type is not free", want: "<presence/>", got: "<presence type='unavailable'/>", fault: "type='unavailable' was not expected"},
		{name: "missing attribute", want: "<presence type='probe'/>", got: "<presence/>", fault: "type is missing"},
		{name: "other value", want: "<iq type='result'/>", got: "<iq type='error'/>", fault: "expected 'result'"},
		{name: "namespace", want: "<iq><query xmlns='a'/></iq>", got: "<iq><query xmlns='b'/></iq>", fault: "xmlns='a'> is missing"},
		{name: "text", want: "<message><body>hi</body></message>", got: "<message><body>ho</body></message>", fault: `text is "ho"`},
		{name: "no text expected", want: "<x/>", got: "<x>y</x>", fault: `text is "y"`},
		{name: "children in any order", want: "<message><a/><b/></message>", got: "<message><b/><a/></message>"},
		{name: "same children in any order", want: "<q><i n='1'/><i n='2'/></q>", got: "<q><i n='2'/><i n='1'/></q>"},
		{name: "same children, one twice", want: "<q><i n='1'/><i n='2'/></q>", got: "<q><i n='1'/><i n='1'/></q>", fault: "attribute n is '1'"},
		{name: "second try after binding", want: "<q><i n='{x}'/><j n='{x}'/></q>", got: "<q><i n='1'/><i n='2'/><j n='2'/></q>", fault: "attribute n is '2'"},
		{name: "second try in an open one", want: "<q><i n='{x}'/><j n='{x}'/>...</q>", got: "<q><i n='1'/><i n='2'/><j n='2'/></q>", after: bindings{"x": "2"}},
		{name: "child too much", want: "<message><a/></message>", got: "<message><a/><b/></message>", fault: "child <b xmlns='jabber:client'> was not expected"},
		{name: "child missing", want: "<message><a/><b/></message>", got: "<message><a/></message>", fault: "child <b"},
		{name: "open", want: "<q><i/>...</q>", got: "<q x='1'><j/><i/>text</q>"},
		{name: "open leaf", want: "<q>...</q>", got: "<q><j/></q>"},
		{name: "open among same children", want: "<q><i n='2'/>...</q>", got: "<q><i n='1'/><i n='2'/></q>"},
		{name: "star", want: "<a at='2026-*Z'/>", got: "<a at='2026-01-01T00:00:00Z'/>"},
		{name: "star does not match another prefix", want: "<a at='2026-*'/>", got: "<a at='1970-01-01'/>", fault: "expected '2026-*'"},
		{name: "escaped star", want: `<a at='\*'/>`, got: "<a at='x'/>", fault: "attribute at"},
		{name: "bind", want: "<enabled id='{sm}'/>", got: "<enabled id='q1'/>", after: bindings{"sm": "q1"}},
		{name: "bind a part", want: "<a j='romeo@localhost/{res}'/>", got: "<a j='romeo@localhost/x1'/>", after: bindings{"res": "x1"}},
		{name: "bind text", want: "<jid>{full}</jid>", got: "<jid>a@b/c</jid>", after: bindings{"full": "a@b/c"}},
		{name: "bind nothing", want: "<a id='{x}'/>", got: "<a id=''/>", fault: "attribute id"},
		{name: "used again", want: "<a id='{x}'/>", got: "<a id='1'/>", bound: bindings{"x": "1"}},
		{name: "used again, differs", want: "<a id='{x}'/>", got: "<a id='2'/>", bound: bindings{"x": "1"}, fault: "expected '1'"},
		{name: "twice in one element", want: "<q><i a='{x}'/><j a='{x}'/></q>", got: "<q><i a='1'/><j a='2'/></q>", fault: "attribute a is '2'"},
		{name: "stanza-id is free", want: "<message><body>x</body></message>", got: "<message><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='a'/></message>"},
		{name: "stanza-id is not free in an iq", want: "<iq/>", got: "<iq><stanza-id xmlns='urn:xmpp:sid:0'/></iq>", fault: "not expected"},
		{name: "delay in a presence", want: "<presence/>", got: "<presence><delay xmlns='urn:xmpp:delay' stamp='1'/></presence>"},
		{name: "delay in a message counts", want: "<message/>", got: "<message><delay xmlns='urn:xmpp:delay' stamp='1'/></message>", fault: "not expected"},
		{name: "error text and echo", want: "<iq type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			got: "<iq type='error'><query xmlns='q'/><error by='x' type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>away</text></error></iq>"},
		{name: "layout of a pattern", want: "<message>\n  <body>x</body>\n</message>", got: "<message><body>x</body></message>"},
		{name: "space in a leaf counts", want: "<body>x</body>", got: "<body> x</body>", fault: "text is"},
		{name: "stream header", want: "<stream:stream from='localhost'>", got: "<stream:stream from='localhost' id='1' version='1.0'/>"},
		{name: "deep fault has a path", want: "<message><a><b c='1'/></a></message>", got: "<message><a><b c='2'/></a></message>", fault: "<message><a><b>: attribute c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want, got := one(t, tc.want), one(t, tc.got)
			bound, why := match(want, got, tc.bound)
			if tc.fault == "" && why != "" || !strings.Contains(why, tc.fault) {
				t.Fatalf("reason %q, want one with %q", why, tc.fault)
			}
			for name, value := range tc.after {
				if bound[name] != value {
					t.Errorf("{%s} is %q, want %q", name, bound[name], value)
				}
			}
			if why != "" && len(bound) != len(tc.bound) {
				t.Errorf("a failed match left bindings behind: %v", bound)
			}
		})
	}
}

func one(t *testing.T, s string) *Element {
	t.Helper()
	es, err := parsePatterns(s)
	if err != nil || len(es) != 1 {
		t.Fatalf("%s: %d elements, %v", s, len(es), err)
	}
	return es[0]
}
