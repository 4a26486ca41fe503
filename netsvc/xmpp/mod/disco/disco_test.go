package disco_test

import (
	"testing"

	wire "linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/disco"
)

// plays declares something of every kind.
type plays struct{}

func (plays) Setup(h xmpp.Host) error {
	d := h.Disco()
	h.IQ(xmpp.IQ{Space: "urn:example:host", Local: "q", To: xmpp.ToHost, Get: func(r *xmpp.Request) { r.Result(nil) }})
	h.IQ(xmpp.IQ{Space: "urn:example:host", Local: "other", To: xmpp.ToHost, Get: func(r *xmpp.Request) { r.Result(nil) }})
	d.Feature(xmpp.ToSelf, "urn:example:self")
	d.Feature(xmpp.ToAccount, "urn:example:account")
	d.Identity(xmpp.ToSelf, wire.Identity{Category: "pubsub", Type: "pep"})
	d.Form(xmpp.ToHost, func(host string) *form.Form {
		f := form.New(form.Result, "urn:example:form")
		f.Add(form.Field{Var: "host", Values: []string{host}})
		return f
	})
	d.Items = append(d.Items, func(r *xmpp.Request) []wire.Item {
		if r.Account != nil {
			return nil
		}
		return []wire.Item{{JID: jid.MustParse("plays." + r.Host), Name: "Plays"}}
	})
	d.Node("acts", xmpp.DiscoNode{
		Info: func(r *xmpp.Request) (*wire.Info, *stanza.Error) {
			return &wire.Info{Identities: []wire.Identity{{Category: "hierarchy", Type: "leaf"}}}, nil
		},
		Items: func(r *xmpp.Request) ([]wire.Item, *stanza.Error) {
			return []wire.Item{{JID: jid.MustParse(r.Host), Node: "acts/1"}}, nil
		},
	})
	d.Node("closed", xmpp.DiscoNode{
		Info:  func(*xmpp.Request) (*wire.Info, *stanza.Error) { return nil, stanza.NewError(stanza.Forbidden, "") },
		Items: func(*xmpp.Request) ([]wire.Item, *stanza.Error) { return nil, stanza.NewError(stanza.Forbidden, "") },
	})
	d.Node("empty", xmpp.DiscoNode{})
	return nil
}

func enact(t *testing.T, f func(*testing.T, *xmpptest.Server, *xmpptest.Client)) {
	t.Helper()
	xmpptest.Test(t, xmpptest.Options{
		Hosts:      []string{"shakespeare.lit", "montague.net"},
		Admins:     []string{"admin@shakespeare.lit"},
		Values:     map[string]string{"xmpp.disco/abuse": "mailto:abuse@shakespeare.lit,xmpp:abuse@shakespeare.lit"},
		Extensions: append(xmpp.All(), xmpp.Info{Name: "plays", New: func() xmpp.Module { return plays{} }}),
	}, func(t *testing.T, s *xmpptest.Server) { f(t, s, s.Login("romeo@montague.net/orchard")) })
}

func ask(what, to, node string) string {
	if node != "" {
		node = ` node='` + node + `'`
	}
	return `<iq type='get' id='d1' to='` + to + `'><query xmlns='http://jabber.org/protocol/disco#` + what + `'` + node + `/></iq>`
}

func answer(what, from, node, content string) string {
	if node != "" {
		node = ` node='` + node + `'`
	}
	return `<iq type='result' id='d1' from='` + from + `'><query xmlns='http://jabber.org/protocol/disco#` + what + `'` + node + `>` + content + `</query></iq>`
}

func failure(from, kind, condition string) string {
	return `<iq type='error' id='d1' from='` + from + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

const disco = `<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>`

// caps115 is what a host has beside.
const caps115 = `<feature var='http://jabber.org/protocol/caps'/>`

func TestHost(t *testing.T) {
	enact(t, func(t *testing.T, s *xmpptest.Server, romeo *xmpptest.Client) {
		for _, host := range []string{"shakespeare.lit", "montague.net"} {
			romeo.Ask(ask("info", host, ""), answer("info", host, "", `<identity category='server' type='im' name='linnet'/>`+disco+caps115+`<feature var='urn:example:host'/>
				<x xmlns='jabber:x:data' type='result'>
					<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>
					<field var='abuse-addresses' type='list-multi'><value>mailto:abuse@shakespeare.lit</value><value>xmpp:abuse@shakespeare.lit</value></field>
					<field var='admin-addresses' type='list-multi'><value>xmpp:admin@shakespeare.lit</value></field>
				</x>
				<x xmlns='jabber:x:data' type='result'>
					<field var='FORM_TYPE' type='hidden'><value>urn:example:form</value></field>
					<field var='host'><value>`+host+`</value></field>
				</x>`))
			romeo.Ask(ask("items", host, ""), answer("items", host, "", `<item jid='plays.`+host+`' name='Plays'/>`))
		}
	})
}

func TestNodes(t *testing.T) {
	enact(t, func(t *testing.T, s *xmpptest.Server, romeo *xmpptest.Client) {
		const host = "shakespeare.lit"
		romeo.Ask(ask("info", host, "acts"), answer("info", host, "acts", `<identity category='hierarchy' type='leaf'/>`))
		romeo.Ask(ask("items", host, "acts"), answer("items", host, "acts", `<item jid='shakespeare.lit' node='acts/1'/>`))
		for _, what := range []string{"info", "items"} {
			romeo.Ask(ask(what, host, "closed"), failure(host, "auth", "forbidden"))
			romeo.Ask(ask(what, host, "empty"), failure(host, "cancel", "item-not-found"))
			romeo.Ask(ask(what, host, "nothing"), failure(host, "cancel", "item-not-found"))
		}
	})
}

// XEP-0115 section 6.3: what the stream feature has the hash of is at that node, of the
// host alone.
func TestCapabilities(t *testing.T) {
	enact(t, func(t *testing.T, s *xmpptest.Server, romeo *xmpptest.Client) {
		n, err := xmlstream.Parse([]byte(s.StreamFeatures()), xmlstream.ClientSpace)
		if err != nil {
			t.Fatal(err)
		}
		caps, err := wire.ParseCaps(n)
		if err != nil {
			t.Fatal(err)
		}
		host := s.Accounts().Hosts()[0]
		romeo.Send(ask("info", host, caps.InfoNode()))
		got := romeo.Skip()
		if len(got) != 1 || got[0].Type != stanza.Result {
			t.Fatalf("%d answers", len(got))
		}
		info, err := wire.ParseInfo(got[0].Payload())
		if err != nil || info.Node != caps.InfoNode() || caps.Verify(info) != nil {
			t.Errorf("%+v is not what %+v is the hash of (%v)", info, caps, err)
		}
		romeo.Ask(ask("info", host, caps.Node+"#x"), failure(host, "cancel", "item-not-found"))
		own := "juliet@" + host
		s.Login(own+"/balcony").Ask(ask("info", own, caps.InfoNode()), failure(own, "cancel", "item-not-found"))
	})
}

// The server answers for accounts: to their own clients, and to those who may see
// their presence. Strangers cannot tell who exists.
func TestAccounts(t *testing.T) {
	const registered = `<identity category='account' type='registered'/>`
	enact(t, func(t *testing.T, s *xmpptest.Server, romeo *xmpptest.Client) {
		romeo.Send(`<presence/>`)
		s.Login("romeo@montague.net/away") // not available
		romeo.Ask(ask("info", "romeo@montague.net", ""), answer("info", "romeo@montague.net", "",
			registered+`<identity category='pubsub' type='pep'/>`+disco+`<feature var='urn:example:self'/>`))
		romeo.Ask(ask("items", "romeo@montague.net", ""), answer("items", "romeo@montague.net", "", `<item jid='romeo@montague.net/orchard'/>`))

		juliet := s.Login("juliet@shakespeare.lit/balcony")
		s.Subscribe("romeo@montague.net", "juliet@shakespeare.lit", xmpp.Subscription{To: true})
		for _, what := range []string{"info", "items"} {
			for _, who := range []string{"romeo", "nobody"} {
				juliet.Ask(ask(what, who+"@montague.net", ""), failure(who+"@montague.net", "cancel", "service-unavailable"))
			}
			juliet.Ask(ask(what, "romeo@montague.net", "acts"), failure("romeo@montague.net", "cancel", "service-unavailable"))
		}
		s.Subscribe("romeo@montague.net", "juliet@shakespeare.lit", xmpp.Subscription{From: true})
		juliet.Ask(ask("info", "romeo@montague.net", ""), answer("info", "romeo@montague.net", "", registered+disco+`<feature var='urn:example:account'/>`))
		juliet.Ask(ask("items", "romeo@montague.net", ""), answer("items", "romeo@montague.net", "", `<item jid='romeo@montague.net/orchard'/>`))
	})
}

// With nobody to write to there is no form of addresses.
func TestNoAddresses(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		s.Login("romeo@example.com/orchard").Ask(ask("info", "example.com", ""),
			answer("info", "example.com", "", `<identity category='server' type='im' name='linnet'/>`+disco+caps115))
	})
}
