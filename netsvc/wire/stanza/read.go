package stanza

import (
	"errors"
	"unsafe"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// The stream errors that Read gives.
const (
	unsupportedStanzaType = "unsupported-stanza-type"
	improperAddressing    = "improper-addressing"
)

// Read makes a stanza of an element in buf that was just scanned. The stanza is a copy which stands for itself: buf may be used
// again, and what the stream header or the stanza's tag declared is written where it is needed. A stream's xml:lang goes
// onto a stanza that has none. Payload in the content namespace jabber:server or jabber:component:accept becomes payload of jabber:client.
//
// jids may be nil. from, unless it is zero, is stamped: the element's own is not even read. (Whether it was the right one, RFC 6120,
// 8.1.2.1, is the session's to check: el.Attr("from").)
//
// An *Error says that the stanza must not be processed; the stanza is there all the same, without the attribute that is wrong, and
// its Fail makes the reply, if one is due. The last error is an *[xmlstream.Error]: the element is no stanza of its stream, or what it
// says about its sender is no address; the stream has to end with that condition. There is no stanza then.
func Read(buf []byte, el *xmlstream.Element, jids *jid.Cache, from jid.JID) (*Stanza, *Error, error) {
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
	if !h.hasLang {
		h.lang = el.Lang()
	}
	s.fill(buf, el, &h)
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
	stanza  *Stanza
	jids    *jid.Cache
	id      []byte
	idPlain bool
	kind    []byte // the attribute type
	typed   bool
	lang    string
	hasLang bool
	badTo   bool
	badFrom bool
}

func (h *header) attribute(name, value []byte, plain bool) {
	switch string(name) {
	case "to":
		var err error
		h.stanza.To, err = h.jid(value, plain)
		h.badTo = err != nil
	case "from":
		if h.stanza.From.IsZero() {
			var err error
			h.stanza.From, err = h.jid(value, plain)
			h.badFrom = err != nil
		}
	case "id":
		h.id, h.idPlain = value, plain
	case "type":
		h.kind, h.typed = unescape(value, plain), true
	case "xml:lang":
		h.lang, h.hasLang = string(unescape(value, plain)), true
	}
}

func (h *header) jid(value []byte, plain bool) (jid.JID, error) {
	value = unescape(value, plain)
	if h.jids == nil {
		return jid.Parse(string(value))
	}
	return h.jids.Get(value)
}

func unescape(value []byte, plain bool) []byte {
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

// fill makes the stanza's bytes: the start tag, then the child elements one behind the other.
func (s *Stanza) fill(buf []byte, el *xmlstream.Element, h *header) {
	kids := el.Kids()
	size, portable := 0, true
	for n := range kids {
		size += len(el.KidRaw(&kids[n]))
		portable = portable && el.Portable(&kids[n])
	}
	var payload []byte // rewritten, if it cannot be copied as it is
	var ends []int
	if !portable {
		for n := range kids {
			payload = el.AppendKid(payload, &kids[n])
			ends = append(ends, len(payload))
		}
		size = len(payload)
	}

	// The start tag is made first where it costs nothing, for its length is not known before.
	var scratch [512]byte
	s.ID, s.Lang = str(unescape(h.id, h.idPlain)), h.lang
	if len(kids) > 0 {
		s.body = s.oneBody[:1]
	}
	head := s.appendHead(scratch[:0])
	all := make([]byte, 0, len(head)+size)
	all = append(all, head...)
	s.head = all[:len(head):len(head)]
	s.ID = s.own(s.ID, h.idPlain)
	if len(kids) == 0 {
		return
	}

	s.kids = s.fewKids[:0]
	if len(kids) > len(s.fewKids) {
		s.kids = make([]kid, 0, len(kids))
	}
	content := el.Content()
	for n := range kids {
		from := len(all)
		if portable {
			all = append(all, el.KidRaw(&kids[n])...)
			s.kids = append(s.kids, portableKid(el, &kids[n], all[from:], content))
			continue
		}
		begin := 0
		if n > 0 {
			begin = ends[n-1]
		}
		all = append(all, payload[begin:ends[n]]...)
		s.addKids(all[from:])
	}
	s.oneBody[0] = all[len(head):len(all):len(all)]
}

// portableKid makes the table's row for a child that was copied to raw.
func portableKid(el *xmlstream.Element, k *xmlstream.Kid, raw []byte, content string) kid {
	local, space := el.KidOffsets(k)
	row := kid{local: str(raw[local[0]:local[1]]), raw: raw}
	switch {
	case space[1] > 0:
		row.space = str(raw[space[0]:space[1]])
	case string(el.KidSpace(k)) == content:
		row.space = xmlstream.ClientSpace
	default:
		row.space = string(el.KidSpace(k))
	}
	return row
}

// addKids adds rows for the elements in b.
func (s *Stanza) addKids(b []byte) {
	xmlstream.Each(b, xmlstream.ClientSpace, func(space, local string, raw []byte) bool {
		s.kids = append(s.kids, kid{space: space, local: local, raw: raw})
		return true
	})
}

// own gives value, which was written into s.head, as a string that lies there if it stands there as it is.
func (s *Stanza) own(value string, plain bool) string {
	if value == "" {
		return ""
	}
	if plain {
		const mark = " id='"
		for n := len(kindNames[s.Kind]) + 1; n+len(mark)+len(value) < len(s.head); n++ {
			if s.head[n] == ' ' && string(s.head[n:n+len(mark)]) == mark && string(s.head[n+len(mark):n+len(mark)+len(value)]) == value {
				return str(s.head[n+len(mark) : n+len(mark)+len(value)])
			}
		}
	}
	return string(append([]byte(nil), value...))
}

// str makes a string of bytes that never change.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

var errNotStanza = errors.New("stanza: not one stanza")

// Parse reads what AppendTo, AppendAs for jabber:client or AppendForwarded wrote, as from a store. It refuses what [Read] would.
func Parse(b []byte) (*Stanza, error) {
	var sc xmlstream.Scanner
	sc.ResetBare(xmlstream.Limits{Bytes: len(b) + 1, Kids: len(b) + 1}, xmlstream.ClientSpace)
	ev, n, err := sc.Scan(b)
	switch {
	case err != nil:
		return nil, err
	case ev != xmlstream.EventElement || n != len(b):
		return nil, errNotStanza
	}
	s, bad, err := Read(b, sc.Element(), nil, jid.JID{})
	switch {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, bad
	}
	return s, nil
}
