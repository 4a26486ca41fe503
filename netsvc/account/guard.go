package account

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
)

// Guard slows and refuses those who guess passwords. It counts failures three
// ways, and each count has a consequence of its own:
//
//	of one address for one account   refused, for a time that doubles
//	of one address for any account   refused likewise, but not for accounts it
//	                                 has logged in to before: one guest must not
//	                                 lock out a whole household
//	for one account from anywhere    answers come late, and only to addresses
//	                                 that never logged in to it: nobody can lock
//	                                 another's account
//
// An IPv6 address stands for its /64. Names that do not exist are counted like
// those that do. Everything is in memory of a fixed size and forgotten by
// halves: a restart, or a flood from very many addresses, makes it forget.
//
// Its methods may be called from anywhere and do not block.
type Guard struct {
	limits GuardLimits
	start  time.Time
	seed   maphash.Seed

	mu sync.Mutex // guards everything below and limits; held for a few lines

	logins, failures, refusals, slowed *metric.Counter

	pairs tally // address and account
	addrs tally
	names tally // account
	good  tally // address and account that logged in, and when
}

// GuardLimits say what Guard permits; the zero value of a field takes the
// default.
type GuardLimits struct {
	Pair    int           // failures of an address for an account before it is refused: 5
	Address int           // failures of an address in all: 25
	Account int           // failures for an account in all before answers come late: 10
	First   time.Duration // the first refusal, doubled with each further failure: 4 s
	Most    time.Duration // and its limit: 15 min
	Late    time.Duration // the most that an answer is late: 5 s
	Half    time.Duration // after which old failures count half: 1 h; at least twice Most
	Keep    time.Duration // how long a good login is remembered: 30 days
	Places  int           // of each kind that are remembered, 16 bytes each: 2048
}

func (l GuardLimits) withDefaults() GuardLimits {
	for _, f := range []struct {
		p   *int
		def int
	}{{&l.Pair, 5}, {&l.Address, 25}, {&l.Account, 10}, {&l.Places, 2048}} {
		if *f.p <= 0 {
			*f.p = f.def
		}
	}
	for _, f := range []struct {
		p   *time.Duration
		def time.Duration
	}{{&l.First, 4 * time.Second}, {&l.Most, 15 * time.Minute}, {&l.Late, 5 * time.Second}, {&l.Half, time.Hour}, {&l.Keep, 30 * 24 * time.Hour}} {
		if *f.p <= 0 {
			*f.p = f.def
		}
	}
	l.Half = max(l.Half, 2*l.Most) // or the longest refusals would be cut short
	return l
}

// NewGuard makes a guard that has seen nothing.
func NewGuard(l GuardLimits) *Guard {
	l = l.withDefaults()
	return &Guard{
		limits: l, start: time.Now(), seed: maphash.MakeSeed(),
		logins: new(metric.Counter), failures: new(metric.Counter), refusals: new(metric.Counter), slowed: new(metric.Counter),
		pairs: newTally(l.Places), addrs: newTally(l.Places), names: newTally(l.Places), good: newTally(l.Places),
	}
}

// Limit puts other limits into force; the number of places stays.
func (g *Guard) Limit(l GuardLimits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = l.withDefaults()
}

// count makes the guard count into these cells, which outlive generations.
func (g *Guard) count(logins, failures, refused, slowed *metric.Counter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.logins, g.failures, g.refusals, g.slowed = logins, failures, refused, slowed
}

// Verdict is what to do with an attempt to log in.
type Verdict struct {
	Refuse bool          // answer temporary-auth-failure without looking at the credentials
	Wait   time.Duration // look at them, and answer so much later
}

// Ask says what to do with an attempt of the address to log in to the account
// (the zero JID where no name was understood).
func (g *Guard) Ask(from netip.Addr, account jid.JID) Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	pair, addr, name := g.keys(from, account)
	known := g.good.age(pair, now) <= seconds(g.limits.Keep)

	if g.refused(&g.pairs, pair, g.limits.Pair, now) || !known && g.refused(&g.addrs, addr, g.limits.Address, now) {
		g.refusals.Inc()
		return Verdict{Refuse: true}
	}
	if n := g.names.count(name, now, g.half()) - g.limits.Account; n >= 0 && !known && !account.IsZero() {
		g.slowed.Inc()
		return Verdict{Wait: min(time.Duration(n+1)*g.limits.Late/8, g.limits.Late)}
	}
	return Verdict{}
}

// refused reports whether a count is over its limit and its time is not up.
func (g *Guard) refused(t *tally, key uint64, limit int, now uint32) bool {
	over := t.count(key, now, g.half()) - limit
	if over < 0 {
		return false
	}
	wait := g.limits.Most
	if over < 20 { // no overflow
		wait = min(g.limits.First<<over, g.limits.Most)
	}
	return t.age(key, now) < seconds(wait)
}

// Failed counts a wrong password, or a name that does not exist.
func (g *Guard) Failed(from netip.Addr, account jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	pair, addr, name := g.keys(from, account)
	g.failures.Inc()
	g.addrs.add(addr, now, g.half())
	if !account.IsZero() {
		g.pairs.add(pair, now, g.half())
		g.names.add(name, now, g.half())
	}
}

// Succeeded notes a login: the pair's failures are forgiven. Those of the
// address are not, or an attacker with one account could go on for ever.
func (g *Guard) Succeeded(from netip.Addr, account jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.logins.Inc()
	pair, _, _ := g.keys(from, account)
	g.pairs.forget(pair)
	g.good.forget(pair)
	g.good.add(pair, g.now(), g.half())
}

// Forget forgives the failures for an account from anywhere: it has a new
// password. Those of single addresses for it stay.
func (g *Guard) Forget(account jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _, name := g.keys(netip.Addr{}, account)
	g.names.forget(name)
}

// now counts seconds from 1 on; it does not see the wall clock jump.
func (g *Guard) now() uint32 { return uint32(time.Since(g.start)/time.Second) + 1 }

func (g *Guard) half() uint32 { return seconds(g.limits.Half) }

func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// keys are hashes with a secret seed: nobody can choose names that meet.
func (g *Guard) keys(from netip.Addr, account jid.JID) (pair, addr, name uint64) {
	from = flow.Customer(from)
	type both struct {
		from netip.Addr
		name string
	}
	pair = maphash.Comparable(g.seed, both{from, account.String()})
	addr = maphash.Comparable(g.seed, from)
	name = maphash.String(g.seed, account.String())
	return pair, addr, name
}

// tally counts by key in memory of a fixed size: sets of four places, of which
// the one that was quiet longest is given up.
type tally [][4]place

type place struct {
	key   uint64
	last  uint32 // second of the last event; 0 = free
	count uint16
}

func newTally(places int) tally {
	n := 1
	for n*4 < places {
		n *= 2
	}
	return make(tally, n)
}

func (t tally) find(key uint64) *place {
	set := &t[key&uint64(len(t)-1)]
	for i := range set {
		if set[i].key == key && set[i].last != 0 {
			return &set[i]
		}
	}
	return nil
}

// count is how many events a key has, each half worth less often than half
// seconds passed since the last.
func (t tally) count(key uint64, now, half uint32) int {
	p := t.find(key)
	if p == nil {
		return 0
	}
	return int(p.count >> min((now-p.last)/half, 16))
}

// age is how many seconds passed since a key's last event.
func (t tally) age(key uint64, now uint32) uint32 {
	p := t.find(key)
	if p == nil {
		return ^uint32(0)
	}
	return now - p.last
}

func (t tally) add(key uint64, now, half uint32) {
	n := t.count(key, now, half)
	p := t.find(key)
	if p == nil {
		set := &t[key&uint64(len(t)-1)]
		p = &set[0]
		for i := range set {
			if set[i].last < p.last {
				p = &set[i]
			}
		}
	}
	*p = place{key: key, last: now, count: uint16(min(n+1, 1<<15))}
}

func (t tally) forget(key uint64) {
	if p := t.find(key); p != nil {
		*p = place{}
	}
}
