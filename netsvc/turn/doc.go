// Package turn lets two clients behind address translators reach each other: a STUN (RFC 8489) and TURN (RFC 8656)
// server over UDP, TCP and TLS, for the users of this device and nobody else.
//
// The package owns the service: its options, listeners, quotas and commands, and the list of allocations. Its parts:
//
//	guard       stands between the net and pion/turn, which keeps allocations; all rules about messages
//	relay       the sockets of allocations, and packets between two of this box
//	burst       datagrams read and written many at a time
//	behavior    tells kinds of address translators apart (RFC 5780), with two public addresses
//	credential  time-limited usernames, and the operator's own
//
// Which addresses are announced to clients is told by netsvc/offer, and by XEP-0215 (mod/extdisco) from there.
//
// Bytes are counted and limited by netsvc/quota, ports kept open at a router by netsvc/outside. To whom a relay may send
// is said by netsvc/peer.
//
// Not offered: relays of TCP (RFC 6062), DTLS, RFC 7635, mobility; package guard says how each is answered.
//
// Where it deviates: an allocation lives 50 minutes at most without a refresh instead of the recommended hour (RFC 8656
// section 3.2), and channel numbers of RFC 5766 beyond 0x4FFF are accepted.
package turn
