package stanza

import "linnet/netsvc/wire/jid"

// NewMessage makes a message. payload is whole elements for the default namespace jabber:client,
// or nil; the stanza keeps it.
func NewMessage(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return build(Message, t, id, from, to, payload)
}

// NewPresence makes a presence stanza; see [NewMessage].
func NewPresence(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return build(Presence, t, id, from, to, payload)
}

// NewIQ makes an IQ; see [NewMessage].
func NewIQ(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return build(IQ, t, id, from, to, payload)
}

func build(k Kind, t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	s := &Stanza{Kind: k, Type: t, ID: id, From: from, To: to}
	s.body, s.kids = s.fewBody[:0], s.fewKids[:0]
	s.addSegment(payload)
	s.makeHead(0)
	return s
}

// Redirect makes a copy for another receiver, which shares the payload.
func (s *Stanza) Redirect(to jid.JID) *Stanza { return s.Relay(s.From, to) }

// Relay makes a copy with another sender and receiver, which shares the payload.
func (s *Stanza) Relay(from, to jid.JID) *Stanza {
	c := s.copy()
	c.From, c.To = from, to
	return c.sharing(s)
}

// WithID makes a copy with another id, which shares the payload.
func (s *Stanza) WithID(id string) *Stanza {
	c := s.copy()
	c.ID = id
	return c.sharing(s)
}

// sharing gives s the payload of other, and its start tag.
func (s *Stanza) sharing(other *Stanza) *Stanza {
	s.body, s.kids = other.body, other.kids
	s.makeHead(0)
	return s
}

// Result makes the answer to an IQ request, with payload as in [NewMessage]. It is nil for what
// is no request.
func (s *Stanza) Result(payload []byte) *Stanza {
	if s.Kind != IQ || s.Type != Get && s.Type != Set {
		return nil
	}
	return NewIQ(Result, s.ID, s.To, s.From, payload)
}

// Fail makes the error reply (RFC 6120, 8.3.1): addresses swapped, same kind and id, without the
// payload. It is nil for an error and for a result, which are never answered.
func (s *Stanza) Fail(e *Error) *Stanza {
	if s.Type == TypeError || s.Type == Result {
		return nil
	}
	return build(s.Kind, TypeError, s.ID, s.To, s.From, e.Append(nil))
}
