// Package cert holds the certificates that every TLS listener of the device
// shows: it loads the operator's own, makes and renews local ones for the
// domains that have none, and swaps both under running listeners.
//
// # What it owns
//
// A Keeper owns the current Set: an immutable choice of one certificate for each
// served domain with the TLS configurations made from it. A connection takes
// Keeper.Current once, hands Set.Config to the handshake and asks the same Set
// for its channel binding data, so that a swap in between changes nothing for it.
// Listeners of others that keep a tls.Config for long (a web door) use
// Keeper.GetCertificate.
//
// # The local authority
//
// A domain without a certificate file gets one from a local CA made at first
// boot (ECDSA P-256). Leaf certificates live for 30 days and are made anew when
// two thirds are over; nobody watches a clock for it: the handshake that finds
// the time has come starts the renewal and goes on with what there is. A timer
// would not notice when a board's clock jumps by years, and would be one more
// goroutine that waits for nothing.
//
// While the clock is unset (earlier than the program was built) leaves are
// undated: they begin in 2019 and end in 2049. They are replaced once the clock
// is set, and come back unchanged when it is lost again.
//
// # What it does not do
//
// It obtains no certificates from the net (ACME is a later extension, which
// hands its result to the same Set) and decides no authorisation: it says which
// names a client's verified certificate carries, the SASL step decides.
//
// Specifications: RFC 5280, RFC 6120 section 13.7, RFC 9525 (names), RFC 7590
// (TLS use), XEP-0368 1.1.0 (ALPN), XEP-0178 1.2, RFC 5929 and RFC 9266 (channel
// binding).
package cert
