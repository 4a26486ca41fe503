package stanza

import (
	"strings"
	"unsafe"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// Kind is the kind of a stanza.
type Kind uint8

const (
	Message Kind = iota
	Presence
	IQ
)

var kindNames = [...]string{Message: "message", Presence: "presence", IQ: "iq"}

// String gives the element's name.
func (k Kind) String() string { return kindNames[k] }

// Type is what the attribute "type" says.
type Type uint8

const (
	Normal Type = iota // a message that has no type, or one that RFC 6121 does not define (5.2.2)
	Chat
	GroupChat
	Headline

	Available // presence without a type
	Unavailable
	Subscribe
	Subscribed
	Unsubscribe
	Unsubscribed
	Probe

	Get
	Set
	Result

	TypeError // of any kind; "Error" is the payload

	Invalid // an IQ without a type; an IQ or presence with one that RFC 6120 and 6121 do not define
)

var typeNames = [...]string{
	Normal: "normal", Chat: "chat", GroupChat: "groupchat", Headline: "headline",
	Available: "", Unavailable: "unavailable", Subscribe: "subscribe", Subscribed: "subscribed",
	Unsubscribe: "unsubscribe", Unsubscribed: "unsubscribed", Probe: "probe",
	Get: "get", Set: "set", Result: "result", TypeError: "error", Invalid: "",
}

// String gives the attribute's value; "" stands for Available and Invalid.
func (t Type) String() string { return typeNames[t] }

// typeOf reads the attribute "type"; given says whether it is there.
func typeOf(k Kind, value []byte, given bool) Type {
	first, last := Normal, Headline
	unknown := Normal
	switch k {
	case Presence:
		if !given {
			return Available
		}
		first, last, unknown = Unavailable, Probe, Invalid
	case IQ:
		first, last, unknown = Get, Result, Invalid
	}
	for t := first; t <= last; t++ {
		if string(value) == typeNames[t] {
			return t
		}
	}
	if string(value) == "error" {
		return TypeError
	}
	return unknown
}

// Stanza is one stanza. It is immutable, and used through a pointer only: it points into itself.
type Stanza struct {
	Kind     Kind
	Type     Type
	To, From jid.JID // zero when absent
	ID       string  // "" when absent
	Lang     string  // xml:lang, or that of the stream it came on

	// The serialised form, made once, so that each delivery is a few appends.
	head []byte   // the start tag; an empty-element tag when there is no payload
	body [][]byte // the child elements; each segment is whole elements and nothing else
	kids []kid    // the same, one by one

	// Room for the usual case, so that a stanza is two allocations: this struct and its bytes.
	fewBody [2][]byte
	fewKids [4]kid
}

// kid is one child element. raw lies in a segment of Stanza.body; that it is a string says that
// nobody writes there.
type kid struct {
	raw      string
	space    string
	from, to uint32 // where in raw its name stands, without the prefix
}

func (k *kid) local() string { return k.raw[k.from:k.to] }
func (k *kid) bytes() []byte { return unsafe.Slice(unsafe.StringData(k.raw), len(k.raw)) }
func (k *kid) is(space, local string) bool {
	return k.local() == local && k.space == space
}

// str makes a string of bytes that never change.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// tail is the end tag; it is not there when the start tag is an empty-element tag.
func (s *Stanza) tail() []byte {
	if len(s.body) == 0 {
		return nil
	}
	return endTags[s.Kind]
}

// endTags is never changed.
var endTags = [...][]byte{Message: []byte("</message>"), Presence: []byte("</presence>"), IQ: []byte("</iq>")}

// Segments gives the serialised form, for a stream whose default namespace is the content
// namespace, in pieces that all receivers share: they must not be changed.
func (s *Stanza) Segments() (head []byte, body [][]byte, tail []byte) {
	return s.head, s.body, s.tail()
}

// Size is how many bytes AppendTo appends.
func (s *Stanza) Size() int {
	n := len(s.head) + len(s.tail())
	for _, b := range s.body {
		n += len(b)
	}
	return n
}

// AppendTo appends the stanza for a stream whose default namespace is the content namespace: no
// xmlns stands on it, and payload in the content namespace carries over by inheriting it,
// whichever of the content namespaces the stream has.
func (s *Stanza) AppendTo(dst []byte) []byte { return s.appendRest(append(dst, s.head...)) }

// AppendAs is AppendTo with space declared on the stanza: for streams with another default
// namespace or none, like WebSocket frames (jabber:client), or a component's.
func (s *Stanza) AppendAs(dst []byte, space string) []byte {
	name := 1 + len(kindNames[s.Kind])
	dst = append(dst, s.head[:name]...)
	dst = append(append(dst, " xmlns='"...), space...)
	dst = append(dst, '\'')
	return s.appendRest(append(dst, s.head[name:]...))
}

// AppendForwarded is AppendAs for jabber:client, as within <forwarded/> (XEP-0297).
func (s *Stanza) AppendForwarded(dst []byte) []byte { return s.AppendAs(dst, xmlstream.ClientSpace) }

func (s *Stanza) appendRest(dst []byte) []byte {
	for _, b := range s.body {
		dst = append(dst, b...)
	}
	return append(dst, s.tail()...)
}

// makeHead makes the start tag, with room for size bytes behind it. It looks at whether there is
// a body, and at no more of it. ID and Lang lie in the tag afterwards, so that nothing else need
// be kept for them.
func (s *Stanza) makeHead(size int) []byte {
	var scratch [512]byte // a head is shorter as a rule, and its length is known only when it is there
	b := append(append(scratch[:0], '<'), kindNames[s.Kind]...)
	b = appendAttr(b, " from='", s.From.String())
	b = appendAttr(b, " to='", s.To.String())
	b = appendAttr(b, " id='", s.ID)
	id := len(b) - len("'")
	if s.Type != Normal {
		b = appendAttr(b, " type='", typeNames[s.Type])
	}
	b = appendAttr(b, " xml:lang='", s.Lang)
	lang := len(b) - len("'")
	if len(s.body) == 0 {
		b = append(b, '/')
	}
	b = append(b, '>')

	all := append(make([]byte, 0, len(b)+size), b...)
	s.head = all[:len(b):len(b)]
	s.ID = inHead(s.head[:id], s.ID)
	s.Lang = inHead(s.head[:lang], s.Lang)
	return all
}

func appendAttr(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return append(xmlstream.AppendAttr(append(dst, name...), value), '\'')
}

// inHead gives value as it stands at the end of b, or a copy of it where it was escaped there.
func inHead(b []byte, value string) string {
	if at := len(b) - len(value); at >= 0 && string(b[at:]) == value {
		return str(b[at:])
	}
	return strings.Clone(value)
}
