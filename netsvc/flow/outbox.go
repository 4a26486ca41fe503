package flow

import (
	"context"
	"net"
	"time"
)

const (
	// DefaultLimit is an outbox's byte limit unless told otherwise.
	DefaultLimit = 256 << 10
	// DefaultStall is how long a peer may take nothing of what waits for
	// it before its connection is closed.
	DefaultStall = 60 * time.Second
)

// Done is told the fate of an Item, once.
type Done interface {
	// Written says whether the kernel accepted the Item's last byte. The
	// calls of one connection come in the order of its Adds and never from
	// within Add, Close or Kill; no lock of this package is held. It must
	// not block.
	Written(ok bool)
}

// Item is one indivisible piece of output: its segments, one after the other.
// The bytes may be shared with other outboxes and must never change; the Segs
// slice itself is not kept.
type Item struct {
	Segs [][]byte
	Done Done // nil: nobody asks
}

// Outbox queues what a connection has to write. Adding never blocks and does
// no I/O; the connection's shard writes. Its state is owned by the
// connection's mutex.
type Outbox struct {
	conn  *Conn
	limit int
	queue *queue // nil when nothing waits

	// Positions in the stream of bytes before encryption. added-written is
	// what counts against the limit.
	added, written uint64
	sealed         uint64 // encrypted, and perhaps not yet accepted
	sent           uint64 // bytes the kernel accepted, encrypted or not

	queued  bool // waits to be flushed
	writing bool // somebody holds the writing token
	stalled bool // waits for the socket to take more
	held    bool // a handshake is under way: nothing is sealed
	closing bool // Close was called: no more Adds
	shut    bool // our direction of the socket is shut

	stall *time.Timer
	grace *time.Timer
	idle  chan struct{} // closed when nothing waits; nil: nobody asks
}

// SetLimit changes how many bytes that the kernel has not accepted the outbox
// holds at most, DefaultLimit until then; what waits already stays.
func (o *Outbox) SetLimit(limit int) {
	o.conn.mu.Lock()
	o.limit = limit
	o.conn.mu.Unlock()
}

// Add queues it. It never blocks. False means over the byte limit, or closed:
// nothing was added, and Done will not be called.
func (o *Outbox) Add(it Item) bool {
	n := 0
	for _, s := range it.Segs {
		n += len(s)
	}
	c := o.conn
	c.mu.Lock()
	if c.closed || o.closing || n > c.pump.squeezed(o.limit)-int(o.added-o.written) {
		c.mu.Unlock()
		return false
	}
	q := o.open()
	for _, s := range it.Segs {
		q.add(c.pump.pool(), s)
	}
	o.added += uint64(n)
	if it.Done != nil {
		q.marks = append(q.marks, mark{o.added, it.Done})
	}
	o.schedule()
	c.mu.Unlock()
	return true
}

// AddBytes is Add of a single segment that nobody asks about.
func (o *Outbox) AddBytes(p []byte) bool {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || o.closing || len(p) > c.pump.squeezed(o.limit)-int(o.added-o.written) {
		return false
	}
	o.push(p)
	return true
}

// push adds p whatever the limit. The caller holds the mutex.
func (o *Outbox) push(p []byte) {
	o.open().add(o.conn.pump.pool(), p)
	o.added += uint64(len(p))
	o.schedule()
}

func (o *Outbox) open() *queue {
	if o.queue == nil {
		o.queue = o.conn.pump.queues().get()
	}
	return o.queue
}

// schedule sees to it that somebody flushes. The caller holds the mutex.
func (o *Outbox) schedule() {
	c := o.conn
	if o.queued || o.writing || o.stalled && !c.closed {
		return
	}
	o.queued = true
	if c.shard != nil {
		c.shard.pushDirty(c)
	} else {
		go c.flush()
	}
}

// Lost reports whether the connection has ended, so that nothing can be added any more.
func (o *Outbox) Lost() bool {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return o.conn.closed
}

// Closing reports whether Close was called, by whomever, or the connection has ended: the
// farewell is on its way, and what the peer sends now answers nothing.
func (o *Outbox) Closing() bool {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return o.closing || o.conn.closed
}

// Waiting returns how many bytes the kernel has not accepted yet.
func (o *Outbox) Waiting() int {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return int(o.added - o.written)
}

// Close takes no more Items, writes what waits and then farewell, and shuts
// our direction of the socket. The reader goes on: the connection closes when
// the peer has shut its direction too, and after grace in any case. Close does
// not block; a second one writes nothing.
//
// last, if not nil, is told after the Done of every Item, always: whether
// farewell was written.
func (o *Outbox) Close(grace time.Duration, farewell []byte, last Done) {
	c := o.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.closed && !o.closing
	if first {
		o.closing = true
		o.push(farewell)
		o.grace = time.AfterFunc(grace, o.Kill)
	}
	if last != nil {
		end := o.added
		if c.closed {
			end = never
		}
		q := o.open()
		q.marks = append(q.marks, mark{end, last})
		o.schedule()
	}
}

// Kill closes the connection at once. What waits is reported as not written.
func (o *Outbox) Kill() { o.conn.Close() }

// drain waits until everything that was added is written, and then holds back
// the rest for a handshake.
func (o *Outbox) drain(ctx context.Context) error {
	c := o.conn
	c.mu.Lock()
	for !c.closed && (o.added != o.written || o.writing || !c.cipher.empty()) {
		if o.idle == nil {
			o.idle = make(chan struct{})
		}
		idle := o.idle
		c.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	o.held = true
	c.handshaking = true
	o.sealed = o.written
	return nil
}

// signalIdle wakes who waits in drain. The caller holds the mutex.
func (o *Outbox) signalIdle() {
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

func (o *Outbox) stopTimers() {
	for _, t := range []**time.Timer{&o.stall, &o.grace} {
		if *t != nil {
			(*t).Stop()
			*t = nil
		}
	}
}

// stuck starts, when the socket takes no more, to watch whether it ever does
// again. The caller holds the mutex.
func (o *Outbox) stuck() {
	o.stalled = true
	if o.stall != nil {
		return
	}
	seen := o.sent
	limit := o.conn.pump.stall()
	o.stall = time.AfterFunc(limit, func() {
		c := o.conn
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.closed || o.stall == nil:
		case !o.stalled:
			o.stall = nil
		case o.sent == seen:
			c.closeLocked()
		default:
			seen = o.sent
			o.stall.Reset(limit)
		}
	})
}
