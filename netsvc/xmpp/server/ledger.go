package server

import (
	"slices"
	"sync"
	"time"
)

// A ledger counts, for a client with stream management, which of its stanzas are
// settled: XEP-0198 lets a server acknowledge a stanza when it has taken
// responsibility for it, and ours does not before every copy owed is safe.
//
// Stanzas are numbered from 1 as they are read and settle in any order; what may
// be acknowledged is the longest settled run from the start. Numbers wrap at
// 2^32, as the specification has it.
type ledger struct {
	server *Server
	ack    func() // sends an <a/>; called without the lock

	mu      sync.Mutex
	settled uint32  // everything up to here
	owed    []entry // the stanzas after it, oldest first
	sure    int     // so many of owed, from the front, will be settled by commits under way
	asked   bool    // the client waits for an <a/> beyond what it was told
	watched bool    // Server.overdue looks at it
	waiting []chan struct{}
}

type entry struct {
	debts int32
	copy  *owed
}

// begin numbers the next stanza. It owes one debt, its processing, until
// settle(n) is called for it.
func (l *ledger) begin() uint32 {
	l.mu.Lock()
	l.owed = append(l.owed, entry{debts: 1})
	n := l.settled + uint32(len(l.owed))
	l.mu.Unlock()
	return n
}

// owe adds a debt to stanza n, which must not be settled yet; c is nil when the
// debt is a commit and no copy in somebody's hand.
func (l *ledger) owe(n uint32, c *owed) {
	l.mu.Lock()
	e := &l.owed[n-l.settled-1]
	e.debts++
	watch := false
	if c != nil {
		e.copy = c
		watch = !l.watched
		l.watched = true
	}
	l.mu.Unlock()
	if watch {
		l.server.overdue.watch(l)
	}
}

// settle pays one debt of stanza n.
func (l *ledger) settle(n uint32) {
	l.mu.Lock()
	l.owed[n-l.settled-1].debts--
	run := 0
	for run < len(l.owed) && l.owed[run].debts == 0 {
		run++
	}
	tell := false
	if run > 0 {
		l.settled += uint32(run)
		left := copy(l.owed, l.owed[run:])
		clear(l.owed[left:])
		l.owed = l.owed[:left]
		l.sure = max(0, l.sure-run)
		if left == 0 {
			tell, l.asked = l.asked, false
			for _, w := range l.waiting {
				close(w)
			}
			l.waiting = nil
		}
	}
	l.mu.Unlock()
	if tell {
		l.ack()
	}
}

// count is what may be acknowledged now. With ask, and when something read
// before is still owed, an ack follows by itself once all of it has settled.
func (l *ledger) count(ask bool) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ask && len(l.owed) > 0 {
		l.asked = true
	}
	return l.settled
}

// durable is the number up to which everything will be settled once the commits
// under way are done: it goes into those commits, so that after a crash the
// client learns exactly what was taken.
func (l *ledger) durable() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.sure < len(l.owed) {
		e := &l.owed[l.sure]
		if e.debts > 0 && e.copy != nil && !e.copy.is(paid|stored) {
			break
		}
		l.sure++
	}
	return l.settled + uint32(l.sure)
}

// doubt has durable look again at what it was sure of.
func (l *ledger) doubt() {
	l.mu.Lock()
	l.sure = 0
	l.mu.Unlock()
}

// idle returns a channel that is closed once nothing read is owed any more.
func (l *ledger) idle() <-chan struct{} {
	w := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.owed) == 0 {
		close(w)
	} else {
		l.waiting = append(l.waiting, w)
	}
	return w
}

// spoolOverdue has the copies spooled that have been owed for so long, and reports
// whether the ledger is worth another look.
func (l *ledger) spoolOverdue(age time.Duration) (again bool) {
	then := time.Now().Add(-age)
	var late []*owed
	l.mu.Lock()
	for _, e := range l.owed {
		if e.copy == nil || e.copy.is(paid|stored) {
			continue
		}
		again = true
		if e.copy.since.After(then) {
			break
		}
		late = append(late, e.copy)
	}
	l.watched = again
	l.mu.Unlock()
	var wait []*account
	for _, c := range late {
		if !slices.Contains(wait, c.account) && !c.spool() {
			wait = append(wait, c.account) // until the next look
		}
	}
	return again
}
