package register

import (
	"net/netip"
	"sync"
	"time"

	"linnet/netsvc/account"
)

// paces are how fast accounts are made and changed. They outlive generations.
type paces struct {
	made    pace[netip.Addr] // accounts, by flow.Customer
	tried   pace[netip.Addr] // attempts, most of which come to nothing
	changed pace[account.ID] // passwords
}

// triesEach is how many attempts each account is worth that an address may make:
// names may be taken. It bounds how many names are found out that way.
const triesEach = 10

// Passwords of one account may be set so often in the time: each costs a second of
// a small processor.
const (
	changes    = 5
	changesPer = 10 * time.Minute
)

// pace counts what each key did lately. It remembers at most maxKeys; beyond that
// nobody new may do it until some have been forgotten. The zero value is ready.
type pace[K comparable] struct {
	mu   sync.Mutex
	seen map[K][]time.Time
}

const maxKeys = 4096

// allow notes once more for the key, unless it would be more than n in the time.
func (p *pace[K]) allow(key K, n int, per time.Duration, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	recent := after(p.seen[key], now.Add(-per))
	if len(recent) >= n {
		return false
	}
	if len(p.seen) >= maxKeys && p.seen[key] == nil {
		p.forget(now.Add(-per))
		if len(p.seen) >= maxKeys {
			return false
		}
	}
	if p.seen == nil {
		p.seen = map[K][]time.Time{}
	}
	p.seen[key] = append(recent, now)
	return true
}

// refund takes the last one back: it came to nothing.
func (p *pace[K]) refund(key K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if times := p.seen[key]; len(times) > 1 {
		p.seen[key] = times[:len(times)-1]
	} else {
		delete(p.seen, key)
	}
}

func (p *pace[K]) forget(before time.Time) {
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
