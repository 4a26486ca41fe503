// Package roster keeps each account's contacts and what they are to each other:
// RFC 6121 sections 2 (roster, with versioning) and 3 (subscriptions, with
// pre-approval) and its appendix A.
//
// It answers roster requests, moves subscription stanzas through the state
// machine (transition.go is appendix A, row by row), and sends roster pushes
// (push.go). It does not send presence: it tells Hooks.Subscription what changed,
// and the presence extension acts on it.
//
// A roster is decided in memory under its account's lock and committed before
// anybody hears of the change.
package roster
