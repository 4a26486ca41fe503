package bytestreams_test

import (
	"errors"
	"slices"
	"testing"

	"linnet/netsvc/quota"
	"linnet/netsvc/transfer"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/bytestreams"
)

const (
	streamer = "proxy.montague.lit"
	space    = "http://jabber.org/protocol/bytestreams"
)

// relay is a proxy that does what the test says.
type relay struct {
	hosts   []transfer.Streamhost
	asked   []transfer.Request
	outcome error
}

func (r *relay) Streamhosts() []transfer.Streamhost { return r.hosts }
func (r *relay) Activate(q transfer.Request, done func(error)) {
	r.asked = append(r.asked, q)
	go done(r.outcome)
}

// desk is an extension that finds the desk for the test.
type desk struct{ found **transfer.Desk }

func (d desk) Setup(h xmpp.Host) error {
	*d.found = transfer.Of(h)
	return nil
}

func stage(t *testing.T, values map[string]string, f func(*testing.T, *xmpptest.Server, *transfer.Desk, *relay)) {
	t.Helper()
	var at *transfer.Desk
	xmpptest.Test(t, xmpptest.Options{
		Hosts: []string{"montague.lit", "capulet.lit"}, Values: values,
		Extensions: append(xmpp.All(), xmpp.Info{Name: "desk", New: func() xmpp.Module { return desk{&at} }}),
	}, func(t *testing.T, s *xmpptest.Server) {
		r := &relay{hosts: []transfer.Streamhost{{Host: "24.24.24.1", Port: 7625}, {Host: "2001:db8::1", Port: 1080}}}
		at.Offer(r)
		f(t, s, at, r)
	})
}

func query(kind, from, content string) string {
	return `<iq type='` + kind + `' id='a1'` + from + `><query xmlns='` + space + `' sid='vj3hs98y'>` + content + `</query></iq>`
}

func activation(target string) string {
	return query("set", " to='"+streamer+"'", "<activate>"+target+"</activate>")
}

const done = `<iq type='result' id='a1' from='` + streamer + `'/>`

func refusal(kind, condition, text string) string {
	if text != "" {
		text = `<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>` + text + `</text>`
	}
	return `<iq type='error' id='a1' from='` + streamer + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` + text + `</error></iq>`
}

// Sections 4 and 6 of XEP-0065.
func TestService(t *testing.T) {
	stage(t, nil, func(t *testing.T, s *xmpptest.Server, d *transfer.Desk, r *relay) {
		romeo := s.Login("romeo@montague.lit/orchard")
		romeo.Ask(query("get", " to='"+streamer+"'", ""), query("result", " from='"+streamer+"'",
			"<streamhost jid='"+streamer+"' host='24.24.24.1' port='7625'/><streamhost jid='"+streamer+"' host='2001:db8::1' port='1080'/>"))
		romeo.Ask(activation("juliet@capulet.lit/balcony"), done)
		if len(r.asked) != 1 || r.asked[0].Target.String() != "juliet@capulet.lit/balcony" || r.asked[0].Requester.String() != "romeo@montague.lit/orchard" ||
			r.asked[0].At.String() != streamer || !slices.Equal(r.asked[0].Keys, []string{"972b7bf47291ca609517f67f86b5081086052dad"}) {
			t.Errorf("%+v", r.asked)
		}
		romeo.Ask(activation("Juliet@CAPULET.lit/balcony"), done)
		if q := r.asked[1]; len(q.Keys) != 2 || q.Keys[0] != "972b7bf47291ca609517f67f86b5081086052dad" {
			t.Errorf("%+v", q)
		}
		r.hosts = nil
		romeo.Ask(query("get", " to='"+streamer+"'", ""), refusal("cancel", "service-unavailable", "the proxy has no address"))
		d.Offer(nil)
		romeo.Send(query("get", " to='"+streamer+"'", ""))
		romeo.Nothing() // it is a domain like any other
	})
}

func TestRefusals(t *testing.T) {
	stage(t, nil, func(t *testing.T, s *xmpptest.Server, d *transfer.Desk, r *relay) {
		romeo := s.Login("romeo@montague.lit/orchard")
		for _, tt := range []struct {
			outcome error
			want    string
		}{
			{transfer.ErrUnknown, refusal("cancel", "item-not-found", "nobody is connected for this stream")},
			{transfer.ErrAlone, refusal("cancel", "not-allowed", "only one party is connected")},
			{&transfer.Refusal{Reason: "no money"}, refusal("cancel", "not-allowed", "no money")},
			{errors.New("broken"), refusal("cancel", "internal-server-error", "")},
		} {
			r.outcome = tt.outcome
			romeo.Ask(activation("juliet@capulet.lit/balcony"), tt.want)
		}
		r.outcome = nil
		romeo.Ask(query("set", " to='"+streamer+"'", ""), refusal("modify", "bad-request", "a stream's id and the other party are needed"))
		romeo.Ask(`<iq type='set' id='a1' to='`+streamer+`'><query xmlns='`+space+`'><activate>juliet@capulet.lit</activate></query></iq>`,
			refusal("modify", "bad-request", "a stream's id and the other party are needed"))
		romeo.Ask(activation("@capulet.lit"), refusal("modify", "jid-malformed", ""))
		romeo.Ask(activation("gateway.elsewhere.lit"), done)
		romeo.Ask(`<iq type='set' id='a1' to='`+streamer+`'><query xmlns='`+space+`' sid='x' mode='udp'><activate>juliet@capulet.lit/balcony</activate></query></iq>`,
			refusal("cancel", "feature-not-implemented", ""))
	})
}

func limited(to string) string {
	return `<message type='error' from='` + streamer + `' to='` + to + `'><query xmlns='` + space + `' sid='s1'/><error type='wait'>
		<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
		<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>the monthly limit of romeo@montague.lit, 5GB, is reached</text>
		<limit xmlns='urn:linnet:transfer:0' scope='user'/></error></message>`
}

// Both users hear of the limit that ended their transfer.
func TestNotice(t *testing.T) {
	stage(t, nil, func(t *testing.T, s *xmpptest.Server, d *transfer.Desk, r *relay) {
		romeo, juliet := s.Login("romeo@montague.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
		romeo.Ask(activation("juliet@capulet.lit/balcony"), done)
		q := r.asked[0]
		q.SID = "s1"
		d.Notify(transfer.Notice{Request: q, Cause: &quota.Limit{Scope: quota.User, Who: "romeo@montague.lit", Value: 5 << 30}})
		romeo.Expect(limited("romeo@montague.lit/orchard"))
		juliet.Expect(limited("juliet@capulet.lit/balcony"))
		d.Notify(transfer.Notice{Request: q, Cause: errors.New("something of the proxy's own")})
		romeo.Nothing()
		r.outcome = &quota.Limit{Scope: quota.Credit, Who: "romeo@montague.lit"}
		romeo.Ask(activation("juliet@capulet.lit/balcony"), `<iq type='error' id='a1' from='`+streamer+`'><error type='wait'>
			<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
			<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>the credit of romeo@montague.lit is used up</text>
			<limit xmlns='urn:linnet:transfer:0' scope='credit'/></error></iq>`)
		r.outcome = &quota.Limit{Scope: quota.Domain, Who: "montague.lit", Value: quota.Deny}
		romeo.Ask(activation("juliet@capulet.lit/balcony"), `<iq type='error' id='a1' from='`+streamer+`'><error type='cancel'>
			<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
			<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>transfers of montague.lit are not allowed here</text>
			<limit xmlns='urn:linnet:transfer:0' scope='domain'/></error></iq>`)
	})
}

// Who is of another server may have relayed what concerns a user of this one who
// knows him, or nothing, or anything, as the operator says.
func TestStrangers(t *testing.T) {
	const nobody = "one party must be a user of this server"
	for _, tt := range []struct {
		remote, target string
		sub            xmpp.Subscription
		ok             bool
	}{
		{remote: "contacts", target: "romeo@montague.lit/orchard"},
		{remote: "contacts", target: "romeo@montague.lit/orchard", sub: xmpp.Subscription{From: true}, ok: true},
		{remote: "contacts", target: "romeo@montague.lit/orchard", sub: xmpp.Subscription{To: true}, ok: true},
		{remote: "contacts", target: "romeo@montague.lit/orchard", sub: xmpp.Subscription{PendingIn: true}},
		{remote: "contacts", target: "ghost@montague.lit/x"},
		{remote: "contacts", target: "other@elsewhere.lit/x"},
		{remote: "yes", target: "romeo@montague.lit/orchard", ok: true},
		{remote: "yes", target: "ghost@montague.lit/x"},
		{remote: "yes", target: "montague.lit"},
		{remote: "yes", target: "other@elsewhere.lit/x"},
		{remote: "no", target: "romeo@montague.lit/orchard", sub: xmpp.Subscription{From: true, To: true}},
	} {
		t.Run(tt.remote+" "+tt.target, func(t *testing.T) {
			stage(t, map[string]string{"xmpp.bytestreams/remote": tt.remote}, func(t *testing.T, s *xmpptest.Server, d *transfer.Desk, r *relay) {
				s.Register("romeo@montague.lit")
				s.Subscribe("romeo@montague.lit", "paris@elsewhere.lit", tt.sub)
				paris := s.Peer("elsewhere.lit")
				paris.Send(`<iq type='set' id='a1' from='paris@elsewhere.lit/a' to='` + streamer + `'><query xmlns='` + space + `' sid='s'><activate>` + tt.target + `</activate></query></iq>`)
				if tt.ok {
					paris.Expect(`<iq type='result' id='a1' from='` + streamer + `' to='paris@elsewhere.lit/a'/>`)
					return
				}
				paris.Expect(`<iq type='error' id='a1' from='` + streamer + `' to='paris@elsewhere.lit/a'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
					<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>` + nobody + `</text></error></iq>`)
				if len(r.asked) != 0 {
					t.Error("the proxy was asked")
				}
			})
		})
	}
}

func TestStrangersAsk(t *testing.T) {
	stage(t, map[string]string{"xmpp.bytestreams/remote": "no", "xmpp.bytestreams/name": "files"}, func(t *testing.T, s *xmpptest.Server, d *transfer.Desk, r *relay) {
		paris := s.Peer("elsewhere.lit")
		paris.Send(`<iq type='get' id='a1' from='paris@elsewhere.lit/a' to='files.montague.lit'><query xmlns='` + space + `'/></iq>`)
		paris.Expect(`<iq type='error' id='a1' from='files.montague.lit' to='paris@elsewhere.lit/a'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	})
}
