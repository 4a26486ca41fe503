// Package ber reads and writes the Basic Encoding Rules (ITU-T X.690) as far as SNMP uses them (RFC 3417
// section 8): definite lengths, tags of one byte, primitive strings.
//
// Reading copies nothing and allocates nothing: contents are parts of the datagram, and what a length claims is
// held against the bytes that are there before anything is done with it. It is strict where laxness could make
// two readers see two messages — no indefinite lengths, no integer wider than its type, no object identifier
// with an unfinished or overlong part — and takes what senders in use produce although a canonical encoder would
// not: lengths in more bytes than needed, and integers with leading zeros.
//
// Writing appends: each Append function has a Size function, so that a writer knows what a thing takes before
// it writes the length in front of it. Headers are written backwards into room that was left for them
// (Prepend).
//
// The package knows nothing of messages, versions or objects.
package ber
