package flow

import (
	"errors"
	"os"
	"time"
)

// This file is the way of transports without a file descriptor, which only
// know how to block: pipes and simulated networks.

// woken is a deadline in the past, which ends a Read under way.
var woken = time.Unix(1, 0)

func (c *Conn) fillBlocking(b *Buffer) error {
	c.mu.Lock()
	err := c.signal()
	if err != nil {
		c.deadlineBlocking()
		c.mu.Unlock()
		return err
	}
	c.mu.Unlock()
	room := b.room(c.pump.pool(), classes[1], 1)
	if room == nil {
		return ErrBufferFull
	}
	var n int
	if t := c.tls.Load(); t != nil {
		n, err = t.Read(room)
	} else {
		n, err = c.nc.Read(room)
	}
	b.w += n
	b.settle()
	if n > 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.expired = !c.kicked && !c.closed
		if c.expired {
			c.deadline = time.Time{}
		}
		err = c.signal()
		c.deadlineBlocking()
	}
	if c.closed {
		err = c.signal()
	}
	c.noteEnd(err)
	return err
}

// deadlineBlocking gives the transport the deadline that is in force. The
// caller holds mu.
func (c *Conn) deadlineBlocking() error {
	t := c.deadline
	if c.kicked && !c.handshaking {
		t = woken
	}
	return c.nc.SetReadDeadline(t)
}

// serveBlocking does for one connection what a leader does for many.
func (c *Conn) serveBlocking() {
	v := &c.serve
	for {
		c.mu.Lock()
		for v.paused && !c.closed {
			wake := make(chan struct{}, 1)
			c.wake = wake
			c.waiting = true
			c.mu.Unlock()
			<-wake
			c.mu.Lock()
		}
		h, b, resumed := v.handler, v.buffer, v.resumed
		v.resumed = false
		v.turning = true
		c.mu.Unlock()

		var err error
		if !resumed {
			err = c.Fill(b)
		}
		next, err := call(c, h, b, err)
		if final(err) {
			b.Release()
		}
		b.settle()

		c.mu.Lock()
		c.after(next, err)
		over := v.handler != h || final(err) || next == leave
		c.mu.Unlock()
		if over {
			return
		}
	}
}

// signalBlocking wakes a paused serveBlocking. The caller holds mu.
func (c *Conn) signalBlocking() {
	if c.waiting {
		c.waiting = false
		c.wake <- struct{}{}
	}
}

// writeBlocking writes bufs whole, within the stall time for each.
func (c *Conn) writeBlocking(bufs [][]byte) (n int, err error) {
	t := c.tls.Load()
	for _, b := range bufs {
		c.nc.SetWriteDeadline(time.Now().Add(c.pump.stall()))
		var k int
		if t != nil {
			k, err = t.Write(b)
		} else {
			k, err = c.nc.Write(b)
		}
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
