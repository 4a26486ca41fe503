package relay

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"linnet/netsvc/peer"
	"linnet/netsvc/turn/burst"
)

// largest is the largest datagram that is relayed: pion's buffer for it.
const largest = 1600

// inboxBytes bounds what other relays have sent and the client's side has not taken yet.
const inboxBytes = 128 << 10

var woken = time.Unix(1, 0)

// Relay is the socket of one allocation, a net.PacketConn for pion. ReadFrom is called by one goroutine and WriteTo by
// one; the others may be called from anywhere.
type Relay struct {
	box   *Box
	conn  *net.UDPConn
	burst *burst.Socket
	local netip.AddrPort
	addr  netip.AddrPort
	meter Meter
	once  sync.Once

	sent, received atomic.Uint64

	// Of the writer: what is to be sent, and what was decided for the last packet.
	out       burst.Out
	checked   netip.Addr
	by        *peer.Rules
	permitted bool

	// Of the reader: whom the last packet came from, in the form that pion wants.
	from   netip.AddrPort
	source *net.UDPAddr

	mu    sync.Mutex // guards the inbox
	inbox []letter
	size  int
}

// letter is a packet from another relay of the box.
type letter struct {
	data []byte
	from netip.AddrPort
}

// Addr returns the relayed address as the world knows it.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Local returns the socket's own address.
func (r *Relay) Local() netip.AddrPort { return r.local }

// Bytes returns how much data went to peers and came from them.
func (r *Relay) Bytes() (sent, received uint64) { return r.sent.Load(), r.received.Load() }

// Permits reports whether the client may talk to that peer on some port.
func (r *Relay) Permits(a netip.Addr) bool {
	return r.box.ours(a) || r.box.rules.Load().Permits(a)
}

// ReadFrom returns the next datagram of any peer. It fails only once the relay is closed.
func (r *Relay) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if n, from, ok := r.letter(p); ok {
			return n, r.sender(from), nil
		}
		d, err := r.burst.Next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.conn.SetReadDeadline(time.Time{}) // before the inbox is looked at: nothing is missed
			continue
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			time.Sleep(10 * time.Millisecond) // out of memory, or an interface went down
			continue
		}
		n := len(d.Data)
		// One who says that he is a relay of this box, and comes over the wire, is lying.
		if n > largest || r.box.ours(d.From.Addr()) || !r.meter.Pass(n, false) {
			r.box.Count.Lost.Inc()
			continue
		}
		r.received.Add(uint64(n))
		r.box.Count.Received.Add(uint64(n))
		return copy(p, d.Data), r.sender(d.From), nil
	}
}

// sender is the address in pion's form, which it does not keep.
func (r *Relay) sender(from netip.AddrPort) net.Addr {
	if from != r.from || r.source == nil {
		r.from, r.source = from, net.UDPAddrFromAddrPort(from)
	}
	return r.source
}

// letter takes what another relay has sent.
func (r *Relay) letter(p []byte) (int, netip.AddrPort, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.inbox) == 0 {
		return 0, netip.AddrPort{}, false
	}
	l := r.inbox[0]
	r.inbox[0] = letter{}
	r.inbox = r.inbox[1:]
	r.size -= len(l.data)
	return copy(p, l.data), l.from, true
}

// deliver puts a packet of another relay into the inbox; one that is full loses it, as a socket would.
func (r *Relay) deliver(p []byte, from netip.AddrPort) bool {
	if len(p) > largest || !r.meter.Pass(len(p), false) {
		return false
	}
	r.mu.Lock()
	if r.size+len(p) > inboxBytes || len(r.inbox) >= inboxBytes/64 {
		r.mu.Unlock()
		return false
	}
	r.inbox = append(r.inbox, letter{append([]byte(nil), p...), from})
	r.size += len(p)
	r.mu.Unlock()
	r.received.Add(uint64(len(p)))
	r.conn.SetReadDeadline(woken)
	return true
}

// WriteTo sends to a peer, if the rules permit its address and port. It may keep the packet until
// Flush. It always says that it sent it: pion could do nothing about it but make a text, at the speed of packets.
func (r *Relay) WriteTo(p []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return len(p), nil
	}
	at := udp.AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	c := r.box.Count
	if r.box.ours(at.Addr()) {
		other := r.box.find(at)
		switch {
		case other == nil:
			c.Forbidden.Inc()
		case r.meter.Pass(len(p), true) && other.deliver(p, r.addr):
			r.sent.Add(uint64(len(p)))
			c.Inside.Add(uint64(len(p)))
		default:
			c.Lost.Inc()
		}
		return len(p), nil
	}
	if !r.may(at) {
		c.Forbidden.Inc()
		return len(p), nil
	}
	if !r.meter.Pass(len(p), true) {
		c.Lost.Inc()
		return len(p), nil
	}
	if !r.out.Add(p, at, netip.Addr{}) {
		r.Flush()
		r.out.Add(p, at, netip.Addr{})
	}
	r.sent.Add(uint64(len(p)))
	c.Sent.Add(uint64(len(p)))
	return len(p), nil
}

// Flush sends what WriteTo has gathered. It is called by the goroutine that writes.
func (r *Relay) Flush() {
	if r.out.Len() > 0 {
		r.box.Count.Lost.Add(uint64(r.out.Flush(r.burst)))
	}
}

// Buffered reports whether ReadFrom has more without waiting; for the goroutine that reads.
func (r *Relay) Buffered() bool {
	if r.burst.Buffered() > 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.inbox) > 0
}

// may holds an address against the rules in force, which it does once for a run of packets.
func (r *Relay) may(at netip.AddrPort) bool {
	if at.Port() == 0 {
		return false
	}
	rules := r.box.rules.Load()
	if at.Addr() != r.checked || rules != r.by {
		r.checked, r.by, r.permitted = at.Addr(), rules, rules.Permits(at.Addr())
	}
	return r.permitted
}

// Close closes the socket and gives the port back.
func (r *Relay) Close() error {
	r.once.Do(func() {
		r.box.remove(r) // first: nobody delivers any more
		r.conn.Close()
		r.box.release(r.local)
		r.meter.Close()
	})
	return nil
}

// LocalAddr implements net.PacketConn.
func (r *Relay) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(r.addr) }

// SetDeadline implements net.PacketConn; pion sets none.
func (r *Relay) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (r *Relay) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (r *Relay) SetWriteDeadline(time.Time) error { return nil }

// fragment says whether packets may be fragmented on their way: RFC 8656 section 15.
func fragment(c *net.UDPConn, v6, dont bool) (err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	level, option, value := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT
	if v6 {
		level, option, value = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT
	}
	if dont {
		value = unix.IP_PMTUDISC_DO // the same number for both families
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(err, failed)
}
