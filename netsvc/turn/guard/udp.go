package guard

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// woken is a deadline in the past.
var woken = time.Unix(1, 0)

// udpLink is a UDP socket.
type udpLink struct {
	conn  *net.UDPConn
	local netip.AddrPort
}

// UDP makes the link of a UDP socket, whose deadlines it uses.
func UDP(c *net.UDPConn) Link {
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return &udpLink{conn: c, local: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
}

// Receive implements Link.
func (l *udpLink) Receive(p []byte) (int, netip.AddrPort, error) {
	n, from, err := l.conn.ReadFromUDPAddrPort(p)
	switch {
	case err == nil:
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.conn.SetReadDeadline(time.Time{})
		return 0, from, ErrWoken
	case errors.Is(err, net.ErrClosed):
		return 0, from, err
	}
	return 0, from, ErrWoken // an ICMP error of an answer, which concerns nobody
}

// Send implements Link.
func (l *udpLink) Send(p []byte, to netip.AddrPort) { l.conn.WriteToUDPAddrPort(p, to) }

// Wake implements Link. The deadline is taken back by Receive before the orders are read, so none is missed.
func (l *udpLink) Wake() { l.conn.SetReadDeadline(woken) }

// Close implements Link.
func (l *udpLink) Close() error { return l.conn.Close() }

// Local implements Link.
func (l *udpLink) Local() netip.AddrPort { return l.local }

// Transport implements Link.
func (l *udpLink) Transport() string { return "udp" }

// Settle implements Link: a socket has no patience to lose.
func (l *udpLink) Settle(bool) {}
