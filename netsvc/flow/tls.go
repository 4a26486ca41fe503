package flow

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// StartTLS does the server's side of a TLS handshake and returns when it is
// done. It waits first until what was added before is written; what is added
// meanwhile waits. The reader calls it with an empty Buffer: bytes read before
// the handshake must not pass for protected ones. After an error the
// connection is closed.
func (c *Conn) StartTLS(ctx context.Context, config *tls.Config) error {
	return c.handshake(ctx, func(nc net.Conn) *tls.Conn { return tls.Server(nc, config) })
}

// StartTLSClient is StartTLS from the other end, for outgoing connections.
func (c *Conn) StartTLSClient(ctx context.Context, config *tls.Config) error {
	return c.handshake(ctx, func(nc net.Conn) *tls.Conn { return tls.Client(nc, config) })
}

func (c *Conn) handshake(ctx context.Context, layer func(net.Conn) *tls.Conn) error {
	if c.tls.Load() != nil {
		return errors.New("flow: there is a TLS layer already")
	}
	if err := c.out.drain(ctx); err != nil {
		c.Close()
		return err
	}
	under := c.nc
	if c.shard != nil {
		under = (*tunnel)(c)
	} else {
		c.mu.Lock()
		c.deadlineBlocking() // a Kick before was not for the handshake
		c.mu.Unlock()
	}
	t := layer(under)
	// On a goroutine that ends: a handshake grows the stack to 8 KB and
	// more, which the reader would keep.
	done := make(chan error, 1)
	go func() { done <- t.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		c.abort()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shard != nil {
		reclaimLayer(t)
	}
	c.tls.Store(t)
	c.handshaking = false
	c.out.held = false
	if c.shard == nil {
		c.deadlineBlocking() // a Kick waited
	}
	// The layer may have read more than the handshake, and no edge will
	// come for that.
	c.readable = true
	c.out.schedule()
	return nil
}

// alertTime is how long a failed handshake waits for its alert to leave.
const alertTime = time.Second

// abort closes the connection after a failed handshake, once the alert that
// says why is written.
func (c *Conn) abort() {
	ctx, cancel := context.WithTimeout(context.Background(), alertTime)
	defer cancel()
	c.out.drain(ctx)
	c.Close()
}

const (
	// recordMax is the most bytes that one TLS record protects.
	recordMax = 16 << 10
	// layerSize is the memory that a TLS layer reads with, and reads into:
	// room for a record behind another one.
	layerSize = 64 << 10
)

// readLayer reads from t into p until t has nothing left, since what it kept
// would wake nobody, or p has no room for a record, or it was enough. It says whether there is
// more to read, if only an error that the next read returns again, and errAgain
// when there was nothing.
func readLayer(t *tls.Conn, p []byte, pool *Pool) (n int, more bool, err error) {
	chunk := pool.Get(layerSize)
	lendLayer(t, chunk)
	emptied := false
	for n == 0 || n < readMax && len(p)-n >= recordMax {
		var k int
		k, err = t.Read(p[n:])
		emptied = n+k < len(p)
		n += k
		if err != nil || !emptied {
			break
		}
	}
	if emptied {
		reclaimLayer(t)
		pool.Put(chunk)
	} else {
		pool.forget(chunk) // the layer may still point into it
	}
	switch {
	case n == 0 && temporary(err):
		return 0, false, errAgain
	case n == 0:
		return 0, true, err
	}
	return n, !temporary(err), nil
}

// temporary says whether err is our own errAgain, seen through a TLS layer.
func temporary(err error) bool { return err == net.Error(errAgain) }

// tunnel is the connection as its TLS layer sees it: reads take what is there,
// writes go to memory. During the handshake, which has a goroutine of its own,
// reads wait.
//
// That a layer may be told errAgain at any byte and loses nothing rests on
// crypto/tls keeping its buffers and not its error when the error is a
// temporary net.Error (readRecordOrCCS and permanentError, Go 1.26); a test
// cuts records at every byte to hold it to that.
type tunnel Conn

func (w *tunnel) Read(p []byte) (int, error) {
	c := (*Conn)(w)
	c.mu.Lock()
	waits := c.handshaking
	c.mu.Unlock()
	if !waits {
		return c.recv(p)
	}
	for {
		if err := c.await(); err != nil {
			if err == ErrKicked {
				continue
			}
			return 0, err
		}
		n, err := c.recv(p)
		c.mu.Lock()
		if !c.drained {
			c.readable = true
		}
		c.release()
		c.mu.Unlock()
		if err != errAgain {
			return n, err
		}
	}
}

func (w *tunnel) Write(p []byte) (int, error) {
	c := (*Conn)(w)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.cipher == nil {
		c.cipher = c.pump.queues().get()
	}
	// Always a copy: the layer reuses p.
	for n := 0; n < len(p); n += shareMin - 1 {
		c.cipher.add(c.pump.pool(), p[n:min(len(p), n+shareMin-1)])
	}
	c.out.schedule()
	return len(p), nil
}

func (w *tunnel) Close() error                     { return (*Conn)(w).Close() }
func (w *tunnel) LocalAddr() net.Addr              { return (*Conn)(w).LocalAddr() }
func (w *tunnel) RemoteAddr() net.Addr             { return (*Conn)(w).RemoteAddr() }
func (w *tunnel) SetDeadline(time.Time) error      { return nil }
func (w *tunnel) SetReadDeadline(time.Time) error  { return nil }
func (w *tunnel) SetWriteDeadline(time.Time) error { return nil }
