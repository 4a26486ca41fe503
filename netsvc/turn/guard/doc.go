// Package guard stands between the net and pion/turn: STUN (RFC 8489) and TURN (RFC 8656) for one UDP socket, or
// for one connection of TCP or TLS.
//
// pion/turn v3.0.3 keeps allocations, permissions and channels and relays between them. It was not made for bytes of
// strangers: a Send indication of 32 bytes ends the process, a frame of 20 bytes on TCP turns its reader into an
// endless loop, errors are unsigned or of the wrong code, and an allocation can be deleted by the ending of the one
// before it. So nothing that a client wrote reaches it but the data to be relayed:
//
//   - The guard reads the socket, with framing and deadlines of its own, and drops what is not well-formed.
//   - It authenticates requests (the long-term credentials of RFC 8489 section 9.2, nonces of its own that are good
//     for one client address only), holds them against every rule, and answers what is refused itself.
//   - What is granted it tells pion in its own words: a new message with nothing but what pion must know, signed
//     with a key between the two. pion answers success, and the guard writes the client's answer.
//   - pion knows each allocation by an address that the guard invents and never uses again, so that what ends late
//     cannot hit what began meanwhile. All its allocations begin and end on its reader's goroutine: its timers are
//     kept from running out by the guard's own, because deleting beside a request is another race in it.
//   - Send indications and ChannelData pass untouched once they are known to be well-formed and for a peer or
//     channel that the guard has granted.
//
// A Guard owns its socket's clients and their permissions and channels. It does not own relay sockets, credentials or
// quotas: those are its House's.
//
// Not offered, and how that is answered: TCP relays (RFC 6062: 442), SHA-256 and user hashes (401, since the nonce
// does not announce them), RESERVATION-TOKEN and EVEN-PORT with R (508), a second family (ADDRESS-ERROR-CODE 440),
// mobility (RFC 8016: ignored, as its section 3 wants), unknown attributes that must be understood (420).
package guard
