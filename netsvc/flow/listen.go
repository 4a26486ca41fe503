package flow

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Gate bounds the unauthenticated connections of one or more listeners, in
// all and for each address: an IPv4 address or an IPv6 /64, which is what one
// customer has. All methods may be called concurrently.
type Gate struct {
	mu      sync.Mutex
	total   int
	perAddr int
	count   int
	byAddr  map[netip.Addr]int
}

// NewGate returns a gate for total connections and perAddr of each address;
// 0 means no limit.
func NewGate(total, perAddr int) *Gate {
	return &Gate{total: total, perAddr: perAddr, byAddr: make(map[netip.Addr]int)}
}

// Ticket is the place of one connection; nil is a place without a gate.
type Ticket struct {
	gate *Gate
	addr netip.Addr
}

// Enter takes a place for the peer at addr, nil when there is none.
func (g *Gate) Enter(addr netip.Addr) *Ticket {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		addr = prefix.Addr()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total > 0 && g.count >= g.total || g.perAddr > 0 && g.byAddr[addr] >= g.perAddr {
		return nil
	}
	g.count++
	g.byAddr[addr]++
	return &Ticket{gate: g, addr: addr}
}

// Leave gives the place back; call it once.
func (t *Ticket) Leave() {
	if t == nil || t.gate == nil {
		return
	}
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	if g.byAddr[t.addr]--; g.byAddr[t.addr] == 0 {
		delete(g.byAddr, t.addr)
	}
}

// Set changes the limits; connections already inside stay.
func (g *Gate) Set(total, perAddr int) {
	g.mu.Lock()
	g.total, g.perAddr = total, perAddr
	g.mu.Unlock()
}

// Count returns how many places are taken.
func (g *Gate) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Listener accepts connections for a Pump.
type Listener struct {
	Pump *Pump
	Gate *Gate       // nil: no limit
	TLS  *tls.Config // not nil: direct TLS; which protocol is c.TLS().NegotiatedProtocol
	// Handshake bounds the direct TLS handshake; 0 means 10 seconds.
	Handshake time.Duration
	// Handle gets each connection, on a goroutine of its own.
	Handle func(*Conn)
}

// Serve accepts from ln until ln is closed and then returns nil; another
// error that does not pass ends it too. Connections live on.
func (l *Listener) Serve(ln net.Listener) error {
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		var ticket *Ticket
		if ap, ok := addrOf(nc.RemoteAddr()); ok && l.Gate != nil {
			if ticket = l.Gate.Enter(ap); ticket == nil {
				nc.Close()
				continue
			}
		}
		c := l.Pump.NewConn(nc)
		c.ticket = ticket
		go l.start(c)
	}
}

func (l *Listener) start(c *Conn) {
	if l.TLS != nil {
		limit := l.Handshake
		if limit == 0 {
			limit = 10 * time.Second
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		err := c.StartTLS(ctx, l.TLS)
		cancel()
		if err != nil {
			c.Close()
			return
		}
	}
	l.Handle(c)
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return t.AddrPort().Addr(), true
}
