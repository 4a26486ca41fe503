// Package turn lets two clients behind address translators reach each other: a STUN (RFC 8489) and TURN (RFC 8656)
// server over UDP, TCP and TLS, for the users of this device and nobody else.
//
// The package owns the service: its options, listeners, quotas and commands, and the list of allocations. Its parts:
//
//	guard       stands between the net and pion/turn, which keeps allocations; all rules about messages
//	relay       the sockets of allocations, and packets between two of this box
//	peer        to whom a relay may send
//	credential  time-limited usernames, and the operator's own
//
// Which addresses are announced to clients is told by netsvc/offer, and by XEP-0215 (mod/extdisco) from there.
//
// Not offered: relays of TCP (RFC 6062), DTLS, RFC 7635, mobility; package guard says how each is answered.
package turn
