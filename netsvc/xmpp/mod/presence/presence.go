// Package presence tells contacts who is there: RFC 6121 section 4. It
// broadcasts presence to those who are subscribed, probes those the user is
// subscribed to, answers probes, follows directed presence up with unavailable,
// and keeps those who share neither from reaching a client by IQ (section
// 8.5.3.1), which would tell them that it is there.
//
// Who is subscribed is the roster's to know (xmpp.Contacts); what a session's
// presence is, and how it decides delivery, is the server's.
package presence

import (
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
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
	withdraw xmpp.Key[func(func(jid.JID) bool)]
	hidden   xmpp.Key[func(jid.JID) bool]
	bound    int
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	h.Options().Int(&m.bound, "directed", 1000, "to how many strangers one client may show its presence at a time").Range(1, 100000)
	m.directed = xmpp.NewKey[*directed](h, "directed")
	// The names under which the blocking extension says from whom presence is kept,
	// of an account, and takes back what was shown to strangers, of a session.
	m.hidden = xmpp.NewKey[func(jid.JID) bool](h, "presence.hidden")
	m.withdraw = xmpp.NewKey[func(func(jid.JID) bool)](h, "presence.withdraw")
	hooks := h.Hooks()
	hooks.Sent.Filter.Add("presence", m.sent)
	hooks.Received.Filter.Add("presence", m.guard)
	hooks.Received.Handle.Add("presence", m.received)
	hooks.Presence.Add("presence", m.changed)
	hooks.Subscription.Add("presence", m.subscription)
	hooks.Ended.Add("presence", m.ended)
	return nil
}

// changed is 4.2 (initial), 4.4 (subsequent) and 4.5 (unavailable presence).
func (m *module) changed(c xmpp.PresenceChange) {
	p := c.Now
	if p == nil {
		p = c.Leaving
	}
	if c.Now != nil || c.Was != nil {
		m.broadcast(c.Session, p)
	}
	switch {
	case c.Now == nil:
		m.farewell(c.Session, p, true)
	case c.Was == nil:
		m.look(c.Session)
	}
}

// broadcast sends p to everybody who is subscribed, the user's own clients
// included, among them the one whose presence it is.
func (m *module) broadcast(from xmpp.Session, p *stanza.Stanza) {
	a, srv := from.Account(), m.host.Server()
	own := p.Relay(from.JID(), a.JID())
	for _, s := range a.Sessions() {
		if s.Presence() != nil || s == from {
			s.Send(own)
		}
	}
	m.each(a, func(contact jid.JID, sub xmpp.Subscription) {
		if sub.From {
			srv.Route(p.Relay(from.JID(), contact))
		}
	})
}

// look finds out for a client that has become available who else is: the user's
// other clients, and everybody the user is subscribed to (4.3.1).
func (m *module) look(from xmpp.Session) {
	a, srv := from.Account(), m.host.Server()
	for _, other := range a.Sessions() {
		if other != from {
			m.show(other, func(p *stanza.Stanza) { from.Send(p.Relay(other.JID(), a.JID())) })
		}
	}
	m.each(a, func(contact jid.JID, sub xmpp.Subscription) {
		switch {
		case !sub.To:
		case srv.IsHost(contact.Domain()):
			// Between our own accounts no server is asked, and the answer is for the
			// one client that does not know it yet.
			srv.Route(stanza.NewPresence(stanza.Probe, "", from.JID(), contact, nil))
		default:
			srv.Route(stanza.NewPresence(stanza.Probe, "", a.JID(), contact, nil))
		}
	})
}

// each calls f for the contacts that the user has not hidden from.
func (m *module) each(a xmpp.Account, f func(jid.JID, xmpp.Subscription)) {
	hidden := m.hidden.Of(a)
	err := m.host.Contacts().Each(a, func(contact jid.JID, sub xmpp.Subscription) bool {
		if hidden == nil || !hidden(contact) {
			f(contact, sub)
		}
		return true
	})
	if err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
	}
}

// show sends a client's presence, if it has one, and sends again what it has
// changed to meanwhile: the change was broadcast on another goroutine, and must
// not be the first to arrive.
func (m *module) show(s xmpp.Session, send func(*stanza.Stanza)) (shown bool) {
	for {
		now := s.Presence()
		switch {
		case now != nil:
			send(now)
			shown = true
		case shown:
			send(stanza.NewPresence(stanza.Unavailable, "", s.JID(), jid.JID{}, nil))
		}
		if s.Presence() == now {
			return shown
		}
	}
}

// subscription shows the presence to a new subscriber (3.1.5), and takes it back
// from one who is no longer (3.2.2, 3.3.3), directed presence or not (4.6.1).
func (m *module) subscription(c xmpp.SubscriptionChange) {
	hidden := m.hidden.Of(c.Account)
	if c.Was.From == c.Now.From || hidden != nil && hidden(c.Contact) {
		return
	}
	srv := m.host.Server()
	for _, s := range c.Account.Sessions() {
		switch {
		case c.Now.From:
			m.show(s, func(p *stanza.Stanza) { srv.Route(p.Relay(s.JID(), c.Contact)) })
		case s.Presence() != nil:
			srv.Route(stanza.NewPresence(stanza.Unavailable, "", s.JID(), c.Contact, nil))
		}
	}
}

// received answers probes, and forgets directed presence to who is gone (4.6.1).
func (m *module) received(t *xmpp.Transit) xmpp.Verdict {
	s := t.Stanza
	if s.Kind != stanza.Presence {
		return xmpp.Pass
	}
	switch s.Type {
	case stanza.Probe:
		m.answer(t.Account, s)
		return xmpp.Taken
	case stanza.Unavailable:
		for _, own := range t.Account.Sessions() {
			if d := m.directed.Of(own); d != nil {
				d.remove(s.From)
			}
		}
	}
	return xmpp.Pass
}

// answer is 4.3.2 and, for who was shown presence without a subscription, 4.6.6.
func (m *module) answer(a xmpp.Account, probe *stanza.Stanza) {
	srv := m.host.Server()
	sub, err := m.host.Contacts().Contact(a, probe.From.Bare())
	if err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
		return
	}
	subscribed := sub.From || probe.From.Bare() == a.JID()
	answered := false
	for _, own := range a.Sessions() {
		if probe.To.IsFull() && probe.To != own.JID() {
			continue
		}
		switch {
		case subscribed && !probe.To.IsFull():
			answered = m.show(own, func(p *stanza.Stanza) { srv.Route(p.Relay(own.JID(), probe.From)) }) || answered
		case subscribed && own.Presence() != nil, m.directed.Of(own).knows(probe.From):
			srv.Route(stanza.NewPresence(stanza.Available, "", own.JID(), probe.From, nil))
			answered = true
		}
	}
	switch {
	case answered:
	case subscribed:
		// Of a client that is not there nothing is said but that; of the person, since when.
		srv.Route(stanza.NewPresence(stanza.Unavailable, probe.ID, probe.To, probe.From, m.since(a, probe.To)))
	default:
		srv.Route(stanza.NewPresence(stanza.Unsubscribed, probe.ID, a.JID(), probe.From.Bare(), nil))
	}
}

// since is the stamp of the last client's departure, nil when it is not known.
func (m *module) since(a xmpp.Account, asked jid.JID) []byte {
	if asked.IsFull() {
		return nil
	}
	activity, err := m.host.Server().Accounts().Activity(a.ID())
	if err != nil || activity.Logout.IsZero() {
		return nil
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	stamp.Delay{Time: activity.Logout}.Append(w)
	return w.Bytes()
}

// guard is the first rule of 8.5.3.1: a request reaches a client only from those
// who know of it anyway. Others get the answer of a client that is not there.
func (m *module) guard(t *xmpp.Transit) *stanza.Error {
	s := t.Stanza
	if s.Kind != stanza.IQ || s.Type != stanza.Get && s.Type != stanza.Set || !s.To.IsFull() || s.From.Bare() == t.Account.JID() {
		return nil
	}
	if s.From.IsHost() && m.host.Server().IsHost(s.From.Domain()) {
		return nil
	}
	if sub, err := m.host.Contacts().Contact(t.Account, s.From.Bare()); err == nil && sub.From {
		return nil
	}
	for _, own := range t.Account.Sessions() {
		if own.JID() == s.To && m.directed.Of(own).met(s.From) {
			return nil
		}
	}
	return stanza.NewError(stanza.ServiceUnavailable, "")
}
