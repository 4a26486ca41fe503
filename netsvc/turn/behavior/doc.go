// Package behavior tells clients how the address translator before them behaves (RFC 5780): it answers Binding requests
// at two addresses with two ports each, from the socket that the client wants the answer from.
//
// The package owns what is answered, and the list of sockets that answer. It does not own the sockets, options and the
// limit of answers: package turn does. Form is checked by package guard.
//
// A client of RFC 3489, told by the cookie that it does not send, gets MAPPED-ADDRESS, SOURCE-ADDRESS and
// CHANGED-ADDRESS instead of XOR-MAPPED-ADDRESS with MAPPED-ADDRESS, RESPONSE-ORIGIN and OTHER-ADDRESS.
//
// Where it stops: only UDP. RESPONSE-PORT and PADDING are answered with 420, as all that is not known and must be:
// the one would send answers to ports that have not asked, the other would make them large. Tests of hairpins and of
// binding lifetimes with RESPONSE-PORT, and of fragments, are therefore not possible. There is no SOFTWARE.
//
// As long as one of the four sockets is missing, no other address is announced and CHANGE-REQUEST is answered with 420:
// a client would take silence for a translator that filters.
//
// A source can be forged. An answer has at most 48 bytes (IPv4) or 96 (IPv6) more than its request: with the headers of IP
// and UDP it is at most 2 or 2.5 times as large. How many there are is limited as for all strangers.
package behavior
