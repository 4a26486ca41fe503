package flow

import (
	"errors"
	"os"
	"runtime/debug"
	"time"
)

// Handler uses what a connection reads.
type Handler interface {
	// Turn is called with what Fill would have returned: nil when bytes
	// arrived or Resume was called, ErrKicked, os.ErrDeadlineExceeded, or
	// an error that ends reading. b holds all unread bytes; what the Turn
	// leaves there is there at the next one.
	//
	// Turns of one connection never overlap. There is exactly one with a
	// final error, the last, unless reading ended with Leave; it closes the
	// connection or its Outbox, as it sees fit, and b is released after it.
	//
	// A Turn should not block for long: meanwhile it costs a goroutine, and
	// the connections behind it a few milliseconds.
	Turn(c *Conn, b *Buffer, err error) Next
}

// Next says what a Turn wants; see More, Pause and Conn.Leave.
type Next uint8

const (
	// More asks for the next Turn when something happens.
	More Next = iota
	// Pause asks for no Turn, whatever arrives, until Resume. Only a
	// Close interrupts a pause.
	Pause

	leave // after Conn.Leave
)

// PanicError is the final error of a connection whose Turn panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	switch v := e.Value.(type) {
	case error:
		return "flow: turn panicked: " + v.Error()
	case string:
		return "flow: turn panicked: " + v
	}
	return "flow: turn panicked"
}

// serving is the state of a connection that is served.
type serving struct {
	handler Handler // nil: not served
	buffer  *Buffer
	then    func() // what Leave asked for
	queued  bool   // waits for its Turn
	turning bool
	paused  bool
	resumed bool // Resume was called: a Turn is due, bytes or not
}

// Serve gives the connection's bytes to h from now on and returns. b may hold
// bytes already, which h gets at once; it belongs to the Turns. Call it once
// at a time, and not while Fill runs.
func (c *Conn) Serve(b *Buffer, h Handler) {
	b.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serve = serving{handler: h, buffer: b, resumed: b.Len() > 0}
	c.wake = nil
	if c.shard == nil {
		go c.serveBlocking()
		return
	}
	c.dispatch()
}

// Leave ends serving when the present Turn ends, and then calls then on a
// goroutine of its own, which is the connection's reader: it may Fill the same
// Buffer, StartTLS and Serve again. Only a Turn may call Leave, and it returns
// the result.
func (c *Conn) Leave(then func()) Next {
	c.serve.then = then
	return leave
}

// Resume ends a Pause and brings a Turn even if no bytes arrived. Called while
// a Turn is under way it brings another one, and at other times nothing.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := &c.serve
	if !v.paused && !v.turning {
		return
	}
	v.paused = false
	v.resumed = true
	if c.shard == nil {
		c.signalBlocking()
		return
	}
	c.dispatch()
}

// ResumeAfter calls Resume when d has passed: what a Turn does that found its
// bucket in debt, before it returns Pause.
func (c *Conn) ResumeAfter(d time.Duration) {
	if d <= 0 {
		c.Resume()
		return
	}
	time.AfterFunc(d, c.Resume)
}

// dispatch queues the connection for a Turn if one is due. The caller holds mu.
func (c *Conn) dispatch() {
	v := &c.serve
	if v.handler == nil || v.queued || v.turning || c.shard == nil {
		return
	}
	if c.closed || !v.paused && (c.readable || c.kicked || c.expired || v.resumed) {
		v.queued = true
		c.shard.pushReady(c)
	}
}

// turn reads and calls the handler, once.
func (c *Conn) turn() {
	v := &c.serve
	c.mu.Lock()
	v.queued = false
	h, b := v.handler, v.buffer
	err := c.signal()
	reads := false
	switch {
	case err != nil:
	case v.resumed:
		v.resumed = false
	case c.readable:
		c.arm()
		reads = true
	default:
		c.mu.Unlock()
		return
	}
	v.turning = true
	c.mu.Unlock()

	more := false
	var scratch []byte
	if reads {
		pool := c.pump.pool()
		scratch = pool.Get(c.readSize())
		b.lend(pool, scratch)
		more, err = c.read(b)
	}
	next := More
	if err == errAgain {
		err = nil
	} else {
		next, err = call(c, h, b, err)
	}
	if final(err) {
		b.Release()
	}
	b.settle()
	if reads {
		c.pump.pool().Put(scratch)
	}

	c.mu.Lock()
	if more {
		c.readable = true
	}
	c.noteEnd(err)
	if reads {
		c.release()
	}
	c.after(next, err)
	c.dispatch()
	c.mu.Unlock()
}

// after brings the state to where the Turn's answer wants it. The caller
// holds mu.
func (c *Conn) after(next Next, err error) {
	v := &c.serve
	v.turning = false
	switch {
	case final(err):
		*v = serving{}
	case next == leave:
		then := v.then
		*v = serving{}
		go then()
	case next == Pause:
		v.paused = !v.resumed
	}
}

// call calls the handler. A panic ends the connection, not the process: the
// handler gets one more Turn to clear up.
func call(c *Conn, h Handler, b *Buffer, err error) (next Next, end error) {
	defer func() {
		if v := recover(); v != nil {
			end = &PanicError{Value: v, Stack: debug.Stack()}
			c.Close()
			if !final(err) {
				b.Release()
				_, end = call(c, h, b, end)
			}
		}
	}()
	return h.Turn(c, b, err), err
}

// final says whether err ends reading.
func final(err error) bool {
	return err != nil && err != ErrKicked && !errors.Is(err, os.ErrDeadlineExceeded)
}
