// Package bytestreams is what users see of the proxy for file transfers: the service
// of XEP-0065 1.8.2 (SOCKS5 Bytestreams) at each domain, which tells where it is
// reached and takes activations, also those of XEP-0260 1.0.3.
//
// It owns the stanzas, and who may ask. The proxy itself is netsvc/socks5, which it
// meets at the desk of netsvc/transfer; without one that runs there is no service.
//
// # Who may activate
//
// One party must be a user of this server. That the requester is one is known; of the
// other party only his name is, and a stranger could name anybody. So a requester of
// another server must, unless the operator says otherwise, be a contact of the local
// user whom he names.
//
// # Keys
//
// A transfer is activated by who offered the proxy: the key begins with the stream's
// id and the sender of the activation. Addresses are hashed in their canonical form,
// as the specification asks, and as the client wrote the other one, for clients that
// prepare addresses in another way.
package bytestreams

import (
	"errors"
	"strconv"
	"strings"

	"linnet/netsvc/config"
	"linnet/netsvc/quota"
	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space      = "http://jabber.org/protocol/bytestreams"
	limitSpace = "urn:linnet:transfer:0" // of the application's condition in notices
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "bytestreams",
		Summary: "tells users of the proxy for file transfers",
		Specs:   []string{"XEP-0065 1.8.2", "XEP-0260 1.0.3"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host   xmpp.Host
	desk   *transfer.Desk
	name   string
	remote string
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host, m.desk = h, transfer.Of(h)
	o := h.Options().About("The proxy for file transfers as users see it; how it is reached is said in [socks5].")
	o.String(&m.name, "name", "proxy", "the service of a domain is NAME.DOMAIN")
	o.Enum(&m.remote, "remote", "contacts", []string{"no", "contacts", "yes"},
		"which users of other servers may have files relayed from or to users of this one: none, their contacts, or all")
	o.Check(m.check)
	h.Service(&xmpp.Service{
		Address:  func(host string) string { return m.name + "." + host },
		Ready:    func() bool { return m.desk.Proxy() != nil },
		Identity: disco.Identity{Category: "proxy", Type: "bytestreams", Name: "file transfers"},
		IQs:      []xmpp.IQ{{Space: space, Local: "query", Get: m.streamhosts, Set: m.activate}},
	})
	return nil
}

func (m *extension) check() error {
	if j, err := jid.Parse(m.name + ".example.org"); err != nil || !j.IsHost() || m.name == "" || strings.HasPrefix(m.name, ".") {
		return config.Bad("name", "%q cannot begin a domain", m.name)
	}
	return nil
}

// Switch implements module.Switcher.
func (m *extension) Switch() { m.desk.Tell(m.tell) }

func (m *extension) isLocal(j jid.JID) bool { return m.host.Server().IsHost(j.Domain()) }

// streamhosts is section 4: where the proxy is reached.
func (m *extension) streamhosts(r *xmpp.Request) {
	if m.remote == "no" && !m.isLocal(r.IQ.From) {
		r.Refuse(stanza.Forbidden, "")
		return
	}
	p := m.desk.Proxy()
	var hosts []transfer.Streamhost
	if p != nil {
		hosts = p.Streamhosts()
	}
	if len(hosts) == 0 {
		r.Refuse(stanza.ServiceUnavailable, "the proxy has no address")
		return
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").AttrIf("sid", r.Payload.Attr("sid"))
	for _, h := range hosts {
		w.Start("", "streamhost").Attr("jid", r.IQ.To.String()).Attr("host", h.Host).Attr("port", strconv.Itoa(int(h.Port))).End()
	}
	r.Result(w.End().Bytes())
}

// activate is section 6.3.5.
func (m *extension) activate(r *xmpp.Request) {
	sid, text := r.Payload.Attr("sid"), r.Payload.ChildText(space, "activate")
	target, err := jid.Parse(strings.TrimSpace(text))
	switch {
	case sid == "" || text == "":
		r.Refuse(stanza.BadRequest, "a stream's id and the other party are needed")
		return
	case err != nil: // a domain is good: the other party may be a gateway
		r.Refuse(stanza.JIDMalformed, "")
		return
	case r.Payload.Attr("mode") == "udp":
		r.Refuse(stanza.FeatureNotImplemented, "")
		return
	}
	if bad := m.allowed(r.IQ.From, target); bad != nil {
		r.Fail(bad)
		return
	}
	p := m.desk.Proxy()
	if p == nil {
		r.Refuse(stanza.ServiceUnavailable, "")
		return
	}
	from := r.IQ.From.String()
	q := transfer.Request{Requester: r.IQ.From, Target: target, At: r.IQ.To, SID: sid, Keys: []string{transfer.Key(sid, from, target.String())}}
	if text != target.String() {
		q.Keys = append(q.Keys, transfer.Key(sid, from, text))
	}
	if r.Session != nil {
		q.Address = r.Session.RemoteAddr()
	}
	p.Activate(q, func(err error) {
		if err != nil {
			m.refuse(r, err)
			return
		}
		r.Result(nil)
	})
}

// allowed says who may have what relayed: see the package comment.
func (m *extension) allowed(requester, target jid.JID) *stanza.Error {
	if m.isLocal(requester) {
		return nil
	}
	if !m.isLocal(target) || m.remote == "no" {
		return stanza.NewError(stanza.NotAllowed, "one party must be a user of this server")
	}
	a, ok, err := m.host.Server().Account(target.Bare())
	if err != nil || !ok {
		return stanza.NewError(stanza.NotAllowed, "one party must be a user of this server")
	}
	defer a.Release()
	if m.remote == "yes" {
		return nil
	}
	if sub, err := m.host.Contacts().Contact(a, requester.Bare()); err != nil || !sub.From && !sub.To {
		// The same as for who does not exist: nothing is told of contacts.
		return stanza.NewError(stanza.NotAllowed, "one party must be a user of this server")
	}
	return nil
}

// refuse answers an activation with what the specification names for it.
func (m *extension) refuse(r *xmpp.Request, err error) {
	switch {
	case errors.Is(err, transfer.ErrUnknown):
		r.Refuse(stanza.ItemNotFound, "nobody is connected for this stream")
	case errors.Is(err, transfer.ErrAlone):
		r.Refuse(stanza.NotAllowed, "only one party is connected")
	default:
		if e := failure(err); e != nil {
			r.Fail(e)
			return
		}
		r.Broken("activation failed", err)
	}
}

// failure is how a limit or a refusal is said in a stanza; nil for anything else.
func failure(err error) *stanza.Error {
	var limit *quota.Limit
	var refused *transfer.Refusal
	switch {
	case errors.As(err, &limit):
		c := stanza.ResourceConstraint // there may be room later
		if limit.Value == quota.Deny {
			c = stanza.NotAllowed
		}
		e := stanza.NewError(c, limit.Error())
		e.App = []byte("<limit xmlns='" + limitSpace + "' scope='" + limit.Scope.String() + "'/>")
		return e
	case errors.As(err, &refused):
		return stanza.NewError(stanza.NotAllowed, refused.Reason)
	}
	return nil
}

// tell sends both users an error message about their transfer.
func (m *extension) tell(n transfer.Notice) {
	e := failure(n.Cause)
	if e == nil || n.Request.At.IsZero() { // nothing that was asked for by XMPP
		return
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").Attr("sid", n.Request.SID).End()
	payload := e.Append(w.Bytes())
	for _, to := range []jid.JID{n.Request.Requester, n.Request.Target} {
		m.host.Server().Route(stanza.NewMessage(stanza.TypeError, "", n.Request.At, to, payload))
	}
}
