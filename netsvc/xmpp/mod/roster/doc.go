// Package roster keeps each account's contacts and what they are to each other:
// RFC 6121 sections 2 (roster, with versioning) and 3 (subscriptions, with
// pre-approval) and its appendix A.
//
// It answers roster requests, moves subscription stanzas through the state
// machine (transition.go is appendix A), and sends roster pushes (push.go). It
// does not send presence: it tells Hooks.Subscription what changed, and the
// presence extension acts on it.
//
// A roster is decided in memory under its account's lock. Whatever tells of it —
// results, pushes, subscription stanzas — is sent by the store's writer once it
// is committed, in the order of the decisions: a client sees each version after
// the one before, and none that a failed commit took back.
package roster
