package socks5

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"linnet/netsvc/metric"
	"linnet/netsvc/quota"
	"linnet/netsvc/transfer"
)

// Why a transfer ended, in the ledger, the metrics and the log.
const (
	endDone  = "done"  // both sides closed
	endReset = "reset" // one side broke off
	endIdle  = "idle"
	endLimit = "limit"
	endCut   = "cut" // by an operator, or because an account is gone
	endStop  = "stopped"
	endStore = "store" // the ledger could not be written
)

// moving is one transfer under way.
type moving struct {
	id      uint64
	request transfer.Request
	begin   time.Time
	sides   [2]*party // by quota.Direction: who sends in it
	account *quota.Account
	shapers [2]*shaper // of the local parties; nil for none
	opts    *limits    // of the generation in which it began
	all     *shaper
	chunk   int64 // the largest piece
	crowded int   // 1: many others were under way as it began

	bytes   [2]atomic.Int64 // moved, by direction
	flow    *metric.Counter // of all transfers
	last    atomic.Int64    // when bytes moved, in nanoseconds since begin
	running context.Context
	stop    context.CancelFunc
	over    sync.Once
	reason  string // set by over, read after both directions have ended
	cause   error  // what the users are told
	leave   func() // gives back what add took; live.mu is held
}

// limits are the options that a transfer keeps.
type limits struct {
	idle  time.Duration
	chunk int64
	// buffers are the sizes of a socket's, in each direction, for transfers that began
	// beside few others (0) and beside many (1); 0: the kernel's choice.
	buffers [2]int
}

// end breaks the transfer off, once, and reports whether it was this call that did.
func (m *moving) end(reason string, cause error) (first bool) {
	m.over.Do(func() {
		first = true
		m.reason, m.cause = reason, cause
		m.stop()
		for _, p := range m.sides {
			p.conn.Close()
		}
	})
	return first
}

// tune sets the sockets' options for a transfer: a peer that is gone, or whose window
// stays closed, is noticed by the kernel within the time for idle transfers.
func (m *moving) tune(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4})
	return raw.Control(func(p uintptr) {
		fd := int(p)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(m.opts.idle.Milliseconds()))
		if size := m.opts.buffers[m.crowded]; size > 0 {
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
		}
	})
}

// run moves bytes until both directions have ended.
func (m *moving) run() {
	for _, p := range m.sides {
		if err := m.tune(p.conn); err != nil {
			m.end(endReset, nil)
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { m.pump(quota.Back) })
	m.pump(quota.Forward)
	wait.Wait()
	m.end(endDone, nil)
}

// pump moves one direction until it ends, and then closes the other side for
// writing, so that a direction can end before the other.
func (m *moving) pump(d quota.Direction) {
	source, err := newSource(m.sides[d].conn, m.chunk)
	if err != nil {
		m.end(endReset, nil)
		return
	}
	to := m.sides[1-d].conn
	for {
		n, err := source.wait(m.opts.idle)
		switch {
		case err == io.EOF:
			to.CloseWrite()
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			if m.idle(source) {
				m.end(endIdle, nil)
				return
			}
			continue
		case err != nil:
			m.end(endReset, nil)
			return
		}
		if n, err = m.account.Draw(m.running, d, n); err != nil {
			m.refused(err)
			return
		}
		moved, err := source.carry(to, n)
		if moved < n {
			m.account.Return(d, n-moved)
		}
		m.bytes[d].Add(moved)
		m.flow.Add(uint64(moved))
		m.last.Store(int64(time.Since(m.begin)))
		if err != nil {
			m.end(endReset, nil)
			return
		}
		if !m.shape(moved) {
			return
		}
	}
}

// refused ends the transfer for a reason that the ledger gave.
func (m *moving) refused(err error) {
	var limit *quota.Limit
	switch {
	case errors.As(err, &limit):
		m.end(endLimit, limit)
	case m.running.Err() != nil, err == quota.ErrClosed:
		m.end(endStop, nil)
	default:
		m.end(endStore, err)
	}
}

// idle reports whether nothing moved for long, in either direction. A receiver that
// takes a piece for longer than that is slow and not idle: the kernel knows.
func (m *moving) idle(s *source) bool {
	if time.Since(m.begin)-time.Duration(m.last.Load()) < m.opts.idle {
		return false
	}
	seen := uint64(0)
	for _, p := range m.sides {
		seen += transmitted(p.conn)
	}
	if seen != s.seen {
		s.seen = seen
		return false
	}
	return true
}

// shape waits as long as the rates ask for; false when the transfer is over.
func (m *moving) shape(n int64) bool {
	pause := max(m.shapers[0].take(n), m.shapers[1].take(n), m.all.take(n))
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.running.Done():
		return false
	}
}

// source is the reading side of a direction.
type source struct {
	conn *net.TCPConn
	raw  syscall.RawConn
	look func(fd uintptr) bool // peek, made once: it is used for every piece
	most uintptr
	seen uint64 // see moving.idle

	piece    io.LimitedReader
	deadline time.Time
	n        int64
	err      error
}

func newSource(c *net.TCPConn, most int64) (*source, error) {
	raw, err := c.SyscallConn()
	s := &source{conn: c, raw: raw, most: uintptr(most), piece: io.LimitedReader{R: c}}
	s.look = s.peek
	return s, err
}

// wait waits until bytes have come and returns how many there are. It reads none. The
// time limit is between idle and half of it: to set a new one for every piece would
// cost more than to move it.
func (s *source) wait(idle time.Duration) (int64, error) {
	if now := time.Now(); s.deadline.Sub(now) < idle/2 {
		s.deadline = now.Add(idle)
		s.conn.SetReadDeadline(s.deadline)
	}
	s.n, s.err = 0, nil
	if err := s.raw.Read(s.look); err != nil {
		return 0, err
	}
	return s.n, s.err
}

// carry moves up to n bytes, which have come, and returns how many.
func (s *source) carry(to *net.TCPConn, n int64) (moved int64, err error) {
	s.piece.N = n
	moved, err = to.ReadFrom(&s.piece) // splice(2) because of the types on both sides
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = nil // of wait: it ran out while the receiver was taking the piece, and the next wait sets another
	case err == nil && moved == 0:
		err = io.ErrUnexpectedEOF
	}
	return moved, err
}

// peek asks the kernel what has come, without having it copied; false when there is
// nothing yet.
func (s *source) peek(fd uintptr) bool {
	// With MSG_TRUNC nothing is written to the buffer, so there need be none.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, 0, s.most, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return false
	case errno != 0:
		s.err = errno
	case n == 0:
		s.err = io.EOF
	default:
		s.n = int64(n)
	}
	return true
}

// transmitted is how many bytes a connection has received and got acknowledged, as
// far as the kernel says.
func transmitted(c *net.TCPConn) (n uint64) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_received + info.Bytes_acked
		}
	})
	return n
}
