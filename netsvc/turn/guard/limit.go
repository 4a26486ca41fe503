package guard

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limiter bounds what strangers get: a UDP source can be forged, so whatever is answered before a client has proved
// that it owns its address may be aimed at somebody else. The answers are hardly larger than what they answer; this
// keeps them few. It is safe for concurrent use and its memory is fixed.
type Limiter struct {
	mu      sync.Mutex
	seed    maphash.Seed
	start   time.Time
	per     float64 // answers a second for one customer
	bytes   float64 // bytes a second in all
	all     bucket
	sources [1024]bucket // by hash. Customers of one place share it: a flood from many addresses slows those beside it, and takes no memory
}

type bucket struct {
	have float64
	at   float64 // seconds since the start
}

// take fills the bucket up to now and takes n from it.
func (k *bucket) take(n, rate, burst, now float64) bool {
	k.have = min(burst, k.have+(now-k.at)*rate)
	k.at = now
	if k.have < n {
		return false
	}
	k.have -= n
	return true
}

// NewLimiter bounds answers to per a second for one IPv4 address or IPv6 /56, and bytes a second in all.
func NewLimiter(per, bytes int) *Limiter {
	l := &Limiter{seed: maphash.MakeSeed(), start: time.Now(), per: float64(per), bytes: float64(bytes)}
	l.all.have = l.bytes
	for i := range l.sources {
		l.sources[i].have = l.per
	}
	return l
}

// Allow reports whether an answer of n bytes may go to a stranger, and counts it.
func (l *Limiter) Allow(to netip.Addr, n int) bool {
	s := l.source(to)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start).Seconds()
	return s.take(1, l.per, l.per, now) && l.all.take(float64(n), l.bytes, l.bytes, now)
}

// source is the bucket of an address.
func (l *Limiter) source(a netip.Addr) *bucket {
	return &l.sources[maphash.Comparable(l.seed, customer(a))%uint64(len(l.sources))]
}

// customer is what one customer has at least: an IPv4 address or an IPv6 /56.
func customer(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if p, err := a.Prefix(56); a.Is6() && err == nil {
		return p.Addr()
	}
	return a
}
