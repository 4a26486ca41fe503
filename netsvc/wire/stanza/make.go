package stanza

import "linnet/netsvc/wire/jid"

// NewMessage makes a message. payload is whole elements for the default namespace jabber:client, or nil; the stanza keeps it.
func NewMessage(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return make1(Message, t, id, from, to, payload)
}

// NewPresence makes a presence stanza; see [NewMessage].
func NewPresence(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return make1(Presence, t, id, from, to, payload)
}

// NewIQ makes an IQ; see [NewMessage].
func NewIQ(t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	return make1(IQ, t, id, from, to, payload)
}

func make1(k Kind, t Type, id string, from, to jid.JID, payload []byte) *Stanza {
	s := &Stanza{Kind: k, Type: t, ID: id, From: from, To: to}
	if len(payload) > 0 {
		s.oneBody[0] = payload[:len(payload):len(payload)]
		s.body, s.kids = s.oneBody[:], s.fewKids[:0]
		s.addKids(payload)
	}
	return s.makeHead()
}

// Redirect makes a copy for another receiver.
func (s *Stanza) Redirect(to jid.JID) *Stanza { return s.Relay(s.From, to) }

// Relay makes a copy with another sender and receiver.
func (s *Stanza) Relay(from, to jid.JID) *Stanza {
	c := s.sharing()
	c.From, c.To = from, to
	return c.makeHead()
}

// WithID makes a copy with another id.
func (s *Stanza) WithID(id string) *Stanza {
	c := s.sharing()
	c.ID = id
	return c.makeHead()
}

// Result makes the answer to an IQ request, with payload as in [NewMessage]. It is nil for what is no request.
func (s *Stanza) Result(payload []byte) *Stanza {
	if s.Kind != IQ || s.Type != Get && s.Type != Set {
		return nil
	}
	return NewIQ(Result, s.ID, s.To, s.From, payload)
}

// Fail makes the error reply (RFC 6120, 8.3.1): addresses swapped, same kind and id, without the payload. It is nil for an error and for
// a result, which are never answered.
func (s *Stanza) Fail(e *Error) *Stanza {
	if s.Type == TypeError || s.Type == Result {
		return nil
	}
	return make1(s.Kind, TypeError, s.ID, s.To, s.From, e.Append(nil))
}
