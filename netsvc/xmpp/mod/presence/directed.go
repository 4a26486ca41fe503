package presence

import (
	"sync"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// directed is whom one client has shown its presence beyond its subscribers. A nil
// *directed is empty.
type directed struct {
	mu sync.Mutex
	to map[jid.JID]struct{}
}

// sent notes whom a client shows its presence, 4.6.3.
func (m *module) sent(t *xmpp.Transit) *stanza.Error {
	s := t.Stanza
	if s.Kind != stanza.Presence || s.Type != stanza.Available && s.Type != stanza.Unavailable || s.To.Bare() == t.Account.JID() {
		return nil
	}
	d := m.directed.Of(t.Session)
	if s.Type == stanza.Unavailable {
		if d != nil {
			d.remove(s.To)
		}
		return nil
	}
	if sub, _ := m.host.Contacts().Contact(t.Account, s.To.Bare()); sub.From && t.Session.Presence() != nil {
		return nil // hears of the end anyway: rule 1
	}
	if d == nil {
		d = new(directed)
		m.directed.Set(t.Session, d)
		session := t.Session
		m.withdraw.Set(session, func(match func(jid.JID) bool) {
			gone := stanza.NewPresence(stanza.Unavailable, "", session.JID(), jid.JID{}, nil)
			for _, to := range d.take(match) {
				m.host.Server().Route(gone.Redirect(to))
			}
		})
	}
	if !d.add(s.To, m.bound) {
		return stanza.NewError(stanza.ResourceConstraint, "presence is shown to too many strangers")
	}
	return nil
}

// ended is for clients that showed their presence to somebody and never to all.
func (m *module) ended(s xmpp.Session) {
	m.farewell(s, stanza.NewPresence(stanza.Unavailable, "", s.JID(), jid.JID{}, nil), false)
}

// farewell tells those who were shown the presence that the client is gone, once:
// not those whom the broadcast has reached.
func (m *module) farewell(from xmpp.Session, p *stanza.Stanza, broadcast bool) {
	for _, to := range m.directed.Of(from).take(everybody) {
		if broadcast {
			if sub, _ := m.host.Contacts().Contact(from.Account(), to.Bare()); sub.From {
				continue
			}
		}
		m.host.Server().Route(p.Relay(from.JID(), to))
	}
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

// knows reports whether the presence was shown to that address, or to the person.
func (d *directed) knows(who jid.JID) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, full := d.to[who]
	_, bare := d.to[who.Bare()]
	return full || bare
}

// met reports whether the presence was shown to any address of that person or
// room: a room passes on the requests of all who are in it.
func (d *directed) met(who jid.JID) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for to := range d.to {
		if to.Bare() == who.Bare() {
			return true
		}
	}
	return false
}

// take takes those who match from the list.
func (d *directed) take(match func(jid.JID) bool) (list []jid.JID) {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for to := range d.to {
		if match(to) {
			list = append(list, to)
			delete(d.to, to)
		}
	}
	return list
}

func everybody(jid.JID) bool { return true }
