package guard

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"linnet/netsvc/turn/burst"
)

// woken is a deadline in the past.
var woken = time.Unix(1, 0)

// Socket is the Link of a UDP socket.
type Socket struct {
	conn  *net.UDPConn
	burst *burst.Socket
	local netip.AddrPort
	ended atomic.Bool // by Close
	gone  atomic.Bool // the socket was closed
}

// UDP makes the link of a UDP socket, whose read deadline it uses. Closing the link leaves the socket open.
//
// A socket of all addresses answers from the one that was asked: a client in the local network may ask at the public
// address of this box, and would not know an answer from another one.
func UDP(c *net.UDPConn) (*Socket, error) {
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	b, err := burst.New(c, at.Addr().IsUnspecified())
	if err != nil {
		return nil, err
	}
	return &Socket{conn: c, burst: b, local: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}, nil
}

// Receive implements Link.
func (l *Socket) Receive(p []byte) (int, Path, error) {
	d, err := l.burst.Next()
	switch {
	case err == nil && d.Cut:
		return 0, Path{}, nil
	case err == nil:
		return copy(p, d.Data), Path{d.From, d.To}, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.conn.SetReadDeadline(time.Time{})
		if l.ended.Load() {
			return 0, Path{}, net.ErrClosed
		}
	case errors.Is(err, net.ErrClosed):
		l.gone.Store(true)
		return 0, Path{}, err
	default: // out of memory, or an ICMP error of an answer
		time.Sleep(time.Millisecond)
	}
	return 0, Path{}, ErrWoken
}

// Buffered implements Link.
func (l *Socket) Buffered() bool { return l.burst.Buffered() > 0 }

// Send implements Link.
func (l *Socket) Send(p []byte, to Path) {
	var o burst.Out
	o.Add(p, to.From, to.Via)
	o.Flush(l.burst)
}

// Gather implements Link.
func (l *Socket) Gather(o *burst.Out, p []byte, to Path) {
	if !o.Add(p, to.From, to.Via) {
		o.Flush(l.burst)
		o.Add(p, to.From, to.Via)
	}
}

// Flush implements Link.
func (l *Socket) Flush(o *burst.Out) { o.Flush(l.burst) }

// Wake implements Link. The deadline is taken back by Receive before the orders are read, so none is missed.
func (l *Socket) Wake() { l.conn.SetReadDeadline(woken) }

// Close implements Link.
func (l *Socket) Close() error {
	l.ended.Store(true)
	l.Wake()
	return nil
}

// Local implements Link.
func (l *Socket) Local() netip.AddrPort { return l.local }

// Transport implements Link.
func (l *Socket) Transport() string { return "udp" }

// Settle implements Link: a socket has no patience to lose.
func (l *Socket) Settle(bool) {}

// Gone reports whether the socket itself was closed.
func (l *Socket) Gone() bool { return l.gone.Load() }
