package xmpp

import (
	"sync/atomic"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
)

// Session is one bound resource. It outlives its connections: a client that
// resumes its stream (XEP-0198) attaches a new connection to the same Session.
//
// All methods are safe for concurrent use and none blocks.
type Session interface {
	Holder

	JID() jid.JID     // full
	Account() Account //

	// Presence is the last available presence the client broadcast, nil while it
	// is unavailable. Priority is that presence's, RFC 6121 section 4.7.2.3.
	Presence() *stanza.Stanza
	Priority() int8

	// Set and Has keep one bit per declared Flag.
	Set(Flag, bool)
	Has(Flag) bool

	// Send puts s into the client's stream as it is, past the delivery rules:
	// for results, pushes and what a client asked for.
	Send(s *stanza.Stanza)

	// SendKept is Send for a message that stands in the spool under that row, where
	// it is in flight: it is dropped there once the client has it (acknowledged, or
	// written whole where the client does no stream management), and returned if in
	// the end no client does.
	SendKept(s *stanza.Stanza, row uint64)

	// Flush sends what Hooks.Deliver made the session hold.
	Flush()

	// Disconnect closes the connection of a client that seems to be gone. A
	// session that can be resumed waits for it, any other ends.
	Disconnect()

	// End closes the session with a stream error condition of RFC 6120 section
	// 4.9.3 ("" closes politely). It cannot be resumed afterwards.
	End(condition, text string)

	// Since is when the resource was bound; Active is when the client last sent
	// a stanza. RemoteAddr is for administrators only.
	Since() time.Time
	Active() time.Time
	RemoteAddr() string
	Secure() bool
}

// Account is a local account while somebody needs it: one in memory for each
// JID, found through Server.Account or through a Session.
type Account interface {
	Holder

	ID() account.ID
	JID() jid.JID // bare

	// Sessions is a snapshot of the bound resources; the slice is shared, do not
	// change it.
	Sessions() []Session

	// Retain keeps the Account in memory until Release: for work that outlives
	// the call it was given to.
	Retain()
	Release()

	// AfterWrites calls f when everything this account submitted so far has been
	// committed: at once when nothing is under way. A client reads what it wrote.
	AfterWrites(f func())

	// Defer makes messages that come for the account wait until as many calls of
	// Proceed: for who has older ones on their way to it, which new ones must not
	// overtake. Neither blocks.
	Defer()
	Proceed()

	// Decide runs f under the account's lock. State uses it; an extension with
	// state of its own may. f must not block, and must not call Decide.
	Decide(f func())
}

// Flag is one bit of every session, declared with Host.Flag.
type Flag uint32

// Holder keeps the values that extensions attach to a session or an account.
// Use it through Key.
type Holder interface {
	Slots() *Slots
}

// Slots is the storage behind Key; the zero value is empty. Reading takes no
// lock.
type Slots struct {
	v atomic.Pointer[[]any]
}

func (s *Slots) get(i int) any {
	if p := s.v.Load(); p != nil && i < len(*p) {
		return (*p)[i]
	}
	return nil
}

func (s *Slots) put(i int, v any) {
	for {
		old := s.v.Load()
		n := i + 1
		if old != nil && len(*old) > n {
			n = len(*old)
		}
		fresh := make([]any, n)
		if old != nil {
			copy(fresh, *old)
		}
		fresh[i] = v
		if s.v.CompareAndSwap(old, &fresh) {
			return
		}
	}
}

// Key names a value of type T that an extension attaches to sessions or
// accounts; declared in Setup with NewKey. The same name gives the same place in
// every generation, so values survive a reload.
type Key[T any] struct{ slot int }

// NewKey declares the key.
func NewKey[T any](h Host, name string) Key[T] { return Key[T]{h.Slot(name)} }

// Of reads the value; the zero T when none was set.
func (k Key[T]) Of(h Holder) (v T) {
	v, _ = h.Slots().get(k.slot).(T)
	return v
}

// Set attaches the value.
func (k Key[T]) Set(h Holder, v T) { h.Slots().put(k.slot, v) }
