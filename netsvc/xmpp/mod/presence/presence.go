// Package presence tells contacts who is there: RFC 6121 section 4. It
// broadcasts presence to those who are subscribed, probes those the user is
// subscribed to, answers probes, and follows directed presence up with
// unavailable.
//
// Who is subscribed is the roster's to know (xmpp.Contacts); what a session's
// presence is, and how it decides delivery, is the server's.
package presence

import (
	"sync"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "presence",
		Summary: "broadcasts, probes and directed presence",
		Specs:   []string{"RFC 6121"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host     xmpp.Host
	directed xmpp.Key[*directed]
	bound    int
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	h.Options().Int(&m.bound, "directed", 1000, "to how many strangers one client may show its presence at a time").Range(1, 100000)
	m.directed = xmpp.NewKey[*directed](h, "directed")
	h.Hooks().Sent.Filter.Add("presence", m.sent)
	h.Hooks().Received.Handle.Add("presence", m.received)
	h.Hooks().Presence.Add("presence", m.changed)
	h.Hooks().Subscription.Add("presence", m.subscription)
	return nil
}

// changed is 4.2 (initial), 4.4 (subsequent) and 4.5 (unavailable presence).
func (m *module) changed(c xmpp.PresenceChange) {
	a, p := c.Session.Account(), c.Now
	if p == nil {
		p = c.Leaving
	}
	m.broadcast(c.Session, p)
	if c.Now == nil {
		m.farewell(c.Session, p)
		return
	}
	if c.Was == nil {
		m.probe(c.Session)
		for _, other := range a.Sessions() {
			if now := other.Presence(); now != nil && other != c.Session {
				c.Session.Send(now.Relay(other.JID(), a.JID()))
			}
		}
	}
}

// broadcast sends p to everybody who is subscribed, the user's own clients
// included.
func (m *module) broadcast(from xmpp.Session, p *stanza.Stanza) {
	a, srv := from.Account(), m.host.Server()
	own := p.Relay(from.JID(), a.JID())
	for _, s := range a.Sessions() {
		if s.Presence() != nil {
			s.Send(own)
		}
	}
	m.each(a, func(contact jid.JID, sub xmpp.Subscription) bool {
		if sub.From {
			srv.Route(p.Relay(from.JID(), contact))
		}
		return true
	})
}

// probe asks for the presence of everybody the user is subscribed to, 4.3.1.
func (m *module) probe(from xmpp.Session) {
	srv := m.host.Server()
	m.each(from.Account(), func(contact jid.JID, sub xmpp.Subscription) bool {
		if sub.To {
			srv.Route(stanza.NewPresence(stanza.Probe, "", from.JID(), contact, nil))
		}
		return true
	})
}

func (m *module) each(a xmpp.Account, f func(jid.JID, xmpp.Subscription) bool) {
	if err := m.host.Contacts().Each(a, f); err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
	}
}

// received answers probes, 4.3.2.
func (m *module) received(t *xmpp.Transit) xmpp.Verdict {
	s := t.Stanza
	if s.Kind != stanza.Presence || s.Type != stanza.Probe {
		return xmpp.Pass
	}
	asker, a, srv := s.From.Bare(), t.Account, m.host.Server()
	sub, err := m.host.Contacts().Contact(a, asker)
	if err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
		return xmpp.Taken
	}
	if !sub.From && asker != a.JID() {
		if !m.answerDirected(t) {
			srv.Route(stanza.NewPresence(stanza.Unsubscribed, "", a.JID(), asker, nil))
		}
		return xmpp.Taken
	}
	there := false
	for _, own := range a.Sessions() {
		if now := own.Presence(); now != nil {
			there = true
			srv.Route(now.Relay(own.JID(), s.From))
		}
	}
	if !there {
		srv.Route(stanza.NewPresence(stanza.Unavailable, "", a.JID(), s.From, nil))
	}
	return xmpp.Taken
}

// answerDirected answers the probe of a stranger that a client has shown its
// presence to.
func (m *module) answerDirected(t *xmpp.Transit) bool {
	for _, own := range t.Account.Sessions() {
		now := own.Presence()
		if d := m.directed.Of(own); now != nil && d != nil && (d.has(t.Stanza.From) || d.has(t.Stanza.From.Bare())) {
			m.host.Server().Route(now.Relay(own.JID(), t.Stanza.From))
			return true
		}
	}
	return false
}

// subscription shows the presence to a new subscriber (3.1.5), and takes it back
// from one who is no longer (3.2.2, 3.3.3).
func (m *module) subscription(c xmpp.SubscriptionChange) {
	if c.Was.From == c.Now.From {
		return
	}
	srv := m.host.Server()
	for _, s := range c.Account.Sessions() {
		now := s.Presence()
		switch {
		case now == nil:
		case c.Now.From:
			srv.Route(now.Relay(s.JID(), c.Contact))
		default:
			srv.Route(stanza.NewPresence(stanza.Unavailable, "", s.JID(), c.Contact, nil))
		}
	}
}

// sent notes whom a client shows its presence without a subscription, 4.6.
func (m *module) sent(t *xmpp.Transit) *stanza.Error {
	s := t.Stanza
	if s.Kind != stanza.Presence || s.Type != stanza.Available && s.Type != stanza.Unavailable {
		return nil
	}
	d := m.directed.Of(t.Session)
	if s.Type == stanza.Unavailable {
		if d != nil {
			d.remove(s.To)
		}
		return nil
	}
	if sub, _ := m.host.Contacts().Contact(t.Account, s.To.Bare()); sub.From && s.To.IsBare() {
		return nil // hears of the end anyway
	}
	if d == nil {
		d = new(directed)
		m.directed.Set(t.Session, d)
	}
	if !d.add(s.To, m.bound) {
		return stanza.NewError(stanza.ResourceConstraint, "presence is shown to too many strangers")
	}
	return nil
}

// farewell tells those who were shown the presence that the client is gone.
func (m *module) farewell(from xmpp.Session, p *stanza.Stanza) {
	d := m.directed.Of(from)
	if d == nil {
		return
	}
	for _, to := range d.take() {
		m.host.Server().Route(p.Relay(from.JID(), to))
	}
}

// directed is whom one client has shown its presence.
type directed struct {
	mu sync.Mutex
	to map[jid.JID]struct{}
}

func (d *directed) add(to jid.JID, bound int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.to[to]; !ok && len(d.to) >= bound {
		return false
	}
	if d.to == nil {
		d.to = map[jid.JID]struct{}{}
	}
	d.to[to] = struct{}{}
	return true
}

func (d *directed) remove(to jid.JID) {
	d.mu.Lock()
	delete(d.to, to)
	d.mu.Unlock()
}

func (d *directed) has(to jid.JID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.to[to]
	return ok
}

func (d *directed) take() (list []jid.JID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for to := range d.to {
		list = append(list, to)
	}
	d.to = nil
	return list
}
