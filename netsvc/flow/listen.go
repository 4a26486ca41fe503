package flow

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The TCP options of accepted sockets. They are set on the listening socket,
// from which Linux inherits them, so that accepting costs no further calls.
const (
	// keepIdle is long, for phones: each probe wakes a radio. Streams that
	// must notice sooner have their own pings.
	keepIdle     = 5 * time.Minute
	keepInterval = 30 * time.Second
	keepCount    = 4
	// userTimeout is how long sent bytes may stay unacknowledged. The
	// kernel's own limit is about a quarter of an hour, in which messages to
	// a phone that left its network would seem delivered.
	userTimeout = 2 * time.Minute
)

// Listen listens on a TCP address with the socket options that fit this
// package: keep-alive, a user timeout of two minutes, and TCP_NODELAY, since
// outboxes gather what belongs together themselves. Multipath TCP is off: what
// its sockets promise about short reads and time-outs is not documented.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{Control: tune, KeepAlive: -1}
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", address)
}

func tune(_, _ string, raw syscall.RawConn) error {
	var err error
	set := func(fd, level, option, value int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, option, value)
		}
	}
	if failed := raw.Control(func(p uintptr) {
		fd := int(p)
		set(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		set(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepIdle.Seconds()))
		set(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepInterval.Seconds()))
		set(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepCount)
		set(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	}); failed != nil {
		return failed
	}
	return err
}

// Admit wraps an accepted connection, which counts against the gate (nil: no
// limits) until Conn.Admitted or its end. Where the gate has no room it closes
// nc and returns nil.
func (p *Pump) Admit(nc net.Conn, g *Gate) *Conn {
	var t *ticket
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok && g != nil {
		if t = g.enter(a.AddrPort().Addr()); t == nil {
			nc.Close()
			return nil
		}
	}
	c := p.NewConn(nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		t.leave()
	} else {
		c.ticket = t
	}
	return c
}
