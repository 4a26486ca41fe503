package turn

import (
	"net/netip"
	"sync"
)

// gate bounds connections of streams: in all, and for one address (IPv6: one /64). The zero gate lets nobody in.
type gate struct {
	mu         sync.Mutex
	total, per int
	count      int
	by         map[netip.Addr]int
}

// Set changes the bounds; who is inside stays.
func (g *gate) Set(total, per int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total, g.per = total, per
	if g.by == nil {
		g.by = make(map[netip.Addr]int)
	}
}

// enter lets a connection in; nil when there is no room. leave is called once.
func (g *gate) enter(a netip.Addr) (leave func()) {
	a = a.WithZone("")
	if p, err := a.Prefix(64); a.Is6() && err == nil {
		a = p.Addr()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count >= g.total || g.by[a] >= g.per {
		return nil
	}
	g.count++
	g.by[a]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.count--
		if g.by[a]--; g.by[a] == 0 {
			delete(g.by, a)
		}
	}
}

func (g *gate) inside() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(g.count)
}
