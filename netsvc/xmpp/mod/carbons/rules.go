package carbons

import (
	"hash/maphash"
	"sync"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	hintsSpace    = "urn:xmpp:hints"
	statesSpace   = "http://jabber.org/protocol/chatstates" // XEP-0085
	receiptsSpace = "urn:xmpp:receipts"                     // XEP-0184
	markersSpace  = "urn:xmpp:chat-markers:0"               // XEP-0333
	inviteSpace   = "jabber:x:conference"                   // XEP-0249
	roomSpace     = "http://jabber.org/protocol/muc#user"   // XEP-0045
)

// eligible is section 6.1 for a message that a client sends, with section 9: the
// sender may want only the addressed client to have it. The <private/> mark itself
// stays: the XEP no longer lets servers take it out.
func eligible(s *stanza.Stanza) bool {
	if s.Has(space, "private") || s.To.IsFull() && s.Has(hintsSpace, "no-copy") {
		return false
	}
	switch s.Type {
	case stanza.Chat:
		return true
	case stanza.Normal:
		return s.Has(xmlstream.ClientSpace, "body") || conversational(s) || invitation(s)
	case stanza.Headline:
		return conversational(s) || invitation(s)
	}
	return false // groupchat; errors are for who can tell what they answer
}

// conversational reports whether the message has what people's clients tell each
// other during a conversation.
func conversational(s *stanza.Stanza) (is bool) {
	s.Each(func(space, _ string, _ []byte) bool {
		is = space == statesSpace || space == receiptsSpace || space == markersSpace
		return !is
	})
	return is
}

// invitation reports whether somebody is invited to a room, directly or by it.
func invitation(s *stanza.Stanza) bool {
	return s.Has(inviteSpace, "x") || s.Has(roomSpace, "x") && s.Node(roomSpace, "x").Child(roomSpace, "invite") != nil
}

// eligibleIn is section 6.1 for a message that came.
func (m *module) eligibleIn(a xmpp.Account, s *stanza.Stanza) bool {
	if s.Type == stanza.TypeError {
		return !s.Has(space, "private") && m.recent.Of(a).has(s.From, s.ID)
	}
	if s.From.IsFull() && s.Has(roomSpace, "x") && !invitation(s) {
		return false // a private message in a room, which sends it to each client that is in
	}
	return eligible(s)
}

// recent is what a user's clients have sent lately and was copied: an error that
// comes back for one of them is copied too. It knows the last ones by a hash of
// address and id; a mistaken one costs a superfluous copy.
type recent struct {
	mu   sync.Mutex
	seed maphash.Seed
	ring [64]uint64
	next int
}

// remember notes a message that was copied. One without an id cannot be told from
// others when it comes back.
func (m *module) remember(a xmpp.Account, s *stanza.Stanza) {
	if s.ID == "" {
		return
	}
	r := m.recent.Of(a)
	if r == nil {
		r = &recent{seed: maphash.MakeSeed()}
		m.recent.Set(a, r)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.next] = r.hash(s.To, s.ID)
	r.next = (r.next + 1) % len(r.ring)
}

func (r *recent) has(from jid.JID, id string) bool {
	if r == nil || id == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hash(from, id)
	for _, known := range r.ring {
		if known == h {
			return true
		}
	}
	return false
}

func (r *recent) hash(who jid.JID, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(who.String())
	h.WriteByte(0)
	h.WriteString(id)
	return h.Sum64()
}
