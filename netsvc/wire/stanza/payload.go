package stanza

import "linnet/netsvc/wire/xmlstream"

// Has reports whether there is a child element with this name.
func (s *Stanza) Has(space, local string) bool { return s.Raw(space, local) != nil }

// Raw gives the bytes of the first child element with this name, nil when there is none. They stand for themselves where
// jabber:client is the default namespace, and must not be changed.
func (s *Stanza) Raw(space, local string) []byte {
	for n := range s.kids {
		if k := &s.kids[n]; k.local == local && k.space == space {
			return k.raw
		}
	}
	return nil
}

// Node gives the first child element with this name as a tree, nil when there is none. Each call parses anew.
func (s *Stanza) Node(space, local string) *xmlstream.Node { return node(s.Raw(space, local)) }

// Payload gives the first child element as a tree: what an IQ is about. It is nil when there is none.
func (s *Stanza) Payload() *xmlstream.Node {
	if len(s.kids) == 0 {
		return nil
	}
	return node(s.kids[0].raw)
}

func node(raw []byte) *xmlstream.Node {
	if raw == nil {
		return nil
	}
	n, err := xmlstream.Parse(raw, xmlstream.ClientSpace)
	if err != nil {
		return nil // bytes that were appended and are not XML
	}
	return n
}

// Each calls f for each child element, in their order, until it returns false. raw must not be changed.
func (s *Stanza) Each(f func(space, local string, raw []byte) bool) {
	for n := range s.kids {
		if k := &s.kids[n]; !f(k.space, k.local, k.raw) {
			return
		}
	}
}

// Append makes a copy with segments added to the payload. Each is one or more whole elements for the default namespace
// jabber:client, as an [xmlstream.Writer] makes them. The stanza keeps them: they must not be changed any more.
func (s *Stanza) Append(seg ...[]byte) *Stanza {
	c := s.copy()
	c.body = append(make([][]byte, 0, len(s.body)+len(seg)), s.body...)
	c.kids = append(make([]kid, 0, len(s.kids)+len(seg)), s.kids...)
	for _, b := range seg {
		if len(b) > 0 {
			c.body = append(c.body, b[:len(b):len(b)])
			c.addKids(b)
		}
	}
	if len(s.body) > 0 == (len(c.body) > 0) {
		c.head = s.head
	} else {
		c.makeHead()
	}
	return c
}

// Without makes a copy without the child elements that match; it is s itself when there are none.
func (s *Stanza) Without(match func(space, local string, raw []byte) bool) *Stanza {
	var c *Stanza
	for n := range s.kids {
		k := &s.kids[n]
		switch drop := match(k.space, k.local, k.raw); {
		case drop && c == nil:
			c = s.copy()
			c.kids = append(make([]kid, 0, len(s.kids)-1), s.kids[:n]...)
		case !drop && c != nil:
			c.kids = append(c.kids, *k)
		}
	}
	if c == nil {
		return s
	}
	for n := range c.kids {
		c.body = append(c.body, c.kids[n].raw)
	}
	c.head = s.head
	if len(c.body) == 0 {
		c.makeHead()
	}
	return c
}

// copy copies the header.
func (s *Stanza) copy() *Stanza {
	return &Stanza{Kind: s.Kind, Type: s.Type, To: s.To, From: s.From, ID: s.ID, Lang: s.Lang}
}

// sharing copies the header and shares the payload. The head is to be made.
func (s *Stanza) sharing() *Stanza {
	c := s.copy()
	c.body, c.kids = s.body, s.kids
	return c
}

func (s *Stanza) makeHead() *Stanza {
	var scratch [512]byte
	s.head = append([]byte(nil), s.appendHead(scratch[:0])...)
	return s
}
