// Package stanza is the value that travels through the server: a message, presence or IQ stanza
// of RFC 6120, section 8.
//
// It owns the reading of a stanza from a scanned element, its header (kind, type, addresses, id,
// language), its payload as immutable segments, its serialised form and the stanza errors of RFC
// 6120, 8.3. It does not know who may send what to whom, and knows no extension.
//
// # Immutable and shared
//
// A [Stanza] never changes after it was made: to change one is to make another, which shares the
// payload. Any number of receivers and goroutines use the same one, and the same bytes. Whoever
// gets bytes from it must not write to them.
//
// # What a stanza keeps
//
//   - The attributes to, from, id, type and xml:lang. Others, in a namespace or not, are dropped:
//     RFC 6120 defines no more, and what a stranger puts there should not reach a client.
//   - Its child elements, with all that is in them, unchanged; only those that depend on
//     declarations made outside of them are rewritten so that they stand for themselves.
//   - No text directly in the stanza: RFC 6120, 8 allows none.
//
// Within the server each stanza is in the namespace jabber:client, whatever stream it came from;
// see [Read] and [Stanza.AppendAs].
package stanza
