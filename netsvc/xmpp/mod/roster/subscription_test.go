package roster_test

import (
	"fmt"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"
)

// observer stands in for the presence extension: it shows when the roster tells
// of a change.
type observer struct{ host xmpp.Host }

func (o *observer) Setup(h xmpp.Host) error {
	o.host = h
	h.Hooks().Subscription.Add("presence", func(c xmpp.SubscriptionChange) {
		kind := stanza.Unavailable
		if c.Now.From {
			kind = stanza.Available
		}
		if c.Was.From != c.Now.From {
			h.Server().Route(stanza.NewPresence(kind, "", c.Account.Sessions()[0].JID(), c.Contact, nil))
		}
	})
	return nil
}

// What juliet's server sends to romeo's, in its order: she appears to him after
// her approval (3.1.5), and is gone before its cancellation (3.2.2).
func TestPresenceFollowsTheSubscription(t *testing.T) {
	for _, tc := range []struct {
		name, state string
		act         func(scene)
		told        []string // types of what romeo's server gets
	}{
		{"approval", "None + Pending In", func(s scene) { s.send(true, "subscribed") }, []string{"subscribed", ""}},
		{"cancellation", "From", func(s scene) { s.send(true, "unsubscribed") }, []string{"unavailable", "unsubscribed"}},
		{"unsubscribed by the contact", "Both", func(s scene) { s.send(false, "unsubscribe") }, []string{"unavailable", "unsubscribed"}},
		{"removal", "Both", func(s scene) { s.juliet.Send(set(`<item jid='romeo@example.net' subscription='remove'/>`)) },
			[]string{"unavailable", "unsubscribe", "unsubscribed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := xmpptest.Options{Extensions: append(xmpp.All(), xmpp.Info{Name: "presence", New: func() xmpp.Module { return new(observer) }})}
			xmpptest.Test(t, o, func(t *testing.T, server *xmpptest.Server) {
				s := scene{server, server.Login("juliet@example.com/balcony"), server.Peer("example.net")}
				s.reach(tc.state)
				tc.act(s)
				var told []string
				for _, got := range s.net.Skip() {
					told = append(told, got.Type.String())
				}
				if fmt.Sprint(told) != fmt.Sprint(tc.told) {
					t.Errorf("romeo's server got %q, expected %q", told, tc.told)
				}
			})
		})
	}
}

// Two people of one server: what the approval changes with the one who asked comes
// before the presence, too, however it was given (3.1.5, 3.1.6).
func TestPresenceFollowsTheApprovalHere(t *testing.T) {
	for _, tc := range []struct {
		name string
		act  func(romeo, juliet *xmpptest.Client)
	}{
		{"approval", func(romeo, juliet *xmpptest.Client) {
			romeo.Send(`<presence to='juliet@example.com' type='subscribe'/>`)
			romeo.Skip()
			juliet.Send(`<presence to='romeo@example.com' type='subscribed'/>`)
		}},
		{"pre-approval", func(romeo, juliet *xmpptest.Client) {
			juliet.Send(`<presence to='romeo@example.com' type='subscribed'/>`)
			romeo.Send(`<presence to='juliet@example.com' type='subscribe'/>`)
			romeo.Expect(push(`<item jid='juliet@example.com' subscription='none' ask='subscribe'/>`))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := xmpptest.Options{Extensions: append(xmpp.All(), xmpp.Info{Name: "presence", New: func() xmpp.Module { return new(observer) }})}
			xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
				juliet, romeo := s.Login("juliet@example.com/balcony"), s.Login("romeo@example.com/orchard")
				romeo.Ask(getRoster, roster(``))
				romeo.Send(`<presence/>`)
				tc.act(romeo, juliet)
				romeo.Expect(`<presence from='juliet@example.com' to='romeo@example.com' type='subscribed'/>`)
				romeo.Expect(push(`<item jid='juliet@example.com' subscription='to'/>`))
				romeo.Expect(`<presence from='juliet@example.com/balcony' to='romeo@example.com'/>`)
				romeo.Nothing()
			})
		})
	}
}

// An approval that is taken back before it was committed shows no presence.
func TestNoPresenceAfterTheCancellation(t *testing.T) {
	o := xmpptest.Options{Extensions: append(xmpp.All(), xmpp.Info{Name: "presence", New: func() xmpp.Module { return new(observer) }})}
	xmpptest.Test(t, o, func(t *testing.T, server *xmpptest.Server) {
		s := scene{server, server.Login("juliet@example.com/balcony"), server.Peer("example.net")}
		s.reach("None + Pending In")
		commits := make(chan struct{})
		s.Store().Submit(new(store.Batch), func(error) { <-commits })
		s.send(true, "subscribed")
		s.send(true, "unsubscribed")
		close(commits)
		s.net.Expect(`<presence id='s1' from='juliet@example.com' to='romeo@example.net' type='subscribed'/>`)
		s.net.Expect(`<presence from='juliet@example.com/balcony' to='romeo@example.net' type='unavailable'/>`)
		s.net.Expect(`<presence id='s1' from='juliet@example.com' to='romeo@example.net' type='unsubscribed'/>`)
		s.net.Nothing()
	})
}

// Requests go to available clients, everything else to those who asked for the
// roster (section 2.2, implementation note).
func TestWhoGetsWhat(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		available, interested := s.Login("juliet@example.com/available"), s.Login("juliet@example.com/interested")
		available.Send(`<presence/>`)
		interested.Ask(getRoster, roster(``))
		net := s.Peer("example.net")
		net.Send(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'><status>It is I</status></presence>`)
		available.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'><status>It is I</status></presence>`)
		interested.Nothing()
		available.Send(`<presence to='romeo@example.net' type='subscribed'/>`)
		interested.Expect(push(`<item jid='romeo@example.net' subscription='from'/>`))
		net.Send(`<presence from='romeo@example.net' to='juliet@example.com' type='unsubscribe'/>`)
		interested.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='unsubscribe'/>`)
		interested.Expect(push(`<item jid='romeo@example.net' subscription='none'/>`))
		interested.Nothing()
		available.Nothing()
	})
}

// A request is delivered at every login until it is answered, as it first came
// and however often it was repeated (3.1.3).
func TestRequestWaits(t *testing.T) {
	const request = `<presence id='xk3h1v69' from='romeo@example.net' to='juliet@example.com' type='subscribe'>
		<status>What light?</status><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>`
	data := t.TempDir()
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@example.com")
		net := s.Peer("example.net")
		net.Send(request)
		net.Send(`<presence id='again' from='romeo@example.net/orchard' to='juliet@example.com/balcony' type='subscribe'/>`)
		net.Nothing()
	})
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		for _, resource := range []string{"balcony", "chamber"} {
			juliet := s.Login("juliet@example.com/" + resource)
			juliet.Nothing()
			juliet.Send(`<presence/>`)
			juliet.Expect(request)
			juliet.Send(`<presence><show>away</show></presence>`) // not a login
			juliet.Nothing()
			juliet.Close()
		}
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Ask(getRoster, roster(``)) // nothing of it in the roster
		juliet.Send(`<presence to='romeo@example.net' type='unsubscribed'/>`)
		juliet.Send(`<presence/>`)
		juliet.Nothing()
		s.Peer("example.net").Expect(`<presence from='juliet@example.com' to='romeo@example.net' type='unsubscribed'/>`)
	})
}

// RFC 7622 section 3.1: each part of an address may have 1023 bytes. Such a contact can be kept, and may ask.
func TestLongestAddress(t *testing.T) {
	local := strings.Repeat("x", 1023)
	enact(t, func(t *testing.T, s scene) {
		longest := local + "@" + strings.Repeat(strings.Repeat("y", 62)+".", 16) + strings.Repeat("z", 15)
		s.juliet.Ask(set(`<item jid='`+longest+`'/>`), done)
		s.juliet.Expect(push(`<item jid='` + longest + `' subscription='none'/>`))
	})
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		juliet, net := s.Login("juliet@example.com/balcony"), s.Peer("example.net")
		juliet.Send(`<presence/>`)
		request := `<presence id='1' from='` + local + `@example.net' to='juliet@example.com' type='subscribe'/>`
		net.Send(request)
		juliet.Expect(request)
		net.Nothing()
	})
}

func TestLargeRequestsAreNotKept(t *testing.T) {
	request := func(n int) string { // a request of n bytes
		s := `<presence id="r" from="romeo@example.net" to="juliet@example.com" type="subscribe"><status></status></presence>`
		return strings.Replace(s, "><status>", "><status>"+strings.Repeat("x", n-len(s)), 1)
	}
	for _, tc := range []struct {
		name string
		size int
		kept bool
	}{
		{"largest", 4096, true},
		{"too large", 4097, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
				s.Register("juliet@example.com")
				s.Peer("example.net").Send(request(tc.size))
				juliet := s.Login("juliet@example.com/balcony")
				juliet.Send(`<presence/>`)
				got := juliet.Skip()
				if len(got) != 1 || got[0].Type != stanza.Subscribe || got[0].From != jid.MustParse("romeo@example.net") {
					t.Fatalf("got %v", got)
				}
				if kept := got[0].Has("jabber:client", "status"); kept != tc.kept {
					t.Errorf("kept: %v", kept)
				}
			})
		})
	}
}

// What stood in a request that was answered is not shown with a later one.
func TestAnsweredRequestIsForgotten(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		const request = `<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'><status>%s</status></presence>`
		s.net.Send(fmt.Sprintf(request, "It is I"))
		s.send(true, "subscribed")
		s.send(true, "unsubscribed")
		s.net.Send(fmt.Sprintf(request, strings.Repeat("x", 4096))) // is not kept
		s.juliet.Skip()
		chamber := s.Login("juliet@example.com/chamber")
		chamber.Send(`<presence/>`)
		chamber.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
	})
}

func TestTooManyRequests(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.roster/requests": "2"}}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@example.com")
		net := s.Peer("example.net")
		ask := func(who string) {
			net.Send(`<presence id='1' from='` + who + `@example.net' to='juliet@example.com' type='subscribe'/>`)
		}
		ask("a")
		ask("b")
		net.Nothing()
		ask("c")
		net.Expect(`<presence id='1' from='juliet@example.com' to='c@example.net' type='error'>
			<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
		// An answer, or the asker's change of mind, makes room.
		net.Send(`<presence from='a@example.net' to='juliet@example.com' type='unsubscribe'/>`)
		net.Expect(`<presence from='juliet@example.com' to='a@example.net' type='unsubscribed'/>`)
		ask("c")
		net.Nothing()
	})
}

// Section 3.4.
func TestPreApproval(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.juliet.Send(`<presence id='pg81vx64' to='romeo@example.net' type='subscribed'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='none' approved='true'/>`))
		s.juliet.Send(`<presence to='romeo@example.net' type='subscribed'/>`) // once is enough
		s.juliet.Nothing()
		s.net.Nothing()
		s.net.Send(`<presence id='xk3h1v69' from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
		s.net.Expect(`<presence id='xk3h1v69' from='juliet@example.com' to='romeo@example.net' type='subscribed'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='from'/>`))
		s.juliet.Nothing()
	})
	enact(t, func(t *testing.T, s scene) { // taken back
		s.juliet.Send(`<presence to='romeo@example.net' type='subscribed'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='none' approved='true'/>`))
		s.juliet.Send(`<presence to='romeo@example.net' type='unsubscribed'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='none'/>`))
		s.net.Nothing()
		s.send(false, "subscribe")
		s.juliet.Expect(`<presence id='s1' from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
	})
}

func TestSubscriptionToOneself(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		for _, kind := range []string{"subscribe", "subscribed", "unsubscribe", "unsubscribed"} {
			s.juliet.Send(`<presence to='juliet@example.com' type='` + kind + `'/>`)
			s.juliet.Send(`<presence to='juliet@example.com/balcony' type='` + kind + `'/>`)
		}
		s.juliet.Nothing()
		s.juliet.Ask(getRoster, roster(``))
	})
}

// Stanzas about subscriptions are between bare addresses, whatever the clients
// wrote (section 3, 3.1.2, 3.1.3).
func TestBareAddresses(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.juliet.Send(`<presence to='romeo@example.net/orchard' type='subscribe'/>`)
		s.net.Expect(`<presence from='juliet@example.com' to='romeo@example.net' type='subscribe'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='none' ask='subscribe'/>`))

		s.net.Send(`<presence from='romeo@example.net/orchard' to='juliet@example.com/nowhere' type='subscribed'/>`) // 8.5.3.2.2
		s.juliet.Nothing()
		s.net.Send(`<presence from='romeo@example.net/orchard' to='juliet@example.com/balcony' type='subscribed'/>`)
		s.juliet.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribed'/>`)
		s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='to'/>`))

		s.net.Send(`<presence from='romeo@example.net/orchard' to='juliet@example.com/nowhere' type='subscribe'/>`)
		s.juliet.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
		s.juliet.Nothing()
	})
}

// A request that another server may not have got is repeated by the first client
// that becomes available (3.1.2).
func TestRequestIsRepeated(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("nurse@example.com")
		juliet, net := s.Login("juliet@example.com/balcony"), s.Peer("example.net")
		juliet.Send(`<presence to='romeo@example.net' type='subscribe'/>`)
		juliet.Send(`<presence to='nurse@example.com' type='subscribe'/>`) // here nothing gets lost
		net.Skip()
		juliet.Send(`<presence/>`)
		net.Expect(`<presence id='*' from='juliet@example.com' to='romeo@example.net' type='subscribe'/>`)
		s.Login("juliet@example.com/chamber").Send(`<presence/>`)
		net.Nothing()
	})
}

// Two accounts of this server: each has its side of it.
func TestBetweenLocalAccounts(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"example.com", "example.net"}}, func(t *testing.T, s *xmpptest.Server) {
		romeo, juliet := s.Login("romeo@example.net/foo"), s.Login("juliet@example.com/balcony")
		for _, c := range []*xmpptest.Client{romeo, juliet} {
			c.Send(`<presence/>`)
			c.Ask(getRoster, roster(``))
		}
		romeo.Send(`<presence id='xk3h1v69' to='juliet@example.com' type='subscribe'/>`)
		romeo.Expect(push(`<item jid='juliet@example.com' subscription='none' ask='subscribe'/>`))
		juliet.Expect(`<presence id='xk3h1v69' from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
		juliet.Send(`<presence id='h4v1c4kj' to='romeo@example.net' type='subscribed'/>`)
		juliet.Expect(push(`<item jid='romeo@example.net' subscription='from'/>`))
		romeo.Expect(`<presence id='h4v1c4kj' from='juliet@example.com' to='romeo@example.net' type='subscribed'/>`)
		romeo.Expect(push(`<item jid='juliet@example.com' subscription='to'/>`))
		// Removal at one side takes the other's along, and ends there: no answer to the answer.
		romeo.Ask(set(`<item jid='juliet@example.com' subscription='remove'/>`), done)
		romeo.Expect(push(`<item jid='juliet@example.com' subscription='remove'/>`))
		juliet.Expect(`<presence from='romeo@example.net' to='juliet@example.com' type='unsubscribe'/>`)
		juliet.Expect(push(`<item jid='romeo@example.net' subscription='none'/>`))
		romeo.Nothing()
		juliet.Nothing()
	})
}
