package xmpp

import (
	"linnet/netsvc/wire/stanza"
	"linnet/store"
)

// Transit is one stanza on its way through one account's hooks.
//
// It belongs to the goroutine that moves the stanza and is used again for the
// next one: a step must not keep it.
type Transit struct {
	// Stanza is what is under way. A step that stamps or strips replaces it by a
	// changed copy.
	Stanza *stanza.Stanza

	// Own is what the sender's other clients get to see of the stanza: with the
	// id of its copy in the sender's archive, which is no business of the
	// recipient. nil means the same as Stanza.
	Own *stanza.Stanza

	// Account is the side whose hooks run: the sender's at Sent, the
	// recipient's everywhere else.
	Account Account

	// Session is the sender's session; nil when the stanza came from another
	// server, a service or an extension.
	Session Session

	// Took is the set of sessions chosen by the delivery rules, at Fanout.
	Took []Session

	// Batch holds the writes that go with this stanza: a step adds its puts,
	// the server submits them once, after the last step. The sender's and the
	// recipient's writes share one commit.
	Batch store.Batch

	kept bool
	also []func(error)
}

// Keep says that a put in Batch is a durable copy for Account: once the commit
// is done, this copy counts as settled, and if it fails the stanza is treated as
// not stored.
func (t *Transit) Keep() { t.kept = true }

// Kept reports whether a step called Keep.
func (t *Transit) Kept() bool { return t.kept }

// After asks for f to be called with the outcome of Batch, in submit order; f
// runs on the store's writer and must not block.
func (t *Transit) After(f func(error)) { t.also = append(t.also, f) }

// Done returns what After collected and forgets it: the server's half of After.
func (t *Transit) Done() []func(error) {
	d := t.also
	t.also = nil
	return d
}

// Reset readies t for the next stanza, or for the other account's side when only
// the account changes.
func (t *Transit) Reset(s *stanza.Stanza, by Session, of Account) {
	t.Stanza, t.Session, t.Account = s, by, of
	t.Own, t.Took, t.kept = nil, t.Took[:0], false
}
