package flow

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sealMax is how many bytes are encrypted before they are written: what a
// connection that dies may report as not written although it was.
const sealMax = 64 << 10

// sendMax is how many system calls one connection may have before others have
// theirs.
const sendMax = 16

// flush writes what the connection has to write until nothing is left or the
// socket takes no more, and tells the Dones. Who runs it holds the writing
// token.
func (c *Conn) flush() {
	o := &c.out
	c.mu.Lock()
	defer c.mu.Unlock()
	o.queued = false
	o.writing = true
	c.users++
	interrupted := c.flushSome()
	o.writing = false
	if o.queue != nil && o.queue.empty() && len(o.queue.marks) == 0 {
		c.pump.queues().put(o.queue)
		o.queue = nil
	}
	if c.cipher != nil && c.cipher.empty() {
		c.pump.queues().put(c.cipher)
		c.cipher = nil
	}
	if o.added == o.written && c.cipher == nil {
		o.signalIdle()
		if o.stall != nil {
			o.stall.Stop()
			o.stall = nil
		}
	}
	if interrupted {
		o.schedule()
	}
	c.release()
}

// flushSome flushes and says whether it was interrupted because others wait.
// The caller holds mu.
func (c *Conn) flushSome() (interrupted bool) {
	o := &c.out
	var gather [gatherMax][]byte
	var told [gatherMax]Done
	for sends := 0; sends < sendMax; {
		if c.closed {
			o.abandon()
		}
		if o.queue != nil && len(o.queue.marks) > 0 {
			ok, due := true, o.queue.due(told[:0], o.written)
			if len(due) == 0 && c.closed {
				ok, due = false, o.queue.due(told[:0], never)
			}
			if len(due) > 0 {
				c.tell(due, ok)
				continue
			}
		}
		if c.closed {
			return false
		}
		bufs := gather[:0]
		switch {
		case !c.cipher.empty():
			bufs = c.cipher.peek(bufs, 1<<30)
		case !o.queue.empty() && !o.held && c.sealing():
			c.seal(bufs)
			continue
		case !o.queue.empty() && !o.held:
			bufs = o.queue.peek(bufs, 1<<30)
		case o.closing && !o.shut && !c.handshaking:
			c.shut()
			continue
		default:
			return false
		}
		sends++
		if !c.send(bufs) {
			return false
		}
	}
	return true
}

// abandon drops the bytes of a closed connection; the marks stay to be told.
func (o *Outbox) abandon() {
	c := o.conn
	if o.queue != nil {
		o.queue.discard(c.pump.pool())
	}
	if c.cipher != nil {
		c.cipher.discard(c.pump.pool())
	}
}

// tell calls the Dones with mu released.
func (c *Conn) tell(due []Done, ok bool) {
	c.mu.Unlock()
	for _, d := range due {
		c.tellOne(d, ok)
	}
	clear(due)
	c.mu.Lock()
}

// tellOne calls d. If it panics its connection is lost, the process is not.
func (c *Conn) tellOne(d Done, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.pump.panicked(v)
			c.Close()
		}
	}()
	d.Written(ok)
}

// send writes bufs with mu released and takes note of what was accepted. False
// means that the flush is over for now.
func (c *Conn) send(bufs [][]byte) bool {
	o := &c.out
	c.writable = false
	c.mu.Unlock()
	n, err := c.write(bufs)
	clear(bufs)
	c.mu.Lock()
	o.sent += uint64(n)
	if c.cipher.empty() {
		o.queue.drop(c.pump.pool(), n)
		o.written += uint64(n)
	} else {
		c.cipher.drop(c.pump.pool(), n)
		if c.cipher.empty() {
			o.written = o.sealed
		}
	}
	switch {
	case err == nil || c.closed:
		return true
	case err == errAgain && c.writable:
		return true // it became writable since
	case err == errAgain:
		o.stuck()
		return false
	}
	c.closeLocked()
	return true
}

// write writes bufs as far as the socket takes them.
func (c *Conn) write(bufs [][]byte) (n int, err error) {
	if c.shard == nil {
		return c.writeBlocking(bufs)
	}
	for {
		if len(bufs) == 1 {
			n, err = unix.Write(c.fd, bufs[0])
		} else {
			n, err = unix.Writev(c.fd, bufs)
		}
		switch err {
		case nil:
			c.shard.sent.Add(uint64(n))
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, errAgain
		default:
			return 0, os.NewSyscallError("write", err)
		}
	}
}

// sealing says whether bytes are encrypted before they are written; a
// transport that blocks has its TLS layer in write.
func (c *Conn) sealing() bool { return c.shard != nil && c.tls.Load() != nil }

// seal encrypts what waits, up to sealMax bytes, with mu released. The TLS
// layer writes to c.cipher (see tunnel) and never blocks.
func (c *Conn) seal(bufs [][]byte) {
	o := &c.out
	bufs = o.queue.peek(bufs, sealMax)
	c.mu.Unlock()
	t := c.tls.Load()
	n := 0
	var err error
	for _, b := range bufs {
		if _, err = t.Write(b); err != nil {
			break
		}
		n += len(b)
	}
	clear(bufs)
	c.mu.Lock()
	o.queue.drop(c.pump.pool(), n)
	o.sealed = o.written + uint64(n)
	if err != nil {
		c.closeLocked()
	}
}

// shut ends our direction: with TLS a close_notify first. The caller holds mu.
func (c *Conn) shut() {
	o := &c.out
	if t := c.tls.Load(); t != nil && !o.held {
		o.held = true // nothing can be sealed behind a close_notify
		c.mu.Unlock()
		if c.shard == nil {
			c.nc.SetWriteDeadline(time.Now().Add(c.pump.stall()))
		}
		t.CloseWrite()
		c.mu.Lock()
		if !c.cipher.empty() || c.closed {
			return
		}
	}
	o.shut = true
	if c.eof {
		c.closeLocked()
		return
	}
	if c.shard != nil {
		unix.Shutdown(c.fd, unix.SHUT_WR)
	} else if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	} else {
		c.closeLocked()
	}
}
