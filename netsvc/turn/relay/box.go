// Package relay has the sockets of allocations: one UDP socket for each, on a port of a range that a firewall can be
// told, with the rules of netsvc/peer before every packet.
//
// It owns the sockets and the ports. Two allocations of this box that are each other's peers exchange their packets
// within the process: what is addressed to the box's own relay address goes to the relay of that port or nowhere,
// never onto the wire. So the box's own services cannot be reached through it, and two clients that can only use
// relays meet even where the router in front does not send a packet back in.
package relay

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"linnet/netsvc/metric"
	"linnet/netsvc/peer"
	"linnet/netsvc/turn/burst"
)

// Box has all relays of this device. Safe for concurrent use.
type Box struct {
	Count *Counters
	rules atomic.Pointer[peer.Rules]

	mu     sync.RWMutex
	taken  map[netip.AddrPort]bool      // local ends that are in use
	relays map[netip.AddrPort]*Relay    // by the address that the world knows
	count  map[netip.Addr]int           // of relays, by that address
	hosts  atomic.Pointer[[]netip.Addr] // those of count: one or two, which every packet is held against. Replaced, never changed
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
	b := &Box{Count: c, taken: make(map[netip.AddrPort]bool), relays: make(map[netip.AddrPort]*Relay), count: make(map[netip.Addr]int)}
	b.hosts.Store(new([]netip.Addr))
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
	n := len(s.Ports)
	if s.Ports == nil {
		n = int(s.High-s.Low) + 1
	}
	if n == 0 {
		return nil, ErrNoPort
	}
	// All of them, in an order that cannot be guessed: steps of a length that shares no factor with their number.
	at, step := rand.IntN(n), 1+rand.IntN(n)
	for gcd(n, step) != 1 {
		step = 1 + rand.IntN(n)
	}
	for range n {
		port := s.Low + uint16(at)
		if s.Ports != nil {
			port = s.Ports[at]
		}
		at = (at + step) % n
		if s.Even && port%2 != 0 {
			continue
		}
		r, err := b.open(&s, port)
		if r != nil || err != nil {
			return r, err
		}
	}
	return nil, ErrNoPort
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// open opens a relay on one port; both results are nil when somebody has it.
func (b *Box) open(s *Spec, port uint16) (*Relay, error) {
	at := netip.AddrPortFrom(s.Local, port)
	if port != 0 && !b.take(at) {
		return nil, nil
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		b.release(at)
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			return nil, nil
		}
		return nil, err
	}
	at = netip.AddrPortFrom(s.Local, c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
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

// add and remove note a relay.
func (b *Box) add(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relays[r.addr] = r
	b.counted(r.addr.Addr(), 1)
}

func (b *Box) remove(r *Relay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.relays[r.addr] == r {
		delete(b.relays, r.addr)
	}
	b.counted(r.addr.Addr(), -1)
}

// counted counts relays of an address. The caller holds mu.
func (b *Box) counted(a netip.Addr, n int) {
	before := b.count[a]
	b.count[a] += n
	if before+n == 0 {
		delete(b.count, a)
	}
	if before == 0 || before+n == 0 {
		list := slices.Collect(maps.Keys(b.count))
		b.hosts.Store(&list)
	}
}

// find finds the relay at an address.
func (b *Box) find(at netip.AddrPort) *Relay {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.relays[at]
}

// ours reports whether relays are known by that address.
func (b *Box) ours(a netip.Addr) bool {
	for _, host := range *b.hosts.Load() {
		if host == a {
			return true
		}
	}
	return false
}

// Len is the number of open relays.
func (b *Box) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.relays)
}

// Busy reports whether a local port is a relay's.
func (b *Box) Busy(at netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken[at]
}
