package xmpp

import (
	"linnet/netsvc/account"
	"linnet/store"
)

// State is what an extension decides by and keeps for each account: a roster, a
// block list, preferences. The value is loaded on first use, held in memory
// while the account is, replaced whole under the account's lock, and written in
// the order in which it was decided.
//
// T should be treated as immutable: readers get the current value without a lock
// and may go on using it.
type State[T any] struct {
	key    Key[*loaded[T]]
	failed Key[int] // how many commits of the account's state have failed
	server func() Server
	store  func() *store.Store
	load   func(tx *store.Tx, id account.ID) (T, error)
}

type loaded[T any] struct{ value T }

// NewState declares the state. load reads it from the store.
func NewState[T any](h Host, name string, load func(tx *store.Tx, id account.ID) (T, error)) *State[T] {
	return &State[T]{
		key: NewKey[*loaded[T]](h, "state."+name), failed: NewKey[int](h, "state.failed."+name),
		server: h.Server, store: h.Store, load: load,
	}
}

// Get returns the account's value. The error is the store's.
func (s *State[T]) Get(a Account) (T, error) {
	if l := s.key.Of(a); l != nil {
		return l.value, nil
	}
	var v T
	var err error
	a.Decide(func() { v, err = s.locked(a) })
	return v, err
}

// locked returns the value with the account's lock held.
func (s *State[T]) locked(a Account) (T, error) {
	if l := s.key.Of(a); l != nil {
		return l.value, nil
	}
	var v T
	err := s.store().View(func(tx *store.Tx) (err error) {
		v, err = s.load(tx, a.ID())
		return err
	})
	if err == nil {
		s.key.Set(a, &loaded[T]{v})
	}
	return v, err
}

// Change replaces the account's value. decide runs under the account's lock: it
// gets the value and a batch, adds its writes to the batch and returns the new
// value; an error leaves all as it was and is returned at once.
//
// done is called after the commit, in the order in which changes were decided,
// on the store's writer: it must not block. What it gets is nil, or the reason
// why the commit failed; then the value has been dropped and is loaded anew on
// next use, and again after the changes that were under way behind it. An empty batch counts as committed, in its turn.
func (s *State[T]) Change(a Account, decide func(value T, b *store.Batch) (T, error), done func(error)) error {
	var err error
	a.Decide(func() {
		var old, fresh T
		if old, err = s.locked(a); err != nil {
			return
		}
		var b store.Batch
		if fresh, err = decide(old, &b); err != nil {
			return
		}
		s.key.Set(a, &loaded[T]{fresh})
		failures := s.failed.Of(a)
		a.Retain()
		s.store().Submit(&b, func(failed error) {
			if failed != nil {
				s.failed.Set(a, s.failed.Of(a)+1) // on the writer only
				s.key.Set(a, nil)
			} else if s.failed.Of(a) != failures {
				s.key.Set(a, nil) // loaded anew meanwhile, without this change
			}
			if done != nil {
				done(failed)
			}
			a.Release()
		})
	})
	return err
}
