// Package pcp encodes and decodes the messages of the Port Control Protocol, RFC 6887: the opcodes ANNOUNCE and MAP,
// which is all that a host needs that asks its router for a mapping.
//
// It owns bytes and values, no socket and no clock. PEER, and all options (THIRD_PARTY, PREFER_FAILURE, FILTER),
// are left out: nothing here maps for other hosts, and any external port will do.
package pcp
