package xmlstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	headerTag = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	footerTag = "</stream:stream>"
)

// stream puts elements into a client's stream.
func stream(elements string) string { return headerTag + elements + footerTag }

// describe gives all that a scanner says about the item it just found.
func describe(s *Scanner, ev Event, raw string) string {
	switch ev {
	case EventSpace:
		return "space"
	case EventFooter:
		return "footer"
	case EventHeader:
		return fmt.Sprintf("header %+v", *s.Header())
	}
	e := s.Element()
	var b strings.Builder
	fmt.Fprintf(&b, "element %q {%s}%s content=%q lang=%q", raw, e.Space(), e.Local(), e.Content(), e.Lang())
	for n := range e.Attributes() {
		name, value, plain := e.Attribute(n)
		fmt.Fprintf(&b, " %s=%q %v", name, value, plain)
	}
	for n := range e.Kids() {
		k := &e.Kids()[n]
		fmt.Fprintf(&b, " [{%s}%s %q %v %x]", e.KidSpace(k), e.KidLocal(k), e.KidRaw(k), e.Portable(k), k.uses)
	}
	return b.String()
}

// items scans in, which comes in pieces that end where cut says, and tells what was found and the
// condition it ended with. Neighbouring white space is one item.
func items(s *Scanner, in string, cut func(have int) (want int)) (found []string, condition string) {
	from := 0
	for have := 0; ; {
		if have < len(in) {
			have = min(len(in), max(have+1, cut(have)))
		}
		for {
			// A fresh copy each time: the bytes may move between calls.
			ev, n, err := s.Scan([]byte(in[from:have]))
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					panic("not an *Error")
				}
				return found, e.Condition
			}
			if ev == EventMore {
				break
			}
			item := describe(s, ev, in[from:from+n])
			if item != "space" || len(found) == 0 || found[len(found)-1] != "space" {
				found = append(found, item)
			}
			from += n
		}
		if have == len(in) {
			return found, ""
		}
	}
}

func atOnce(int) int { return 1 << 30 }

func TestRFCStreams(t *testing.T) {
	tests := []struct {
		file    string
		content string
		want    []string // names of the first-level elements, and of their children
	}{
		{"6120-9.1-client.xml", ClientSpace, []string{
			"{jabber:client}iq({urn:ietf:params:xml:ns:xmpp-bind}bind)",
			"{jabber:client}message({jabber:client}body)",
		}},
		{"6120-9.1-server.xml", ClientSpace, []string{
			"{http://etherx.jabber.org/streams}features({urn:ietf:params:xml:ns:xmpp-tls}starttls)",
			"{urn:ietf:params:xml:ns:xmpp-tls}proceed()",
			"{http://etherx.jabber.org/streams}error({urn:ietf:params:xml:ns:xmpp-streams}undefined-condition {urn:ietf:params:xml:ns:xmpp-streams}text {http://example.org/ns}escape-your-data)",
		}},
		{"6120-4.8.5-bare.xml", "", []string{"{jabber:client}message({jabber:client}body)"}},
		{"6120-4.8.5-prefixed.xml", ClientSpace, []string{"{jabber:client}message({jabber:client}body)"}},
		{"6120-9.2-server.xml", ServerSpace, []string{
			"{urn:ietf:params:xml:ns:xmpp-tls}starttls()",
			"{urn:ietf:params:xml:ns:xmpp-sasl}auth()",
			"{jabber:server}message({jabber:server}body)",
		}},
		{"6121-client.xml", ClientSpace, []string{
			"{jabber:client}iq({jabber:iq:roster}query)",
			"{jabber:client}presence({jabber:client}show {jabber:client}status {jabber:client}status {jabber:client}priority)",
			"{jabber:client}message({jabber:client}subject {jabber:client}subject {jabber:client}body {jabber:client}body {jabber:client}thread)",
			"{jabber:client}presence()",
		}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join("testdata", "rfc", test.file))
			if err != nil {
				t.Fatal(err)
			}
			var s Scanner
			var got []string
			closed := false
			for rest := in; len(rest) > 0; {
				ev, n, err := s.Scan(rest)
				if err != nil || ev == EventMore {
					t.Fatalf("event %d, error %v at %.40q", ev, err, rest)
				}
				switch ev {
				case EventHeader:
					if s.Header().Content != test.content {
						t.Errorf("content namespace %q, want %q", s.Header().Content, test.content)
					}
				case EventElement:
					got = append(got, names(s.Element()))
				case EventFooter:
					closed = true
				}
				rest = rest[n:]
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if !closed {
				t.Error("no footer")
			}
		})
	}
}

// names gives the names of an element and its children.
func names(e *Element) string {
	var kids []string
	for n := range e.Kids() {
		k := &e.Kids()[n]
		kids = append(kids, fmt.Sprintf("{%s}%s", e.KidSpace(k), e.KidLocal(k)))
	}
	return fmt.Sprintf("{%s}%s(%s)", e.Space(), e.Local(), strings.Join(kids, " "))
}

func TestHeader(t *testing.T) {
	const in = "<?xml version=\"1.0\" encoding='utf-8' ?>\r\n<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:server' " +
		"xmlns:db='jabber:server:dialback' to='a&amp;b' from=\"x'y\" id='1' version='1.0' xml:lang='de' db:x='1' y='2'>"
	var s Scanner
	if s.Header() != nil {
		t.Error("there is a header before one was read")
	}
	ev, n, err := s.Scan([]byte(in))
	if ev != EventHeader || n != len(in) || err != nil {
		t.Fatal(ev, n, err)
	}
	h := s.Header()
	if h.To != "a&b" || h.From != "x'y" || h.ID != "1" || h.Version != "1.0" || h.Lang != "de" || h.Prefix != "s" || h.Content != ServerSpace {
		t.Errorf("got %+v", h)
	}
	if got := h.Bound("db"); got != "jabber:server:dialback" {
		t.Errorf("db is bound to %q", got)
	}
	want := []Attr{{Name{"jabber:server:dialback", "x"}, "1"}, {Name{"", "y"}, "2"}}
	if !slices.Equal(h.Attrs, want) {
		t.Errorf("attributes %v, want %v", h.Attrs, want)
	}
}

// TestElement: what an extension or the session asks of an element.
func TestElement(t *testing.T) {
	s, el := scanElement(t, headerTag, "<message xml:lang='de' to='a&#x40;b' from = \"c'd\"\n id='1\n2'><a/> t <b:c xmlns:b='urn:b'>x</b:c></message>")
	if !el.Is(ClientSpace, "message") || el.Is(ClientSpace, "iq") || el.Is("", "message") {
		t.Error("Is does not know the name")
	}
	for name, want := range map[string]string{"to": "a@b", "from": "c'd", "id": "1 2", "xml:lang": "de", "none": ""} {
		if got := el.Attr(name); got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	if value, ok := el.Lookup("to"); string(value) != "a@b" || !ok {
		t.Errorf("to %q %v", value, ok)
	}
	if _, ok := el.Lookup("none"); ok {
		t.Error("an attribute that is not there")
	}
	if got := names(el); got != "{jabber:client}message({jabber:client}a {urn:b}c)" {
		t.Error(got)
	}
	if _, _, err := s.Scan(nil); err != nil || el.Raw() != nil {
		t.Error("the element outlived the next Scan: an idle stream would hold on to a buffer")
	}
}

// TestElementNode: a tree of an element knows what the header declared.
func TestElementNode(t *testing.T) {
	for _, test := range []struct{ name, header, in, want string }{
		{"content namespace", headerTag, "<a b='&amp;'><c/></a>", `<{jabber:client}a> {}b="&" <{jabber:client}c> ""</c> ""</a>`},
		{"prefix of the header", serverTag, "<stream:a z:b='1'/>", `<{http://etherx.jabber.org/streams}a> {urn:z}b="1" ""</a>`},
		{"declared again", serverTag, "<z:a xmlns:z='u' xmlns='v'><b/></z:a>", `<{u}a> <{v}b> ""</b> ""</a>`},
		{"no default namespace", noneTag, "<a xml:lang='de'/>", `<{}a> {http://www.w3.org/XML/1998/namespace}lang="de" ""</a>`},
	} {
		s, el := scanElement(t, test.header, test.in)
		n := el.Node()
		if _, _, err := s.Scan([]byte(" ")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(appendTokens(nil, n), " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if string(n.Raw) != test.in {
			t.Errorf("%s: raw %s", test.name, n.Raw)
		}
	}
	var s Scanner
	s.ResetBare(Limits{}, "urn:d")
	if _, _, err := s.Scan([]byte("<a/>")); err != nil || !s.Element().Node().Is("urn:d", "a") {
		t.Error("the default namespace around a bare element", err)
	}
}

// scanElement scans a header and one element behind it.
func scanElement(t testing.TB, header, element string) (*Scanner, *Element) {
	t.Helper()
	var s Scanner
	if ev, _, err := s.Scan([]byte(header)); ev != EventHeader {
		t.Fatalf("%s: event %d, error %v", header, ev, err)
	}
	ev, n, err := s.Scan([]byte(element))
	if ev != EventElement || n != len(element) {
		t.Fatalf("%s: event %d, %d bytes, error %v", element, ev, n, err)
	}
	return &s, s.Element()
}

func TestReset(t *testing.T) {
	var s Scanner
	if _, condition := items(&s, stream("<a></b>"), atOnce); condition != NotWellFormed {
		t.Fatal(condition)
	}
	if _, _, err := s.Scan([]byte("<c/>")); err == nil {
		t.Error("the stream went on after an error")
	}
	s.Reset(Limits{})
	if found, condition := items(&s, stream("<a/>"), atOnce); condition != "" || len(found) != 3 {
		t.Errorf("after Reset: %q %v", condition, found)
	}
}

func TestBare(t *testing.T) {
	var s Scanner
	s.ResetBare(Limits{}, "")
	found, condition := items(&s, " <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a'/><message xmlns='jabber:client'><body>x</body></message>\n<x/>", atOnce)
	if condition != "" || len(found) != 5 {
		t.Fatalf("%q %q", condition, found)
	}
	if !strings.Contains(found[2], `{jabber:client}message content="jabber:client"`) || !strings.Contains(found[2], "[{jabber:client}body") {
		t.Error(found[2])
	}
	if !strings.Contains(found[4], `{}x content=""`) {
		t.Error(found[4])
	}
	s.ResetBare(Limits{}, ClientSpace)
	if found, _ := items(&s, "<message/>", atOnce); len(found) != 1 || !strings.Contains(found[0], "{jabber:client}message") {
		t.Error(found)
	}
	s.ResetBare(Limits{}, "")
	if _, condition := items(&s, "</a>", atOnce); condition != NotWellFormed {
		t.Error(condition)
	}
}
