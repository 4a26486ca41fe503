package guard

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// woken is a deadline in the past.
var woken = time.Unix(1, 0)

// Socket is the Link of a UDP socket.
type Socket struct {
	conn  *net.UDPConn
	local netip.AddrPort
	ended atomic.Bool // by Close
	gone  atomic.Bool // the socket was closed
}

// UDP makes the link of a UDP socket, whose read deadline it uses. Closing the link leaves the socket open.
func UDP(c *net.UDPConn) *Socket {
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return &Socket{conn: c, local: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
}

// Receive implements Link.
func (l *Socket) Receive(p []byte) (int, netip.AddrPort, error) {
	n, from, err := l.conn.ReadFromUDPAddrPort(p)
	switch {
	case err == nil:
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.conn.SetReadDeadline(time.Time{})
		if l.ended.Load() {
			return 0, from, net.ErrClosed
		}
		return 0, from, ErrWoken
	case errors.Is(err, net.ErrClosed):
		l.gone.Store(true)
		return 0, from, err
	}
	return 0, from, ErrWoken // an ICMP error of an answer, which concerns nobody
}

// Send implements Link.
func (l *Socket) Send(p []byte, to netip.AddrPort) { l.conn.WriteToUDPAddrPort(p, to) }

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
