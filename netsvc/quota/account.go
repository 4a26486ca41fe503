package quota

import (
	"context"
	"errors"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

// Sizes of leases.
const (
	minLease   = 1 << 20
	maxLease   = 64 << 20
	leaseTime  = 5 * time.Second
	leaseShare = 4 // a lease is at least this part of what has flowed, and is renewed when this part of it is left
)

// Flow is what a relay tells of what it is about to forward.
type Flow struct {
	Service string // "socks5"

	// From and To are the parties, with or without resource; either may be zero, or
	// be somebody of another server.
	From, To jid.JID

	// Requester is the party whose credit pays; zero for a flow that needs none.
	Requester jid.JID

	// Max limits this flow alone, in bytes of both directions; 0 does not.
	Max int64
}

// Direction is one of the two that bytes flow in.
type Direction uint8

// The directions.
const (
	Forward Direction = iota // from Flow.From to Flow.To
	Back
)

// The errors that are no *Limit.
var (
	// ErrWait reports that the next lease is on its way to the disk: what came now
	// must wait or be dropped.
	ErrWait = errors.New("quota: the next lease is not durable yet")
	// ErrClosed reports an Account that was closed, or a Ledger that has stopped.
	ErrClosed = errors.New("quota: closed")
)

// Account is one flow that is open. Its methods may be called from anywhere.
type Account struct {
	ledger  *Ledger
	id      uint64
	flow    Flow
	parties []party
	group   string // of the requester
	begin   time.Time
	limits  sync.Mutex // one renewal at a time; taken before Ledger.mu

	// Of the present month. Ledger.mu guards what is not Account.mu's.
	month   Month
	since   time.Time
	charges []charge
	purse   *meter

	mu      sync.Mutex
	closed  bool
	used    [2]int64
	earlier [2]int64      // used in earlier months
	granted int64         // bytes that may flow this month: durable
	asked   int64         // bytes more that are being made durable
	renewal uint64        // counts them
	low     int64         // so little left asks for the next lease
	spent   bool          // there was no next lease: not asked again before this one is used up
	failed  error         // the last commit did
	durable chan struct{} // closed when asked becomes 0; nil while nobody waits
	marked  time.Time     // when the last lease was asked for, and what was used then
	mark    int64
}

// Open opens an account for a flow and waits for its first lease. The error is a
// *Limit when not a byte may flow, or the store's.
func (l *Ledger) Open(ctx context.Context, f Flow) (*Account, error) {
	a := &Account{ledger: l, flow: f, begin: time.Now()}
	for side, j := range []jid.JID{Forward: f.From, Back: f.To} {
		p, err := l.local(j)
		if err != nil {
			return nil, err
		}
		if p.id != 0 {
			p.sends = Direction(side)
			a.parties = append(a.parties, p)
		}
	}
	if err := l.enter(a); err != nil {
		l.refuse(err)
		return nil, err
	}
	// Nothing flows before the lease is durable, so the wait is here.
	n, err := a.Draw(ctx, Forward, 1)
	if err != nil {
		a.Close("refused")
		return nil, err
	}
	a.Return(Forward, n)
	return a, nil
}

func (l *Ledger) refuse(err error) {
	var lim *Limit
	if errors.As(err, &lim) {
		(*l.refused.Load())(lim)
	}
}

// enter finds the meters of a new flow.
func (l *Ledger) enter(a *Account) error {
	payer, err := l.local(a.flow.Requester)
	if err != nil {
		return err
	}
	a.group = payer.group
	l.opening.Lock()
	defer l.opening.Unlock()
	return l.store.View(func(tx *store.Tx) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			return ErrClosed
		}
		l.forget()
		if err := l.attach(tx, a, a.begin); err != nil {
			return err
		}
		if a.purse, err = l.purseOf(tx, payer); err != nil {
			return err
		}
		if a.purse != nil {
			a.purse.refs++
		} else if l.options.Load().NeedCredit && !a.flow.Requester.IsZero() {
			return &Limit{Scope: Credit, Who: a.flow.Requester.Bare().String()}
		}
		for i := range a.charges {
			a.charges[i].meter.refs++
		}
		a.id = l.store.Order()
		l.open[a.id] = a
		return nil
	})
}

// attach finds the meters of the present month. The caller holds opening and mu.
func (l *Ledger) attach(tx *store.Tx, a *Account, now time.Time) error {
	a.month, a.since, a.marked = l.month(now), now, now
	a.charges = nil
	charge := func(k meterKey, who string, forward, back [2]int64) error {
		for i := range a.charges {
			if c := &a.charges[i]; c.key == k { // two users of one domain, two clients of one user
				for d, more := range [2][2]int64{forward, back} {
					c.per[d].out += more[0]
					c.per[d].in += more[1]
				}
				return nil
			}
		}
		c := newCharge(k, forward, back)
		m, err := l.meter(tx, k, who)
		if err != nil {
			return err
		}
		c.meter = m
		a.charges = append(a.charges, c)
		return nil
	}
	sends, receives := [2]int64{1, 0}, [2]int64{0, 1}
	for _, p := range a.parties {
		forward, back := sends, receives
		if p.sends == Back {
			forward, back = receives, sends
		}
		if err := charge(meterKey{User, p.id, "", a.month}, p.who.String(), forward, back); err != nil {
			return err
		}
		if err := charge(meterKey{Domain, 0, p.group, a.month}, p.group, forward, back); err != nil {
			return err
		}
	}
	return charge(meterKey{Box, 0, l.box, a.month}, "", sends, sends)
}

func newCharge(k meterKey, forward, back [2]int64) (c charge) {
	c.key = k
	c.per[Forward].out, c.per[Forward].in = forward[0], forward[1]
	c.per[Back].out, c.per[Back].in = back[0], back[1]
	return c
}

// purseOf is the balance that pays for what the party requests: his own, or that
// of his group, or nil. The caller holds opening and mu.
func (l *Ledger) purseOf(tx *store.Tx, p party) (*meter, error) {
	if p.id == 0 {
		return nil, nil
	}
	for _, k := range []meterKey{{scope: Credit, id: p.id}, {scope: Credit, name: p.group}} {
		who := p.group
		if k.id != 0 {
			who = p.who.String()
		}
		if m := l.meters[k]; m != nil {
			return m, nil
		}
		t, key := l.tables.credit(k.id, k.name)
		if tx.Has(t, key) {
			return l.meter(tx, k, who)
		}
	}
	return nil, nil
}

// groupOf is the billing group of one of the parties.
func (a *Account) groupOf(id account.ID) string {
	for _, p := range a.parties {
		if p.id == id {
			return p.group
		}
	}
	return ""
}

// most is the limit of this flow alone.
func (a *Account) most() Value {
	if a.flow.Max > 0 {
		return Value(a.flow.Max)
	}
	return Unlimited
}

// fileWho is whose limit for one flow it is.
func (a *Account) fileWho(r *rules) string {
	if r.file <= a.most() {
		return r.fileWho
	}
	return ""
}

// flowed is what was used in earlier months.
func (a *Account) flowed() int64 { return a.earlier[0] + a.earlier[1] }

// Draw takes 1 to most bytes and returns how many, waiting for the next lease where
// that is needed. The error is the *Limit that ends the flow, ctx's or the store's.
func (a *Account) Draw(ctx context.Context, d Direction, most int64) (int64, error) {
	for {
		n, err := a.draw(d, 1, most)
		if err != ErrWait {
			return n, err
		}
		a.mu.Lock()
		if a.asked == 0 {
			a.mu.Unlock()
			continue
		}
		if a.durable == nil {
			a.durable = make(chan struct{})
		}
		wait := a.durable
		a.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Take takes n bytes or none. It never waits: the error is ErrWait, the *Limit that
// ends the flow, or the store's.
func (a *Account) Take(d Direction, n int64) error {
	_, err := a.draw(d, n, n)
	return err
}

// draw takes least to most bytes if they are there, and sees to the next lease.
func (a *Account) draw(d Direction, least, most int64) (int64, error) {
	a.mu.Lock()
	for {
		if a.closed {
			a.mu.Unlock()
			return 0, ErrClosed
		}
		left := a.granted - a.used[0] - a.used[1]
		if left >= least {
			n := min(left, most)
			a.used[d] += n
			renew := left-n < a.low && a.asked == 0 && !a.spent
			a.mu.Unlock()
			if renew {
				a.renew(false) // what goes wrong comes up when this lease is used up
			}
			return n, nil
		}
		if err := a.failed; err != nil {
			a.failed = nil
			a.mu.Unlock()
			return 0, err
		}
		if a.asked > 0 {
			a.mu.Unlock()
			return 0, ErrWait
		}
		a.mu.Unlock()
		if err := a.renew(true); err != nil {
			a.ledger.refuse(err)
			return 0, err
		}
		a.mu.Lock()
	}
}

// Return gives back bytes that were taken and did not flow.
func (a *Account) Return(d Direction, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// What was taken before the month turned stays there.
	a.used[d] -= min(n, a.used[d])
}

// Used returns how many bytes flowed in each direction so far.
func (a *Account) Used() (forward, back int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.earlier[0] + a.used[0], a.earlier[1] + a.used[1]
}

// renew asks for the next lease. needed says that nothing is left of the present
// one.
func (a *Account) renew(needed bool) error {
	a.limits.Lock()
	defer a.limits.Unlock()
	l := a.ledger
	now := time.Now()
	if err := l.turn(a, now); err != nil {
		return err
	}
	var r rules
	err := l.store.View(func(tx *store.Tx) (err error) {
		r, err = l.readRules(tx, a)
		return err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.asked > 0 || a.failed != nil {
		return nil // somebody else was here
	}
	n, lim := l.left(a, &r, a.want(now))
	switch {
	case lim != nil && needed:
		return lim
	case lim != nil || n <= 0:
		a.spent = true
		return nil
	}
	l.grant(a, n)
	return nil
}

// want is how much more the flow should have: the size of a lease, less what is
// left of the present one. The caller holds a.mu.
func (a *Account) want(now time.Time) int64 {
	used := a.used[0] + a.used[1]
	size := int64(minLease)
	if a.granted > 0 || a.flowed() > 0 {
		took := max(now.Sub(a.marked), time.Millisecond)
		rate := float64(used-a.mark) / took.Seconds()
		size = max(size, int64(min(rate*leaseTime.Seconds(), maxLease)), (a.flowed()+used)/leaseShare)
	}
	size = min(size, maxLease)
	a.marked, a.mark = now, used
	return max(used+size-a.granted, 1)
}

// grant makes n bytes more durable. The caller holds mu and a.mu.
func (l *Ledger) grant(a *Account, n int64) {
	l.lend(a, n)
	a.asked, a.spent = n, false
	// Of the lease that it gets, which near a limit is less than it wants.
	a.low = (a.granted + n - a.used[0] - a.used[1]) / leaseShare
	a.renewal++
	renewal := a.renewal
	row := lease{entry: a.entry("open", a.marked), granted: a.granted + n, charges: a.charges}
	if a.purse != nil {
		row.purse = a.purse.key
	}
	var b store.Batch
	b.Put(l.tables.leases, table.AppendUint64(nil, a.id), row.encode())
	l.leases.Add(1)
	l.store.Submit(&b, func(err error) { l.granted(a, renewal, err) })
}

// lend counts n bytes more as leased; fewer when n is negative. The caller holds mu.
func (l *Ledger) lend(a *Account, n int64) {
	for i := range a.charges {
		a.charges[i].meter.leased += n * a.charges[i].weight()
	}
	if a.purse != nil {
		a.purse.leased += n
	}
}

// granted is told when a lease is durable, or could not be made so.
func (l *Ledger) granted(a *Account, renewal uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.renewal != renewal || a.asked == 0 {
		return // the flow was closed, or its month is over
	}
	if err != nil {
		a.failed = err
		l.lend(a, -a.asked)
	} else {
		a.granted += a.asked
	}
	a.settleAsked()
}

// settleAsked wakes who waits for a lease. The caller holds a.mu.
func (a *Account) settleAsked() {
	a.asked = 0
	if a.durable != nil {
		close(a.durable)
		a.durable = nil
	}
}

// entry is the flow's line in the ledger for the present month. The caller holds
// a.mu.
func (a *Account) entry(reason string, end time.Time) Entry {
	e := Entry{Order: a.id, Service: a.flow.Service, Box: a.ledger.box, From: a.flow.From, To: a.flow.To, Requester: a.flow.Requester,
		Group: a.group, Month: a.month, Out: a.used[Forward], In: a.used[Back], Begin: a.since, End: end, Reason: reason}
	if a.purse != nil {
		e.Credit = e.Out + e.In
	}
	return e
}

// Close ends the flow: what was not used goes back. reason stands in the ledger.
func (a *Account) Close(reason string) {
	l := a.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	delete(l.open, a.id)
	l.settle(a, reason, time.Now())
}

// settle ends the present month of a flow. The caller holds mu and a.mu.
func (l *Ledger) settle(a *Account, reason string, now time.Time) {
	l.lend(a, -(a.granted + a.asked))
	for i := range a.charges {
		a.charges[i].add(a.used)
	}
	sum := a.used[0] + a.used[1]
	if a.purse != nil {
		a.purse.in -= sum
	}
	l.bytes.Add(uint64(sum))
	s := &settlement{id: a.id, charges: a.charges, purse: a.purse, entry: a.entry(reason, now)}
	s.entry.Order = l.store.Order()
	for d, n := range a.used {
		a.earlier[d] += n
	}
	a.used, a.granted, a.mark = [2]int64{}, 0, 0
	a.settleAsked()
	l.write(s)
}

// turn brings a flow into the present month, if it is still in an earlier one: what
// was left of its lease goes back to that.
func (l *Ledger) turn(a *Account, now time.Time) error {
	l.mu.Lock()
	same := l.month(now) == a.month
	l.mu.Unlock()
	if same {
		return nil
	}
	l.opening.Lock()
	defer l.opening.Unlock()
	return l.store.View(func(tx *store.Tx) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.closed {
			return ErrClosed
		}
		l.settle(a, "month", now)
		if err := l.attach(tx, a, now); err != nil {
			return err
		}
		for i := range a.charges {
			a.charges[i].meter.refs++
		}
		if a.purse != nil {
			a.purse.refs++
		}
		return nil
	})
}
