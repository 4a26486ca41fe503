package flow

import (
	"net/netip"
	"sync"
)

// Gate bounds the unauthenticated connections of one or more listeners: in
// all, and for each Customer. All methods may be called concurrently.
type Gate struct {
	mu      sync.Mutex
	total   int
	perAddr int
	count   int
	byAddr  map[netip.Addr]int // only customers that have connections
	refused uint64
}

// NewGate returns a gate for total connections, and perAddr of each address;
// 0 means no limit.
func NewGate(total, perAddr int) *Gate {
	return &Gate{total: total, perAddr: perAddr, byAddr: make(map[netip.Addr]int)}
}

// Set changes the limits; who is inside stays.
func (g *Gate) Set(total, perAddr int) {
	g.mu.Lock()
	g.total, g.perAddr = total, perAddr
	g.mu.Unlock()
}

// Count returns how many connections are inside, and how many were refused
// since the start.
func (g *Gate) Count() (inside int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count, g.refused
}

// enter takes a place for the peer at addr, nil when there is none.
func (g *Gate) enter(addr netip.Addr) *ticket {
	addr = Customer(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total > 0 && g.count >= g.total || g.perAddr > 0 && g.byAddr[addr] >= g.perAddr {
		g.refused++
		return nil
	}
	g.count++
	g.byAddr[addr]++
	return &ticket{gate: g, addr: addr}
}

// Customer returns what is counted as one address wherever addresses are counted:
// an IPv4 address, or the first of an IPv6 /64, which is the least that one customer
// of a provider has. No address stays none.
func Customer(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, err := addr.Prefix(64)
		if err == nil {
			addr = prefix.Addr()
		}
	}
	return addr
}

// ticket is the place of one connection; nil is a place without a gate.
type ticket struct {
	gate *Gate
	addr netip.Addr
}

// leave gives the place back; it is called once.
func (t *ticket) leave() {
	if t == nil {
		return
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.byAddr[t.addr]--
	if g.byAddr[t.addr] == 0 {
		delete(g.byAddr, t.addr)
	}
}
