package quota

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(map[string]func([]string) int{"quota-flows": flows})
	os.Exit(m.Run())
}

// users are the local accounts of all tests.
var users = map[string]account.ID{
	"romeo@montague.lit": 1, "benvolio@montague.lit": 2, "juliet@capulet.lit": 3,
}

func lookup(bare jid.JID) (account.Account, bool, error) {
	id := users[bare.String()]
	return account.Account{ID: id, JID: bare}, id != 0, nil
}

func unlimited() Options {
	return Options{File: Unlimited, User: Unlimited, Domain: Unlimited, Box: Unlimited, All: Unlimited}
}

func begin(t testing.TB, s *store.Store, o Options) *Ledger {
	t.Helper()
	l := New()
	l.Use(o)
	if err := l.Start(context.Background(), s, nil, "box", lookup); err != nil {
		t.Fatal(err)
	}
	return l
}

func newLedger(t testing.TB, o Options) *Ledger {
	t.Helper()
	return begin(t, storetest.Open(t, New().Tables()...), o)
}

func subject(name string) Subject {
	if id := users[name]; id != 0 {
		return Subject{ID: id, Name: name, Group: jid.MustParse(name).Domain()}
	}
	return Subject{Name: name, Group: name}
}

func flow(from, to string) Flow {
	return Flow{Service: "test", From: jid.MustParse(from), To: jid.MustParse(to), Requester: jid.MustParse(from)}
}

func open(t testing.TB, l *Ledger, f Flow) *Account {
	t.Helper()
	a, err := l.Open(context.Background(), f)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return a
}

// drain takes n bytes in pieces, or as many as there are, and returns how many with
// the error that ended it.
func drain(a *Account, d Direction, n int64) (int64, error) {
	sum := int64(0)
	for sum < n {
		got, err := a.Draw(context.Background(), d, min(n-sum, 256<<10))
		if err != nil {
			return sum, err
		}
		sum += got
	}
	return sum, nil
}

// settled waits until everything is in the store.
func settled(l *Ledger) {
	done := make(chan struct{})
	l.store.Barrier(func() { close(done) })
	<-done
}

func used(t testing.TB, l *Ledger, who string) [2]int64 {
	t.Helper()
	u, err := l.UseOf(subject(who), l.Month())
	if err != nil {
		t.Fatal(err)
	}
	return [2]int64{u.Out, u.In}
}

func boxUsed(t testing.TB, l *Ledger) int64 {
	t.Helper()
	box, _, err := l.BoxUse(l.Month())
	if err != nil {
		t.Fatal(err)
	}
	return box.Out + box.In
}

func TestEachPartyIsCharged(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit/orchard", "juliet@capulet.lit/balcony"))
	drain(a, Forward, 3<<20)
	drain(a, Back, 1000)
	if n, err := a.Draw(context.Background(), Back, 500); n != 500 || err != nil {
		t.Fatal(n, err)
	}
	a.Return(Back, 400)
	if out, in := a.Used(); out != 3<<20 || in != 1100 {
		t.Errorf("the flow used %d, %d", out, in)
	}
	a.Close("done")
	a.Close("twice is once")
	settled(l)
	check := func(l *Ledger) {
		t.Helper()
		for who, want := range map[string][2]int64{
			"romeo@montague.lit": {3 << 20, 1100}, "montague.lit": {3 << 20, 1100},
			"juliet@capulet.lit": {1100, 3 << 20}, "capulet.lit": {1100, 3 << 20},
			"benvolio@montague.lit": {},
		} {
			if got := used(t, l, who); got != want {
				t.Errorf("%s used %v, want %v", who, got, want)
			}
		}
		if got := boxUsed(t, l); got != 3<<20+1100 {
			t.Errorf("the box used %d", got)
		}
		list, err := l.Entries(l.Month(), 0, 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		e := list[0]
		if e.Service != "test" || e.Box != "box" || e.From.String() != "romeo@montague.lit/orchard" || e.To.Resource() != "balcony" ||
			e.Group != "montague.lit" || e.Out != 3<<20 || e.In != 1100 || e.Credit != 0 || e.Reason != "done" || e.End.Before(e.Begin) {
			t.Errorf("entry %+v", e)
		}
	}
	check(l)
	check(begin(t, storetest.Reopen(t, l.store), unlimited()))
}

func TestStrangersAndOwnClients(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit/orchard", "ghost@elsewhere.lit/x"))
	drain(a, Forward, 10)
	a.Close("")
	b := open(t, l, flow("romeo@montague.lit/orchard", "romeo@montague.lit/street"))
	drain(b, Forward, 100)
	b.Close("")
	c := open(t, l, flow("benvolio@montague.lit/a", "romeo@montague.lit/street"))
	drain(c, Forward, 1000)
	c.Close("")
	if got := used(t, l, "romeo@montague.lit"); got != [2]int64{110, 1100} {
		t.Errorf("romeo used %v", got)
	}
	if got := used(t, l, "montague.lit"); got != [2]int64{1110, 1100} {
		t.Errorf("the domain used %v", got)
	}
	if got := boxUsed(t, l); got != 1110 {
		t.Errorf("the box used %d", got)
	}
}

func TestLimits(t *testing.T) {
	const mb = 1 << 20
	type set struct {
		who   string
		scope Scope
		value Value
	}
	for _, tt := range []struct {
		name  string
		opt   func(*Options)
		set   []set
		flows int // before the one that hits, each of 1 MB, from romeo to juliet
		got   int64
		scope Scope
		who   string
	}{
		{name: "file, by option", opt: func(o *Options) { o.File = 3 * mb }, flows: 2, got: 3 * mb, scope: File},
		{name: "file, of the user", set: []set{{"romeo@montague.lit", File, 3 * mb}}, got: 3 * mb, scope: File},
		{name: "file, of the other user's domain", set: []set{{"capulet.lit", File, 2 * mb}}, got: 2 * mb, scope: File},
		{name: "user, by option", opt: func(o *Options) { o.User = 5 * mb }, flows: 2, got: 3 * mb, scope: User, who: "romeo@montague.lit"},
		{name: "user, by his domain", opt: func(o *Options) { o.User = mb }, set: []set{{"montague.lit", User, 6 * mb}, {"capulet.lit", User, 5 * mb}},
			flows: 1, got: 4 * mb, scope: User, who: "juliet@capulet.lit"},
		{name: "user, his own wins", set: []set{{"montague.lit", User, Deny}, {"romeo@montague.lit", User, 4 * mb}}, flows: 1, got: 3 * mb, scope: User, who: "romeo@montague.lit"},
		{name: "user, unlimited wins", opt: func(o *Options) { o.User, o.Box = mb, 4*mb },
			set: []set{{"romeo@montague.lit", User, Unlimited}, {"juliet@capulet.lit", User, Unlimited}}, flows: 1, got: 3 * mb, scope: Box},
		{name: "user, denied", set: []set{{"juliet@capulet.lit", User, Deny}}, got: 0, scope: User, who: "juliet@capulet.lit"},
		{name: "file, denied by domain", set: []set{{"montague.lit", File, Deny}}, got: 0, scope: File},
		{name: "domain, by option", opt: func(o *Options) { o.Domain = 3 * mb }, flows: 1, got: 2 * mb, scope: Domain, who: "montague.lit"},
		{name: "domain, its own", opt: func(o *Options) { o.Domain = mb }, set: []set{{"montague.lit", Domain, Unlimited}, {"capulet.lit", Domain, 3 * mb}},
			flows: 1, got: 2 * mb, scope: Domain, who: "capulet.lit"},
		{name: "box", opt: func(o *Options) { o.Box = 3*mb + 7 }, flows: 2, got: mb + 7, scope: Box},
		{name: "all", opt: func(o *Options) { o.All = 3 * mb }, flows: 2, got: mb, scope: All},
		{name: "zero bytes", opt: func(o *Options) { o.User = 0 }, got: 0, scope: User, who: "romeo@montague.lit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := unlimited()
			if tt.opt != nil {
				tt.opt(&o)
			}
			l := newLedger(t, o)
			for _, s := range tt.set {
				if err := l.SetLimit(t.Context(), subject(s.who), s.scope, s.value); err != nil {
					t.Fatal(err)
				}
			}
			between := flow("romeo@montague.lit/a", "juliet@capulet.lit/b")
			for range tt.flows {
				a := open(t, l, between)
				if n, err := drain(a, Forward, mb); n != mb || err != nil {
					t.Fatalf("an earlier flow got %d: %v", n, err)
				}
				a.Close("done")
			}
			a, err := l.Open(t.Context(), between)
			got := int64(0)
			if err == nil {
				got, err = drain(a, Back, 100*mb)
				a.Close("limit")
			}
			var lim *Limit
			if !errors.As(err, &lim) || lim.Scope != tt.scope || got != tt.got {
				t.Fatalf("got %d bytes, then %v; want %d, then the limit %v", got, err, tt.got, tt.scope)
			}
			if tt.who != "" && lim.Who != tt.who || lim.Error() == "" {
				t.Errorf("the limit is that of %q: %s", lim.Who, lim.Error())
			}
		})
	}
}

func TestInheritAgain(t *testing.T) {
	l := newLedger(t, unlimited())
	romeo := subject("romeo@montague.lit")
	l.SetLimit(t.Context(), romeo, User, Deny)
	if set, err := l.Limits(romeo); err != nil || len(set) != 1 || set[User] != Deny {
		t.Errorf("limits %v, %v", set, err)
	}
	l.Inherit(t.Context(), romeo, User)
	if set, _ := l.Limits(romeo); len(set) != 0 {
		t.Errorf("limits %v", set)
	}
	open(t, l, flow("romeo@montague.lit", "x@elsewhere.lit")).Close("")
}

// A limit that is set while a flow is under way ends it within a lease.
func TestLimitDuringFlow(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit", "juliet@capulet.lit"))
	drain(a, Forward, 10)
	l.SetLimit(t.Context(), subject("juliet@capulet.lit"), User, Deny)
	n, err := drain(a, Forward, 1<<30)
	var lim *Limit
	if !errors.As(err, &lim) || lim.Value != Deny || n > minLease {
		t.Errorf("%d bytes, then %v", n, err)
	}
	if out, _ := a.Used(); out != n+10 {
		t.Errorf("used %d", out)
	}
}

func TestMax(t *testing.T) {
	l := newLedger(t, unlimited())
	f := flow("romeo@montague.lit", "juliet@capulet.lit")
	f.Max = 5000
	a := open(t, l, f)
	if n, err := drain(a, Forward, 1<<20); n != 5000 || err == nil {
		t.Errorf("%d bytes, then %v", n, err)
	}
}

func TestRateOf(t *testing.T) {
	l := newLedger(t, unlimited())
	check := func(who string, want int64, set bool) {
		t.Helper()
		if n, ok, err := l.RateOf(jid.MustParse(who)); n != want || ok != set || err != nil {
			t.Errorf("%s: %d, %v, %v", who, n, ok, err)
		}
	}
	check("romeo@montague.lit", 0, false)
	l.SetLimit(t.Context(), subject("montague.lit"), Rate, 5000)
	l.SetLimit(t.Context(), subject("benvolio@montague.lit"), Rate, Unlimited)
	check("romeo@montague.lit", 5000, true)
	check("benvolio@montague.lit", 0, true)
	check("juliet@capulet.lit", 0, false)
	check("x@elsewhere.lit", 0, false)
}

func TestGroups(t *testing.T) {
	o := unlimited()
	o.Groups = map[string]string{"montague.lit": "verona", "capulet.lit": "verona"}
	l := newLedger(t, o)
	l.SetLimit(t.Context(), Subject{Name: "verona", Group: "verona"}, Domain, 4<<20)
	a := open(t, l, flow("romeo@montague.lit", "juliet@capulet.lit"))
	if n, err := drain(a, Forward, 1<<30); n != 2<<20 || err == nil {
		t.Errorf("%d bytes, then %v: each should count twice for the group", n, err)
	}
	a.Close("limit")
	if got := used(t, l, "verona"); got != [2]int64{2 << 20, 2 << 20} {
		t.Errorf("the group used %v", got)
	}
}

func TestTakeDoesNotWait(t *testing.T) {
	o := unlimited()
	o.User = 2<<20 + 100
	l := newLedger(t, o)
	a := open(t, l, Flow{Service: "test", From: jid.MustParse("romeo@montague.lit")})
	sum := int64(0)
	for {
		err := a.Take(Forward, 1200)
		if err == ErrWait {
			settled(l)
			continue
		}
		var lim *Limit
		if errors.As(err, &lim) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sum += 1200
	}
	if most := int64(o.User); sum > most || sum <= most-1200 {
		t.Errorf("%d bytes in packets of 1200, of %d", sum, most)
	}
}

func TestNeedCredit(t *testing.T) {
	o := unlimited()
	o.NeedCredit = true
	l := newLedger(t, o)
	var lim *Limit
	if _, err := l.Open(t.Context(), flow("romeo@montague.lit", "juliet@capulet.lit")); !errors.As(err, &lim) || lim.Scope != Credit {
		t.Errorf("without a credit: %v", err)
	}
	if _, err := l.Open(t.Context(), flow("x@elsewhere.lit", "juliet@capulet.lit")); !errors.As(err, &lim) || lim.Scope != Credit {
		t.Errorf("a stranger: %v", err)
	}
	f := flow("romeo@montague.lit", "juliet@capulet.lit")
	f.Requester = jid.JID{}
	open(t, l, f).Close("")
	l.TopUp(t.Context(), subject("montague.lit"), 1000)
	a := open(t, l, flow("romeo@montague.lit", "juliet@capulet.lit"))
	if n, err := drain(a, Back, 2000); n != 1000 || !errors.As(err, &lim) || lim.Who != "montague.lit" {
		t.Errorf("%d bytes, then %v", n, err)
	}
	a.Close("")
	settled(l)
	if b, ok, err := l.Credit(subject("montague.lit")); b.Left != 0 || !ok || err != nil {
		t.Errorf("balance %+v %v %v", b, ok, err)
	}
	if list, _ := l.Entries(0, 0, 10); len(list) != 1 || list[0].Credit != 1000 {
		t.Errorf("entries %+v", list)
	}
}

func TestTopUp(t *testing.T) {
	l := newLedger(t, unlimited())
	romeo := subject("romeo@montague.lit")
	for _, tt := range []struct {
		bytes, left int64
		bad         bool
	}{{1000, 1000, false}, {-400, 600, false}, {-601, 600, true}, {-600, 0, false}, {1 << 62, 1 << 62, false}, {1 << 62, 1 << 62, true}} {
		left, err := l.TopUp(t.Context(), romeo, tt.bytes)
		if (err != nil) != tt.bad || err == nil && left != tt.left {
			t.Errorf("%d: %d left, %v", tt.bytes, left, err)
		}
		if b, _, _ := l.Credit(romeo); b.Left != tt.left {
			t.Errorf("%d: balance %d, want %d", tt.bytes, b.Left, tt.left)
		}
	}
}

// However many flows draw on a balance while it is topped up, together they get what
// was there, to the byte, and the balance is never negative.
func TestCreditIsNeverNegative(t *testing.T) {
	l := newLedger(t, unlimited())
	romeo := subject("romeo@montague.lit")
	total := int64(20 << 20)
	l.TopUp(t.Context(), romeo, total)
	var wait sync.WaitGroup
	var mu sync.Mutex
	sum := int64(0)
	stop := make(chan struct{})
	go func() { // looks all the time
		for {
			select {
			case <-stop:
				return
			default:
			}
			l.mu.Lock()
			if m := l.meters[creditKey(romeo)]; m != nil && (m.in < 0 || m.in < m.leased || m.leased < 0) {
				t.Errorf("balance %d, leased %d", m.in, m.leased)
			}
			l.mu.Unlock()
		}
	}()
	for range 12 {
		wait.Go(func() {
			for {
				a, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
				if err != nil {
					return
				}
				n, err := drain(a, Direction(rand.IntN(2)), rand.Int64N(3<<20)+1)
				a.Close("done")
				mu.Lock()
				sum += n
				mu.Unlock()
				if rand.IntN(8) == 0 {
					more := rand.Int64N(1 << 20)
					if _, err := l.TopUp(t.Context(), romeo, more); err != nil {
						t.Error(err)
					}
					mu.Lock()
					total += more
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	close(stop)
	// Who came last may have been told "used up" because of leases of others.
	a, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	if err == nil {
		n, _ := drain(a, Forward, 1<<40)
		a.Close("rest")
		sum += n
	}
	if sum != total {
		t.Errorf("%d bytes flowed for credits of %d", sum, total)
	}
	settled(l)
	if b, _, _ := l.Credit(romeo); b.Left != 0 || b.Leased != 0 {
		t.Errorf("balance %+v", b)
	}
	again := begin(t, storetest.Reopen(t, l.store), unlimited())
	if b, ok, _ := again.Credit(romeo); b.Left != 0 || !ok {
		t.Errorf("balance %+v after a restart", b)
	}
	if got := boxUsed(t, again); got != total {
		t.Errorf("box used %d, want %d", got, total)
	}
}

func TestMonths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC).Sub(time.Now()))
		o := unlimited()
		o.User = 3 << 20
		l := newLedger(t, o)
		november := l.Month()
		if november.String() != "2026-11" {
			t.Fatalf("month %s", november)
		}
		a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		if n, _ := drain(a, Forward, 2<<20); n != 2<<20 {
			t.Fatal(n)
		}
		time.Sleep(2 * time.Minute)
		// What is left of the lease counts as November's, the rest as December's.
		n, err := drain(a, Forward, 1<<30)
		var lim *Limit
		if !errors.As(err, &lim) || lim.Scope != User || n < 3<<20 || n > 4<<20 {
			t.Errorf("%d bytes more, then %v", n, err)
		}
		a.Close("limit")
		settled(l)
		before, _ := l.UseOf(subject("romeo@montague.lit"), november)
		after := used(t, l, "romeo@montague.lit")
		if after != [2]int64{3 << 20, 0} || before.Out+after[0] != n+2<<20 {
			t.Errorf("november %+v, december %v, of %d", before, after, n+2<<20)
		}
		list, err := l.Entries(0, 0, 10)
		if err != nil || len(list) != 2 || list[0].Reason != "month" || list[0].Month != november || list[1].Month != november+1 {
			t.Errorf("entries %+v, %v", list, err)
		}
		if out, in := a.Used(); out != n+2<<20 || in != 0 {
			t.Errorf("the flow used %d, %d", out, in)
		}
	})
}

// Before the clock is set, the last known month goes on.
func TestUnsetClock(t *testing.T) {
	built := time.Now().Add(-time.Hour)
	s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: New().Tables(), Built: built})
	l := begin(t, s, unlimited())
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	drain(a, Forward, 100)
	a.Close("")
	settled(l)
	o := s.Options()
	s.Close()
	month := l.Month()
	o.Built = time.Now().AddDate(1, 0, 0) // a newer program on a board whose clock stands still
	l = begin(t, storetest.OpenWith(t, o), unlimited())
	if l.Month() != month {
		t.Errorf("month %s, want the last known, %s", l.Month(), month)
	}
	if got := used(t, l, "romeo@montague.lit"); got[0] != 100 {
		t.Errorf("used %v", got)
	}
	// A board that knows nothing takes the month in which the program was built.
	o.Dir = t.TempDir()
	l = begin(t, storetest.OpenWith(t, o), unlimited())
	if l.Month() != MonthOf(o.Built) {
		t.Errorf("month %s", l.Month())
	}
}

// What was counted before the clock was set is still there when it is.
func TestClockIsSetLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited()
		o.Keep = 400 * 24 * time.Hour
		built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // the clock is in 2000
		l := begin(t, storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: New().Tables(), Built: built}), o)
		a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		drain(a, Forward, 100)
		a.Close("done")
		settled(l)
		time.Sleep(built.AddDate(0, 0, 20).Sub(time.Now()))
		l = begin(t, storetest.Reopen(t, l.store), o)
		if got := used(t, l, "romeo@montague.lit"); got[0] != 100 {
			t.Errorf("used %v", got)
		}
		if list, err := l.Entries(0, 0, 10); err != nil || len(list) != 1 {
			t.Errorf("entries %+v, %v", list, err)
		}
		a = open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		drain(a, Forward, 100)
		a.Close("done")
		settled(l)
		time.Sleep(2 * o.Keep) // the month has been counted since, so it ends as any other
		l = begin(t, storetest.Reopen(t, l.store), o)
		if got, err := l.UseOf(subject("romeo@montague.lit"), MonthOf(built)); err != nil || got.Out != 0 {
			t.Errorf("used %+v, %v", got, err)
		}
	})
}

// What a gigabyte costs the flash, at several speeds.
func TestFlash(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate int64 // bytes a second
	}{{"20 KB/s", 20 << 10}, {"200 KB/s", 200 << 10}, {"1 MB/s", 1 << 20}, {"10 MB/s", 10 << 20}, {"100 MB/s", 100 << 20}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, unlimited())
				// A store that has something in it.
				for range 50 {
					a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
					drain(a, Forward, 1)
					a.Close("")
				}
				settled(l)
				before, leases := l.store.Stats().Main, l.leases.Load()
				a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
				piece := int64(64 << 10)
				for sum := int64(0); sum < 1<<30; {
					n, err := a.Draw(t.Context(), Forward, piece)
					if err != nil {
						t.Fatal(err)
					}
					sum += n
					time.Sleep(time.Duration(n) * time.Second / time.Duration(tt.rate))
				}
				a.Close("done")
				settled(l)
				after := l.store.Stats().Main
				written := after.Written - before.Written
				t.Logf("%d leases, %d commits, %d KB", l.leases.Load()-leases, after.Commits-before.Commits, written>>10)
				if written > 1<<20 {
					t.Errorf("%d bytes were written to the flash", written)
				}
			})
		})
	}
}

// Near a limit leases become smaller, but not ever more: and what one flow does not
// need yet is there for another.
func TestLeasesNearLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := unlimited()
		o.User = 256 << 20
		l := newLedger(t, o)
		a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		for sum := int64(0); sum < 150<<20; sum += 256 << 10 { // 100 MB/s
			if _, err := drain(a, Forward, 256<<10); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Microsecond)
		}
		settled(l)
		b := open(t, l, flow("romeo@montague.lit/c", "x@elsewhere.lit"))
		got, _ := drain(b, Forward, 1<<40)
		if got < 40<<20 {
			t.Errorf("another flow gets %d bytes of 106 MB", got)
		}
		rest, err := drain(a, Forward, 1<<40)
		if err == nil || got+rest != 106<<20 {
			t.Errorf("the flows got %d and %d of 106 MB, %v", got, rest, err)
		}
		if n := l.leases.Load(); n > 200 {
			t.Errorf("%d leases", n)
		}
		t.Logf("%d leases; %d and %d", l.leases.Load(), rest, got)
	})
}

// However many flows there are, no limit is passed, and what flowed is what is
// counted.
// A fast flow does not take all that is left into its lease.
func TestLeaseLeavesRoom(t *testing.T) {
	o := unlimited()
	o.User = 16 << 20
	l := newLedger(t, o)
	a := open(t, l, flow("romeo@montague.lit/a", "x@elsewhere.lit"))
	drain(a, Forward, 2<<20)
	b := open(t, l, flow("romeo@montague.lit/b", "x@elsewhere.lit"))
	got, _ := drain(b, Forward, 1<<40)
	rest, err := drain(a, Forward, 1<<40)
	if err == nil || got < 4<<20 || got+rest != 14<<20 {
		t.Errorf("the flows got %d and %d of 14 MB, %v", got, rest, err)
	}
}

// What other machines of the store have used counts for the limit of all, and for no other.
func TestOtherBoxes(t *testing.T) {
	l := New()
	l.Use(unlimited())
	if err := l.Start(t.Context(), storetest.Open(t, l.Tables()...), nil, "other", lookup); err != nil {
		t.Fatal(err)
	}
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	drain(a, Forward, 2<<20)
	a.Close("done")
	settled(l)
	o := unlimited()
	o.Box, o.All = 5<<20, 3<<20
	l = begin(t, storetest.Reopen(t, l.store), o)
	n, err := drain(open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b")), Forward, 1<<30)
	var lim *Limit
	if n != 1<<20 || !errors.As(err, &lim) || lim.Scope != All {
		t.Errorf("%d bytes, then %v", n, err)
	}
	if box, all, err := l.BoxUse(l.Month()); err != nil || box.Out != 0 || all.Out != 2<<20 {
		t.Errorf("box %+v, all %+v, %v", box, all, err)
	}
}

// What is given back after the end of the month is not taken from the next one.
func TestReturnAfterMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, unlimited())
		a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
		month := l.Month()
		n, err := a.Draw(t.Context(), Forward, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(32 * 24 * time.Hour)
		for a.month == month { // until the leases of the old one are used up
			if _, err := a.Draw(t.Context(), Forward, 1<<30); err != nil {
				t.Fatal(err)
			}
		}
		a.Return(Forward, 8*n)
		a.Close("done")
		settled(l)
		if got := used(t, l, "romeo@montague.lit"); got != [2]int64{} {
			t.Errorf("used %v", got)
		}
		if before, err := l.UseOf(subject("romeo@montague.lit"), month); err != nil || before.Out < n {
			t.Errorf("used before %+v, %v", before, err)
		}
	})
}

func TestLimitsAreNotPassed(t *testing.T) {
	o := unlimited()
	o.User, o.Domain, o.Box = 7<<20, 10<<20, 12<<20
	l := newLedger(t, o)
	names := []string{"romeo@montague.lit/a", "benvolio@montague.lit/b", "juliet@capulet.lit/c", "x@elsewhere.lit/d"}
	var wait sync.WaitGroup
	var mu sync.Mutex
	total := int64(0)
	for i := range 16 {
		wait.Go(func() {
			for range 10 {
				a, err := l.Open(t.Context(), flow(names[i%4], names[rand.IntN(4)]))
				if err != nil {
					continue
				}
				n, _ := drain(a, Direction(rand.IntN(2)), rand.Int64N(2<<20))
				a.Close("done")
				mu.Lock()
				total += n
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	settled(l)
	if got := boxUsed(t, l); got != total || got > 12<<20 {
		t.Errorf("the box used %d, %d flowed", got, total)
	}
	sums := map[string]int64{}
	for _, name := range names[:3] {
		j := jid.MustParse(name)
		u := used(t, l, j.Bare().String())
		sums[j.Domain()] += u[0] + u[1]
		if u[0]+u[1] > 7<<20 {
			t.Errorf("%s used %v", j, u)
		}
	}
	for domain, sum := range sums {
		if u := used(t, l, domain); u[0]+u[1] != sum || sum > 10<<20 {
			t.Errorf("%s used %v, its users %d", domain, u, sum)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, m := range l.meters {
		if m.leased != 0 || m.refs != 0 {
			t.Errorf("%v: %d bytes leased, %d references", k, m.leased, m.refs)
		}
	}
}

func TestStoreFails(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	l.store.Close()
	n, err := drain(a, Forward, 1<<30)
	if err == nil || n > minLease {
		t.Errorf("%d bytes flowed without a lease: %v", n, err)
	}
	if _, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b")); err == nil {
		t.Error("a flow was opened without a store")
	}
}

// A lease that could not be written is not given, whoever hears of it last; the next one is asked for anew.
func TestLeaseNotWritten(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	full, ask := errors.New("the disk is full"), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		l.lend(a, 1000)
		a.asked = 1000
		a.renewal++
	}
	ask()
	l.granted(a, a.renewal-1, full) // of a month before
	if _, leased := l.now(); leased != minLease+1000 {
		t.Errorf("%d bytes count as given", leased)
	}
	l.granted(a, a.renewal, full)
	if _, leased := l.now(); leased != minLease {
		t.Errorf("%d bytes count as given", leased)
	}
	n, err := drain(a, Forward, 2<<20)
	if n != minLease || err != full {
		t.Errorf("%d bytes, then %v", n, err)
	}
	if _, err := drain(a, Forward, 2<<20); err != nil {
		t.Error(err)
	}
}

func TestStopSettles(t *testing.T) {
	l := newLedger(t, unlimited())
	a := open(t, l, flow("romeo@montague.lit/a", "juliet@capulet.lit/b"))
	drain(a, Forward, 12345)
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Take(Forward, 1); err != ErrClosed {
		t.Errorf("after the stop: %v", err)
	}
	if _, err := l.Open(t.Context(), flow("romeo@montague.lit/a", "juliet@capulet.lit/b")); err != ErrClosed {
		t.Errorf("open after the stop: %v", err)
	}
	again := begin(t, storetest.Reopen(t, l.store), unlimited())
	if got := used(t, again, "romeo@montague.lit"); got != [2]int64{12345, 0} {
		t.Errorf("used %v", got)
	}
}

// Meters that nobody uses do not gather in memory.
func TestFewMeters(t *testing.T) {
	l := newLedger(t, unlimited())
	l.lookup = func(j jid.JID) (account.Account, bool, error) {
		return account.Account{ID: account.ID(len(j.Local())), JID: j}, true, nil
	}
	for i := range 3 * fewMeters {
		a := open(t, l, flow(strings.Repeat("x", 1+i)+"@montague.lit", "x@elsewhere.lit"))
		drain(a, Forward, 1)
		a.Close("")
		if i%100 == 0 {
			settled(l)
		}
	}
	settled(l)
	a := open(t, l, flow("romeo@montague.lit", "x@elsewhere.lit"))
	if n := len(l.meters); n > fewMeters {
		t.Errorf("%d meters in memory", n)
	}
	a.Close("")
}
