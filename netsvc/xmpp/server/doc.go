// Package server is the XMPP server's inside: the accounts and sessions that are
// in memory, the router, the delivery rules, stream management and the promise
// that nothing acknowledged is lost. It follows RFC 6120 sections 8 and 10,
// RFC 6121 section 8 and XEP-0198 1.6.3.
//
// It does not know sockets or XML parsing (edge, stream, flow), and none of what
// an extension does (mod/…). Edges hand it stanzas through Session values;
// extensions act in its hooks.
//
// # Live state and generations
//
// Server is the live part: accounts, sessions, ledgers. generation is the other
// part, immutable: hook tables, IQ handlers, options. A stanza is moved by the
// generation it began in; a reload builds a new generation and swaps the
// pointer.
//
// # Who owns what, and the tiers of locks
//
// A goroutine takes locks in this order only, and may skip tiers:
//
//  1. account.decide   what an account decides by; batches are submitted under it
//  2. shard.mu         which accounts are in memory; held for map operations
//  3. session.mu       one session's stream: its queue, its outlet, what it holds
//  4. ledger.mu        what a sending session is still owed
//     backlog.mu       an account's messages that wait for older ones
//  5. store, outbox    appends only
//
// None is held during I/O, a hook, or a commit. A session's list in its account
// is copied on write and read through an atomic pointer.
package server
