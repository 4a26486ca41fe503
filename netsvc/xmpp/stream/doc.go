// Package stream negotiates XMPP streams: headers, features, STARTTLS, SASL,
// resource binding, and the errors with which a stream ends.
//
// # What it owns
//
// A Stream owns the reading of one connection until negotiation is over; then
// its owner (an edge) goes on with the same buffer and scanner. Headers, features
// and errors are values that are written and read by the same code on both ends.
// Only the receiving end of a client's stream is negotiated here so far.
//
// What is negotiated is a list of Steps: STARTTLS, SASL and bind are three of
// them, extensions add others. What a step causes — authenticate, bind, resume —
// are methods of Stream and of its Owner that write no XML, so that SASL2, Bind2
// and FAST can call the same ones inline and wrap the outcome in their own.
//
// # What it does not do
//
// It knows no sessions, accounts or stanzas: the Owner binds and resumes, the
// Directory knows credentials. It logs nothing: Negotiate returns what ended
// it, with the cause for the log and the condition that the peer was told.
//
// Specifications: RFC 6120 sections 4 to 7 (with erratum 3026), RFC 7590,
// XEP-0178 1.2, XEP-0198 1.6.3 (resumption), XEP-0368 1.1.0, XEP-0440 1.0.0,
// XEP-0478 0.2.1.
package stream
