package presence_test

import (
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/presence"
)

// The cast of RFC 6121 section 4: romeo and benvolio are on another server, and
// mercutio is on juliet's.
type scene struct {
	*xmpptest.Server
	net *xmpptest.Peer
}

func enact(t *testing.T, f func(*testing.T, scene)) {
	t.Helper()
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@example.com")
		s.Register("mercutio@example.com")
		s.Subscribe("juliet@example.com", "romeo@example.net", xmpp.Subscription{To: true, From: true, InRoster: true})
		s.Subscribe("juliet@example.com", "benvolio@example.net", xmpp.Subscription{From: true, InRoster: true})
		s.Subscribe("juliet@example.com", "tybalt@example.net", xmpp.Subscription{To: true, InRoster: true})
		s.Subscribe("juliet@example.com", "paris@example.net", xmpp.Subscription{PendingIn: true})
		s.Subscribe("juliet@example.com", "mercutio@example.com", xmpp.Subscription{To: true, From: true, InRoster: true})
		s.Subscribe("mercutio@example.com", "juliet@example.com", xmpp.Subscription{To: true, From: true, InRoster: true})
		f(t, scene{s, s.Peer("example.net")})
	})
}

// online is a client that is available, after everybody has heard of it.
func (s scene) online(full string) *xmpptest.Client {
	c := s.Login(full)
	c.Send(`<presence/>`)
	c.Skip()
	s.net.Skip()
	return c
}

// Sections 4.2.2 and 4.3.1.
func TestInitialPresence(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		mercutio := s.online("mercutio@example.com/street")
		chamber := s.Login("juliet@example.com/chamber")
		chamber.Send(`<presence id='c1'><priority>1</priority></presence>`)
		mercutio.Skip()
		chamber.Skip()
		s.net.Skip()

		balcony := s.Login("juliet@example.com/balcony")
		balcony.Send(`<presence id='p1'><show>dnd</show><x xmlns='urn:example'/></presence>`)
		const content = `<show>dnd</show><x xmlns='urn:example'/></presence>`
		balcony.Expect(`<presence id='p1' from='juliet@example.com/balcony' to='juliet@example.com'>` + content) // her own
		balcony.Expect(`<presence id='c1' from='juliet@example.com/chamber'><priority>1</priority></presence>`)  // her other client's
		balcony.Expect(`<presence from='mercutio@example.com/street'/>`)                                         // the answer to a probe
		balcony.Nothing()
		chamber.Expect(`<presence id='p1' from='juliet@example.com/balcony'>` + content)
		chamber.Nothing()
		mercutio.Expect(`<presence id='p1' from='juliet@example.com/balcony' to='mercutio@example.com'>` + content)
		mercutio.Nothing()
		s.net.ExpectEach(
			`<presence id='p1' from='juliet@example.com/balcony' to='romeo@example.net'>`+content,
			`<presence id='p1' from='juliet@example.com/balcony' to='benvolio@example.net'>`+content,
			`<presence from='juliet@example.com' to='romeo@example.net' type='probe'/>`,
			`<presence from='juliet@example.com' to='tybalt@example.net' type='probe'/>`)
		s.net.Nothing()
	})
}

// Section 4.4.2: no probes, and to all the same.
func TestSubsequentPresence(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		chamber := s.online("juliet@example.com/chamber")
		balcony := s.online("juliet@example.com/balcony")
		connected := s.Login("juliet@example.com/connected")
		chamber.Skip()
		balcony.Send(`<presence><show>away</show></presence>`)
		for _, c := range []*xmpptest.Client{balcony, chamber} {
			c.Expect(`<presence from='juliet@example.com/balcony'><show>away</show></presence>`)
			c.Nothing()
		}
		connected.Nothing() // is not available
		s.net.ExpectEach(
			`<presence from='juliet@example.com/balcony' to='romeo@example.net'><show>away</show></presence>`,
			`<presence from='juliet@example.com/balcony' to='benvolio@example.net'><show>away</show></presence>`)
		s.net.Nothing()
	})
}

// Section 4.5.2: however a client goes, everybody hears of it once.
func TestEveryKindOfLoss(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lose   func(*testing.T, scene, *xmpptest.Client)
		status string
		stays  bool // the client is still connected
	}{
		{"unavailable presence", func(_ *testing.T, _ scene, c *xmpptest.Client) {
			c.Send(`<presence type='unavailable'><status>going on vacation</status></presence>`)
		}, `<status>going on vacation</status>`, true},
		{"closed stream", func(_ *testing.T, _ scene, c *xmpptest.Client) { c.Close() }, "", false},
		{"lost connection", func(_ *testing.T, _ scene, c *xmpptest.Client) { c.Lose() }, "", false},
		{"stream error", func(_ *testing.T, _ scene, c *xmpptest.Client) { c.Session().End("policy-violation", "") }, "", false},
		{"not resumed in time", func(t *testing.T, s scene, c *xmpptest.Client) {
			c.Resumable()
			c.Lose()
			s.net.Nothing() // waits
			time.Sleep(time.Minute)
			c.Close()
		}, "", false},
		{"disabled account", func(t *testing.T, s scene, c *xmpptest.Client) {
			if err := s.Accounts().Disable(t.Context(), c.Session().Account().JID(), ""); err != nil {
				t.Fatal(err)
			}
		}, "", false},
		{"deleted account", func(t *testing.T, s scene, c *xmpptest.Client) {
			if err := s.Accounts().Delete(t.Context(), c.Session().Account().JID()); err != nil {
				t.Fatal(err)
			}
		}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				mercutio := s.online("mercutio@example.com/street")
				chamber := s.online("juliet@example.com/chamber")
				balcony := s.online("juliet@example.com/balcony")
				balcony.Send(`<presence to='room@conference.example.net/juliet'/>`)
				s.Peer("conference.example.net").Skip()
				mercutio.Skip()
				chamber.Skip()
				if tc.name == "disabled account" || tc.name == "deleted account" { // these end both
					chamber.Close()
					s.net.Skip()
					mercutio.Skip()
					balcony.Skip()
				}

				tc.lose(t, s, balcony)
				gone := func(to string) string {
					return `<presence type='unavailable' from='juliet@example.com/balcony' to='` + to + `'>` + tc.status + `</presence>`
				}
				s.net.ExpectEach(gone("romeo@example.net"), gone("benvolio@example.net"))
				s.net.Nothing()
				s.Peer("conference.example.net").Expect(gone("room@conference.example.net/juliet"))
				s.Peer("conference.example.net").Nothing()
				mercutio.Expect(gone("mercutio@example.com"))
				mercutio.Nothing()
				if _, ended := chamber.Ended(); !ended {
					chamber.Expect(gone("juliet@example.com"))
					chamber.Nothing()
				}
				if tc.stays {
					balcony.Expect(gone("juliet@example.com"))
					balcony.Close() // and nobody hears of it twice
					s.net.Nothing()
					mercutio.Nothing()
				}
			})
		})
	}
}

// After unavailable presence the next one is initial again (4.5.2, last note).
func TestComingBack(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		balcony := s.online("juliet@example.com/balcony")
		balcony.Send(`<presence type='unavailable'/>`)
		s.net.Skip()
		balcony.Send(`<presence/>`)
		if got := s.net.Skip(); len(got) != 4 {
			t.Errorf("%d stanzas, expected two presences and two probes", len(got))
		}
	})
}

// Section 4.3.2: the answers to probes from another server.
func TestProbes(t *testing.T) {
	type answers = []string
	for _, tc := range []struct {
		name     string
		prepare  func(scene)
		from, to string
		answer   answers
	}{
		{name: "available", from: "romeo@example.net", to: "juliet@example.com",
			prepare: func(s scene) {
				s.online("juliet@example.com/chamber").Send(`<presence id='pres1'><show>dnd</show><status>busy!</status></presence>`)
				s.online("juliet@example.com/balcony").Send(`<presence id='pres2'><show>away</show></presence>`)
			},
			answer: answers{
				`<presence id='pres1' from='juliet@example.com/chamber' to='romeo@example.net'><show>dnd</show><status>busy!</status></presence>`,
				`<presence id='pres2' from='juliet@example.com/balcony' to='romeo@example.net'><show>away</show></presence>`}},
		{name: "available, an older server asks", from: "romeo@example.net/orchard", to: "juliet@example.com",
			prepare: func(s scene) { s.online("juliet@example.com/chamber") },
			answer:  answers{`<presence from='juliet@example.com/chamber' to='romeo@example.net/orchard'/>`}},
		{name: "not available", from: "romeo@example.net", to: "juliet@example.com",
			prepare: func(s scene) { s.Login("juliet@example.com/connected") },
			answer:  answers{`<presence id='probe' type='unavailable' from='juliet@example.com' to='romeo@example.net'/>`}},
		{name: "not available since", from: "romeo@example.net", to: "juliet@example.com",
			prepare: func(s scene) {
				juliet := s.Register("juliet@example.com")
				s.Accounts().LoggedIn(juliet.ID())
				s.Accounts().LoggedOut(juliet.ID(), "gone to bed")
				time.Sleep(time.Hour)
			},
			answer: answers{`<presence id='probe' type='unavailable' from='juliet@example.com' to='romeo@example.net'>
				<delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00.000Z'/></presence>`}},
		{name: "not subscribed", from: "tybalt@example.net", to: "juliet@example.com",
			prepare: func(s scene) { s.online("juliet@example.com/chamber") },
			answer:  answers{`<presence id='probe' type='unsubscribed' from='juliet@example.com' to='tybalt@example.net'/>`}},
		{name: "request pending", from: "paris@example.net", to: "juliet@example.com",
			prepare: func(s scene) { s.online("juliet@example.com/chamber") },
			answer:  answers{`<presence id='probe' type='unsubscribed' from='juliet@example.com' to='paris@example.net'/>`}},
		{name: "no account", from: "romeo@example.net", to: "nobody@example.com"},
		{name: "one resource", from: "romeo@example.net", to: "juliet@example.com/chamber",
			prepare: func(s scene) {
				s.online("juliet@example.com/chamber").Send(`<presence><show>dnd</show></presence>`)
				s.online("juliet@example.com/balcony")
			},
			answer: answers{`<presence from='juliet@example.com/chamber' to='romeo@example.net'/>`}},
		{name: "one resource that is not there", from: "romeo@example.net", to: "juliet@example.com/attic",
			prepare: func(s scene) { s.online("juliet@example.com/balcony") },
			answer:  answers{`<presence id='probe' type='unavailable' from='juliet@example.com/attic' to='romeo@example.net'/>`}},
		{name: "one resource, not subscribed", from: "tybalt@example.net", to: "juliet@example.com/chamber",
			prepare: func(s scene) { s.online("juliet@example.com/chamber") },
			answer:  answers{`<presence id='probe' type='unsubscribed' from='juliet@example.com' to='tybalt@example.net'/>`}},
		{name: "directed presence", from: "tybalt@example.net/vault", to: "juliet@example.com/chamber", // 4.6.6
			prepare: func(s scene) {
				s.online("juliet@example.com/balcony")
				s.online("juliet@example.com/chamber").Send(`<presence to='tybalt@example.net/vault'><status>only you</status></presence>`)
			},
			answer: answers{`<presence from='juliet@example.com/chamber' to='tybalt@example.net/vault'/>`}},
		{name: "directed presence of another resource", from: "tybalt@example.net/vault", to: "juliet@example.com/balcony",
			prepare: func(s scene) {
				s.online("juliet@example.com/balcony")
				s.online("juliet@example.com/chamber").Send(`<presence to='tybalt@example.net/vault'/>`)
			},
			answer: answers{`<presence id='probe' type='unsubscribed' from='juliet@example.com' to='tybalt@example.net'/>`}},
		{name: "directed presence taken back", from: "tybalt@example.net/vault", to: "juliet@example.com/chamber",
			prepare: func(s scene) {
				c := s.online("juliet@example.com/chamber")
				c.Send(`<presence to='tybalt@example.net/vault'/>`)
				c.Send(`<presence type='unavailable' to='tybalt@example.net/vault'/>`)
			},
			answer: answers{`<presence id='probe' type='unsubscribed' from='juliet@example.com' to='tybalt@example.net'/>`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				if tc.prepare != nil {
					tc.prepare(s)
				}
				s.net.Skip()
				s.net.Send(`<presence id='probe' type='probe' from='` + tc.from + `' to='` + tc.to + `'/>`)
				s.net.ExpectEach(tc.answer...)
				s.net.Nothing()
			})
		})
	}
}

// A client's own probe is routed, and its answer is no error (4.3).
func TestProbeOfAClient(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		mercutio := s.online("mercutio@example.com/street")
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Send(`<presence type='probe' to='mercutio@example.com'/>`)
		juliet.Expect(`<presence from='mercutio@example.com/street'/>`)
		juliet.Send(`<presence type='probe' to='romeo@example.net'/>`)
		s.net.Expect(`<presence type='probe' from='juliet@example.com/balcony' to='romeo@example.net'/>`)
		mercutio.Nothing()
		juliet.Nothing()
		juliet.Send(`<presence/>`)
		juliet.Skip()
		juliet.Send(`<presence type='probe' to='juliet@example.com'/>`) // one's own presence is no secret
		juliet.Expect(`<presence from='juliet@example.com/balcony'/>`)
		juliet.Nothing()
	})
}

// Section 3.1.5: a new subscriber sees who is there; 3.2.2: one who is no longer
// sees everybody go, directed presence or not (4.6.1).
func TestSubscriptionChanges(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.online("juliet@example.com/balcony").Send(`<presence id='pw72bc5j'><show>chat</show></presence>`)
		s.online("juliet@example.com/chamber").Send(`<presence to='tybalt@example.net'/>`)
		s.Login("juliet@example.com/connected")
		s.net.Skip()
		s.Subscribe("juliet@example.com", "tybalt@example.net", xmpp.Subscription{To: true, From: true, InRoster: true})
		s.net.ExpectEach(
			`<presence id='pw72bc5j' from='juliet@example.com/balcony' to='tybalt@example.net'><show>chat</show></presence>`,
			`<presence from='juliet@example.com/chamber' to='tybalt@example.net'/>`)
		s.net.Nothing()
		s.Subscribe("juliet@example.com", "tybalt@example.net", xmpp.Subscription{From: true, InRoster: true})
		s.net.Nothing() // her own subscription is no matter
		s.Subscribe("juliet@example.com", "tybalt@example.net", xmpp.Subscription{InRoster: true})
		s.net.ExpectEach(
			`<presence type='unavailable' from='juliet@example.com/balcony' to='tybalt@example.net'/>`,
			`<presence type='unavailable' from='juliet@example.com/chamber' to='tybalt@example.net'/>`)
		s.net.Nothing()
	})
}

// Section 4.6.3, rule by rule.
func TestDirectedPresence(t *testing.T) {
	for _, tc := range []struct {
		name      string
		available bool
		act       func(scene, *xmpptest.Client)
		away      []string // who hears of <show>away</show> that is broadcast
		gone      []string // who hears of the end
	}{
		{"to a subscriber", true, func(_ scene, c *xmpptest.Client) { c.Send(`<presence to='romeo@example.net/orchard'/>`) },
			[]string{"romeo@example.net", "benvolio@example.net"}, []string{"romeo@example.net", "benvolio@example.net"}},
		{"to a stranger", true, func(_ scene, c *xmpptest.Client) { c.Send(`<presence to='lobby@example.net/juliet'/>`) },
			[]string{"romeo@example.net", "benvolio@example.net"}, []string{"romeo@example.net", "benvolio@example.net", "lobby@example.net/juliet"}},
		{"taken back", true, func(_ scene, c *xmpptest.Client) {
			c.Send(`<presence to='lobby@example.net/juliet'/>`)
			c.Send(`<presence type='unavailable' to='lobby@example.net/juliet'/>`)
		}, []string{"romeo@example.net", "benvolio@example.net"}, []string{"romeo@example.net", "benvolio@example.net"}},
		{"the other has gone", true, func(s scene, c *xmpptest.Client) {
			c.Send(`<presence to='lobby@example.net/juliet'/>`)
			s.net.Send(`<presence type='unavailable' from='lobby@example.net/juliet' to='juliet@example.com/balcony'/>`)
		}, []string{"romeo@example.net", "benvolio@example.net"}, []string{"romeo@example.net", "benvolio@example.net"}},
		{"shown again", true, func(_ scene, c *xmpptest.Client) {
			c.Send(`<presence to='lobby@example.net/juliet'/>`)
			c.Send(`<presence to='lobby@example.net/juliet'><show>away</show></presence>`)
		}, []string{"romeo@example.net", "benvolio@example.net"}, []string{"romeo@example.net", "benvolio@example.net", "lobby@example.net/juliet"}},
		{"to somebody who subscribes afterwards", true, func(s scene, c *xmpptest.Client) {
			c.Send(`<presence to='lobby@example.net'/>`)
			s.Subscribe("juliet@example.com", "lobby@example.net", xmpp.Subscription{From: true, InRoster: true})
		}, []string{"romeo@example.net", "benvolio@example.net", "lobby@example.net"}, []string{"romeo@example.net", "benvolio@example.net", "lobby@example.net"}},
		{"without initial presence", false, func(_ scene, c *xmpptest.Client) { c.Send(`<presence to='lobby@example.net/juliet'/>`) },
			nil, []string{"lobby@example.net/juliet"}},
		{"to a subscriber without initial presence", false, func(_ scene, c *xmpptest.Client) { c.Send(`<presence to='romeo@example.net'/>`) },
			nil, []string{"romeo@example.net"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				balcony := s.Login("juliet@example.com/balcony")
				if tc.available {
					balcony.Send(`<presence/>`)
				}
				tc.act(s, balcony)
				s.net.Skip()
				if tc.available {
					balcony.Send(`<presence><show>away</show></presence>`)
				}
				expectEach(s, `<presence from='juliet@example.com/balcony' to='`, tc.away, `'><show>away</show></presence>`)
				balcony.Lose()
				expectEach(s, `<presence type='unavailable' from='juliet@example.com/balcony' to='`, tc.gone, `'/>`)
			})
		})
	}
}

func expectEach(s scene, before string, list []string, after string) {
	var patterns []string
	for _, to := range list {
		patterns = append(patterns, before+to+after)
	}
	s.net.ExpectEach(patterns...)
	s.net.Nothing()
}

func TestTooManyStrangers(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.presence/directed": "2"}}, func(t *testing.T, s *xmpptest.Server) {
		juliet, net := s.Login("juliet@example.com/balcony"), s.Peer("example.net")
		for _, to := range []string{"a", "b", "a"} {
			juliet.Send(`<presence to='` + to + `@example.net'/>`)
			net.Expect(`<presence from='juliet@example.com/balcony' to='` + to + `@example.net'/>`)
		}
		juliet.Send(`<presence id='1' to='c@example.net'/>`)
		juliet.Expect(`<presence id='1' type='error' from='c@example.net'>
			<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
		net.Nothing()
	})
}

// Section 8.5.3.1: who may send requests to a client.
func TestRequestsToClients(t *testing.T) {
	for _, tc := range []struct {
		name, from string
		passes     bool
	}{
		{"subscriber", "romeo@example.net/orchard", true},
		{"not a subscriber", "tybalt@example.net/vault", false},
		{"stranger", "iago@example.net/venice", false},
		{"shown presence", "lobby@example.net/juliet", true},
		{"another in the same room", "lobby@example.net/nurse", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				juliet := s.online("juliet@example.com/balcony")
				juliet.Send(`<presence to='lobby@example.net/juliet'/>`)
				s.net.Skip()
				s.net.Send(`<iq type='get' id='1' from='` + tc.from + `' to='juliet@example.com/balcony'><q xmlns='urn:example'/></iq>`)
				if tc.passes {
					juliet.Expect(`<iq type='get' id='1' from='` + tc.from + `'><q xmlns='urn:example'/></iq>`)
				} else {
					s.net.Expect(`<iq type='error' id='1' from='juliet@example.com/balcony' to='` + tc.from + `'>
						<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
				}
				s.net.Nothing()
				juliet.Nothing()
				// Answers and messages are from whom they may.
				s.net.Send(`<iq type='result' id='2' from='` + tc.from + `' to='juliet@example.com/balcony'/>`)
				s.net.Send(`<message id='3' from='` + tc.from + `' to='juliet@example.com/balcony'><body>hi</body></message>`)
				juliet.Expect(`<iq type='result' id='2' from='` + tc.from + `'/>`)
				juliet.Expect(`<message id='3' from='` + tc.from + `'><body>hi</body></message>`)
			})
		})
	}
	enact(t, func(t *testing.T, s scene) { // one's own clients, and the server itself
		balcony, chamber := s.Login("juliet@example.com/balcony"), s.Login("juliet@example.com/chamber")
		balcony.Send(`<iq type='get' id='1' to='juliet@example.com/chamber'><q xmlns='urn:example'/></iq>`)
		chamber.Expect(`<iq type='get' id='1' from='juliet@example.com/balcony'><q xmlns='urn:example'/></iq>`)
		s.Route(stanza.NewIQ(stanza.Get, "2", jid.MustParse("example.com"), chamber.Session().JID(), []byte(`<q xmlns='urn:example'/>`)))
		chamber.Expect(`<iq type='get' id='2' from='example.com'><q xmlns='urn:example'/></iq>`)
	})
}

// Presence that changes while it is being shown does not end with the older one.
func TestPresenceChangesWhileShown(t *testing.T) {
	changing := &meddler{}
	o := xmpptest.Options{Extensions: append(xmpp.All(), xmpp.Info{Name: "meddler", New: func() xmpp.Module { return changing }})}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		mercutio, juliet := s.Login("mercutio@example.com/street"), s.Login("juliet@example.com/balcony")
		mercutio.Send(`<presence/>`)
		juliet.Send(`<presence id='1'/>`)
		mercutio.Skip()
		changing.once = func() { juliet.Send(`<presence id='2'/>`) } // as her old presence is on its way
		s.Subscribe("juliet@example.com", "mercutio@example.com", xmpp.Subscription{From: true})
		got := mercutio.Skip()
		if len(got) == 0 || got[len(got)-1].ID != "2" {
			t.Errorf("the last of %d presences is not the newest", len(got))
		}
		s.Subscribe("juliet@example.com", "mercutio@example.com", xmpp.Subscription{})
		mercutio.Skip()
		changing.once = func() { juliet.Close() }
		s.Subscribe("juliet@example.com", "mercutio@example.com", xmpp.Subscription{From: true})
		if got := mercutio.Skip(); len(got) == 0 || got[len(got)-1].Type != stanza.Unavailable {
			t.Error("a ghost is left")
		}
	})
}

// meddler does something once, when a presence is delivered.
type meddler struct{ once func() }

func (m *meddler) Setup(h xmpp.Host) error {
	h.Hooks().Received.Observe.Add("statistics", func(t *xmpp.Transit) {
		if f := m.once; f != nil && t.Stanza.Kind == stanza.Presence {
			m.once = nil
			f()
		}
	})
	return nil
}

// curtain stands in for the blocking extension.
type curtain struct {
	hidden   xmpp.Key[func(jid.JID) bool]
	withdraw xmpp.Key[func(func(jid.JID) bool)]
}

func (c *curtain) Setup(h xmpp.Host) error {
	c.hidden = xmpp.NewKey[func(jid.JID) bool](h, "presence.hidden")
	c.withdraw = xmpp.NewKey[func(func(jid.JID) bool)](h, "presence.withdraw")
	return nil
}

// From whom the blocking extension hides the user, presence and probes are kept,
// and what was shown to strangers is taken back once.
func TestHiding(t *testing.T) {
	c := new(curtain)
	o := xmpptest.Options{Extensions: append(xmpp.All(), xmpp.Info{Name: "blocking", New: func() xmpp.Module { return c }})}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@example.com")
		both := xmpp.Subscription{To: true, From: true, InRoster: true}
		s.Subscribe("juliet@example.com", "romeo@example.net", both)
		s.Subscribe("juliet@example.com", "tybalt@example.org", both)
		juliet := s.Login("juliet@example.com/balcony")
		blocked := func(who jid.JID) bool { return who.Domain() == "example.org" }
		c.hidden.Set(juliet.Session().Account(), blocked)

		juliet.Send(`<presence to='ball@example.org/juliet'/>`)
		juliet.Send(`<presence to='garden@example.net/juliet'/>`)
		s.Peer("example.net").Skip()
		org := s.Peer("example.org")
		org.Skip()
		c.withdraw.Of(juliet.Session())(blocked)
		org.Expect(`<presence type='unavailable' from='juliet@example.com/balcony' to='ball@example.org/juliet'/>`)
		juliet.Send(`<presence/>`)
		juliet.Send(`<presence><show>away</show></presence>`)
		s.Subscribe("juliet@example.com", "tybalt@example.org", xmpp.Subscription{})
		juliet.Close()
		org.Nothing()
		if got := len(s.Peer("example.net").Skip()); got != 2+1+2 { // two presences, a probe, and two farewells
			t.Errorf("%d stanzas to who is not hidden from", got)
		}
	})
}
