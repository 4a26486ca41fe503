package server

import (
	"sync"
	"sync/atomic"

	"linnet/netsvc/xmpp"
)

// backlog keeps the new messages of an account while older ones are still on their
// way to it: RFC 6120 section 10.1 lets none overtake another of the same sender.
// Older ones are what ended sessions lost, and what an extension kept.
//
// It is short: what makes it wait is a commit, the end of a connection, or a client
// that takes its offline messages. Past its limit it is given to the account as undelivered, which keeps the order too; but
// not before the sessions that end have given up what they lost, which ends the grace
// of their connections.
type backlog struct {
	shut atomic.Bool // some reason to wait, or messages that do

	mu      sync.Mutex
	older   int // calls of Defer without their Proceed
	endings int // sessions that have not given up everything they lost
	going   bool
	list    []late
	bytes   int
}

// late is a message that waits, with a hold on its copy.
type late struct {
	copy *owed
	by   xmpp.Session // the sender's, if it is one of ours
}

// Defer implements xmpp.Account.
func (a *account) Defer() { a.wait(1, 0) }

// Proceed implements xmpp.Account.
func (a *account) Proceed() { a.wait(-1, 0) }

// wait adds reasons to wait, or takes them away.
func (a *account) wait(older, endings int) {
	b := &a.backlog
	b.mu.Lock()
	b.older += older
	b.endings += endings
	reasons := b.older + b.endings
	start := reasons == 0 && len(b.list) > 0 && !b.going
	spill := false
	switch {
	case start:
		b.going = true
	case endings < 0 && a.overflows():
		spill = true
	case !b.going:
		b.shut.Store(reasons > 0 || len(b.list) > 0)
	}
	b.mu.Unlock()
	if older+endings > 0 {
		a.Retain()
	}
	if spill {
		go a.spill()
	}
	if start {
		go a.catchUp() // this may be the store's writer
	} else if older+endings < 0 {
		a.Release()
	}
}

// kick has what waits delivered or kept after all, when those who would take what is
// older are gone; not before what a session lost.
func (a *account) kick() {
	b := &a.backlog
	b.mu.Lock()
	start := len(b.list) > 0 && !b.going && b.endings == 0
	b.going = b.going || start
	b.mu.Unlock()
	if start {
		a.Retain()
		a.catchUp()
	}
}

// behind reports whether older messages are on their way that will pass no session
// that has ended.
func (a *account) behind() bool {
	if !a.backlog.shut.Load() {
		return false
	}
	a.backlog.mu.Lock()
	defer a.backlog.mu.Unlock()
	return a.backlog.older > 0
}

// queue takes a message that has to wait; false when this one has not. took are the
// sessions that would get it: none of those that older messages are on their way to
// may get it before, and it may not be kept before what waits or what a session lost,
// also where the sessions that it was meant for have ended meanwhile.
// A session that is not reachable gets nothing older.
func (a *account) queue(c *owed, by xmpp.Session, took []xmpp.Session) bool {
	b := &a.backlog
	if !b.shut.Load() {
		return false
	}
	reachable, gone := false, true
	for _, s := range took {
		ss := s.(*Session)
		reachable = reachable || ss.reachable()
		gone = gone && ss.ended.Load()
	}
	if !reachable && !gone {
		return false
	}
	b.mu.Lock()
	if reachable && !b.shut.Load() || !reachable && len(b.list) == 0 && !b.going && b.endings == 0 {
		b.mu.Unlock()
		return false
	}
	c.hold()
	b.list = append(b.list, late{c, by})
	b.bytes += c.stanza.Size()
	full := a.overflows()
	hurry := !full && b.endings > 0 && b.bytes > int(a.server.current().limits.outbox)
	b.mu.Unlock()
	switch {
	case full:
		go a.spill()
	case hurry:
		a.hurry()
	}
	return true
}

// hurry ends the grace of the connections that what waits is waiting for.
func (a *account) hurry() {
	for _, s := range a.Sessions() {
		ss := s.(*Session)
		ss.mu.Lock()
		out := ss.closing
		ss.mu.Unlock()
		if out != nil {
			out.Kill()
		}
	}
}

// overflows reports whether the backlog is to be spilled now, by the caller, who
// holds its mutex: it has going then, and a hold on the account.
func (a *account) overflows() bool {
	b := &a.backlog
	if b.going || b.endings > 0 || b.bytes <= int(a.server.current().limits.outbox) {
		return false
	}
	b.going = true
	a.Retain()
	return true
}

// first returns the message that has waited longest, nil if there is none.
func (b *backlog) first() *owed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == 0 {
		return nil
	}
	return b.list[0].copy
}

// pop takes the first message away. The caller holds mu.
func (b *backlog) pop() late {
	l := b.list[0]
	b.list[0] = late{}
	b.list = b.list[1:]
	b.bytes -= l.copy.stanza.Size()
	return l
}

// catchUp delivers what has waited, until there is a reason to wait again. It has
// going, and a hold on the account.
func (a *account) catchUp() {
	defer a.Release()
	b := &a.backlog
	for {
		c := b.first()
		g := a.server.current()
		if c == nil {
			b.mu.Lock()
			if len(b.list) > 0 {
				b.mu.Unlock()
				continue
			}
			b.going = false
			b.shut.Store(b.older+b.endings > 0)
			b.mu.Unlock()
			return
		}
		t := getTransit(c.stanza, nil, a)
		t.Took = choose(t.Took, c.stanza, a)
		b.mu.Lock()
		if len(t.Took) > 0 && b.older+b.endings > 0 { // see deliverMessage: first the choice, then the look
			b.going = false
			b.mu.Unlock()
			g.submit(t)
			return
		}
		l := b.pop()
		b.mu.Unlock()
		t.Session = l.by
		g.hand(t, c)
		c.drop()
		g.submit(t)
	}
}

// spill gives all that waits to who keeps messages. It has going, and a hold on the
// account.
func (a *account) spill() {
	b := &a.backlog
	for {
		b.mu.Lock()
		if len(b.list) == 0 || b.endings > 0 {
			b.going = false
			b.shut.Store(len(b.list) > 0 || b.older+b.endings > 0)
			b.mu.Unlock()
			a.Release()
			return
		}
		l := b.pop()
		b.mu.Unlock()
		g := a.server.current()
		t := getTransit(l.copy.stanza, nil, a)
		t.Took = choose(t.Took, l.copy.stanza, a)
		g.keep(t, l.copy)
		l.copy.drop()
		g.submit(t)
	}
}
