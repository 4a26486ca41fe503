package disco_test

import (
	"testing"

	wire "linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// theatre is a service that answers one request, and messages to its stages.
type theatre struct{ open *bool }

func (p theatre) Setup(h xmpp.Host) error {
	h.Service(&xmpp.Service{
		Address: func(host string) string {
			if host != "shakespeare.lit" {
				return ""
			}
			return "globe." + host
		},
		Ready:    func() bool { return *p.open },
		Identity: wire.Identity{Category: "component", Type: "generic", Name: "The Globe"},
		Features: []string{"urn:example:plays"},
		IQs: []xmpp.IQ{{Space: "urn:example:tickets", Local: "query", Get: func(r *xmpp.Request) {
			r.Result([]byte("<seat xmlns='urn:example:tickets'>" + r.Host + "</seat>"))
		}}, {Space: "urn:example:secret", Local: "query", Feature: "-", Set: func(r *xmpp.Request) { r.Result(nil) }}},
		Items: func(r *xmpp.Request) []wire.Item { return []wire.Item{{JID: r.IQ.To, Name: "the pit"}} },
		Take: func(t *xmpp.Transit, at xmpp.Place) {
			h.Server().Route(stanza.NewMessage(stanza.Chat, "", t.Stanza.To, t.Stanza.From, []byte("<body>"+at.Host+"</body>")))
		},
	})
	return nil
}

func TestService(t *testing.T) {
	open := true
	xmpptest.Test(t, xmpptest.Options{
		Hosts:      []string{"shakespeare.lit", "montague.net"},
		Extensions: append(xmpp.All(), xmpp.Info{Name: "theatre", New: func() xmpp.Module { return theatre{&open} }}),
	}, func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@montague.net/orchard")
		const globe = "globe.shakespeare.lit"
		romeo.Ask(ask("items", "shakespeare.lit", ""), answer("items", "shakespeare.lit", "", `<item jid='`+globe+`' name='The Globe'/>`))
		romeo.Ask(ask("items", "montague.net", ""), answer("items", "montague.net", "", ""))
		romeo.Ask(ask("info", globe, ""), answer("info", globe, "", disco+`<identity category='component' type='generic' name='The Globe'/>
			<feature var='urn:example:plays'/><feature var='urn:example:tickets'/>`))
		romeo.Ask(ask("items", globe, ""), answer("items", globe, "", `<item jid='`+globe+`' name='the pit'/>`))
		romeo.Ask(ask("info", globe, "acts"), failure(globe, "cancel", "item-not-found"))
		romeo.Ask(ask("items", globe, "acts"), failure(globe, "cancel", "item-not-found"))
		romeo.Ask(`<iq type='get' id='d1' to='`+globe+`'><query xmlns='urn:example:tickets'/></iq>`,
			`<iq type='result' id='d1' from='`+globe+`'><seat xmlns='urn:example:tickets'>shakespeare.lit</seat></iq>`)
		romeo.Ask(`<iq type='set' id='d1' to='`+globe+`'><query xmlns='urn:example:tickets'/></iq>`, failure(globe, "cancel", "feature-not-implemented"))
		romeo.Ask(`<iq type='get' id='d1' to='`+globe+`'><query xmlns='urn:example:unknown'/></iq>`, failure(globe, "cancel", "service-unavailable"))
		romeo.Send(`<message to='stage@` + globe + `' type='chat'><body>Friends</body></message>`)
		romeo.Expect(`<message from='stage@` + globe + `' type='chat'><body>shakespeare.lit</body></message>`)

		open = false
		romeo.Ask(ask("items", "shakespeare.lit", ""), answer("items", "shakespeare.lit", "", ""))
		romeo.Send(ask("info", globe, ""))
		romeo.Nothing() // it is a domain like any other of the net now
		s.Peer(globe).Expect(`<iq type='get' id='d1' from='romeo@montague.net/orchard' to='` + globe + `'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`)
	})
}
