package stanza

import (
	"strings"

	"linnet/netsvc/wire/xmlstream"
)

// Has reports whether there is a child element with this name.
func (s *Stanza) Has(space, local string) bool { return s.find(space, local) != nil }

// Raw gives the bytes of the first child element with this name, nil when there is none. They
// stand for themselves where jabber:client is the default namespace, and must not be changed.
func (s *Stanza) Raw(space, local string) []byte {
	if k := s.find(space, local); k != nil {
		return k.bytes()
	}
	return nil
}

func (s *Stanza) find(space, local string) *kid {
	for n := range s.kids {
		if k := &s.kids[n]; k.is(space, local) {
			return k
		}
	}
	return nil
}

// Node gives the first child element with this name as a tree, nil when there is none. Each call
// reads it anew.
func (s *Stanza) Node(space, local string) *xmlstream.Node {
	if k := s.find(space, local); k != nil {
		return xmlstream.Tree(k.bytes(), xmlstream.ClientSpace)
	}
	return nil
}

// Payload gives the first child element as a tree: what an IQ is about. It is nil when there is
// none. Each call reads it anew.
func (s *Stanza) Payload() *xmlstream.Node {
	if len(s.kids) == 0 {
		return nil
	}
	return xmlstream.Tree(s.kids[0].bytes(), xmlstream.ClientSpace)
}

// PayloadName gives the name of the first child element without reading it; "" when there is none.
func (s *Stanza) PayloadName() (space, local string) {
	if len(s.kids) == 0 {
		return "", ""
	}
	return s.kids[0].space, s.kids[0].local()
}

// Each calls f for each child element, in their order, until it returns false. raw must not be
// changed.
func (s *Stanza) Each(f func(space, local string, raw []byte) bool) {
	for n := range s.kids {
		if k := &s.kids[n]; !f(k.space, k.local(), k.bytes()) {
			return
		}
	}
}

// Append makes a copy with segments added to the payload. Each is whole elements for the default
// namespace jabber:client, as a [xmlstream.Writer] makes them; what is no element is left out.
// The copy keeps them: they must not be changed any more.
func (s *Stanza) Append(seg ...[]byte) *Stanza {
	c := s.copy()
	c.body = append(c.fewBody[:0], s.body...)
	c.kids = append(c.fewKids[:0], s.kids...)
	for _, b := range seg {
		c.addSegment(b)
	}
	return c.headLike(s)
}

// addSegment adds bytes to the payload, which are kept.
func (s *Stanza) addSegment(b []byte) {
	before, taken := len(s.kids), 0
	xmlstream.Each(b, xmlstream.ClientSpace, func(space, local string, raw []byte) bool {
		at := strings.Index(str(raw), local)
		s.kids = append(s.kids, kid{raw: str(raw), space: space, from: uint32(at), to: uint32(at + len(local))})
		taken += len(raw)
		return true
	})
	switch {
	case taken == 0:
	case taken == len(b):
		s.body = append(s.body, b[:len(b):len(b)])
	default:
		for n := range s.kids[before:] {
			s.body = append(s.body, s.kids[before+n].bytes())
		}
	}
}

// Without makes a copy without the child elements that match; it is s itself when there are none.
// match is called once for each.
func (s *Stanza) Without(match func(space, local string, raw []byte) bool) *Stanza {
	first := 0
	for first < len(s.kids) && !s.kids[first].matches(match) {
		first++
	}
	if first == len(s.kids) {
		return s
	}
	c := s.copy()
	c.body, c.kids = c.fewBody[:0], c.roomForKids(len(s.kids)-1)
	next := 0
	for _, seg := range s.body {
		// What stays of a segment and stands together stays one segment.
		from, at := 0, 0
		for at < len(seg) {
			k := &s.kids[next]
			end := at + len(k.raw)
			if next == first || next > first && k.matches(match) {
				c.keep(seg[from:at])
				from = end
			} else {
				c.kids = append(c.kids, *k)
			}
			next, at = next+1, end
		}
		c.keep(seg[from:])
	}
	return c.headLike(s)
}

func (k *kid) matches(match func(space, local string, raw []byte) bool) bool {
	return match(k.space, k.local(), k.bytes())
}

// keep adds a segment whose elements are in s.kids already.
func (s *Stanza) keep(seg []byte) {
	if len(seg) > 0 {
		s.body = append(s.body, seg[:len(seg):len(seg)])
	}
}

// copy copies the header.
func (s *Stanza) copy() *Stanza {
	return &Stanza{Kind: s.Kind, Type: s.Type, To: s.To, From: s.From, ID: s.ID, Lang: s.Lang}
}

// headLike gives s the start tag of like, whose header is the same: it differs only if one of
// them has no payload.
func (s *Stanza) headLike(like *Stanza) *Stanza {
	if s.head = like.head; len(s.body) == 0 != (len(like.body) == 0) {
		s.makeHead(0)
	}
	return s
}
