package stanza

import (
	"errors"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// The stream errors that Read gives.
const (
	unsupportedStanzaType = "unsupported-stanza-type"
	improperAddressing    = "improper-addressing"
)

// Read makes a stanza of an element that was just scanned. The stanza is a copy which stands for
// itself: the scanned bytes may be used again, and what the stream header or the stanza's tag
// declared is written where it is needed. A stream's xml:lang goes onto a stanza that has none.
// Payload in the content namespace jabber:server or jabber:component:accept becomes payload of
// jabber:client.
//
// jids may be nil. from, unless it is zero, is stamped: the element's own is not even read.
// (Whether it was the right one, RFC 6120, 8.1.2.1, is the session's to check: el.Attr("from").)
//
// An *Error says that the stanza must not be processed; the stanza is there all the same, without
// the attribute that is wrong, and its Fail makes the reply, if one is due. The last error is an
// *[xmlstream.Error]: the element is no stanza of its stream, or what it says about its sender is
// no address; the stream has to end with that condition. There is no stanza then.
func Read(el *xmlstream.Element, jids *jid.Cache, from jid.JID) (*Stanza, *Error, error) {
	kind, ok := kindOf(el)
	if !ok {
		return nil, nil, &xmlstream.Error{Condition: unsupportedStanzaType, Text: "neither message, presence nor iq"}
	}
	s := &Stanza{Kind: kind, From: from}
	h := header{stanza: s, jids: jids}
	for n := range el.Attributes() {
		name, value, plain := el.Attribute(n)
		h.attribute(name, value, plain)
	}
	if h.badFrom {
		return nil, nil, &xmlstream.Error{Condition: improperAddressing, Text: "the sender is no address"}
	}
	s.Type = typeOf(kind, h.kind, h.typed)
	if s.Lang = h.lang; !h.hasLang {
		s.Lang = el.Lang()
	}
	s.ID = h.id
	if !s.fill(el) {
		return s, NewError(PolicyViolation, "too many bytes when namespaces are written out"), nil
	}
	return s, h.check(s), nil
}

// kindOf reports whether an element is a stanza.
func kindOf(el *xmlstream.Element) (Kind, bool) {
	content := el.Content()
	if content == "" || string(el.Space()) != content {
		return 0, false
	}
	switch string(el.Local()) {
	case "message":
		return Message, true
	case "presence":
		return Presence, true
	case "iq":
		return IQ, true
	}
	return 0, false
}

// header gathers a stanza's attributes.
type header struct {
	stanza         *Stanza
	jids           *jid.Cache
	badTo, badFrom bool
	kind           []byte // the attribute type
	typed          bool
	id, lang       string // may lie in the bytes that were scanned
	hasLang        bool
}

func (h *header) attribute(name, value []byte, plain bool) {
	switch string(name) {
	case "to":
		var err error
		h.stanza.To, err = h.jid(unescaped(value, plain))
		h.badTo = err != nil
	case "from":
		if h.stanza.From.IsZero() {
			var err error
			h.stanza.From, err = h.jid(unescaped(value, plain))
			h.badFrom = err != nil
		}
	case "id":
		h.id = str(unescaped(value, plain))
	case "type":
		h.kind, h.typed = unescaped(value, plain), true
	case "xml:lang":
		h.lang, h.hasLang = str(unescaped(value, plain)), true
	}
}

func (h *header) jid(value []byte) (jid.JID, error) {
	if h.jids == nil {
		return jid.Parse(string(value))
	}
	return h.jids.Get(value)
}

func unescaped(value []byte, plain bool) []byte {
	if plain {
		return value
	}
	return xmlstream.AppendUnescapedAttr(nil, value)
}

// check applies the rules of RFC 6120, 8.1 and 8.2.3, and RFC 6121, 4.7.1.
func (h *header) check(s *Stanza) *Error {
	switch {
	case h.badTo:
		return NewError(JIDMalformed, "the attribute 'to' is no address")
	case s.Type == Invalid:
		return NewError(BadRequest, "unknown type")
	case s.Kind != IQ:
		return nil
	case s.ID == "":
		return NewError(BadRequest, "an IQ needs an id")
	case (s.Type == Get || s.Type == Set) && len(s.kids) != 1:
		return NewError(BadRequest, "a request has one child element")
	case s.Type == Result && len(s.kids) > 1:
		return NewError(BadRequest, "a result has at most one child element")
	}
	return nil
}

// fill makes the stanza's bytes: the start tag, then the child elements one behind the other. It
// is not ok, and makes a stanza without payload, when that became longer than an element may be.
func (s *Stanza) fill(el *xmlstream.Element) (ok bool) {
	kids := el.Kids()
	size, portable := 0, true
	for n := range kids {
		size += len(el.KidRaw(&kids[n]))
		portable = portable && el.Portable(&kids[n])
	}
	switch {
	case len(kids) == 0:
		s.makeHead(0)
		return true
	case !portable:
		return s.fillRewritten(el)
	}
	s.body, s.kids = s.fewBody[:1], s.roomForKids(len(kids))
	all := s.makeHead(size)
	content := el.Content()
	for n := range kids {
		k, from := &kids[n], len(all)
		all = append(all, el.KidRaw(k)...)
		s.kids = append(s.kids, copied(el, k, str(all[from:]), content))
	}
	s.body[0] = all[len(s.head):len(all):len(all)]
	return true
}

func (s *Stanza) roomForKids(n int) []kid {
	if n <= len(s.fewKids) {
		return s.fewKids[:0]
	}
	return make([]kid, 0, n)
}

// copied makes the row for a child element that was copied to raw as it is.
func copied(el *xmlstream.Element, k *xmlstream.Kid, raw, content string) kid {
	row := kid{raw: raw}
	from, to := el.KidLocalAt(k)
	row.from, row.to = uint32(from), uint32(to)
	switch from, to = el.KidSpaceAt(k); {
	case to > 0:
		row.space = raw[from:to]
	case string(el.KidSpace(k)) == content:
		row.space = xmlstream.ClientSpace
	default:
		row.space = string(el.KidSpace(k))
	}
	return row
}

// fillRewritten is fill for child elements that cannot be copied as they are.
func (s *Stanza) fillRewritten(el *xmlstream.Element) (ok bool) {
	var payload []byte
	kids := el.Kids()
	for n := range kids {
		if payload, ok = el.AppendKid(payload, &kids[n]); !ok {
			s.makeHead(0)
			return false
		}
	}
	s.addSegment(payload)
	s.makeHead(0)
	return true
}

var errNotStanza = errors.New("stanza: not one stanza")

// Parse reads what AppendTo, AppendAs for jabber:client or AppendForwarded wrote, as from a
// store. It refuses what [Read] would.
func Parse(b []byte) (*Stanza, error) {
	var sc xmlstream.Scanner
	sc.ResetBare(xmlstream.Limits{Bytes: 2*len(b) + 4096, Kids: len(b) + 1}, xmlstream.ClientSpace)
	ev, n, err := sc.Scan(b)
	switch {
	case err != nil:
		return nil, err
	case ev != xmlstream.EventElement || n != len(b):
		return nil, errNotStanza
	}
	s, bad, err := Read(sc.Element(), nil, jid.JID{})
	switch {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, bad
	}
	return s, nil
}
