package carbons_test

import (
	"strings"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/carbons"
)

// scene is romeo with three clients, of which garden and home have carbons on, and
// juliet on another server.
type scene struct {
	*xmpptest.Server
	garden, home, plain *xmpptest.Client
	juliet              *xmpptest.Peer
}

func enact(t *testing.T, f func(*testing.T, scene)) {
	t.Helper()
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"montague.example"}}, func(t *testing.T, s *xmpptest.Server) {
		p := scene{s, s.Login("romeo@montague.example/garden"), s.Login("romeo@montague.example/home"),
			s.Login("romeo@montague.example/plain"), s.Peer("capulet.example")}
		for _, c := range []*xmpptest.Client{p.garden, p.home} {
			c.Send(`<presence/>`)
			c.Ask(`<iq type='set' id='enable1'><enable xmlns='urn:xmpp:carbons:2'/></iq>`, `<iq type='result' id='enable1'/>`)
		}
		p.plain.Send(`<presence/>`)
		f(t, p)
	})
}

// carbon is a copy as a client gets it.
func carbon(direction, kind, message string) string {
	if kind != "" {
		kind = ` type='` + kind + `'`
	}
	return `<message from='romeo@montague.example'` + kind + `><` + direction + ` xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>` +
		strings.Replace(message, "<message ", "<message xmlns='jabber:client' ", 1) + `</forwarded></` + direction + `></message>`
}

// Section 7.
func TestReceived(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		const message = `<message from='juliet@capulet.example/balcony' to='romeo@montague.example/garden' type='chat'>
			<body>What man art thou?</body><thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>`
		s.juliet.Send(message)
		s.garden.Expect(message)
		s.home.Expect(carbon("received", "chat", message))
		s.plain.Nothing()
		s.garden.Nothing()
		s.home.Nothing()
		s.juliet.Nothing()
	})
	enact(t, func(t *testing.T, s scene) { // to everybody: nobody needs a copy
		const message = `<message from='juliet@capulet.example/balcony' to='romeo@montague.example' type='chat'><body>hi</body></message>`
		s.juliet.Send(message)
		for _, c := range []*xmpptest.Client{s.garden, s.home, s.plain} {
			c.Expect(message)
			c.Nothing()
		}
	})
	enact(t, func(t *testing.T, s scene) { // a client with negative priority gets what the rules give to others
		const message = `<message from='juliet@capulet.example/balcony' to='romeo@montague.example' type='chat'><body>hi</body></message>`
		s.home.Send(`<presence><priority>-1</priority></presence>`)
		s.juliet.Send(message)
		s.garden.Expect(message)
		s.home.Expect(carbon("received", "chat", message))
	})
	enact(t, func(t *testing.T, s scene) { // also when they give it to nobody
		const message = `<message from='juliet@capulet.example/balcony' to='romeo@montague.example' type='chat'><body>hi</body></message>`
		for _, c := range []*xmpptest.Client{s.garden, s.home, s.plain} {
			c.Send(`<presence type='unavailable'/>`)
		}
		s.juliet.Send(message)
		s.garden.Expect(carbon("received", "chat", message))
		s.home.Expect(carbon("received", "chat", message))
		s.plain.Nothing()
	})
}

// Section 8.
func TestSent(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		const body = `<body>Neither, fair saint</body><thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>`
		send := func(from *xmpptest.Client, name string, copies ...*xmpptest.Client) {
			from.Send(`<message id='m1' to='juliet@capulet.example/balcony' type='chat'>` + body)
			message := `<message id='m1' from='romeo@montague.example/` + name + `' to='juliet@capulet.example/balcony' type='chat'>` + body
			s.juliet.Expect(message)
			for _, c := range copies {
				c.Expect(carbon("sent", "chat", message))
			}
			for _, c := range []*xmpptest.Client{s.garden, s.home, s.plain} {
				c.Nothing()
			}
		}
		send(s.home, "home", s.garden)
		send(s.plain, "plain", s.garden, s.home) // whether or not the sender has carbons on
		// Sections 4, 5 and 10.1: on and off, as often as one likes.
		for range 2 {
			s.garden.Ask(`<iq type='set' id='disable1'><disable xmlns='urn:xmpp:carbons:2'/></iq>`, `<iq type='result' id='disable1'/>`)
		}
		send(s.home, "home")
		for range 2 {
			s.garden.Ask(`<iq type='set' id='enable2' to='romeo@montague.example'><enable xmlns='urn:xmpp:carbons:2'/></iq>`,
				`<iq type='result' id='enable2' from='romeo@montague.example'/>`)
		}
		send(s.home, "home", s.garden)
		if n := s.Metric("carbons"); n != 4 {
			t.Errorf("%d copies were counted", n)
		}
	})
}

// A message to oneself is delivered, and copied, once.
func TestToOneself(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.plain.Send(`<message to='romeo@montague.example/home' type='chat'><body>note</body></message>`)
		const message = `<message from='romeo@montague.example/plain' to='romeo@montague.example/home' type='chat'><body>note</body></message>`
		s.home.Expect(message)
		s.garden.Expect(carbon("received", "chat", message))
		s.garden.Send(`<message to='romeo@montague.example/home' type='chat'><body>note</body></message>`)
		s.home.Expect(strings.Replace(message, "plain", "garden", 1))
		for _, c := range []*xmpptest.Client{s.garden, s.home, s.plain} { // none for who sent it
			c.Nothing()
		}
	})
}

// Section 6.1, rule by rule, and section 9.
func TestEligible(t *testing.T) {
	for _, tc := range []struct {
		name, attrs, content string
		from                 string // of what is received
		sent, received       bool
	}{
		{name: "chat", attrs: `type='chat'`, sent: true, received: true},
		{name: "normal with a body", content: `<body>hi</body>`, sent: true, received: true},
		{name: "normal without a body", content: `<x xmlns='urn:example'/>`},
		{name: "receipt", content: `<received xmlns='urn:xmpp:receipts' id='1'/>`, sent: true, received: true},
		{name: "receipt request", content: `<request xmlns='urn:xmpp:receipts'/>`, sent: true, received: true},
		{name: "chat state", content: `<composing xmlns='http://jabber.org/protocol/chatstates'/>`, sent: true, received: true},
		{name: "marker", content: `<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>`, sent: true, received: true},
		{name: "headline", attrs: `type='headline'`, content: `<body>news</body>`},
		{name: "groupchat", attrs: `type='groupchat'`, content: `<body>hi</body>`},
		{name: "error", attrs: `type='error'`, content: `<body>hi</body>`},
		{name: "direct invitation", content: `<x xmlns='jabber:x:conference' jid='room@rooms.example'/>`, sent: true, received: true},
		{name: "mediated invitation", content: `<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>`, sent: true, received: true},
		{name: "room's message", content: `<x xmlns='http://jabber.org/protocol/muc#user'><status code='100'/></x>`},
		{name: "private message in a room", attrs: `type='chat'`, content: `<body>psst</body><x xmlns='http://jabber.org/protocol/muc#user'/>`, sent: true},
		{name: "invitation by somebody in a room", attrs: `type='chat'`, content: `<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>`, sent: true, received: true},
		{name: "private", attrs: `type='chat'`, content: `<body>psst</body><private xmlns='urn:xmpp:carbons:2'/>`},
		{name: "not to be copied", attrs: `type='chat'`, content: `<body>psst</body><no-copy xmlns='urn:xmpp:hints'/>`},
		{name: "what looks like a carbon", attrs: `type='chat'`, content: `<received xmlns='urn:xmpp:carbons:2'/>`, sent: true, received: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				s.home.Send(`<message id='1' to='juliet@capulet.example/balcony' ` + tc.attrs + `>` + tc.content + `</message>`)
				if got := len(s.garden.Skip()); got != count(tc.sent) {
					t.Errorf("sent: %d copies", got)
				}
				s.juliet.Send(`<message id='2' from='juliet@capulet.example/balcony' to='romeo@montague.example/home' ` + tc.attrs + `>` + tc.content + `</message>`)
				if got := len(s.home.Skip()); got != 1 {
					t.Errorf("received: %d instead of the message", got)
				}
				if got := len(s.garden.Skip()); got != count(tc.received) {
					t.Errorf("received: %d copies", got)
				}
				s.plain.Nothing()
			})
		})
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// The hint no-copy is no matter for messages to a bare address (XEP-0334, section
// 4.3).
func TestNoCopyToBareAddress(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.home.Send(`<message to='juliet@capulet.example' type='chat'><body>hi</body><no-copy xmlns='urn:xmpp:hints'/></message>`)
		if len(s.garden.Skip()) != 1 {
			t.Error("no copy")
		}
	})
}

// An error is copied when what it answers was.
func TestErrors(t *testing.T) {
	const failure = `<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`
	enact(t, func(t *testing.T, s scene) {
		s.home.Send(`<message id='m1' to='juliet@capulet.example' type='chat'><body>hi</body></message>`)
		s.home.Send(`<message id='m2' to='juliet@capulet.example' type='headline'><body>hi</body></message>`)
		s.garden.Skip()
		for _, tc := range []struct {
			name, id, from string
			copied         bool
		}{
			{"of a copied message", "m1", "juliet@capulet.example", true},
			{"of a message that was not copied", "m2", "juliet@capulet.example", false},
			{"of nothing that was sent", "m3", "juliet@capulet.example", false},
			{"of somebody else's message", "m1", "tybalt@capulet.example", false},
			{"without an id", "", "juliet@capulet.example", false},
		} {
			message := `<message id='` + tc.id + `' from='` + tc.from + `' to='romeo@montague.example/home' type='error'>` + failure
			s.juliet.Send(message)
			s.home.Expect(strings.Replace(message, `id='' `, "", 1))
			if tc.copied {
				s.garden.Expect(carbon("received", "error", message))
			}
			s.garden.Nothing()
			s.plain.Nothing()
		}
	})
}

// What a client took with it when it went is delivered anew, and not copied anew.
func TestNoSecondCopy(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		m := stanza.NewMessage(stanza.Chat, "1", jid.MustParse("juliet@capulet.example"), s.home.Session().JID(), []byte(`<body>hi</body>`))
		s.Route(xmpp.Delayed(m, jid.MustParse("capulet.example"), time.Now(), time.Time{})) // another server's stamp
		s.home.Skip()
		if len(s.garden.Skip()) != 1 {
			t.Error("what another server delayed is not copied")
		}
		s.Route(xmpp.Delayed(xmpp.Delayed(m, jid.MustParse("capulet.example"), time.Now(), time.Time{}), jid.MustParse("montague.example"), time.Now(), time.Time{}))
		s.home.Skip()
		s.garden.Nothing()
		s.plain.Send(`<message to='romeo@montague.example/home' type='chat'><body>hi</body>
			<delay xmlns='urn:xmpp:delay' from='montague.example' stamp='2026-11-22T00:00:00Z'/></message>`) // what a client says is not the server's word
		if len(s.garden.Skip()) != 1 {
			t.Error("what a client claims was delayed is not copied")
		}
	})
}

// What the sender's own clients see is the message with the id of her own archive.
func TestOwnVersion(t *testing.T) {
	o := xmpptest.Options{Hosts: []string{"montague.example"}, Extensions: append(xmpp.All(), xmpp.Info{Name: "archive", New: func() xmpp.Module { return archive{} }})}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		garden, home := s.Login("romeo@montague.example/garden"), s.Login("romeo@montague.example/home")
		garden.Ask(`<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>`, `<iq type='result' id='1'/>`)
		home.Send(`<message id='m1' to='juliet@capulet.example' type='chat'/>`)
		garden.Expect(carbon("sent", "chat", `<message id='m1' from='romeo@montague.example/home' to='juliet@capulet.example' type='chat'><own xmlns='urn:example'/></message>`))
		s.Peer("capulet.example").Expect(`<message id='m1' from='romeo@montague.example/home' type='chat'/>`)
	})
}

// archive stamps what the sender's own clients see.
type archive struct{}

func (archive) Setup(h xmpp.Host) error {
	h.Hooks().Sent.Handle.Add("archive", func(t *xmpp.Transit) xmpp.Verdict {
		t.Own = t.Stanza.Append([]byte(`<own xmlns='urn:example'/>`))
		return xmpp.Pass
	})
	return nil
}

func TestStrangersCannotEnable(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.juliet.Send(`<iq type='set' id='1' from='juliet@capulet.example/x' to='romeo@montague.example'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
		s.juliet.Expect(`<iq type='error' id='1' from='romeo@montague.example' to='juliet@capulet.example/x'>
			<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	})
}
