package snmp

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiter holds answers to packets that nobody vouches for to a rate per source: an address that such a packet
// names may be that of a victim. Sources share a fixed number of buckets, whose assignment nobody outside can
// guess, so its memory does not grow.
type limiter struct {
	seed    maphash.Seed
	mu      sync.Mutex  // guards buckets; held for a few lines
	buckets [512]uint32 // when each is empty again, in ticks of the agent's clock
}

// A source gets ten answers a second, one a tick, and what it has not used for half a minute: a station that opens a
// session for each object that it polls, as Zabbix does, begins with one Report for each.
const (
	tick  = time.Second / 10
	burst = 300
)

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed()} }

// allow takes one answer out of what this source may have by now, which counts from any moment on.
func (l *limiter) allow(from netip.Addr, now time.Duration) bool {
	from = from.Unmap()
	if from.Is6() {
		prefix, _ := from.WithZone("").Prefix(64)
		from = prefix.Addr()
	}
	b := &l.buckets[maphash.Comparable(l.seed, from)%uint64(len(l.buckets))]
	at := uint32(now / tick)
	l.mu.Lock()
	defer l.mu.Unlock()
	next := max(*b, at)
	if next-at >= burst {
		return false
	}
	*b = next + 1
	return true
}
