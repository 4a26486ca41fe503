package roster

import (
	"errors"
	"strconv"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// maxRequest is how many bytes of a subscription request are kept for later. Of a
// larger one only the fact is: section 3.1.3 warns of requests as a way to fill
// the server's memory.
const maxRequest = 4 << 10

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
	a, asked := t.Account, t.Stanza
	// From the bare JID, to the bare JID: section 3 and 3.1.2.
	s := asked.Relay(a.JID(), asked.To.Bare())
	if s.To == s.From {
		return xmpp.Taken // everybody is subscribed to themselves
	}
	route := false
	m.commit(a, s.To, func(old *item, r *roster) (*item, error) {
		var sub, next xmpp.Subscription
		if old != nil {
			sub = old.sub
		}
		next, route = outbound(s.Type, sub)
		if next == sub {
			return nil, nil
		}
		if next.InRoster && !sub.InRoster && r.contacts >= m.contacts {
			return nil, m.full()
		}
		it := old.copy(s.To)
		it.sub = next
		if !next.PendingIn {
			it.request = nil
		}
		if next.InRoster && m.tooLarge(r, old, it) {
			return nil, m.full()
		}
		return it, nil
	}, func(err error) {
		switch {
		case err != nil:
			m.refuse(asked, err)
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
	if t.Stanza.Type != stanza.Subscribe && t.Stanza.To.IsFull() && !connected(t) {
		return xmpp.Taken // 8.5.3.2.2
	}
	s := t.Stanza.Relay(t.Stanza.From.Bare(), a.JID())
	reply := none
	var receivers []xmpp.Session
	m.commit(a, s.From, func(old *item, r *roster) (*item, error) {
		var sub, next xmpp.Subscription
		if old != nil {
			sub = old.sub
		}
		var deliver bool
		if next, deliver, reply = inbound(s.Type, sub); deliver {
			receivers = m.receivers(a, s.Type)
		}
		if next == sub {
			return nil, nil
		}
		if next.PendingIn && !sub.InRoster && r.requests >= m.requests {
			return nil, stanza.NewError(stanza.ResourceConstraint, "too many requests are waiting")
		}
		it := old.copy(s.From)
		it.sub = next
		switch {
		case !next.PendingIn:
			it.request = nil
		case !sub.PendingIn && s.Size() <= maxRequest:
			it.request = s.AppendForwarded(nil)
		}
		return it, nil
	}, func(err error) {
		if err != nil {
			m.refuse(s, err)
			return
		}
		for _, to := range receivers {
			to.Send(s)
		}
		if reply != none {
			m.host.Server().Route(stanza.NewPresence(stanza.Type(reply), s.ID, a.JID(), s.From, nil))
		}
	})
	return xmpp.Taken
}

// connected reports whether the resource is there that the stanza is addressed to.
func connected(t *xmpp.Transit) bool {
	for _, s := range t.Account.Sessions() {
		if s.JID() == t.Stanza.To {
			return true
		}
	}
	return false
}

// receivers are the clients that a subscription stanza is for: a request goes to
// the available ones (3.1.3), the others to those that asked for the roster
// (3.1.6, 3.2.3, 3.3.3).
//
// It is called under the account's lock, like remind's look at what is waiting: so
// that a client which becomes available just now gets the request from one of the
// two.
func (m *module) receivers(a xmpp.Account, t stanza.Type) (list []xmpp.Session) {
	flag := m.interested
	if t == stanza.Subscribe {
		flag = m.reminded
	}
	for _, s := range a.Sessions() {
		if s.Has(flag) {
			list = append(list, s)
		}
	}
	return list
}

// remind delivers the requests that nobody has answered to a client that has
// become available (3.1.3), and repeats the user's own ones to other servers,
// which may have been out of reach (3.1.2).
func (m *module) remind(s xmpp.Session) {
	a, srv := s.Account(), m.host.Server()
	var now *roster
	err := m.state.Change(a, func(r *roster, _ *store.Batch) (*roster, error) {
		now = r
		s.Set(m.reminded, true)
		return r, nil
	}, func(err error) {
		if err != nil || now.failed.Load() {
			return // the store's failure has been told to whoever wrote
		}
		for _, it := range now.items {
			if it.sub.PendingIn {
				s.Send(it.pending(a))
			}
			if it.sub.Ask && !srv.IsHost(it.contact.Domain()) && alone(s) {
				srv.Route(stanza.NewPresence(stanza.Subscribe, "again"+strconv.FormatUint(it.changed, 10), a.JID(), it.contact, nil))
			}
		}
	})
	if err != nil {
		m.host.Log().Error("pending requests cannot be read", "cause", err)
	}
}

// presence notes that a client is gone, and must be reminded anew.
func (m *module) presence(c xmpp.PresenceChange) {
	if c.Now == nil {
		c.Session.Set(m.reminded, false)
	}
}

// pending is the request that a contact waits for an answer to.
func (it *item) pending(a xmpp.Account) *stanza.Stanza {
	if request, err := stanza.Parse(it.request); err == nil {
		return request
	}
	return stanza.NewPresence(stanza.Subscribe, "", it.contact, a.JID(), nil)
}

// alone reports whether s is the only available session of its account.
func alone(s xmpp.Session) bool {
	for _, other := range s.Account().Sessions() {
		if other != s && other.Presence() != nil {
			return false
		}
	}
	return true
}

// refuse answers a subscription stanza that could not be stored.
func (m *module) refuse(s *stanza.Stanza, err error) {
	var e *stanza.Error
	if !errors.As(err, &e) {
		m.host.Log().Error("subscription could not be stored", "cause", err)
		e = stanza.NewError(stanza.ResourceConstraint, "the server could not store this")
	}
	if reply := s.Fail(e); reply != nil {
		m.host.Server().Route(reply)
	}
}
