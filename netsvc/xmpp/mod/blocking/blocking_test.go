package blocking_test

import (
	"fmt"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/blocking"
)

func capulet(t *testing.T, f func(*testing.T, *xmpptest.Server)) {
	t.Helper()
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}}, f)
}

// command is a block or unblock of these addresses; list is the same as a push or
// a list shows it.
func command(local string, jids ...string) string {
	return `<iq type='set' id='` + local + `'>` + list(local, jids...) + `</iq>`
}

func list(local string, jids ...string) string {
	var b strings.Builder
	b.WriteString(`<` + local + ` xmlns='urn:xmpp:blocking'>`)
	for _, j := range jids {
		b.WriteString(`<item jid='` + j + `'/>`)
	}
	return b.String() + `</` + local + `>`
}

func push(local string, jids ...string) string {
	return `<iq type='set' id='*'>` + list(local, jids...) + `</iq>`
}

func done(local string) string { return `<iq type='result' id='` + local + `'/>` }

func failure(local, kind, condition string) string {
	return `<iq type='error' id='` + local + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

const getList = `<iq type='get' id='blocklist1'><blocklist xmlns='urn:xmpp:blocking'/></iq>`

func theList(jids ...string) string {
	return `<iq type='result' id='blocklist1'>` + list("blocklist", jids...) + `</iq>`
}

// Sections 3.2 to 3.5, with a restart in between.
func TestCommands(t *testing.T) {
	data := t.TempDir()
	o := xmpptest.Options{Hosts: []string{"capulet.com"}, Data: data}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		chamber, balcony, closet := s.Login("juliet@capulet.com/chamber"), s.Login("juliet@capulet.com/balcony"), s.Login("juliet@capulet.com/closet")
		chamber.Ask(getList, theList())
		balcony.Ask(getList, theList())
		chamber.Ask(command("block", "romeo@montague.net"), done("block"))
		chamber.Expect(push("block", "romeo@montague.net"))
		balcony.Expect(push("block", "romeo@montague.net"))
		closet.Nothing() // never asked for the list
		closet.Ask(command("block", "iago@shakespeare.lit", "romeo@montague.net"), done("block"))
		chamber.Expect(push("block", "iago@shakespeare.lit", "romeo@montague.net"))
		closet.Ask(command("unblock", "nobody@example.org"), done("unblock"))
		chamber.Expect(push("unblock", "nobody@example.org"))
		chamber.Ask(getList, theList("iago@shakespeare.lit", "romeo@montague.net"))
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		chamber := s.Login("juliet@capulet.com/chamber")
		chamber.Ask(getList, theList("iago@shakespeare.lit", "romeo@montague.net"))
		chamber.Ask(command("unblock", "romeo@montague.net"), done("unblock"))
		chamber.Expect(push("unblock", "romeo@montague.net"))
		chamber.Ask(command("unblock"), done("unblock"))
		chamber.Expect(push("unblock"))
		chamber.Ask(getList, theList())
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		s.Login("juliet@capulet.com/chamber").Ask(getList, theList())
	})
}

func TestCommandErrors(t *testing.T) {
	for _, tc := range []struct{ name, iq, answer string }{
		{"nobody to block", command("block"), failure("block", "modify", "bad-request")},
		{"malformed address", command("block", "romeo@montague.net", "@"), failure("block", "modify", "jid-malformed")},
		{"malformed address to unblock", command("unblock", "@"), failure("unblock", "modify", "jid-malformed")},
		{"somebody else's list", `<iq to='nurse@capulet.com' type='get' id='x'><blocklist xmlns='urn:xmpp:blocking'/></iq>`,
			strings.Replace(failure("x", "cancel", "service-unavailable"), "<iq", "<iq from='nurse@capulet.com'", 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			capulet(t, func(t *testing.T, s *xmpptest.Server) {
				s.Register("nurse@capulet.com")
				juliet := s.Login("juliet@capulet.com/chamber")
				juliet.Ask(tc.iq, tc.answer)
				juliet.Ask(getList, theList())
			})
		})
	}
}

// RFC 7622 section 3.1: each part of an address may have 1023 bytes.
func TestLongestAddress(t *testing.T) {
	capulet(t, func(t *testing.T, s *xmpptest.Server) {
		longest := strings.Repeat("x", 1023) + "@" + strings.Repeat(strings.Repeat("y", 62)+".", 16) + strings.Repeat("z", 15) + "/" + strings.Repeat("z", 1023)
		juliet := s.Login("juliet@capulet.com/chamber")
		juliet.Ask(command("block", longest), done("block"))
		juliet.Ask(getList, theList(longest))
	})
}

func TestTooManyAddresses(t *testing.T) {
	o := xmpptest.Options{Hosts: []string{"capulet.com"}, Values: map[string]string{"xmpp.blocking/addresses": "2"}}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/chamber")
		juliet.Ask(command("block", "a@example.org", "b@example.org"), done("block"))
		juliet.Ask(command("block", "c@example.org"), failure("block", "wait", "resource-constraint"))
		juliet.Ask(command("block", "a@example.org"), done("block"))
		juliet.Ask(getList, theList("a@example.org", "b@example.org"))
		s.Reload(map[string]string{"xmpp.blocking/addresses": "1"}) // what there is already may be said again
		juliet.Ask(command("block", "a@example.org"), done("block"))
		juliet.Expect(push("block", "a@example.org"))
		juliet.Ask(command("block", "a@example.org", "c@example.org"), failure("block", "wait", "resource-constraint"))
	})
}

func TestFailedCommit(t *testing.T) {
	capulet(t, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/chamber")
		juliet.Ask(getList, theList())
		if err := s.Store().Close(); err != nil {
			t.Fatal(err)
		}
		juliet.Ask(command("block", "romeo@montague.net"), failure("block", "wait", "resource-constraint"))
		juliet.Nothing()
	})
}

// Section 3.3: what becomes of each kind of stanza, either way.
func TestStanzas(t *testing.T) {
	const blocked = `<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><blocked xmlns='urn:xmpp:blocking:errors'/></error>`
	const unavailable = `<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
	for _, tc := range []struct {
		name, kind, attrs, content string
		answered                   bool // by an error
	}{
		{"chat", "message", `type='chat'`, `<body>Can you hear me now?</body>`, true},
		{"message", "message", ``, `<body>Can you hear me now?</body>`, true},
		{"headline", "message", `type='headline'`, `<body>Can you hear me now?</body>`, true},
		{"error message", "message", `type='error'`, ``, false},
		{"get", "iq", `type='get'`, `<q xmlns='urn:example'/>`, true},
		{"set", "iq", `type='set'`, `<q xmlns='urn:example'/>`, true},
		{"result", "iq", `type='result'`, ``, false},
		{"error", "iq", `type='error'`, ``, false},
		{"presence", "presence", ``, ``, true},
		{"unavailable", "presence", `type='unavailable'`, ``, true},
		{"subscribe", "presence", `type='subscribe'`, ``, true},
		{"subscribed", "presence", `type='subscribed'`, ``, true},
		{"unsubscribe", "presence", `type='unsubscribe'`, ``, true},
		{"unsubscribed", "presence", `type='unsubscribed'`, ``, true},
		{"probe", "presence", `type='probe'`, ``, true},
		{"presence error", "presence", `type='error'`, ``, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, to := range []string{"", "/chamber"} {
				capulet(t, func(t *testing.T, s *xmpptest.Server) {
					juliet, romeo := s.Login("juliet@capulet.com/chamber"), s.Peer("montague.net")
					juliet.Send(`<presence/>`)
					juliet.Ask(command("block", "romeo@montague.net"), done("block"))

					romeo.Send(`<` + tc.kind + ` id='1' ` + tc.attrs + ` from='romeo@montague.net/orchard' to='juliet@capulet.com` + to + `'>` + tc.content + `</` + tc.kind + `>`)
					if tc.answered && tc.kind != "presence" {
						romeo.Expect(`<` + tc.kind + ` id='1' type='error' from='juliet@capulet.com` + to + `' to='romeo@montague.net/orchard'>` + unavailable + `</` + tc.kind + `>`)
					}
					romeo.Nothing()
					juliet.Nothing()

					juliet.Send(`<` + tc.kind + ` id='2' ` + tc.attrs + ` to='romeo@montague.net/orchard'>` + tc.content + `</` + tc.kind + `>`)
					if tc.answered {
						juliet.Expect(`<` + tc.kind + ` id='2' type='error' from='romeo@montague.net/orchard'>` + blocked + `</` + tc.kind + `>`)
					}
					romeo.Nothing()
					juliet.Nothing()
					if n := s.Metric("blocked"); n != 2 {
						t.Errorf("%d stanzas were counted", n)
					}
				})
			}
		})
	}
}

// Section 5.
func TestMatching(t *testing.T) {
	for _, tc := range []struct {
		item    string
		blocked []string
		passing []string
	}{
		{"romeo@montague.net/orchard", []string{"romeo@montague.net/orchard"}, []string{"romeo@montague.net", "romeo@montague.net/garden"}},
		{"romeo@montague.net", []string{"romeo@montague.net", "romeo@montague.net/orchard"}, []string{"montague.net", "benvolio@montague.net"}},
		{"montague.net/orchard", []string{"montague.net/orchard"}, []string{"montague.net", "montague.net/garden", "romeo@montague.net/orchard"}},
		{"montague.net", []string{"montague.net", "montague.net/orchard", "romeo@montague.net", "romeo@montague.net/orchard"}, []string{"romeo@chat.montague.net", "romeo@example.org"}},
		// An account reaches itself and its server, whatever it blocks.
		{"juliet@capulet.com", nil, []string{"juliet@capulet.com", "juliet@capulet.com/balcony"}},
		{"juliet@capulet.com/balcony", nil, []string{"juliet@capulet.com/balcony"}},
		{"capulet.com", []string{"nurse@capulet.com"}, []string{"capulet.com", "juliet@capulet.com/balcony"}},
	} {
		t.Run(tc.item, func(t *testing.T) {
			capulet(t, func(t *testing.T, s *xmpptest.Server) {
				s.Login("nurse@capulet.com/x").Send(`<presence/>`)
				s.Login("juliet@capulet.com/balcony").Send(`<presence/>`)
				juliet := s.Login("juliet@capulet.com/chamber")
				juliet.Send(`<presence/>`)
				juliet.Ask(command("block", tc.item), done("block"))
				try := func(who string) (refused bool) {
					juliet.Send(`<message id='1' type='headline' to='` + who + `'><body>hi</body></message>`)
					for _, got := range juliet.Skip() {
						refused = refused || got.Failure() != nil && got.Failure().Condition == stanza.NotAcceptable
					}
					s.Route(stanza.NewMessage(stanza.Headline, "2", jid.MustParse(who), juliet.Session().JID(), []byte("<body>hi</body>")))
					came := len(juliet.Skip()) > 0
					if came == refused {
						t.Errorf("%s: one way only: sending refused %v, received %v", who, refused, came)
					}
					return refused
				}
				for _, who := range tc.blocked {
					if !try(who) {
						t.Errorf("%s passes", who)
					}
				}
				for _, who := range tc.passing {
					if try(who) {
						t.Errorf("%s is blocked", who)
					}
				}
			})
		})
	}
}

// Unavailable presence when the block begins, the current one when it ends, and
// only to those who may see it.
func TestPresence(t *testing.T) {
	capulet(t, func(t *testing.T, s *xmpptest.Server) {
		both := xmpp.Subscription{To: true, From: true, InRoster: true}
		s.Register("juliet@capulet.com")
		s.Subscribe("juliet@capulet.com", "romeo@montague.net", both)
		s.Subscribe("juliet@capulet.com", "benvolio@montague.net", xmpp.Subscription{From: true, InRoster: true})
		s.Subscribe("juliet@capulet.com", "tybalt@montague.net", xmpp.Subscription{To: true, InRoster: true})
		s.Subscribe("juliet@capulet.com", "paris@example.org", both)
		chamber, balcony := s.Login("juliet@capulet.com/chamber"), s.Login("juliet@capulet.com/balcony")
		s.Login("juliet@capulet.com/closet") // not available
		chamber.Send(`<presence id='p1'><show>away</show></presence>`)
		balcony.Send(`<presence/>`)
		net := s.Peer("montague.net")

		chamber.Ask(command("block", "romeo@montague.net", "tybalt@montague.net"), done("block"))
		net.ExpectEach(
			`<presence type='unavailable' from='juliet@capulet.com/chamber' to='romeo@montague.net'/>`,
			`<presence type='unavailable' from='juliet@capulet.com/balcony' to='romeo@montague.net'/>`)
		net.Nothing()
		chamber.Ask(command("block", "romeo@montague.net"), done("block"))
		net.Nothing() // nothing new
		chamber.Ask(command("block", "montague.net"), done("block"))
		net.ExpectEach(
			`<presence type='unavailable' from='juliet@capulet.com/chamber' to='benvolio@montague.net'/>`,
			`<presence type='unavailable' from='juliet@capulet.com/balcony' to='benvolio@montague.net'/>`)
		net.Nothing()
		chamber.Ask(command("unblock", "romeo@montague.net"), done("unblock"))
		net.Nothing() // his server is still blocked
		chamber.Ask(command("unblock"), done("unblock"))
		net.ExpectEach(
			`<presence id='p1' from='juliet@capulet.com/chamber' to='romeo@montague.net'><show>away</show></presence>`,
			`<presence from='juliet@capulet.com/balcony' to='romeo@montague.net'/>`,
			`<presence type='probe' from='juliet@capulet.com' to='romeo@montague.net'/>`, // his was dropped meanwhile
			`<presence id='p1' from='juliet@capulet.com/chamber' to='benvolio@montague.net'><show>away</show></presence>`,
			`<presence from='juliet@capulet.com/balcony' to='benvolio@montague.net'/>`,
			`<presence type='probe' from='juliet@capulet.com' to='tybalt@montague.net'/>`)
		net.Nothing()

		chamber.Ask(command("block", "romeo@montague.net/orchard"), done("block"))
		net.ExpectEach(
			`<presence type='unavailable' from='juliet@capulet.com/chamber' to='romeo@montague.net/orchard'/>`,
			`<presence type='unavailable' from='juliet@capulet.com/balcony' to='romeo@montague.net/orchard'/>`)
		net.Nothing()
		for _, c := range []*xmpptest.Client{chamber, balcony} {
			c.Send(`<presence type='unavailable'/>`)
		}
		net.Skip()
		chamber.Ask(command("unblock"), done("unblock"))
		net.Nothing() // who is not there asks for nobody's presence
		s.Peer("example.org").Nothing()
	})
}

// stage stands in for the presence extension: it asks from whom presence is kept,
// and takes back what was shown.
type stage struct {
	hidden   xmpp.Key[func(jid.JID) bool]
	withdraw xmpp.Key[func(func(jid.JID) bool)]
}

func (p *stage) Setup(h xmpp.Host) error {
	p.hidden = xmpp.NewKey[func(jid.JID) bool](h, "presence.hidden")
	p.withdraw = xmpp.NewKey[func(func(jid.JID) bool)](h, "presence.withdraw")
	return nil
}

func TestPresenceExtensionIsTold(t *testing.T) {
	p := new(stage)
	o := xmpptest.Options{Hosts: []string{"capulet.com"}, Extensions: append(xmpp.All(), xmpp.Info{Name: "presence", New: func() xmpp.Module { return p }})}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/chamber")
		var taken []string
		p.withdraw.Set(juliet.Session(), func(match func(jid.JID) bool) {
			for _, who := range []string{"orchard@rooms.montague.net/juliet", "ball@rooms.montague.net/juliet", "juliet@capulet.com/balcony"} {
				if match(jid.MustParse(who)) {
					taken = append(taken, who)
				}
			}
		})
		hidden := p.hidden.Of(juliet.Session().Account())
		for _, step := range []struct {
			iq     string
			hidden bool
			taken  []string
		}{
			{command("block", "ball@rooms.montague.net"), true, []string{"ball@rooms.montague.net/juliet"}},
			{command("unblock"), false, nil},
			{command("block", "capulet.com"), false, nil},
		} {
			taken = nil
			juliet.Send(step.iq)
			juliet.Skip()
			if got := hidden(jid.MustParse("ball@rooms.montague.net/nurse")); got != step.hidden {
				t.Errorf("after %s hidden is %v", step.iq, got)
			}
			if fmt.Sprint(taken) != fmt.Sprint(step.taken) {
				t.Errorf("after %s withdrawn is %v", step.iq, taken)
			}
		}
	})
}

// An empty list costs no lock and no allocation.
func TestEmptyListIsFree(t *testing.T) {
	capulet(t, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/chamber")
		hooks := s.Hooks()
		transit := new(xmpp.Transit)
		transit.Reset(stanza.NewMessage(stanza.Chat, "", jid.MustParse("romeo@montague.net"), juliet.Session().JID(), nil), nil, juliet.Session().Account())
		if n := testing.AllocsPerRun(100, func() {
			hooks.Received.Run(transit)
			hooks.Sent.Run(transit)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		juliet.Session().Account().Decide(func() { hooks.Received.Run(transit) }) // would not return if it took the lock
	})
}

func BenchmarkEmptyList(b *testing.B) {
	s := xmpptest.Start(b, xmpptest.Options{})
	juliet, hooks, t := s.Login("juliet@example.com/chamber"), s.Hooks(), new(xmpp.Transit)
	t.Reset(stanza.NewMessage(stanza.Chat, "", jid.MustParse("romeo@montague.net"), juliet.Session().JID(), nil), nil, juliet.Session().Account())
	for b.Loop() {
		hooks.Received.Run(t)
	}
}
