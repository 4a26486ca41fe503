package roster

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

func isSubscription(s *stanza.Stanza) bool {
	if s.Kind != stanza.Presence {
		return false
	}
	switch s.Type {
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
		return true
	}
	return false
}

// sent takes the subscription stanzas of the user's clients: section 3, the
// "outbound processing" of each.
func (m *module) sent(t *xmpp.Transit) xmpp.Verdict {
	if !isSubscription(t.Stanza) {
		return xmpp.Pass
	}
	// From the bare JID, to the bare JID: 3.1.2 and its likes.
	s := t.Stanza.Relay(t.Account.JID(), t.Stanza.To.Bare())
	if s.To == s.From {
		return xmpp.Taken // everybody is subscribed to themselves
	}
	route := false
	m.commit(t.Account, s.To, func(old *item, size int) (*item, error) {
		var sub xmpp.Subscription
		if old != nil {
			sub = old.sub
		}
		var next xmpp.Subscription
		next, route = outbound(s.Type, sub)
		if next == sub {
			return nil, nil
		}
		if old == nil && size >= m.limit {
			return nil, stanza.NewError(stanza.ResourceConstraint, "the roster is full")
		}
		it := old.copy(s.To)
		it.sub = next
		if !next.PendingIn {
			it.request = nil
		}
		return it, nil
	}, func(err error) {
		switch {
		case err != nil:
			m.refuse(s, err)
		case route:
			m.host.Server().Route(s)
		}
	})
	return xmpp.Taken
}

// received takes the subscription stanzas of contacts: the "inbound processing".
func (m *module) received(t *xmpp.Transit) xmpp.Verdict {
	if !isSubscription(t.Stanza) {
		return xmpp.Pass
	}
	a := t.Account
	s := t.Stanza.Relay(t.Stanza.From.Bare(), a.JID())
	do := ignore
	m.commit(a, s.From, func(old *item, size int) (*item, error) {
		var sub, next xmpp.Subscription
		if old != nil {
			sub = old.sub
		}
		next, do = inbound(s.Type, sub)
		if next == sub || old == nil && size >= m.limit {
			return nil, nil
		}
		it := old.copy(s.From)
		it.sub = next
		it.request = nil
		if next.PendingIn {
			it.request = s.AppendForwarded(nil)
		}
		return it, nil
	}, func(err error) {
		switch {
		case err != nil:
			m.refuse(s, err)
		case do == accept:
			m.host.Server().Route(stanza.NewPresence(stanza.Subscribed, s.ID, a.JID(), s.From, nil))
		case do == deliver:
			m.deliver(a, s)
		}
	})
	return xmpp.Taken
}

// deliver gives a subscription stanza to the clients: a request to the available
// ones (3.1.3), the others to those that asked for the roster (3.1.6, 3.2.3,
// 3.3.3).
func (m *module) deliver(a xmpp.Account, s *stanza.Stanza) {
	for _, to := range a.Sessions() {
		if s.Type == stanza.Subscribe && to.Presence() != nil || s.Type != stanza.Subscribe && to.Has(m.interested) {
			to.Send(s)
		}
	}
}

// remind delivers the requests that nobody has answered to a client that has
// become available, section 3.1.3.
func (m *module) remind(s xmpp.Session) {
	r, err := m.state.Get(s.Account())
	if err != nil {
		m.host.Log().Error("pending requests cannot be read", "cause", err)
		return
	}
	for _, it := range r.items {
		if !it.sub.PendingIn {
			continue
		}
		if request, err := stanza.Parse(it.request); err == nil {
			s.Send(request)
		} else {
			s.Send(stanza.NewPresence(stanza.Subscribe, "", it.contact, s.Account().JID(), nil))
		}
	}
}

// refuse answers a subscription stanza that could not be stored.
func (m *module) refuse(s *stanza.Stanza, err error) {
	e, ok := err.(*stanza.Error)
	if !ok {
		m.host.Log().Error("subscription could not be stored", "cause", err)
		e = stanza.NewError(stanza.ResourceConstraint, "the server could not store this")
	}
	if reply := s.Fail(e); reply != nil {
		m.host.Server().Route(reply)
	}
}
