package stanza

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

const (
	clientTag    = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	germanTag    = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xml:lang='de'>"
	serverTag    = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
	componentTag = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
	prefixedTag  = "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:z='urn:z'>"
	noneTag      = "<stream xmlns='http://etherx.jabber.org/streams'>"
)

// scan gives a scanner that has found element behind header, and the bytes it found it in.
func scan(t testing.TB, header, element string) (*xmlstream.Scanner, []byte) {
	t.Helper()
	var sc xmlstream.Scanner
	if ev, _, err := sc.Scan([]byte(header)); ev != xmlstream.EventHeader {
		t.Fatalf("%s: %v", header, err)
	}
	buf := []byte(element)
	if ev, n, err := sc.Scan(buf); ev != xmlstream.EventElement || n != len(buf) {
		t.Fatalf("%s: event %d, %v", element, ev, err)
	}
	return &sc, buf
}

// read reads one stanza of a stream, and spoils the bytes it was read from.
func read(t testing.TB, header, element string) (*Stanza, *Error) {
	t.Helper()
	sc, buf := scan(t, header, element)
	var jids jid.Cache
	s, bad, err := Read(sc.Element(), &jids, jid.JID{})
	if err != nil {
		t.Fatalf("%s: %v", element, err)
	}
	for n := range buf {
		buf[n] = '#'
	}
	return s, bad
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, header, in string
		want             string
	}{
		{"RFC 6120, 9.1.4", clientTag,
			"<message from='juliet@im.example.com/balcony' id='ju2ba41c' to='romeo@example.net' type='chat' xml:lang='en'>\n<body>Art thou not Romeo, and a Montague?</body>\n</message>",
			"<message from='juliet@im.example.com/balcony' to='romeo@example.net' id='ju2ba41c' type='chat' xml:lang='en'><body>Art thou not Romeo, and a Montague?</body></message>"},
		{"empty", clientTag, "<presence/>", "<presence/>"},
		{"empty with two tags", clientTag, "<presence></presence >", "<presence/>"},
		{"only text", clientTag, "<presence> hello </presence>", "<presence/>"},
		{"text between", clientTag, "<message>a<body>b</body>c<![CDATA[d]]><x xmlns='u'/>e</message>", "<message><body>b</body><x xmlns='u'/></message>"},
		{"language of the stream", germanTag, "<message><body/></message>", "<message xml:lang='de'><body/></message>"},
		{"language of its own", germanTag, "<message xml:lang='en'><body/></message>", "<message xml:lang='en'><body/></message>"},
		{"language declared unknown", germanTag, "<message xml:lang=''><body/></message>", "<message><body/></message>"},
		{"attributes nobody knows", clientTag, "<message xmlns:a='u' a:to='b' a:id='c' secret='d' to='e'/>", "<message to='e'/>"},
		{"escapes", clientTag, `<message id="a'&lt;&#x26;b" to='a/&quot;&gt;'/>`, "<message to='a/&quot;&gt;' id='a&apos;&lt;&amp;b'/>"},
		{"address prepared", clientTag, "<message to='Romeo@Example.NET/Orchard'/>", "<message to='romeo@example.net/Orchard'/>"},
		{"normal message", clientTag, "<message type='normal'/>", "<message/>"},
		{"message of a type that is not defined", clientTag, "<message type='yell'/>", "<message/>"},
		{"namespace repeated", clientTag, "<message xmlns='jabber:client'><body/></message>", "<message><body/></message>"},
		{"server", serverTag, "<message><body/><x xmlns='u'/></message>", "<message><body/><x xmlns='u'/></message>"},
		{"component", componentTag, "<iq type='get' id='1'><x xmlns='u'/></iq>", "<iq id='1' type='get'><x xmlns='u'/></iq>"},
		{"prefix", prefixedTag, "<c:message to='a'><c:body>x</c:body><z:b><c:d/></z:b></c:message>", "<message to='a'><body>x</body><b xmlns='urn:z'><d xmlns='jabber:client'/></b></message>"},
		{"namespace on each stanza", noneTag, "<message xmlns='jabber:client'><body/></message>", "<message><body/></message>"},
		{"namespace on each stanza, server", noneTag, "<message xmlns='jabber:server'><body/></message>", "<message><body/></message>"},
		{"prefix of the stanza", clientTag, "<message xmlns:a='u'><a:b/><c a:d='e'/></message>", "<message><a:b xmlns:a='u'/><c xmlns:a='u' a:d='e'/></message>"},
		{"namespace with references", clientTag, "<message><a xmlns='&#117;rn:x'/><b xmlns='urn:y&amp;'>" + strings.Repeat("x", 200) + "</b></message>",
			"<message><a xmlns='&#117;rn:x'/><b xmlns='urn:y&amp;'>" + strings.Repeat("x", 200) + "</b></message>"},
		{"many children", clientTag, "<message>" + strings.Repeat("<a xmlns='u'/>", 20) + "</message>", "<message>" + strings.Repeat("<a xmlns='u'/>", 20) + "</message>"},
		{"long attributes", clientTag, "<message id='" + strings.Repeat("a", 2000) + "'/>", "<message id='" + strings.Repeat("a", 2000) + "'/>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, bad := read(t, test.header, test.in)
			if bad != nil {
				t.Fatal(bad)
			}
			if got := string(s.AppendTo(nil)); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			checkForms(t, s)
		})
	}
}

// checkForms compares the ways in which a stanza can be had.
func checkForms(t *testing.T, s *Stanza) {
	t.Helper()
	whole := string(s.AppendTo([]byte("=")))[1:]
	head, body, tail := s.Segments()
	joined := string(head)
	for _, b := range body {
		if len(b) == 0 {
			t.Error("an empty segment")
		}
		joined += string(b)
	}
	if joined += string(tail); joined != whole {
		t.Errorf("segments %s, whole %s", joined, whole)
	}
	if s.Size() != len(whole) {
		t.Errorf("size %d, %d bytes", s.Size(), len(whole))
	}
	forwarded := string(s.AppendForwarded(nil))
	name := "<" + s.Kind.String()
	if want := name + " xmlns='jabber:client'" + whole[len(name):]; forwarded != want {
		t.Errorf("forwarded %s, want %s", forwarded, want)
	}
	count, payload := 0, ""
	s.Each(func(space, local string, raw []byte) bool {
		count++
		payload += string(raw)
		n, err := xmlstream.Parse(raw, xmlstream.ClientSpace)
		if err != nil || !n.Is(space, local) {
			t.Errorf("child {%s}%s is %s (%v)", space, local, raw, err)
		}
		if !s.Has(space, local) || s.Node(space, local) == nil {
			t.Errorf("child {%s}%s is not found", space, local)
		}
		return true
	})
	if want := string(head) + payload + string(tail); want != whole {
		t.Errorf("children make %s, whole %s", want, whole)
	}
	space, local := s.PayloadName()
	if n := s.Payload(); count > 0 && !n.Is(space, local) || count == 0 && (n != nil || local != "") {
		t.Errorf("payload %+v is called {%s}%s", n, space, local)
	}
	for _, stored := range []string{whole, forwarded} {
		back, err := Parse([]byte(stored))
		if err != nil {
			if s.Kind == IQ || s.Type == Invalid {
				continue // one that must not be processed is not read back either
			}
			t.Fatalf("%s: %v", stored, err)
		}
		if got := string(back.AppendTo(nil)); got != whole && !slices.Equal(tokens(t, got), tokens(t, whole)) {
			t.Errorf("read again\n%s, was\n%s", got, whole)
		}
		if back.Kind != s.Kind || back.Type != s.Type || back.To != s.To || back.From != s.From || back.ID != s.ID || back.Lang != s.Lang {
			t.Errorf("read again %+v, was %+v", back, s)
		}
	}
}

// tokens are what a stanza says, however it is written: a prefix bound to the namespace around it may go.
func tokens(t *testing.T, text string) []string {
	t.Helper()
	n, err := xmlstream.Parse([]byte(text), xmlstream.ClientSpace)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return appendTokens(nil, n)
}

func TestReadFields(t *testing.T) {
	s, _ := read(t, germanTag, "<iq from='a@b/c' to='d' id='e&amp;f' type='set'><query xmlns='jabber:iq:roster'><item jid='g@h'/></query></iq>")
	if s.Kind != IQ || s.Type != Set || s.From != jid.MustParse("a@b/c") || s.To != jid.MustParse("d") || s.ID != "e&f" || s.Lang != "de" {
		t.Errorf("%+v", s)
	}
	if got := s.Payload().First().Attr("jid"); got != "g@h" {
		t.Errorf("payload %q", got)
	}
	if s.Has("jabber:iq:roster", "item") || s.Has("jabber:client", "query") || !s.Has("jabber:iq:roster", "query") {
		t.Error("Has finds what is not there")
	}
	if s.Raw("urn:x", "y") != nil || s.Node("urn:x", "y") != nil {
		t.Error("a child that is not there")
	}
	if _, bad := read(t, germanTag, "<iq id='"+s.ID[:1]+"' type='result'/>"); bad != nil {
		t.Error(bad)
	}
}

// TestLanguageOfTheStreamIsBounded: one long xml:lang does not make every stanza long.
func TestLanguageOfTheStreamIsBounded(t *testing.T) {
	header := func(n int) string {
		return "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xml:lang='" + strings.Repeat("x", n) + "'>"
	}
	for n, want := range map[int]int{64: 64, 65: 0} {
		if s, _ := read(t, header(n), "<presence/>"); len(s.Lang) != want {
			t.Errorf("%d letters: %d arrive", n, len(s.Lang))
		}
	}
}

func TestReadStampsTheSender(t *testing.T) {
	from := jid.MustParse("juliet@example.com/balcony")
	for _, in := range []string{"<message/>", "<message from='romeo@example.net'/>", "<message from='@'/>"} {
		sc, _ := scan(t, clientTag, in)
		s, bad, err := Read(sc.Element(), nil, from)
		if bad != nil || err != nil || s.From != from {
			t.Errorf("%s: %v %v %+v", in, bad, err, s)
		}
	}
}

func TestReadTypes(t *testing.T) {
	tests := []struct {
		kind, typ string
		want      Type
	}{
		{"message", "", Normal}, {"message", "type='normal'", Normal}, {"message", "type='chat'", Chat},
		{"message", "type='groupchat'", GroupChat}, {"message", "type='headline'", Headline},
		{"message", "type='error'", TypeError}, {"message", "type='get'", Normal}, {"message", "type=''", Normal},
		{"presence", "", Available}, {"presence", "type='unavailable'", Unavailable}, {"presence", "type='subscribe'", Subscribe},
		{"presence", "type='subscribed'", Subscribed}, {"presence", "type='unsubscribe'", Unsubscribe},
		{"presence", "type='unsubscribed'", Unsubscribed}, {"presence", "type='probe'", Probe},
		{"presence", "type='error'", TypeError}, {"presence", "type='available'", Invalid}, {"presence", "type=''", Invalid},
		{"iq", "type='get'", Get}, {"iq", "type='set'", Set}, {"iq", "type='result'", Result}, {"iq", "type='error'", TypeError},
		{"iq", "", Invalid}, {"iq", "type=''", Invalid}, {"iq", "type='chat'", Invalid}, {"iq", "type='g&#101;t'", Get},
	}
	for _, test := range tests {
		in := "<" + test.kind + " id='1' " + test.typ + "><a xmlns='u'/></" + test.kind + ">"
		s, bad := read(t, clientTag, in)
		if s.Type != test.want || (bad != nil) != (test.want == Invalid) {
			t.Errorf("%s: type %d, want %d; %v", in, s.Type, test.want, bad)
		}
		if bad != nil && bad.Condition != BadRequest {
			t.Errorf("%s: %v", in, bad)
		}
	}
}

// TestReadBad: what is answered with an error, and what is not answered at all.
func TestReadBad(t *testing.T) {
	tests := []struct {
		name, in  string
		condition Condition
		reply     string // "" for none
	}{
		{"address", "<message from='a@b' to='@' id='1'><body/></message>", JIDMalformed,
			"<message to='a@b' id='1' type='error'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"},
		{"empty address", "<message from='a@b' to=''/>", JIDMalformed, "<message to='a@b' type='error'>"},
		{"address of an error", "<message from='a@b' to='@' type='error'/>", JIDMalformed, ""},
		{"type of presence", "<presence from='a@b' to='c' type='away'/>", BadRequest, "<presence from='c' to='a@b' type='error'><error type='modify'><bad-request "},
		{"type of IQ", "<iq from='a@b' id='1' type='ask'><a xmlns='u'/></iq>", BadRequest, "<iq to='a@b' id='1' type='error'>"},
		{"IQ without id", "<iq from='a@b' type='get'><a xmlns='u'/></iq>", BadRequest, "<iq to='a@b' type='error'>"},
		{"IQ with empty id", "<iq from='a@b' type='get' id=''><a xmlns='u'/></iq>", BadRequest, "<iq to='a@b' type='error'>"},
		{"request without payload", "<iq from='a@b' type='get' id='1'> </iq>", BadRequest, "<iq to='a@b' id='1' type='error'>"},
		{"request with two", "<iq from='a@b' type='set' id='1'><a xmlns='u'/><a xmlns='u'/></iq>", BadRequest, "<iq to='a@b' id='1' type='error'>"},
		{"result with two", "<iq from='a@b' type='result' id='1'><a xmlns='u'/><a xmlns='u'/></iq>", BadRequest, ""},
		{"error without id", "<iq from='a@b' type='error'/>", BadRequest, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, bad := read(t, clientTag, test.in)
			if bad == nil || bad.Condition != test.condition {
				t.Fatalf("%s: %v", test.in, bad)
			}
			reply := s.Fail(bad)
			if (reply == nil) != (test.reply == "") {
				t.Fatalf("reply %v", reply)
			}
			if reply != nil && !strings.HasPrefix(string(reply.AppendTo(nil)), test.reply) {
				t.Errorf("reply %s", reply.AppendTo(nil))
			}
		})
	}
	for _, in := range []string{"<iq type='result' id='1'/>", "<iq type='result' id='1'><a xmlns='u'/></iq>", "<iq type='error' id='1'><a xmlns='u'/><error type='wait'/></iq>"} {
		if _, bad := read(t, clientTag, in); bad != nil {
			t.Errorf("%s: %v", in, bad)
		}
	}
}

// TestReadEndsTheStream: what is no stanza of its stream.
func TestReadEndsTheStream(t *testing.T) {
	tests := []struct{ name, header, in, condition string }{
		{"another name", clientTag, "<massage/>", "unsupported-stanza-type"},
		{"another namespace", clientTag, "<message xmlns='urn:x'/>", "unsupported-stanza-type"},
		{"another content namespace", clientTag, "<message xmlns='jabber:server'/>", "unsupported-stanza-type"},
		{"no namespace", noneTag, "<message xmlns=''/>", "unsupported-stanza-type"},
		{"features", clientTag, "<stream:features/>", "unsupported-stanza-type"},
		{"unqualified where a prefix is due", prefixedTag, "<message/>", "unsupported-stanza-type"},
		{"sender", serverTag, "<message from='@' to='a@b'/>", "improper-addressing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sc, _ := scan(t, test.header, test.in)
			s, bad, err := Read(sc.Element(), nil, jid.JID{})
			var e *xmlstream.Error
			if s != nil || bad != nil || !errors.As(err, &e) || e.Condition != test.condition {
				t.Errorf("%v %v %v", s, bad, err)
			}
		})
	}
}

// TestReadIsBounded: many short names in a long namespace do not make a stanza many times as long.
func TestReadIsBounded(t *testing.T) {
	in := "<message from='a@b' xmlns:x='" + strings.Repeat("u", 3000) + "'>" + strings.Repeat("<x:a/>", 200) + "</message>"
	s, bad := read(t, clientTag, in)
	if bad == nil || bad.Condition != PolicyViolation {
		t.Fatal(bad)
	}
	if s.Size() > 100 || s.Fail(bad) == nil {
		t.Errorf("%d bytes stayed", s.Size())
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", "<message>", "<message/><message/>", "<message/> ", "<other/>", "<iq/>", "<message to='@'/>", "<message from='@'/>", "<message xmlns='jabber:server'/>x"} {
		if s, err := Parse([]byte(in)); err == nil || s != nil {
			t.Errorf("%q: %+v", in, s)
		}
	}
}
