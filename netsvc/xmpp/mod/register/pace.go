package register

import (
	"net/netip"
	"sync"
	"time"
)

// pace counts registrations of each address. It remembers at most maxAddresses;
// beyond that nobody new may register until some have been forgotten.
type pace struct {
	mu   sync.Mutex
	seen map[netip.Prefix][]time.Time
}

const maxAddresses = 4096

func newPace() *pace { return &pace{seen: map[netip.Prefix][]time.Time{}} }

// allow notes one more registration, unless it would be more than n in the time.
func (p *pace) allow(addr netip.Addr, n int, per time.Duration, now time.Time) bool {
	key := customer(addr)
	p.mu.Lock()
	defer p.mu.Unlock()
	recent := after(p.seen[key], now.Add(-per))
	if len(recent) >= n {
		return false
	}
	if len(p.seen) >= maxAddresses && p.seen[key] == nil {
		p.forget(now.Add(-per))
		if len(p.seen) >= maxAddresses {
			return false
		}
	}
	p.seen[key] = append(recent, now)
	return true
}

func (p *pace) forget(before time.Time) {
	for key, times := range p.seen {
		if len(after(times, before)) == 0 {
			delete(p.seen, key)
		}
	}
}

func after(times []time.Time, then time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(then) {
		times = times[1:]
	}
	return times
}

// customer is what one customer of a provider has: an IPv4 address, an IPv6 /64.
func customer(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
