package flow

import (
	"context"
	"crypto/tls"
	"errors"
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

// DefaultHandshake bounds a direct TLS handshake unless told otherwise.
const DefaultHandshake = 15 * time.Second

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

// Listener accepts connections for a Pump. Its fields are set before Serve.
type Listener struct {
	Pump *Pump
	Gate *Gate // nil: no limits
	// TLS, if not nil, makes it direct TLS. Which of its NextProtos the
	// peer chose is in Conn.TLS().NegotiatedProtocol.
	TLS       *tls.Config
	Handshake time.Duration // 0: DefaultHandshake
	// Handle gets each connection on a goroutine of its own, which it may
	// use as the connection's reader. The connection counts against the
	// Gate until Conn.Admitted or its end.
	Handle func(*Conn)
	// Failed, if not nil, is told why accepting or a direct handshake
	// failed. It must not block.
	Failed func(peer net.Addr, err error)
}

// Serve accepts from ln until ctx is done, then closes ln and returns nil. Any
// other error is returned only if it is not one that passes, such as running
// out of descriptors: then Serve waits and tries again. Connections live on.
func (l *Listener) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	pause := time.Duration(0)
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			l.accept(ctx, nc)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			l.failed(nil, err)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

func (l *Listener) accept(ctx context.Context, nc net.Conn) {
	if c := l.Pump.Admit(nc, l.Gate); c != nil {
		go l.start(ctx, c)
	}
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

func (l *Listener) start(ctx context.Context, c *Conn) {
	if l.TLS != nil {
		limit := l.Handshake
		if limit == 0 {
			limit = DefaultHandshake
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		err := c.StartTLS(ctx, l.TLS)
		cancel()
		if err != nil {
			l.failed(c.RemoteAddr(), err)
			return
		}
	}
	l.Handle(c)
}

func (l *Listener) failed(peer net.Addr, err error) {
	if l.Failed != nil {
		l.Failed(peer, err)
	}
}
