// Package xmlstream reads and writes the XML of XMPP streams: the restricted XML 1.0 with
// namespaces of RFC 6120, sections 4 and 11.
//
// It owns the split of a byte stream into items (stream header, first-level elements, white
// space, stream footer), the checks for well-formedness and the limits, the scoping of
// namespaces, and small trees ([Node]) and builders ([Writer]) for extensions. It does not know
// what a stanza means (package stanza does), keeps no connection and reads nothing by itself.
//
// # What is refused
//
// Beyond what XML itself forbids: document types, processing instructions, comments and entities
// other than the five predefined ones (RFC 6120, 11.1); any encoding but UTF-8 (11.6); text
// between first-level elements. CDATA sections are legal. Names follow XML 1.0, fourth edition:
// what the fifth added is refused, for a reader built on expat would close its stream on a stanza
// that carries it, and a sender could use us to throw others out.
//
// # How fast, and why
//
// The [Scanner] looks at every byte once, however the bytes arrive: when they end in the middle
// of anything it keeps its state and goes on from there. (The one exception is the up to three
// bytes of an unfinished UTF-8 sequence.) It allocates nothing in a steady state: an [Element] is
// a table of offsets into the caller's buffer.
package xmlstream
