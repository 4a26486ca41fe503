package vcard_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/vcard"
)

const (
	card = `<vCard xmlns='vcard-temp'><FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N>
		<NICKNAME>stpeter</NICKNAME><TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL><DESC>Check out my blog</DESC></vCard>`
	get = `<iq id='v1' type='get'><vCard xmlns='vcard-temp'/></iq>`
)

func set(card string) string { return `<iq id='v2' type='set'>` + card + `</iq>` }

const done = `<iq id='v2' type='result'/>`

func to(who, iq string) string   { return strings.Replace(iq, "<iq ", "<iq to='"+who+"' ", 1) }
func from(who, iq string) string { return strings.Replace(iq, "<iq ", "<iq from='"+who+"' ", 1) }

func failure(id, kind, condition string) string {
	return `<iq id='` + id + `' type='error'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

// Sections 3.1 to 3.3.
func TestCards(t *testing.T) {
	o := xmpptest.Options{Hosts: []string{"jabber.org"}, Data: t.TempDir()}
	const peter = "stpeter@jabber.org"
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		stpeter, jer, net := s.Login(peter+"/roundabout"), s.Login("jer@jabber.org/x"), s.Peer("example.net")
		ask := func(answer string) {
			t.Helper()
			jer.Ask(to(peter, get), from(peter, answer))
			net.Send(from("romeo@example.net/orchard", to(peter, get)))
			net.Expect(from(peter, answer))
		}
		stpeter.Ask(get, failure("v1", "cancel", "item-not-found"))
		ask(failure("v1", "cancel", "service-unavailable"))
		jer.Ask(to("nobody@jabber.org", get), from("nobody@jabber.org", failure("v1", "cancel", "service-unavailable"))) // the same
		stpeter.Ask(set(`<vCard xmlns='vcard-temp'><FN>St. Peter</FN></vCard>`), done)
		stpeter.Ask(set(card), done)
		stpeter.Ask(get, `<iq id='v1' type='result'>`+card+`</iq>`)
		stpeter.Ask(to(peter, get), from(peter, `<iq id='v1' type='result'>`+card+`</iq>`))
		ask(`<iq id='v1' type='result'>` + card + `</iq>`)

		const other = `<vCard xmlns='vcard-temp'><FN>Somebody</FN></vCard>`
		jer.Ask(to(peter, set(other)), from(peter, failure("v2", "auth", "forbidden")))
		net.Send(from("romeo@example.net/orchard", to(peter, set(other))))
		net.Expect(from(peter, failure("v2", "cancel", "service-unavailable")))
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		stpeter := s.Login(peter + "/roundabout")
		stpeter.Ask(get, `<iq id='v1' type='result'>`+card+`</iq>`)
		stpeter.Ask(set(`<vCard xmlns='vcard-temp'/>`), done)
		stpeter.Ask(get, failure("v1", "cancel", "item-not-found"))
	})
}

func TestLimits(t *testing.T) {
	photo := func(n int) string {
		data := base64.StdEncoding.EncodeToString(make([]byte, n))
		return `<PHOTO><TYPE>image/png</TYPE><BINVAL>` + data[:len(data)/2] + "\n\t" + data[len(data)/2:] + `</BINVAL></PHOTO>`
	}
	card := func(n int) string { // of n bytes
		c := `<vCard xmlns="vcard-temp"><DESC></DESC></vCard>`
		return strings.Replace(c, "<DESC>", "<DESC>"+strings.Repeat("x", n-len(c)), 1)
	}
	o := xmpptest.Options{Values: map[string]string{"xmpp.vcard/photo": "1000", "xmpp.vcard/bytes": "4KB"}}
	for _, tc := range []struct {
		name, card string
		fits       bool
	}{
		{"largest picture", `<vCard xmlns='vcard-temp'>` + photo(1000) + `</vCard>`, true},
		{"too large a picture", `<vCard xmlns='vcard-temp'>` + photo(1001) + `</vCard>`, false},
		{"two pictures", `<vCard xmlns='vcard-temp'>` + photo(600) + photo(401) + `</vCard>`, false},
		{"largest card", card(4096), true},
		{"too large a card", card(4097), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
				stpeter := s.Login("stpeter@example.com/roundabout")
				if tc.fits {
					stpeter.Ask(set(tc.card), done)
					stpeter.Ask(get, `<iq id='v1' type='result'>`+tc.card+`</iq>`)
				} else {
					stpeter.Ask(set(tc.card), failure("v2", "modify", "not-acceptable"))
					stpeter.Ask(get, failure("v1", "cancel", "item-not-found"))
				}
			})
		})
	}
}
