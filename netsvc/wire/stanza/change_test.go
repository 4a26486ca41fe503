package stanza

import (
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

const mixed = "<message from='a@b/c' to='d@e' id='1' type='chat' xml:lang='en'><body>x</body><active xmlns='urn:s'/><sid xmlns='urn:i' id='1'/><sid xmlns='urn:i' id='2'/><x xmlns='urn:x'><body/></x></message>"

// TestChanges: each change makes another stanza, and leaves the one it began with as it was.
func TestChanges(t *testing.T) {
	space := func(want string) func(space, local string, raw []byte) bool {
		return func(space, local string, raw []byte) bool { return space == want }
	}
	never := func(space, local string, raw []byte) bool { return false }
	always := func(space, local string, raw []byte) bool { return true }
	tests := []struct {
		name, in string
		change   func(s *Stanza) *Stanza
		want     string
		body     int // segments
	}{
		{"append", "<message><body/></message>", func(s *Stanza) *Stanza { return s.Append([]byte("<a xmlns='u'/>")) }, "<message><body/><a xmlns='u'/></message>", 2},
		{"append two at once", "<message><body/></message>", func(s *Stanza) *Stanza { return s.Append([]byte("<a xmlns='u'/><b xmlns='u'/>"), []byte("<c/>")) },
			"<message><body/><a xmlns='u'/><b xmlns='u'/><c/></message>", 3},
		{"append to none", "<message to='a'/>", func(s *Stanza) *Stanza { return s.Append([]byte("<a/>")) }, "<message to='a'><a/></message>", 1},
		{"append nothing", "<message to='a'/>", func(s *Stanza) *Stanza { return s.Append(nil) }, "<message to='a'/>", 0},
		{"append with text between", "<message/>", func(s *Stanza) *Stanza { return s.Append([]byte(" <a/> x <b/>")) }, "<message><a/><b/></message>", 2},
		{"append what is no element", "<message/>", func(s *Stanza) *Stanza { return s.Append([]byte("<a/><b>"), []byte("x")) }, "<message><a/></message>", 1},
		{"append twice", "<message/>", func(s *Stanza) *Stanza { return s.Append([]byte("<a/>")).Append([]byte("<b/>")) }, "<message><a/><b/></message>", 2},

		{"without the first", mixed, func(s *Stanza) *Stanza { return s.Without(space("jabber:client")) },
			strings.Replace(mixed, "<body>x</body>", "", 1), 1},
		{"without two in the middle", mixed, func(s *Stanza) *Stanza { return s.Without(space("urn:i")) },
			strings.Replace(mixed, "<sid xmlns='urn:i' id='1'/><sid xmlns='urn:i' id='2'/>", "", 1), 2},
		{"without the last", mixed, func(s *Stanza) *Stanza { return s.Without(space("urn:x")) },
			strings.Replace(mixed, "<x xmlns='urn:x'><body/></x>", "", 1), 1},
		{"without one of two that look alike", mixed, func(s *Stanza) *Stanza {
			return s.Without(func(_, _ string, raw []byte) bool { return strings.Contains(string(raw), "'1'") })
		}, strings.Replace(mixed, "<sid xmlns='urn:i' id='1'/>", "", 1), 2},
		{"without all", mixed, func(s *Stanza) *Stanza { return s.Without(always) }, "<message from='a@b/c' to='d@e' id='1' type='chat' xml:lang='en'/>", 0},
		{"without any that match", mixed, func(s *Stanza) *Stanza { return s.Without(never).Redirect(s.To) }, mixed, 1},
		{"without of several segments", "<message><body/></message>", func(s *Stanza) *Stanza {
			return s.Append([]byte("<a xmlns='u'/><b xmlns='v'/>"), []byte("<c xmlns='u'/>"), []byte("<d xmlns='v'/><e xmlns='v'/>")).Without(space("u"))
		}, "<message><body/><b xmlns='v'/><d xmlns='v'/><e xmlns='v'/></message>", 3},
		{"without, then append", "<message><a xmlns='u'/></message>", func(s *Stanza) *Stanza { return s.Without(always).Append([]byte("<b/>")) }, "<message><b/></message>", 1},

		{"redirect", mixed, func(s *Stanza) *Stanza { return s.Redirect(jid.MustParse("f/'")) }, strings.Replace(mixed, "'d@e'", "'f/&apos;'", 1), 1},
		{"relay", mixed, func(s *Stanza) *Stanza { return s.Relay(jid.MustParse("f"), jid.MustParse("g")) },
			strings.Replace(strings.Replace(mixed, "'d@e'", "'g'", 1), "'a@b/c'", "'f'", 1), 1},
		{"relay to nobody", mixed, func(s *Stanza) *Stanza { return s.Relay(jid.JID{}, jid.JID{}) },
			strings.Replace(mixed, " from='a@b/c' to='d@e'", "", 1), 1},
		{"id", mixed, func(s *Stanza) *Stanza { return s.WithID("2&") }, strings.Replace(mixed, "id='1'", "id='2&amp;'", 1), 1},
		{"no id", mixed, func(s *Stanza) *Stanza { return s.WithID("") }, strings.Replace(mixed, " id='1'", "", 1), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := read(t, clientTag, test.in)
			before := string(s.AppendTo(nil))
			got := test.change(s)
			if form := string(got.AppendTo(nil)); form != test.want {
				t.Errorf("\ngot  %s\nwant %s", form, test.want)
			}
			if _, body, _ := got.Segments(); len(body) != test.body {
				t.Errorf("%d segments, want %d", len(body), test.body)
			}
			checkForms(t, got)
			checkForms(t, s)
			if after := string(s.AppendTo(nil)); got == s || after != before {
				t.Errorf("the stanza was\n%s, is\n%s", before, after)
			}
		})
	}
	s, _ := read(t, clientTag, mixed)
	if s.Without(never) != s {
		t.Error("Without copies a stanza that stays the same")
	}
	calls := 0
	s.Without(func(_, local string, _ []byte) bool { calls++; return local == "active" })
	if calls != 5 {
		t.Errorf("match was called %d times for five", calls)
	}
}

// TestAppendedToTheSame: two stanzas made of one do not write into each other's bytes.
func TestAppendedToTheSame(t *testing.T) {
	s, _ := read(t, clientTag, mixed)
	head, body, _ := s.Segments()
	for _, b := range append([][]byte{head}, body...) {
		if len(b) != cap(b) {
			t.Error("a segment can be appended to")
		}
	}
	a, b := s.Append([]byte("<a/>")), s.Append([]byte("<b/>"))
	if !a.Has(xmlstream.ClientSpace, "a") || a.Has(xmlstream.ClientSpace, "b") || !strings.HasSuffix(string(b.AppendTo(nil)), "<b/></message>") {
		t.Errorf("%s\n%s", a.AppendTo(nil), b.AppendTo(nil))
	}
}

func TestNew(t *testing.T) {
	a, b := jid.MustParse("a@b"), jid.MustParse("c@d")
	tests := []struct {
		name string
		s    *Stanza
		want string
	}{
		{"message", NewMessage(GroupChat, "", a, b, []byte("<body>x</body>")), "<message from='a@b' to='c@d' type='groupchat'><body>x</body></message>"},
		{"normal message", NewMessage(Normal, "1", a, b, nil), "<message from='a@b' to='c@d' id='1'/>"},
		{"presence", NewPresence(Available, "", a, jid.JID{}, nil), "<presence from='a@b'/>"},
		{"subscription", NewPresence(Subscribe, "", a, b, nil), "<presence from='a@b' to='c@d' type='subscribe'/>"},
		{"IQ", NewIQ(Get, "1", jid.JID{}, b, []byte("<ping xmlns='urn:xmpp:ping'/>")), "<iq to='c@d' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(test.s.AppendTo(nil)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			checkForms(t, test.s)
		})
	}
}

func TestAppendAs(t *testing.T) {
	s, _ := read(t, clientTag, "<message to='a'><body/></message>")
	if got := string(s.AppendAs(nil, xmlstream.ServerSpace)); got != "<message xmlns='jabber:server' to='a'><body/></message>" {
		t.Error(got)
	}
}

func TestResult(t *testing.T) {
	s, _ := read(t, clientTag, "<iq from='a@b/c' to='d' id='1' type='get' xml:lang='en'><x xmlns='u'/></iq>")
	if got := string(s.Result([]byte("<y xmlns='u'/>")).AppendTo(nil)); got != "<iq from='d' to='a@b/c' id='1' type='result'><y xmlns='u'/></iq>" {
		t.Error(got)
	}
	if got := string(s.Result(nil).AppendTo(nil)); got != "<iq from='d' to='a@b/c' id='1' type='result'/>" {
		t.Error(got)
	}
	for _, in := range []string{"<iq id='1' type='result'/>", "<iq id='1' type='error'/>", "<message/>"} {
		if s, _ := read(t, clientTag, in); s.Result(nil) != nil {
			t.Errorf("%s has a result", in)
		}
	}
}
