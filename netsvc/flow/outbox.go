package flow

import (
	"sync"
	"time"
)

// DefaultStall is how long a peer may take nothing at all before its
// connection is closed.
const DefaultStall = 60 * time.Second

// Done is told the fate of an Item, once, in the order of Adds, with no lock
// of this package held. It must not block.
type Done interface {
	// Written says whether the Item's last byte was accepted by the kernel.
	Written(ok bool)
}

// Item is one indivisible piece of output: its segments, written one after
// the other. The bytes may be shared with other outboxes and must never
// change; the Segs slice itself is not kept.
type Item struct {
	Segs [][]byte
	Done Done // nil: nobody asks
}

// Outbox queues what a connection has to write. Adding never blocks; a
// goroutine writes only while bytes wait. Its mutex owns its state and is
// held for appends only.
type Outbox struct {
	conn *Conn

	mu      sync.Mutex
	idle    sync.Cond // signalled when nothing waits
	limit   int
	waiting int // bytes added and not yet written
	queue   []entry
	writing bool
	closed  bool // no more Adds
	dead    bool // the socket is closed
}

type entry struct {
	buf  []byte
	done Done
}

// NewOutbox returns the outbox of c, which holds at most limit bytes that the
// kernel has not accepted yet.
func NewOutbox(c *Conn, limit int) *Outbox {
	o := &Outbox{conn: c, limit: limit}
	o.idle.L = &o.mu
	return o
}

// Add queues it. It never blocks; false means over the byte limit or closed,
// and nothing was added: Done is not called.
func (o *Outbox) Add(it Item) bool {
	n := 0
	for _, s := range it.Segs {
		n += len(s)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || n > o.limit-o.waiting {
		return false
	}
	o.append(it, n)
	return true
}

// AddBytes is Add of a single segment that nobody asks about.
func (o *Outbox) AddBytes(b []byte) bool {
	return o.Add(Item{Segs: [][]byte{b}})
}

func (o *Outbox) append(it Item, n int) {
	buf := make([]byte, 0, n)
	for _, s := range it.Segs {
		buf = append(buf, s...)
	}
	o.waiting += n
	o.queue = append(o.queue, entry{buf, it.Done})
	if !o.writing {
		o.writing = true
		go o.run()
	}
}

// Waiting returns how many bytes the kernel has not accepted yet.
func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting
}

// SetLimit changes the byte limit; what waits already stays.
func (o *Outbox) SetLimit(n int) {
	o.mu.Lock()
	o.limit = n
	o.mu.Unlock()
}

// Flushed blocks until nothing waits or the outbox is dead. A reader calls it
// before StartTLS.
func (o *Outbox) Flushed() {
	o.mu.Lock()
	for o.writing && !o.dead {
		o.idle.Wait()
	}
	o.mu.Unlock()
}

func (o *Outbox) run() {
	o.mu.Lock()
	for len(o.queue) > 0 && !o.dead {
		batch := o.queue
		o.queue = nil
		o.mu.Unlock()
		for i, e := range batch {
			o.conn.nc.SetWriteDeadline(time.Now().Add(DefaultStall))
			_, err := o.conn.write(e.buf)
			if err != nil {
				o.Kill()
				o.mu.Lock()
				rest := o.queue
				o.queue = nil
				o.mu.Unlock()
				tell(batch[i:], false)
				tell(rest, false)
				break
			}
			tell(batch[i:i+1], true)
			o.mu.Lock()
			o.waiting -= len(e.buf)
			o.mu.Unlock()
		}
		o.mu.Lock()
	}
	o.writing = false
	o.idle.Broadcast()
	closing := o.closed
	rest := o.queue
	o.queue = nil
	o.mu.Unlock()
	tell(rest, false)
	if closing {
		o.Kill()
	}
}

func tell(es []entry, ok bool) {
	for _, e := range es {
		if e.done != nil {
			e.done.Written(ok)
		}
	}
}

// Close takes no more Items, writes what waits and then farewell, and closes
// the connection; after grace it closes it whatever still waits. It does not
// block. A second Close changes nothing.
func (o *Outbox) Close(grace time.Duration, farewell []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.append(Item{Segs: [][]byte{farewell}}, len(farewell))
	o.closed = true
	time.AfterFunc(grace, o.Kill)
}

// Kill closes the connection at once. What waits is reported as not written.
func (o *Outbox) Kill() {
	o.mu.Lock()
	o.closed = true
	dead := o.dead
	o.dead = true
	o.mu.Unlock()
	if !dead {
		o.conn.Close()
	}
}
