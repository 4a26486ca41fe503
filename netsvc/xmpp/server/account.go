package server

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	users "linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
)

// account is a local account while somebody needs it. Its sessions and whoever
// called Retain keep it in memory; afterwards it stays a while among its shard's
// idle ones, since the next message often goes to the same account.
type account struct {
	server  *Server
	traffic *traffic // of its host
	id      users.ID
	jid     jid.JID

	refs     atomic.Int32
	sessions atomic.Pointer[[]xmpp.Session] // copied on write under decide
	slots    xmpp.Slots
	decide   sync.Mutex
	backlog  backlog
	status   atomic.Pointer[string] // of the last unavailable presence; nil since somebody is available
}

func (a *account) ID() users.ID       { return a.id }
func (a *account) JID() jid.JID       { return a.jid }
func (a *account) Slots() *xmpp.Slots { return &a.slots }

func (a *account) Sessions() []xmpp.Session {
	if p := a.sessions.Load(); p != nil {
		return *p
	}
	return nil
}

func (a *account) Decide(f func()) {
	a.decide.Lock()
	defer a.decide.Unlock()
	f()
}

func (a *account) Retain() { a.refs.Add(1) }

func (a *account) Release() {
	if a.refs.Add(-1) == 0 {
		a.server.shard(a.jid).rest(a)
	}
}

// AfterWrites waits for every batch submitted so far, which is no more than the
// commit that this account's own would be part of.
func (a *account) AfterWrites(f func()) {
	if a.server.store.InFlight() == 0 {
		f()
		return
	}
	a.Retain()
	a.server.store.Barrier(func() {
		go func() {
			f()
			a.Release()
		}()
	})
}

// find returns the session with that resource, nil if there is none; one that has
// ended only where it has no successor.
func (a *account) find(resource string) (found *Session) {
	for _, s := range a.Sessions() {
		if ss := s.(*Session); ss.jid.Resource() == resource && (found == nil || found.ended.Load()) {
			found = ss
		}
	}
	return found
}

// crowded reports whether no session may be added. Those that have ended and are
// not gone yet do not count, or nobody could take the place of his own; but there
// may not be more of them than of the others.
func (a *account) crowded(limit int) bool {
	all, alive := a.Sessions(), 0
	for _, s := range all {
		if !s.(*Session).ended.Load() {
			alive++
		}
	}
	return alive >= limit || len(all) >= 2*limit
}

// add and remove keep the list of sessions; the caller holds decide.
func (a *account) add(s *Session) {
	old := a.Sessions()
	list := make([]xmpp.Session, len(old), len(old)+1)
	copy(list, old)
	list = append(list, s)
	a.sessions.Store(&list)
}

func (a *account) remove(s *Session) {
	old := a.Sessions()
	list := make([]xmpp.Session, 0, len(old))
	for _, o := range old {
		if o != xmpp.Session(s) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		a.sessions.Store(nil)
		return
	}
	a.sessions.Store(&list)
}

// shards spread the accounts in memory over several locks.
const (
	shards    = 16
	idleBound = 64 // accounts without a session that a shard keeps
)

type shard struct {
	mu   sync.Mutex
	all  map[jid.JID]*account
	idle []*account // oldest first; some may be in use again
}

var seed = maphash.MakeSeed()

func (s *Server) shard(bare jid.JID) *shard {
	return &s.shards[maphash.String(seed, bare.String())%shards]
}

// get returns the account in memory, retained, or nil.
func (sh *shard) get(bare jid.JID) *account {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	a := sh.all[bare]
	if a != nil {
		a.refs.Add(1)
	}
	return a
}

// put returns the account of that JID, retained: the one given, unless another
// goroutine was faster.
func (sh *shard) put(fresh *account) *account {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	a := sh.all[fresh.jid]
	if a == nil || a.id != fresh.id {
		if sh.all == nil {
			sh.all = map[jid.JID]*account{}
		}
		sh.all[fresh.jid] = fresh
		a = fresh
	}
	a.refs.Add(1)
	return a
}

// rest puts an account nobody needs among the idle ones and lets the oldest of
// them go.
func (sh *shard) rest(a *account) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if a.refs.Load() > 0 || sh.all[a.jid] != a {
		return
	}
	sh.idle = append(sh.idle, a)
	for len(sh.idle) > idleBound {
		old := sh.idle[0]
		sh.idle = sh.idle[:copy(sh.idle, sh.idle[1:])]
		if old.refs.Load() == 0 && sh.all[old.jid] == old {
			delete(sh.all, old.jid)
		}
	}
}

// forget takes a deleted account out of memory; its holders keep theirs.
func (sh *shard) forget(bare jid.JID) {
	sh.mu.Lock()
	delete(sh.all, bare)
	sh.mu.Unlock()
}
