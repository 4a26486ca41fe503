package server

import (
	"strconv"
	"strings"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// ownPresence is a client's presence without 'to': the session's own state,
// which the delivery rules go by. Telling the contacts is an extension's.
func (g *generation) ownPresence(ss *Session, s *stanza.Stanza) {
	switch s.Type {
	case stanza.Available:
		priority, ok := priorityOf(s)
		if !ok {
			g.bounce(s, stanza.NewError(stanza.BadRequest, "priority must be an integer from -128 to 127"))
			return
		}
		fresh := priority >= 0 && !ss.reachable()
		if fresh { // what was kept for it goes first
			ss.account.Defer()
			defer ss.account.Proceed()
		}
		ss.account.status.Store(nil)
		old := ss.presence.Swap(&presence{s, priority})
		g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: old.of(), Now: s})
		if old == nil {
			g.hooks.Available.Tell(ss)
		}
	case stanza.Unavailable:
		ss.account.status.Store(statusOf(s))
		// Also of a client that was never available: strangers may have been shown
		// its presence directly.
		old := ss.presence.Swap(nil)
		g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: old.of(), Leaving: s})
	default:
		g.bounce(s, stanza.NewError(stanza.BadRequest, "this type of presence needs an address"))
	}
}

func (p *presence) of() *stanza.Stanza {
	if p == nil {
		return nil
	}
	return p.stanza
}

// statusOf reads RFC 6121 section 4.7.2.2, of which no more than statusBytes are kept when
// everybody is gone; nil if there is none.
func statusOf(s *stanza.Stanza) *string {
	n := s.Node("jabber:client", "status")
	if n == nil {
		return nil
	}
	text := n.Text
	if len(text) > statusBytes {
		text = strings.ToValidUTF8(text[:statusBytes], "")
	}
	return &text
}

const statusBytes = 1 << 10

// priorityOf reads RFC 6121 section 4.7.2.3.
func priorityOf(s *stanza.Stanza) (int8, bool) {
	n := s.Node("jabber:client", "priority")
	if n == nil {
		return 0, true
	}
	v, err := strconv.ParseInt(strings.TrimSpace(n.Text), 10, 8)
	return int8(v), err == nil
}
