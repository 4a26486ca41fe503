package flow

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrKicked is returned by Fill once after each Kick.
var ErrKicked = errors.New("flow: reader woken")

// Conn is one connection. Fill and StartTLS belong to its reader; all other
// methods may be called by anybody at any time.
type Conn struct {
	pump *Pump
	nc   net.Conn
	raw  syscall.RawConn // nil when the transport has no file descriptor
	tls  atomic.Pointer[tls.Conn]

	into    []byte // where readReady puts bytes
	n       int
	readErr error
	ready   func(fd uintptr) bool // readReady, bound once so that Fill makes no closure

	mu       sync.Mutex
	deadline time.Time
	kicked   bool
	ticket   *Ticket
}

// NewConn wraps c without pooling, for tests and rare connections.
func NewConn(c net.Conn) *Conn { return (*Pump)(nil).NewConn(c) }

// NewConn wraps c, whose bytes pass through p's pool and shards.
func (p *Pump) NewConn(c net.Conn) *Conn {
	conn := &Conn{pump: p, nc: c}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			conn.raw = raw
			conn.ready = conn.readReady
		}
	}
	return conn
}

// Fill parks until bytes are there, then appends what is there to b. It holds
// no buffer while parked unless b has unread bytes. It returns io.EOF at the
// orderly end, os.ErrDeadlineExceeded after the read deadline, ErrKicked after
// Kick, ErrBufferFull when b is at its maximum; any other error is final.
func (c *Conn) Fill(b *Buffer) error {
	err := c.fill(b)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kicked {
		c.kicked = false
		c.nc.SetReadDeadline(c.deadline)
		return ErrKicked
	}
	return os.ErrDeadlineExceeded
}

func (c *Conn) fill(b *Buffer) error {
	if t := c.tls.Load(); t != nil {
		return c.fillFrom(t, b)
	}
	if c.raw == nil {
		return c.fillFrom(c.nc, b)
	}
	c.readErr = nil
	err := c.raw.Read(func(fd uintptr) bool {
		room := b.room(c.pump.pool(), 4<<10)
		if room == nil {
			c.readErr = ErrBufferFull
			return true
		}
		for {
			n, err := unix.Read(int(fd), room)
			if err == unix.EINTR {
				continue
			}
			if err == unix.EAGAIN {
				if b.Len() == 0 {
					b.Release()
				}
				return false
			}
			if err != nil {
				c.readErr = os.NewSyscallError("read", err)
			} else if n == 0 {
				c.readErr = io.EOF
			} else {
				b.w += n
			}
			return true
		}
	})
	if err != nil {
		return err
	}
	return c.readErr
}

func (c *Conn) readReady(fd uintptr) bool { return true }

// fillFrom is the way of transports that only know how to block.
func (c *Conn) fillFrom(r io.Reader, b *Buffer) error {
	room := b.room(c.pump.pool(), 4<<10)
	if room == nil {
		return ErrBufferFull
	}
	n, err := r.Read(room)
	b.w += n
	if b.Len() == 0 {
		b.Release()
	}
	if n > 0 {
		return nil
	}
	return err
}

// SetReadDeadline bounds waiting in Fill; the zero time means for ever.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.kicked {
		return nil
	}
	return c.nc.SetReadDeadline(t)
}

// Kick makes the Fill that waits now, or else the next one that would wait,
// return ErrKicked.
func (c *Conn) Kick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kicked = true
	c.nc.SetReadDeadline(time.Unix(1, 0))
}

// Close closes the socket at once; what waits in an Outbox is not written.
// Use Outbox.Close for an orderly end.
func (c *Conn) Close() error {
	c.Admitted()
	return c.nc.Close()
}

// Admitted gives back the connection's place among the unauthenticated ones
// of its listener; call it once the peer has authenticated.
func (c *Conn) Admitted() {
	c.mu.Lock()
	t := c.ticket
	c.ticket = nil
	c.mu.Unlock()
	t.Leave()
}

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr returns our own address of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// TLS returns the state of the TLS layer, nil when there is none.
func (c *Conn) TLS() *tls.ConnectionState {
	t := c.tls.Load()
	if t == nil {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// StartTLS does the server's side of a TLS handshake and returns when it is
// done. The reader calls it with an empty Buffer and with nothing waiting in
// the Outbox (see Outbox.Flushed); an error means the connection is unusable.
func (c *Conn) StartTLS(ctx context.Context, config *tls.Config) error {
	return c.handshake(ctx, tls.Server(c.nc, config))
}

// StartTLSClient is StartTLS from the other end, for outgoing connections.
func (c *Conn) StartTLSClient(ctx context.Context, config *tls.Config) error {
	return c.handshake(ctx, tls.Client(c.nc, config))
}

func (c *Conn) handshake(ctx context.Context, t *tls.Conn) error {
	// On a goroutine of its own: a handshake grows the stack to 8 KB and
	// more, which the reader would keep while it idles.
	done := make(chan error, 1)
	go func() { done <- t.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		return err
	}
	c.tls.Store(t)
	return nil
}

// write writes b, blocking.
func (c *Conn) write(b []byte) (int, error) {
	if t := c.tls.Load(); t != nil {
		return t.Write(b)
	}
	return c.nc.Write(b)
}
