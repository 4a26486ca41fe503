package server

import (
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/stream"
)

// Session is one bound resource (xmpp.Session), as the edges drive it. Its
// connection is an Outlet that comes and goes; with stream management the
// session stays and keeps what the client has not acknowledged.
type Session struct {
	server  *Server
	account *account
	jid     jid.JID

	slots    xmpp.Slots
	flags    atomic.Uint32
	presence atomic.Pointer[presence]
	since    int64        // Unix seconds
	active   atomic.Int64 // Unix seconds

	ended atomic.Bool // or about to: new messages only pass through

	mu      sync.Mutex
	closing Outlet // what finish closes
	out     Outlet // nil while no connection is attached
	addr    string
	secure  bool
	epoch   uint32   // of the connection; a stale one changes nothing
	held    []queued // kept back by Hooks.Deliver
	heavy   int      // bytes in held
	managed *managed // stream management, nil while off
	end     ending
	lost    []queued // what came after the end, on its way to undelivered
}

// Outlet is the way to a client: what one connection's edge gives to Attach.
// flow.Outbox is one.
type Outlet interface {
	// Add queues one item and never blocks; false means that nothing was taken
	// and nothing will be: the outlet is over its limit or closed.
	Add(flow.Item) bool
	// Close writes what is queued and the farewell within the grace, and then
	// closes the connection. closed, if not nil, is told last: after the Done of
	// every item.
	Close(grace time.Duration, farewell []byte, closed flow.Done)
	// Lost reports whether the connection has ended, which its edge is about to tell with Detach.
	Lost() bool
	// Kill ends a Close that lasts: what is queued is told as not written.
	Kill()
}

// queued is a stanza on its way to one client, with the copy it settles.
type queued struct {
	stanza *stanza.Stanza
	copy   *owed
}

type presence struct {
	stanza   *stanza.Stanza
	priority int8
}

// ending is how far a session's end has come.
type ending uint8

const (
	alive    ending = iota
	draining        // ended; somebody is sending what was lost to undelivered
	drained         // ended; nobody is
)

func (ss *Session) JID() jid.JID          { return ss.jid }
func (ss *Session) Account() xmpp.Account { return ss.account }
func (ss *Session) Slots() *xmpp.Slots    { return &ss.slots }
func (ss *Session) Since() time.Time      { return time.Unix(ss.since, 0).UTC() }
func (ss *Session) Active() time.Time     { return time.Unix(ss.active.Load(), 0).UTC() }

func (ss *Session) RemoteAddr() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.addr
}

func (ss *Session) Secure() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.secure
}

// Presence is nil from the moment the session begins to end, although its contacts
// are told only when nothing is under way to it any more.
func (ss *Session) Presence() *stanza.Stanza {
	if p := ss.presence.Load(); p != nil && !ss.ended.Load() {
		return p.stanza
	}
	return nil
}

func (ss *Session) Priority() int8 {
	if p := ss.presence.Load(); p != nil {
		return p.priority
	}
	return 0
}

// reachable reports whether the delivery rules count the session among the
// available resources with a non-negative priority.
func (ss *Session) reachable() bool {
	p := ss.presence.Load()
	return p != nil && p.priority >= 0 && !ss.ended.Load()
}

func (ss *Session) Set(f xmpp.Flag, on bool) {
	if on {
		ss.flags.Or(uint32(f))
	} else {
		ss.flags.And(^uint32(f))
	}
}

func (ss *Session) Has(f xmpp.Flag) bool { return ss.flags.Load()&uint32(f) != 0 }

func (ss *Session) Send(s *stanza.Stanza) { ss.deliver(s, nil) }

func (ss *Session) SendKept(s *stanza.Stanza, row uint64) {
	c := ss.account.kept(s, row)
	ss.deliver(s, c)
	c.drop()
}

// deliver puts a stanza into the client's stream, or keeps it back, or sends its
// copy elsewhere when the session has ended. It never blocks.
func (ss *Session) deliver(s *stanza.Stanza, c *owed) {
	if c != nil {
		c.hold()
	}
	hold := ss.server.current().hooks.Deliver.Held(ss, s)
	ss.mu.Lock()
	if ss.end != alive {
		ss.mu.Unlock()
		ss.lose(queued{s, c})
		return
	}
	fits := true
	if hold || ss.out == nil && ss.managed == nil { // or its connection is not attached yet

		ss.hold(queued{s, c})
		if len(ss.held) >= heldBound || ss.heavy >= heldBytes {
			fits = ss.flush()
		}
	} else {
		fits = ss.flush() && ss.put(queued{s, c})
	}
	ss.mu.Unlock()
	if !fits {
		straw := queued{s, c}
		if hold {
			straw = queued{} // it is among the held ones
		}
		ss.overrun(straw)
	}
}

// overrun ends the session of a client that does not read fast enough, or without
// stream management has gone; straw is what did not fit, if it is not in the queue.
func (ss *Session) overrun(straw queued) {
	ss.mu.Lock()
	gone := ss.out != nil && ss.out.Lost()
	ss.mu.Unlock()
	if gone {
		ss.finish(nil, straw)
		return
	}
	if ss.finish(stream.Fail(stream.ResourceConstraint, "the client does not read fast enough"), straw) {
		ss.server.current().stats.slow.Inc()
	}
}

// heldBound and heldBytes are how much a session keeps back before it sends it all.
const (
	heldBound = 256
	heldBytes = 64 << 10
)

// hold keeps a stanza back. Of the presences of one entity only the last is worth
// sending. The caller holds mu.
func (ss *Session) hold(q queued) {
	if q.stanza.Kind == stanza.Presence {
		for i, old := range ss.held {
			if old.stanza.Kind == stanza.Presence && old.stanza.From == q.stanza.From {
				ss.heavy -= old.stanza.Size()
				ss.held = append(ss.held[:i], ss.held[i+1:]...)
				break
			}
		}
	}
	ss.heavy += q.stanza.Size()
	ss.held = append(ss.held, q)
}

func (ss *Session) Flush() {
	ss.mu.Lock()
	fits := ss.flush()
	ss.mu.Unlock()
	if !fits {
		ss.overrun(queued{})
	}
}

// flush puts what was held into the stream. The caller holds mu.
func (ss *Session) flush() bool {
	for i, q := range ss.held {
		if !ss.put(q) {
			ss.held = ss.held[i:]
			return false
		}
	}
	ss.held, ss.heavy = nil, 0
	return true
}

// put numbers and writes one stanza. The caller holds mu. False: over a limit.
func (ss *Session) put(q queued) bool {
	m := ss.managed
	if m != nil && !m.push(q) {
		return false
	}
	ss.account.traffic.out[q.stanza.Kind].Inc()
	if ss.out == nil {
		return m != nil
	}
	var told flow.Done
	if m == nil && q.copy != nil {
		told = q.copy
	}
	if !write(ss.out, q.stanza, told) {
		if m == nil {
			return false
		}
		if ss.out.Lost() { // it waits for the resumption
			return true
		}
		m.unpush()
		return false
	}
	if m != nil {
		ss.wantAck(q.copy != nil)
	}
	return true
}

// write queues one stanza. The list of segments stays on the stack on the way
// that nearly all stanzas take.
func write(out Outlet, s *stanza.Stanza, told flow.Done) bool {
	head, body, tail := s.Segments()
	var room [8][]byte
	segs := append(append(room[:0], head), body...)
	if tail != nil {
		segs = append(segs, tail)
	}
	if o, ok := out.(*flow.Outbox); ok {
		return o.Add(flow.Item{Segs: segs, Done: told})
	}
	return out.Add(flow.Item{Segs: append([][]byte(nil), segs...), Done: told})
}

func (ss *Session) End(condition, text string) {
	if condition == "" {
		ss.finish(nil, queued{})
		return
	}
	ss.finish(stream.Fail(stream.Condition(condition), text), queued{})
}

// finish ends the session for good, once: what the client never got goes to
// undelivered in the order it was sent, its contacts are told, and it leaves its
// account's list. Until then messages are still given to it, and queue behind what
// it lost: otherwise they would overtake. why is nil for a polite end; straw is the
// stanza that did not fit. It reports whether this call was the one that ended it.
func (ss *Session) finish(why *stream.Error, straw queued) (first bool) {
	ss.mu.Lock()
	if ss.end != alive {
		ss.mu.Unlock()
		if straw.stanza != nil {
			ss.lose(straw)
		}
		return false
	}
	ss.end = draining
	out := ss.out
	ss.out, ss.closing = nil, ss.out
	ss.epoch++
	resumption := ""
	if ss.managed != nil {
		resumption = ss.managed.id
		ss.lost = ss.managed.stop()
	}
	ss.lost = append(ss.lost, ss.held...)
	if straw.stanza != nil {
		ss.lost = append(ss.lost, straw)
	}
	ss.held = nil
	ss.mu.Unlock()

	ss.account.wait(0, 1) // before a successor can be there
	ss.ended.Store(true)
	if ss.presence.Load() != nil {
		ss.account.status.Store(nil) // gone without a word
	}
	ss.server.resumable.remove(resumption)
	if why != nil {
		ss.server.CountError(why)
	}
	if out == nil {
		ss.leave()
		return true
	}
	// Without stream management the outlet still has items whose copies come
	// back one by one; what followed them must not overtake.
	out.Close(closeGrace, stream.Farewell(why), (*left)(ss))
	return true
}

const closeGrace = 2 * time.Second

// left is a Session as the one who is told that its outlet is done.
type left Session

func (l *left) Written(bool) { go (*Session)(l).leave() } // not on the goroutine that writes for others

// leave is the second half of finish: nothing is under way to the client.
func (ss *Session) leave() {
	ss.drain()
	ss.account.Decide(func() { ss.account.remove(ss) })
	ss.account.wait(0, -1)
	g := ss.server.current()
	old := ss.presence.Swap(nil)
	gone := stanza.NewPresence(stanza.Unavailable, "", ss.jid, jid.JID{}, nil)
	g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: old.of(), Leaving: gone})
	g.hooks.Ended.Tell(ss)
	if len(ss.account.Sessions()) == 0 {
		status := ""
		if p := ss.account.status.Load(); p != nil {
			status = *p
		}
		ss.server.accounts.LoggedOut(ss.account.id, status)
	}
	ss.server.sessions.Add(-1)
	ss.account.Release()
}

// lose takes a stanza that came for a session after its end.
func (ss *Session) lose(q queued) {
	if q.copy == nil {
		ss.server.current().unsent(q.stanza)
		return
	}
	ss.mu.Lock()
	ss.lost = append(ss.lost, q)
	again := ss.end == drained
	if again {
		ss.end = draining
	}
	ss.mu.Unlock()
	if again {
		ss.drain()
	}
}

// drain gives up everything lost, in order. Only one goroutine drains at a time.
func (ss *Session) drain() {
	for {
		ss.mu.Lock()
		lost := ss.lost
		ss.lost = nil
		if len(lost) == 0 {
			ss.end = drained
			ss.mu.Unlock()
			return
		}
		ss.mu.Unlock()
		for _, q := range lost {
			if q.copy != nil {
				q.copy.drop()
			} else {
				ss.server.current().unsent(q.stanza)
			}
		}
	}
}
