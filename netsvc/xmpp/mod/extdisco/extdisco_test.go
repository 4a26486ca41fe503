package extdisco_test

import (
	"errors"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/offer"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/extdisco"
)

// shop stands in for the services that offer something.
type shop struct{ offers *offer.Offers }

func (s *shop) Setup(h xmpp.Host) error {
	s.offers = offer.Of(h)
	return nil
}

func play(t *testing.T, f func(*testing.T, *xmpptest.Server, *offer.Offers)) {
	t.Helper()
	s := new(shop)
	o := xmpptest.Options{Hosts: []string{"shakespeare.lit", "capulet.com"}, Extensions: append(xmpp.All(), xmpp.Info{Name: "shop", New: func() xmpp.Module { return s }})}
	xmpptest.Test(t, o, func(t *testing.T, server *xmpptest.Server) { f(t, server, s.offers) })
}

func issue(account.ID) (offer.Credential, error) {
	return offer.Credential{Username: "nb78932lkjlskjfdb7g8", Password: "jj929jkj5sadjfj93v3n", Expires: time.Date(2012, 2, 2, 2, 2, 2, 0, time.UTC)}, nil
}

func place(kind, host string, port uint16) offer.Place {
	return offer.Place{Type: kind, Host: host, Port: port, Transport: "udp"}
}

var (
	stun = offer.Service{Place: place("stun", "stun.shakespeare.lit", 9998)}
	turn = offer.Service{Place: place("turn", "relay.shakespeare.lit", 9999), Issue: issue}
	here = offer.Service{Place: place("turn", "", 3478), Issue: issue}
)

const (
	stunXML   = `<service host='stun.shakespeare.lit' port='9998' transport='udp' type='stun'/>`
	known     = ` restricted='1' username='nb78932lkjlskjfdb7g8' password='jj929jkj5sadjfj93v3n' expires='2012-02-02T02:02:02Z'/>`
	turnXML   = `<service host='relay.shakespeare.lit' port='9999' transport='udp' type='turn'` + known
	hereXML   = `<service host='shakespeare.lit' port='3478' transport='udp' type='turn'` + known
	thereXML  = `<service host='capulet.com' port='3478' transport='udp' type='turn'` + known
	space     = ` xmlns='urn:xmpp:extdisco:2'`
	notFound  = `<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
	forbidden = `<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
)

func get(to, payload string) string {
	return `<iq type='get' id='1' to='` + to + `'>` + payload + `</iq>`
}

func result(from, payload string) string {
	return `<iq type='result' id='1' from='` + from + `'>` + payload + `</iq>`
}

// Sections 3.1 to 3.3.
func TestQueries(t *testing.T) {
	services := func(content string) string { return `<services` + space + `>` + content + `</services>` }
	ofTurn := func(content string) string { return `<services` + space + ` type='turn'>` + content + `</services>` }
	credentials := func(content string) string { return `<credentials` + space + `>` + content + `</credentials>` }
	for _, tc := range []struct {
		name, ask, answer string
	}{
		{"all", services(""), result("shakespeare.lit", services(stunXML+turnXML+hereXML))},
		{"of a type", ofTurn(""), result("shakespeare.lit", ofTurn(turnXML+hereXML))},
		{"of no such type", `<services` + space + ` type='ftp'/>`, result("shakespeare.lit", `<services`+space+` type='ftp'/>`)},
		{"credentials", credentials(`<service host='relay.shakespeare.lit' type='turn'/>`), result("shakespeare.lit", credentials(turnXML))},
		{"credentials here", credentials(`<service host='shakespeare.lit' type='turn' port='3478'/>`), result("shakespeare.lit", credentials(hereXML))},
		{"credentials of another port", credentials(`<service host='relay.shakespeare.lit' type='turn' port='1'/>`), `<iq type='error' id='1' from='shakespeare.lit'>` + notFound + `</iq>`},
		{"credentials of another host", credentials(`<service host='capulet.com' type='turn'/>`), `<iq type='error' id='1' from='shakespeare.lit'>` + notFound + `</iq>`},
		{"credentials where there are none", credentials(`<service host='stun.shakespeare.lit' type='stun'/>`), `<iq type='error' id='1' from='shakespeare.lit'>` + notFound + `</iq>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
				o.Set("turn", []offer.Service{stun, turn, here})
				s.Login("bard@shakespeare.lit/globe").Ask(get("shakespeare.lit", tc.ask), tc.answer)
			})
		})
	}
	for _, bad := range []string{``, `<service type='turn'/>`, `<service host='shakespeare.lit'/>`, `<service xmlns='urn:other' host='shakespeare.lit' type='turn'/>`} {
		play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
			o.Set("turn", []offer.Service{here})
			bard := s.Login("bard@shakespeare.lit/globe")
			bard.Send(get("shakespeare.lit", credentials(bad)))
			if e := bard.Skip()[0].Failure(); e == nil || e.Condition.String() != "bad-request" {
				t.Errorf("%s: %v", bad, e)
			}
		})
	}
}

// Strangers learn nothing: the credentials are this server's users'.
func TestStrangers(t *testing.T) {
	play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
		o.Set("turn", []offer.Service{here})
		peer := s.Peer("montague.net")
		for _, ask := range []string{`<services` + space + `/>`, `<credentials` + space + `><service host='shakespeare.lit' type='turn'/></credentials>`} {
			peer.Send(`<iq type='get' id='1' from='romeo@montague.net/orchard' to='shakespeare.lit'>` + ask + `</iq>`)
			peer.Expect(`<iq type='error' id='1' from='shakespeare.lit' to='romeo@montague.net/orchard'>` + forbidden + `</iq>`)
		}
	})
}

// A service without a host is at the domain of who asks.
func TestDomains(t *testing.T) {
	play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
		o.Set("turn", []offer.Service{here})
		s.Login("juliet@capulet.com/balcony").Ask(get("capulet.com", `<services`+space+`/>`), result("capulet.com", `<services`+space+`>`+thereXML+`</services>`))
	})
}

// Section 3.2: who has asked hears of changes, of the type that was asked for.
func TestPush(t *testing.T) {
	play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
		o.Set("turn", []offer.Service{turn})
		all, turns, silent := s.Login("bard@shakespeare.lit/globe"), s.Login("bard@shakespeare.lit/swan"), s.Login("bard@shakespeare.lit/rose")
		all.Ask(get("shakespeare.lit", `<services`+space+`/>`), result("shakespeare.lit", `<services`+space+`>`+turnXML+`</services>`))
		turns.Ask(get("shakespeare.lit", `<services`+space+` type='turn'/>`), result("shakespeare.lit", `<services`+space+` type='turn'>`+turnXML+`</services>`))

		o.Set("turn", []offer.Service{stun, here})
		removed := `<service action='remove' host='relay.shakespeare.lit' port='9999' transport='udp' type='turn'/>`
		added := func(xml string) string { return `<service action='add'` + xml[len(`<service`):] }
		push := func(resource, payload string) string {
			return `<iq type='set' id='*' from='shakespeare.lit' to='bard@shakespeare.lit/` + resource + `'>` + payload + `</iq>`
		}
		all.Expect(push("globe", `<services`+space+`>`+added(stunXML)+added(hereXML)+removed+`</services>`))
		turns.Expect(push("swan", `<services`+space+` type='turn'>`+added(hereXML)+removed+`</services>`))
		silent.Nothing()

		o.Set("turn", []offer.Service{here, stun}) // nothing new
		all.Nothing()
		s.Reload(nil)
		o.Set("turn", []offer.Service{here})
		all.Expect(push("globe", `<services`+space+`><service action='remove' host='stun.shakespeare.lit' port='9998' transport='udp' type='stun'/></services>`))
		turns.Nothing()
	})
}

// Before the clock is set there are no credentials; the services that need none are told.
func TestNotNow(t *testing.T) {
	play(t, func(t *testing.T, s *xmpptest.Server, o *offer.Offers) {
		refuse := offer.ErrNotNow
		later := here
		later.Issue = func(id account.ID) (offer.Credential, error) {
			if refuse != nil {
				return offer.Credential{}, refuse
			}
			return issue(id)
		}
		o.Set("turn", []offer.Service{stun, later})
		bard := s.Login("bard@shakespeare.lit/globe")
		bard.Ask(get("shakespeare.lit", `<services`+space+`/>`), result("shakespeare.lit", `<services`+space+`>`+stunXML+`</services>`))
		ask := get("shakespeare.lit", `<credentials`+space+`><service host='shakespeare.lit' type='turn'/></credentials>`)
		bard.Send(ask)
		if e := bard.Skip()[0].Failure(); e == nil || e.Condition.String() != "resource-constraint" {
			t.Errorf("%v", e)
		}
		refuse = nil
		bard.Ask(ask, result("shakespeare.lit", `<credentials`+space+`>`+hereXML+`</credentials>`))
		refuse = errors.New("out of order")
		bard.Send(ask)
		if e := bard.Skip()[0].Failure(); e == nil || e.Condition.String() != "internal-server-error" {
			t.Errorf("%v", e)
		}
		refuse = offer.ErrNotNow // what goes is told all the same
		o.Set("turn", []offer.Service{stun})
		bard.Expect(`<iq type='set' id='*' from='shakespeare.lit' to='bard@shakespeare.lit/globe'><services` + space +
			`><service action='remove' host='shakespeare.lit' port='3478' transport='udp' type='turn'/></services></iq>`)
	})
}
