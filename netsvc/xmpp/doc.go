// Package xmpp holds the contracts between the XMPP server and its extensions:
// what an extension declares (hooks, IQ handlers, disco features, nonzas), what
// it can ask (Server, Account, Session), and the one list that says in which
// order extensions act (Order).
//
// It owns no behaviour of the protocol itself: stream negotiation is in stream,
// routing, sessions and delivery are in server, each extension is one package
// under mod. An extension imports this package and never the server or another
// extension, so it can be removed by deleting its folder, its feature file and
// its name in Order.
//
// # The way of one stanza
//
// A stanza that a local client sends passes Hooks.Sent of its account, is
// routed, passes Hooks.Received of the recipient's account, is delivered to the
// sessions which RFC 6121 section 8 names, passes Hooks.Fanout (or
// Hooks.Undelivered, where no session took it) and, once for each session,
// Hooks.Deliver.
//
// Stanzas are immutable and shared: a hook that stamps one puts a changed copy
// into the Transit.
package xmpp
