package quota

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/log"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stamp"
	"linnet/store"
	"linnet/store/table"
)

// Options of a Ledger, of one generation.
type Options struct {
	File, User, Domain, Box, All Value // where nothing else is set

	NeedCredit bool              // who requests a flow must have a credit, or his domain
	Groups     map[string]string // the billing group of a domain; a domain that is missing is its own
	Keep       time.Duration     // how long entries and used-up months are kept
}

// Ledger counts and limits. Its methods may be called from anywhere once Start has
// returned.
type Ledger struct {
	tables  tables
	options atomic.Pointer[Options]
	store   *store.Store
	log     *log.Logger
	box     string
	lookup  func(bare jid.JID) (account.Account, bool, error)

	opening sync.Mutex // one View at a time brings meters into memory; taken before mu
	mu      sync.Mutex
	closed  bool
	last    Month // the latest of which anything is known; the present one while the clock is not set
	meters  map[meterKey]*meter
	open    map[uint64]*Account
	others  map[Month]int64 // what other boxes used

	// For metrics.
	leases  atomic.Uint64
	bytes   atomic.Uint64
	refused atomic.Pointer[func(*Limit)]
}

// New returns a Ledger that has its tables and nothing else: for Setup.
func New() *Ledger {
	l := &Ledger{tables: newTables(), meters: make(map[meterKey]*meter), open: make(map[uint64]*Account),
		others: make(map[Month]int64)}
	l.count(func(*Limit) {})
	l.options.Store(&Options{File: Unlimited, User: Unlimited, Domain: Unlimited, Box: Unlimited, All: Unlimited})
	return l
}

// Tables are what must be declared to the store.
func (l *Ledger) Tables() []*table.Table { return l.tables.all() }

// Use puts the options of another generation into force, for open flows as well.
func (l *Ledger) Use(o Options) { l.options.Store(&o) }

// Start takes the store in use. box names this machine in entries; lookup finds
// local accounts. What was open when the program died counts as used.
func (l *Ledger) Start(ctx context.Context, s *store.Store, log *log.Logger, box string, lookup func(jid.JID) (account.Account, bool, error)) error {
	l.store, l.log, l.box, l.lookup = s, log, box, lookup
	l.mu.Lock()
	l.closed = false
	l.mu.Unlock()
	if err := l.findMonth(); err != nil {
		return err
	}
	return l.recover(ctx)
}

// Stop settles what is still open and waits until everything is in the store.
func (l *Ledger) Stop(ctx context.Context) error {
	l.mu.Lock()
	var open []*Account
	for _, a := range l.open {
		open = append(open, a)
	}
	l.mu.Unlock()
	for _, a := range open {
		a.Close("stopped")
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	done := make(chan struct{})
	l.store.Barrier(func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// findMonth reads the latest month of this box, and what other boxes used.
func (l *Ledger) findMonth() error {
	clear(l.others)
	return l.store.View(func(tx *store.Tx) error {
		var bad error
		err := tx.Scan(l.tables.usedByBox, nil, nil, false, func(k, v []byte) bool {
			box, rest, err := table.ReadString(k)
			month, _, err2 := table.ReadUint32(rest)
			out, in, err3 := decodeUsed(v)
			if bad = errors.Join(err, err2, err3); bad != nil {
				return false
			}
			if box != l.box {
				l.others[Month(month)] += out + in
				return true
			}
			l.last = max(l.last, Month(month))
			return true
		})
		return errors.Join(err, bad)
	})
}

// month is the month that now counts. The caller holds mu.
func (l *Ledger) month(now time.Time) Month {
	built := l.store.Options().Built
	if now.After(built) {
		l.last = MonthOf(now)
	} else if l.last == 0 {
		l.last = MonthOf(built)
	}
	return l.last
}

func (o *Options) group(domain string) string {
	if g, ok := o.Groups[domain]; ok {
		return g
	}
	return domain
}

// party is one side of a flow that has an account here.
type party struct {
	id    account.ID
	who   jid.JID // bare
	group string
	sends Direction // in which it is the sender
}

// local finds the account of an address; id is 0 when there is none.
func (l *Ledger) local(j jid.JID) (p party, err error) {
	if j.IsZero() || j.Local() == "" {
		return p, nil
	}
	user, ok, err := l.lookup(j.Bare())
	if !ok || err != nil {
		return p, err
	}
	return party{id: user.ID, who: user.JID, group: l.options.Load().group(user.JID.Domain())}, nil
}

// meter finds a meter, and brings it into memory if it is not there. The caller
// holds opening and mu.
func (l *Ledger) meter(tx *store.Tx, k meterKey, who string) (*meter, error) {
	if m := l.meters[k]; m != nil {
		m.who = who // the first may not have known
		return m, nil
	}
	m := &meter{key: k, who: who}
	if k.scope == Credit {
		t, key := l.tables.credit(k.id, k.name)
		v, _ := tx.Get(t, key)
		if v != nil {
			var err error
			if m.in, _, err = table.ReadInt64(v); err != nil {
				return nil, err
			}
		}
	} else {
		t, key := l.tables.used(k)
		if v, ok := tx.Get(t, key); ok {
			var err error
			if m.out, m.in, err = decodeUsed(v); err != nil {
				return nil, err
			}
		}
	}
	l.meters[k] = m
	return m, nil
}

// fewMeters is how many meters may stay in memory that nobody uses, about 150 bytes
// each.
const fewMeters = 256

// forget makes room in memory. The caller holds opening and mu.
func (l *Ledger) forget() {
	if len(l.meters) <= fewMeters {
		return
	}
	for k, m := range l.meters {
		if m.refs == 0 {
			delete(l.meters, k)
		}
	}
}

// rules are the limits in force for one flow.
type rules struct {
	file    Value
	fileWho string
	each    []Value // of the flow's charges
}

// readRules looks up the limits in force for a flow.
func (l *Ledger) readRules(tx *store.Tx, a *Account) (r rules, err error) {
	o := l.options.Load()
	r.file = o.File
	for i, p := range a.parties {
		v, err := l.limitOf(tx, p.id, p.group, File, o.File)
		if err != nil {
			return r, err
		}
		if i == 0 || v < r.file {
			r.file, r.fileWho = v, p.who.String()
		}
	}
	for i := range a.charges {
		k := &a.charges[i].key
		v := Unlimited
		switch k.scope {
		case User:
			v, err = l.limitOf(tx, k.id, a.groupOf(k.id), User, o.User)
		case Domain:
			v, err = l.limitOf(tx, 0, k.name, Domain, o.Domain)
		case Box:
			v = o.Box
		}
		if err != nil {
			return r, err
		}
		r.each = append(r.each, v)
	}
	return r, nil
}

// limitOf is the limit in force: the user's own, his group's, or the option.
func (l *Ledger) limitOf(tx *store.Tx, id account.ID, group string, s Scope, option Value) (Value, error) {
	for _, of := range []account.ID{id, 0} {
		v, err := l.ownLimit(tx, of, group, s)
		if err != nil || v != inherit {
			return v, err
		}
	}
	return option, nil
}

// ownLimit is the limit that is set for a user, or for a group (id 0).
func (l *Ledger) ownLimit(tx *store.Tx, id account.ID, group string, s Scope) (Value, error) {
	t, key := l.tables.limit(id, group, s)
	row, ok := tx.Get(t, key)
	if !ok {
		return inherit, nil
	}
	n, _, err := table.ReadInt64(row)
	return Value(n), err
}

// left is how much more the flow may be given at most, of what it wants, or the
// limit that leaves nothing. The caller holds mu and a.mu.
func (l *Ledger) left(a *Account, r *rules, want int64) (int64, *Limit) {
	n := want
	bound := func(s Scope, who string, v Value, left int64, shared bool) *Limit {
		if v == Deny || left <= 0 {
			return &Limit{Scope: s, Who: who, Value: v}
		}
		if shared {
			left = min(left, max(left/4, minLease))
		}
		n = min(n, left)
		return nil
	}
	if f := min(r.file, a.most()); f != Unlimited {
		if lim := bound(File, a.fileWho(r), f, int64(f)-a.flowed()-a.granted, false); lim != nil {
			return 0, lim
		}
	}
	for i := range a.charges {
		c := &a.charges[i]
		if v := r.each[i]; v != Unlimited {
			if lim := bound(c.key.scope, c.meter.who, v, (int64(v)-c.meter.used())/c.weight(), true); lim != nil {
				return 0, lim
			}
		}
		if all := l.options.Load().All; c.key.scope == Box && all != Unlimited {
			if lim := bound(All, "", all, (int64(all)-c.meter.used()-l.others[c.key.month])/c.weight(), true); lim != nil {
				return 0, lim
			}
		}
	}
	if p := a.purse; p != nil {
		if lim := bound(Credit, p.who, 0, p.in-p.out-p.leased, true); lim != nil {
			return 0, lim
		}
	}
	return n, nil
}

// settlement is what is written when a flow, or its month, has ended.
type settlement struct {
	id      uint64 // of the flow
	charges []charge
	purse   *meter
	entry   Entry
}

// retryAfter is when a settlement is tried again whose commit failed.
const retryAfter = 10 * time.Second

// write submits a settlement with the values of its meters as they are now. The
// caller holds mu.
func (l *Ledger) write(s *settlement) {
	var b store.Batch
	l.batch(&b, s, time.Now())
	l.store.Submit(&b, func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil && !l.closed {
			// The lease stays in the file meanwhile: it would count as used.
			l.log.Error("ledger not written", "cause", err, "retry", retryAfter)
			time.AfterFunc(retryAfter, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				if !l.closed {
					l.write(s)
				}
			})
			return
		}
		for i := range s.charges {
			s.charges[i].meter.refs--
		}
		if s.purse != nil {
			s.purse.refs--
		}
	})
}

// batch adds a settlement's rows.
func (l *Ledger) batch(b *store.Batch, s *settlement, now time.Time) {
	keep := l.options.Load().Keep
	// What is written before the clock is set has no end: it would have gone as soon as it is. A month's meters get
	// theirs when more is counted.
	var until, months time.Time
	if keep > 0 && stamp.IsSet(now, l.store.Options().Built) {
		until, months = now.Add(keep), now.Add(max(keep, 62*24*time.Hour))
	}
	b.Delete(l.tables.leases, table.AppendUint64(nil, s.id))
	for i := range s.charges {
		m := s.charges[i].meter
		t, key := l.tables.used(m.key)
		b.PutUntil(t, key, encodeUsed(m.out, m.in), months)
	}
	if p := s.purse; p != nil {
		t, key := l.tables.credit(p.key.id, p.key.name)
		b.Put(t, key, table.AppendInt64(nil, p.in))
	}
	if s.entry.Out+s.entry.In > 0 {
		b.PutUntil(l.tables.flows, table.AppendUint64(nil, s.entry.Order), s.entry.encode(), until)
	}
}
