package flow

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrKicked is what a reader gets once after each Kick; it is not final.
var ErrKicked = errors.New("flow: reader woken")

// errAgain says that nothing can be read or written now. It is temporary in
// the sense of package net, which makes crypto/tls keep its state and go on
// from there at the next call.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "flow: would block" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Conn is one connection and its Outbox. Fill, Serve, StartTLS and StartTLSClient
// belong to its reader; all other methods may be called by anybody.
type Conn struct {
	pump   *Pump
	shard  *shard   // nil: no file descriptor, the transport blocks
	nc     net.Conn // the transport that blocks
	remote netip.AddrPort
	gen    int32 // tells this owner of a descriptor from the one before

	tls atomic.Pointer[tls.Conn]

	// The reader's own: nothing more to read until the next edge, and
	// whether the end was announced, so that a short read proves nothing.
	drained, ending bool

	mu sync.Mutex
	fd int // -1: closed, or none
	// users counts who is in a system call on fd or about to be; the
	// descriptor is closed when the last one is gone, so that its number
	// cannot name somebody else's connection meanwhile.
	users int8

	readable, writable bool // an edge was seen and not yet used up
	hangup             bool // the peer's end was seen
	closed             bool
	eof                bool // the reader saw the end
	kicked, expired    bool // told to the reader once
	handshaking        bool

	waiting bool          // the reader is parked in wake
	wake    chan struct{} // made when first needed
	serve   serving

	deadline time.Time
	timer    *time.Timer
	ticket   *ticket
	cipher   *queue // sealed bytes that wait; nil when none do
	out      Outbox
}

// NewConn takes c over: it must not be used otherwise any more. A connection
// that has a file descriptor moves to p's own epoll sets; any other, and all
// of a nil Pump, are served with goroutines that block.
func (p *Pump) NewConn(c net.Conn) *Conn {
	conn := &Conn{pump: p, nc: c, fd: -1}
	conn.out.conn = conn
	conn.out.limit = DefaultLimit
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		conn.remote = a.AddrPort()
	}
	if sc, ok := c.(syscall.Conn); ok && p != nil && conn.remote.IsValid() {
		conn.adopt(sc)
	}
	return conn
}

// adopt moves the descriptor from package net's poller to ours. A failure
// leaves the connection as it was, which works too.
func (c *Conn) adopt(sc syscall.Conn) {
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	fd := -1
	raw.Control(func(old uintptr) {
		// The duplicate shares the flags of the open socket: it does
		// not block.
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || fd < 0 {
		return
	}
	c.fd = fd
	s := c.pump.shard()
	if err := s.add(c); err != nil {
		unix.Close(fd)
		c.fd, c.shard = -1, nil
		return
	}
	c.nc.Close()
	c.nc = nil
}

// Fill parks until bytes are there, then appends what is there to b. While
// parked it holds no memory but what unread bytes need. It returns io.EOF at
// the orderly end, os.ErrDeadlineExceeded once after a read deadline, which it
// clears, ErrKicked once after a Kick; any other error is final.
func (c *Conn) Fill(b *Buffer) error {
	if c.shard == nil {
		return c.fillBlocking(b)
	}
	for {
		if err := c.await(); err != nil {
			return err
		}
		more, err := c.read(b)
		b.settle()
		c.mu.Lock()
		if more {
			c.readable = true
		}
		c.noteEnd(err)
		c.release()
		c.mu.Unlock()
		if err != errAgain {
			return err
		}
	}
}

// await parks the reader until there is something to read, and then holds the
// descriptor for it; release lets go.
func (c *Conn) await() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.signal(); err != nil {
			return err
		}
		if c.readable {
			c.arm()
			return nil
		}
		if c.wake == nil {
			c.wake = make(chan struct{}, 1)
		}
		c.waiting = true
		c.mu.Unlock()
		<-c.wake
		c.mu.Lock()
	}
}

// signal returns what the reader must know before it reads on. The caller
// holds mu.
func (c *Conn) signal() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.kicked && !c.handshaking:
		c.kicked = false
		return ErrKicked
	case c.expired:
		c.expired = false
		return os.ErrDeadlineExceeded
	}
	return nil
}

// arm uses up the edge: one that comes from here on is kept, so none is lost
// between reading nothing and waiting. The caller holds mu.
func (c *Conn) arm() {
	c.readable = false
	c.drained = false
	c.ending = c.hangup
	c.users++
}

// release ends the use of the descriptor. The caller holds mu.
func (c *Conn) release() {
	c.users--
	c.dispose()
}

// dispose closes the descriptor when nobody needs it. The caller holds mu.
func (c *Conn) dispose() {
	if c.closed && c.users == 0 && c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

// rouse makes the reader look again. The caller holds mu.
func (c *Conn) rouse() {
	if c.waiting {
		c.waiting = false
		c.wake <- struct{}{}
	}
	c.dispatch()
}

// noteEnd remembers that the peer will send no more: once both ways are shut
// the socket is of no use to anybody. The caller holds mu.
func (c *Conn) noteEnd(err error) {
	if err != io.EOF {
		return
	}
	c.eof = true
	if c.out.shut {
		c.closeLocked()
	}
}

// read appends what is there to b. It says whether there may be more, and
// errAgain when there was nothing. The caller holds the descriptor.
func (c *Conn) read(b *Buffer) (more bool, err error) {
	pool := c.pump.pool()
	if t := c.tls.Load(); t != nil {
		room := b.room(pool, c.readSize(), recordMax)
		if room == nil {
			return true, ErrBufferFull
		}
		n, more, err := readLayer(t, room, pool)
		b.w += n
		return more, err
	}
	room := b.room(pool, classes[1], 1)
	if room == nil {
		return true, ErrBufferFull
	}
	n, err := c.recv(room[:min(len(room), readMax)])
	b.w += n
	return !c.drained, err
}

// readSize returns how much memory reading needs.
func (c *Conn) readSize() int {
	if c.tls.Load() != nil {
		return layerSize
	}
	return readMax
}

// recv reads from the socket. The caller holds the descriptor.
func (c *Conn) recv(p []byte) (int, error) {
	if c.drained {
		return 0, errAgain
	}
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			c.drained = true
			return 0, errAgain
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		// A short read empties a stream socket (epoll(7)), which spares
		// the read that would say so; unless the end follows, whose
		// edge may have come with the data's.
		c.drained = n < len(p) && !c.ending
		c.shard.received.Add(uint64(n))
		return n, nil
	}
}

// SetReadDeadline makes the reader get os.ErrDeadlineExceeded once, when t has
// passed. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.deadline = t
	c.expired = false
	if c.shard == nil {
		return c.deadlineBlocking()
	}
	if t.IsZero() {
		if c.timer != nil {
			c.timer.Stop()
			c.timer = nil
		}
		return nil
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(t), c.expire)
	} else {
		c.timer.Reset(time.Until(t))
	}
	return nil
}

func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.deadline.IsZero() || time.Until(c.deadline) > 0 {
		return // changed since the timer fired
	}
	c.deadline = time.Time{}
	c.timer = nil
	c.expired = true
	c.rouse()
}

// Kick makes the reader that waits now, or the next one that would wait, get
// ErrKicked. Kicks that meet before the reader looks are one.
func (c *Conn) Kick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kicked = true
	if c.shard == nil {
		c.deadlineBlocking()
		return
	}
	c.rouse()
}

// Close closes the connection at once: its reader gets net.ErrClosed, and what
// waits in the Outbox is reported as not written. See Outbox.Close for an
// orderly end.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
	return nil
}

func (c *Conn) closeLocked() {
	if c.closed {
		return
	}
	c.closed = true
	c.ticket.leave()
	c.ticket = nil
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.out.stopTimers()
	if c.shard != nil {
		c.shard.remove(c)
		c.dispose()
	} else {
		c.nc.Close()
	}
	c.out.signalIdle()
	c.out.schedule()
	c.rouse()
}

// Admitted gives back the connection's place among the unauthenticated ones of
// its listener; call it once the peer has authenticated.
func (c *Conn) Admitted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticket.leave()
	c.ticket = nil
}

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr {
	if c.remote.IsValid() || c.nc == nil {
		return net.TCPAddrFromAddrPort(c.remote)
	}
	return c.nc.RemoteAddr()
}

// LocalAddr returns our address of the connection, nil when it is closed.
func (c *Conn) LocalAddr() net.Addr {
	if c.nc != nil {
		return c.nc.LocalAddr()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sa, err := unix.Getsockname(c.fd)
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	}
	return nil
}

// TLS returns the state of the TLS layer, nil when there is none.
func (c *Conn) TLS() *tls.ConnectionState {
	t := c.tls.Load()
	if t == nil {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// Outbox returns the connection's outbox.
func (c *Conn) Outbox() *Outbox { return &c.out }
