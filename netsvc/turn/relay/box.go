// Package relay has the sockets of allocations: one UDP socket for each, on a port of a range that a firewall can be
// told, with the rules of netsvc/turn/peer before every packet.
//
// It owns the sockets and the ports. Two allocations of this box that are each other's peers exchange their packets
// within the process: what is addressed to the box's own relay address goes to the relay of that port or nowhere,
// never onto the wire. So the box's own services cannot be reached through it, and two clients that can only use
// relays meet even where the router in front does not send a packet back in.
package relay

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"linnet/netsvc/metric"
	"linnet/netsvc/turn/burst"
	"linnet/netsvc/turn/peer"
)

// Box has all relays of this device. Safe for concurrent use.
type Box struct {
	Count *Counters
	rules atomic.Pointer[peer.Rules]

	mu     sync.Mutex
	taken  map[netip.AddrPort]bool // local ends that are in use
	relays atomic.Pointer[directory]
}

// directory finds relays by the address that the world knows. It is replaced, never changed: packets look things up
// in it.
type directory struct {
	byAddr map[netip.AddrPort]*Relay
	hosts  map[netip.Addr]int // how many relays an address has
}

// Counters are what relays count in.
type Counters struct {
	Sent, Received *metric.Counter // bytes of data to and from peers
	Inside         *metric.Counter // bytes that went from relay to relay
	Forbidden      *metric.Counter // packets to peers that the rules close
	Lost           *metric.Counter // packets too large, over a limit, or for a full queue
}

// NewCounters makes counters that nobody reads.
func NewCounters() *Counters {
	c := func() *metric.Counter { return new(metric.Counter) }
	return &Counters{c(), c(), c(), c(), c()}
}

// NewBox makes a box without relays, whose rules permit nobody.
func NewBox(c *Counters) *Box {
	b := &Box{Count: c, taken: make(map[netip.AddrPort]bool)}
	b.relays.Store(&directory{})
	return b
}

// SetRules replaces the rules, for open relays too.
func (b *Box) SetRules(r *peer.Rules) { b.rules.Store(r) }

// Spec says what relay to open.
type Spec struct {
	Local        netip.Addr // address to bind to
	Low, High    uint16     // ports to choose from, both included; 0 and 0: the kernel chooses
	Even         bool       // an even port
	DontFragment bool
	Ports        []uint16 // to choose from instead, when not nil
	// External tells the address under which the world knows a local end; the local end itself where nothing
	// translates it.
	External func(local netip.AddrPort) netip.AddrPort
	Meter    Meter
}

// Meter bounds what flows through a relay. Both may be called concurrently, for each packet: they may not block.
type Meter interface {
	// Pass reports whether n bytes may pass now; what may not is lost. out is to the peer.
	Pass(n int, out bool) bool
	// Close is told that the relay is closed, once.
	Close()
}

// ErrNoPort means that all ports are taken.
var ErrNoPort = errors.New("relay: no port is free")

// Open opens a relay.
func (b *Box) Open(s Spec) (*Relay, error) {
	for _, port := range s.ports() {
		at := netip.AddrPortFrom(s.Local, port)
		if port != 0 && !b.take(at) {
			continue
		}
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			b.release(at)
			if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
				continue
			}
			return nil, err
		}
		got := c.LocalAddr().(*net.UDPAddr).AddrPort()
		at = netip.AddrPortFrom(s.Local, got.Port())
		err = fragment(c, s.Local.Is6(), s.DontFragment)
		bursts, failed := burst.New(c, false)
		if err = errors.Join(err, failed); err != nil {
			c.Close()
			b.release(at)
			return nil, err
		}
		r := &Relay{box: b, conn: c, burst: bursts, local: at, addr: s.External(at), meter: s.Meter}
		b.add(r)
		return r, nil
	}
	return nil, ErrNoPort
}

// ports lists the candidates in random order, so that the next port cannot be guessed.
func (s *Spec) ports() []uint16 {
	list := s.Ports
	if list == nil {
		for p := int(s.Low); p <= int(s.High); p++ {
			list = append(list, uint16(p))
		}
	}
	var chosen []uint16
	for _, i := range rand.Perm(len(list)) {
		if !s.Even || list[i]%2 == 0 {
			chosen = append(chosen, list[i])
		}
	}
	return chosen
}

func (b *Box) take(at netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[at] {
		return false
	}
	b.taken[at] = true
	return true
}

func (b *Box) release(at netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.taken, at)
}

// add and remove keep the directory.
func (b *Box) add(r *Relay) {
	b.change(func(d *directory) { d.byAddr[r.addr] = r; d.hosts[r.addr.Addr()]++ })
}

func (b *Box) remove(r *Relay) {
	b.change(func(d *directory) {
		if d.byAddr[r.addr] == r {
			delete(d.byAddr, r.addr)
		}
		if d.hosts[r.addr.Addr()]--; d.hosts[r.addr.Addr()] == 0 {
			delete(d.hosts, r.addr.Addr())
		}
	})
}

func (b *Box) change(f func(*directory)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.relays.Load()
	fresh := &directory{byAddr: make(map[netip.AddrPort]*Relay, len(old.byAddr)+1), hosts: make(map[netip.Addr]int, len(old.hosts)+1)}
	for k, v := range old.byAddr {
		fresh.byAddr[k] = v
	}
	for k, v := range old.hosts {
		fresh.hosts[k] = v
	}
	f(fresh)
	b.relays.Store(fresh)
}

// Len is the number of open relays.
func (b *Box) Len() int { return len(b.relays.Load().byAddr) }

// Busy reports whether a local port is a relay's.
func (b *Box) Busy(at netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken[at]
}
