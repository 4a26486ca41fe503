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
	buckets [512]uint32 // the second that is counted, of the agent's clock, and in the lowest bits how many were in it
}

// perSecond is how many answers a source gets.
const perSecond = 10 // less than 16

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed()} }

// allow takes one answer out of what this source gets in the second of now, which counts from any moment on.
func (l *limiter) allow(from netip.Addr, now time.Duration) bool {
	from = from.Unmap()
	if from.Is6() {
		prefix, _ := from.WithZone("").Prefix(64)
		from = prefix.Addr()
	}
	b := &l.buckets[maphash.Comparable(l.seed, from)%uint64(len(l.buckets))]
	second := uint32(now/time.Second) << 4
	l.mu.Lock()
	defer l.mu.Unlock()
	if *b&^15 != second {
		*b = second
	}
	if *b&15 == perSecond {
		return false
	}
	*b++
	return true
}
