package xmpptest

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
)

// Account is one account of the server; it stays in memory.
type Account struct {
	server   *Server
	id       account.ID
	jid      jid.JID
	refs     atomic.Int32
	sessions atomic.Pointer[[]xmpp.Session]
	slots    xmpp.Slots
	decide   sync.Mutex

	mu       sync.Mutex
	contacts map[jid.JID]xmpp.Subscription // in tests without the roster extension
}

func (a *Account) ID() account.ID     { return a.id }
func (a *Account) JID() jid.JID       { return a.jid }
func (a *Account) Slots() *xmpp.Slots { return &a.slots }
func (a *Account) Retain()            { a.refs.Add(1) }

func (a *Account) Release() {
	if a.refs.Add(-1) < 0 {
		a.server.t.Errorf("%s: released more often than retained", a.jid)
	}
}

// Defer and Proceed only count: here every stanza is moved by itself.
func (a *Account) Defer()   { a.Retain() }
func (a *Account) Proceed() { a.Release() }

func (a *Account) Sessions() []xmpp.Session {
	if p := a.sessions.Load(); p != nil {
		return *p
	}
	return nil
}

func (a *Account) Decide(f func()) {
	a.decide.Lock()
	defer a.decide.Unlock()
	f()
}

// AfterWrites waits for every batch submitted so far.
func (a *Account) AfterWrites(f func()) {
	if a.server.Store().InFlight() == 0 {
		f()
		return
	}
	a.Retain()
	a.server.Store().Barrier(func() {
		go func() {
			f()
			a.Release()
		}()
	})
}

func (a *Account) find(resource string) *session {
	for _, s := range a.Sessions() {
		if s.JID().Resource() == resource {
			return s.(*session)
		}
	}
	return nil
}

func (a *Account) change(f func([]xmpp.Session) []xmpp.Session) {
	a.Decide(func() {
		list := f(slices.Clone(a.Sessions()))
		a.sessions.Store(&list)
	})
}

// checkReferences finds accounts that an extension retained and did not release,
// or found and forgot to release: the real server would keep them for ever.
func (s *Server) checkReferences() {
	s.t.Helper()
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.all {
		if n := int(a.refs.Load()) - len(a.Sessions()); n != 0 {
			s.t.Errorf("%s: retained %d times more than released", a.jid, n)
		}
	}
}

func sortedKeys[V any](m map[jid.JID]V) []jid.JID {
	return slices.SortedFunc(maps.Keys(m), func(a, b jid.JID) int { return cmp.Compare(a.String(), b.String()) })
}
