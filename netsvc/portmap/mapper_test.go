package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/outside"
)

// box is a router that a mapper in a bubble talks to without sockets. The test changes it while the mapper waits;
// turn is what hands it over.
type box struct {
	turn    atomic.Bool
	name    string // the protocol it speaks
	outer   netip.Addr
	entries map[outside.Target]uint16
	silent  bool
	closed  bool // nothing listens any more
	refuse  error
	longest time.Duration // of a mapping; 0 for mappings that last for ever
	reset   bool
	asked   []string
}

// tongue is one protocol, as the mapper uses it.
type tongue struct {
	*box
	named string
	heard netip.Addr
}

func (p *tongue) name() string { return p.named }

func (p *tongue) say(ctx context.Context, what string) error {
	p.turn.Load()
	p.asked = append(p.asked, what)
	if p.silent || p.named != p.box.name {
		err := errSilent
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(8 * time.Second): // as patient is
		}
		p.turn.Load()
		return err
	}
	time.Sleep(time.Millisecond)
	p.turn.Load()
	if p.closed {
		return errRefused
	}
	p.heard = p.outer
	return nil
}

func (p *tongue) open(ctx context.Context) error  { return p.say(ctx, p.named) }
func (p *tongue) check(ctx context.Context) error { return p.say(ctx, "check") }

func (p *tongue) add(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error) {
	if err := p.say(ctx, "add "+name(t)); err != nil || p.refuse != nil {
		return grant{}, errors.Join(err, p.refuse)
	}
	if external%2 == 0 {
		external++
	}
	p.entries[t] = external
	return grant{external, min(lifetime, p.longest)}, nil
}

func (p *tongue) remove(ctx context.Context, t outside.Target, external uint16) error {
	err := p.say(ctx, "remove "+name(t))
	if err == nil && p.entries[t] == external {
		delete(p.entries, t)
	}
	return err
}

func (p *tongue) address() netip.Addr { return p.heard }

func (p *tongue) lost() bool {
	was := p.reset
	p.reset = false
	return was
}

func (p *tongue) close() {}

// lab is a mapper with a router.
type lab struct {
	*mapper
	box     *box
	place   network
	nowhere bool
	looks   int    // at the network: once in a round
	behind  []bool // what was told of double NAT
}

func newLab() *lab {
	l := &lab{
		mapper: newMapper(outside.New()),
		box:    &box{name: "pcp", outer: worldly, entries: make(map[outside.Target]uint16), longest: lifeMost},
		place:  network{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("192.168.1.2")},
	}
	metrics := metric.NewSet().NewGeneration().Section("portmap")
	l.counters = counters{
		requests: metrics.Counters(metric.Desc{Name: "requests", Labels: []string{"protocol"}, Help: "x"}),
		failures: metrics.Counters(metric.Desc{Name: "failures", Labels: []string{"protocol"}, Help: "x"}),
		ignored:  new(metric.Counter), resets: new(metric.Counter),
	}
	l.mapper.here = func() (network, error) {
		l.box.turn.Load()
		l.looks++
		if l.nowhere {
			return network{}, errNoGateway
		}
		return l.place, nil
	}
	l.speak = func(name string, _ network) (protocol, error) { return &tongue{box: l.box, named: name}, nil }
	l.tell = func(double bool, _ netip.Addr) { l.behind = append(l.behind, double) }
	l.hear = func(netip.Addr) *ear { return nil }
	l.use(settings{protocols: protocols, lifetime: time.Hour})
	return l
}

// inLab runs a test in a bubble of time.
func inLab(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.start()
		test(t, l)
		if err := l.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if l.outside.Address().IsValid() {
			t.Error("an address is known after the end")
		}
	})
}

// pass lets time pass and everything happen.
func (l *lab) pass(d time.Duration) {
	l.box.turn.Store(true)
	time.Sleep(d)
	synctest.Wait()
}

func external(t *testing.T, p *outside.Port) string {
	t.Helper()
	at, ok := p.External()
	switch {
	case ok:
		return at.String()
	case at != netip.AddrPort{}:
		t.Errorf("not reached at %v", at)
	}
	return ""
}

func TestLifeOfAMapping(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.pass(time.Hour)
		if len(l.box.asked) != 0 {
			t.Errorf("nobody wants anything, and the router is asked %q", l.box.asked)
		}
		first := l.outside.Want("udp", 3478)
		second := l.outside.Want("tcp", 7625)
		l.pass(time.Second)
		if got := external(t, first) + " " + external(t, second); got != "9.9.9.9:3479 9.9.9.9:7625" {
			t.Errorf("mapped to %s", got)
		}
		if l.outside.Address() != worldly {
			t.Errorf("address %v", l.outside.Address())
		}
		l.box.asked = nil
		l.pass(29 * time.Minute)
		if slices.Contains(l.box.asked, "add udp/3478") {
			t.Error("renewed before half of its life")
		}
		l.pass(2 * time.Minute)
		if !slices.Contains(l.box.asked, "add udp/3478") || !slices.Contains(l.box.asked, "add tcp/7625") {
			t.Errorf("not renewed after half of its life: %q", l.box.asked)
		}
		first.Release()
		l.pass(time.Second)
		if _, there := l.box.entries[udp]; there || len(l.box.entries) != 1 {
			t.Errorf("after Release the router has %v", l.box.entries)
		}
		if err := l.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if len(l.box.entries) != 0 || external(t, second) != "" {
			t.Errorf("after the end the router has %v", l.box.entries)
		}
		l.start() // switched off and on again
		l.pass(time.Second)
		if external(t, second) == "" {
			t.Error("not mapped after it began again")
		}
	})
}

func TestEndsQuicklyWhenTheRouterIsSilent(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		for port := range uint16(16) {
			l.outside.Want("udp", 50000+port)
		}
		l.pass(time.Second)
		l.box.silent = true
		began := time.Now()
		if err := l.stop(t.Context()); err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		l.start()
	})
}

func TestWhereTheBoxStands(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.nowhere = true
		p := l.outside.Want("udp", 3478)
		l.pass(time.Hour)
		if s := l.shown().state; s != offline || len(l.box.asked) != 0 || l.outside.Reason() != string(offline) {
			t.Errorf("without a gateway: %q", s)
		}
		l.nowhere = false
		l.pass(lookEvery + time.Second)
		if external(t, p) == "" || l.shown().state != working {
			t.Errorf("a gateway has come: %q", l.shown().state)
		}
		l.place.local = netip.MustParseAddr("9.9.9.10")
		l.pass(lookEvery + time.Second)
		if got := external(t, p); got != "9.9.9.10:3478" || l.shown().state != direct || l.outside.Address() != l.place.local {
			t.Errorf("with a public address: %q, %q", got, l.shown().state)
		}
		l.place.local = netip.MustParseAddr("192.0.2.2")
		l.pass(lookEvery + time.Second)
		if got := external(t, p); got != "" || l.shown().state != unneeded {
			t.Errorf("with an address for documentation: %q, %q", got, l.shown().state)
		}
		l.box.asked = nil
		l.use(settings{always: true, protocols: protocols, lifetime: time.Hour})
		l.pass(time.Second)
		if got := external(t, p); got != "9.9.9.9:3479" {
			t.Errorf("when told to map in any case: %q", got)
		}
		l.place.gateway = netip.MustParseAddr("192.168.2.1")
		l.box.entries = make(map[outside.Target]uint16)
		l.pass(lookEvery + time.Second)
		if external(t, p) == "" || len(l.box.entries) != 1 {
			t.Errorf("in another network the router has %v", l.box.entries)
		}
	})
}

func TestProtocolsInOrder(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.box.name = "upnp"
		p := l.outside.Want("udp", 3478)
		l.pass(time.Minute)
		if want := []string{"pcp", "nat-pmp", "upnp", "add udp/3478"}; !slices.Equal(l.box.asked, want) {
			t.Errorf("asked %q", l.box.asked)
		}
		l.box.name = "pcp" // it has learnt
		l.use(settings{protocols: []string{"pcp"}, lifetime: time.Hour, ports: []outside.Target{tcp}})
		l.pass(time.Minute)
		if v := l.shown(); v.protocol != "pcp" || external(t, p) == "" || len(v.mappings) != 2 {
			t.Errorf("with other settings: %+v", v)
		}
		l.use(settings{protocols: nil, lifetime: time.Hour})
		l.pass(time.Minute)
		if l.shown().state != unsupported || external(t, p) != "" {
			t.Errorf("without protocols: %q", l.shown().state)
		}
	})
}

func TestRouterBeginsAnew(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		first, second := l.outside.Want("udp", 3478), l.outside.Want("tcp", 7625)
		l.pass(time.Second)
		anew := func() {
			clear(l.box.entries)
			l.box.reset = true
			l.box.outer = netip.MustParseAddr("9.9.9.11")
		}
		anew()
		l.pass(checkEvery + 2*time.Second)
		if len(l.box.entries) != 2 || external(t, first) != "9.9.9.11:3479" || external(t, second) != "9.9.9.11:7625" {
			t.Errorf("after the check the router has %v; %s", l.box.entries, external(t, first))
		}
		anew()
		l.suspect() // it announces itself
		l.pass(2 * time.Second)
		if len(l.box.entries) != 2 || l.resets.Value() != 2 {
			t.Errorf("after an announcement the router has %v, %d resets", l.box.entries, l.resets.Value())
		}
		clear(l.box.entries) // so quickly that its clock does not show it
		l.suspect()
		l.pass(2 * time.Second)
		if len(l.box.entries) != 2 {
			t.Errorf("after an announcement without a sign the router has %v", l.box.entries)
		}
		// It is found out as one mapping is renewed: the others follow at once.
		l.pass(29 * time.Minute)
		anew()
		l.pass(2 * time.Minute)
		if len(l.box.entries) != 2 || l.resets.Value() != 3 {
			t.Errorf("after a renewal the router has %v, %d resets", l.box.entries, l.resets.Value())
		}
	})
}

func TestRouterFallsSilent(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		l.box.silent = true
		l.pass(50 * time.Minute)
		if external(t, p) == "" {
			t.Error("a mapping is given up before it has run out")
		}
		l.pass(11 * time.Minute)
		if external(t, p) != "" {
			t.Error("a mapping that has run out is still published")
		}
		asked := len(l.box.asked)
		l.looks = 0
		l.pass(24 * time.Hour)
		if l.looks > 2*24*60 {
			t.Errorf("looked at the network %d times a day", l.looks)
		}
		if n := len(l.box.asked) - asked; n < 40 || n > 200 {
			t.Errorf("a silent router is asked %d times a day", n)
		}
		l.box.silent = false
		l.pass(retryMost + time.Minute)
		if external(t, p) == "" {
			t.Error("not mapped again")
		}
		// A short silence is not noticed outside.
		l.box.silent = true
		l.pass(checkEvery)
		l.box.silent = false
		l.box.asked = nil
		l.pass(5 * time.Minute)
		if external(t, p) == "" || slices.Contains(l.box.asked, "pcp") {
			t.Errorf("after a short silence: %q, asked %q", external(t, p), l.box.asked)
		}
	})
}

// A UPnP router that has begun anew listens elsewhere: it is searched for again, and nobody outside notices.
func TestRouterMoves(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		l.box.closed = true
		l.pass(checkEvery)
		l.box.closed = false
		l.box.asked = nil
		l.pass(retryFirst + lookEvery)
		if external(t, p) == "" || !slices.Contains(l.box.asked, "pcp") || !slices.Contains(l.box.asked, "add udp/3478") {
			t.Errorf("asked %q", l.box.asked)
		}
	})
}

// After a long silence an announcement is enough.
func TestRouterIsBack(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		l.box.silent = true
		l.pass(24 * time.Hour)
		l.box.silent = false
		l.suspect()
		l.pass(10 * time.Second)
		if external(t, p) == "" {
			t.Errorf("not mapped: %+v", l.shown())
		}
	})
}

// When nothing is wanted any more, a router that is silent is left alone as soon as what it maps has run out.
func TestNothingIsWantedAnyMore(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		l.box.silent = true
		l.pass(checkEvery + 20*time.Minute) // it is noticed
		p.Release()
		l.pass(2 * time.Hour)
		l.box.asked = nil
		l.pass(24 * time.Hour)
		if l.shown().state != idle || len(l.box.asked) != 0 {
			t.Errorf("%q, asked %q", l.shown().state, l.box.asked)
		}
	})
}

func TestRouterRefuses(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.box.refuse = errors.New("no")
		p := l.outside.Want("udp", 3478)
		l.pass(24 * time.Hour)
		v := l.shown()
		if external(t, p) != "" || len(v.mappings) != 1 || v.mappings[0].err == nil {
			t.Errorf("refused: %+v", v)
		}
		adds := 0
		for _, what := range l.box.asked {
			if what == "add udp/3478" {
				adds++
			}
		}
		if adds < 40 || adds > 60 {
			t.Errorf("asked %d times a day", adds)
		}
		l.box.refuse = nil
		l.pass(retryMost)
		if external(t, p) == "" || l.shown().mappings[0].err != nil {
			t.Error("not mapped when it is allowed")
		}
		// What is mapped stays when its renewal is refused, until it has run out.
		l.box.refuse = &laterError{errors.New("no"), 10 * time.Minute}
		l.pass(25 * time.Minute)
		if external(t, p) == "" {
			t.Error("given up early")
		}
		l.pass(time.Hour)
		if external(t, p) != "" {
			t.Error("published after it has run out")
		}
	})
}

func TestDoubleNAT(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.box.outer = netip.MustParseAddr("100.64.1.2")
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		if v := l.shown(); !v.double || v.address != l.box.outer || len(l.box.entries) != 1 {
			t.Errorf("behind a carrier's router: %+v", v)
		}
		if external(t, p) != "" || l.outside.Address().IsValid() {
			t.Error("an address is published that nobody reaches")
		}
		if got := l.outside.Reason(); !strings.Contains(got, "100.64.1.2") {
			t.Errorf("the reason is %q", got)
		}
		l.box.outer = worldly
		l.pass(checkEvery + time.Second)
		if want := []bool{true, false}; !slices.Equal(l.behind, want) {
			t.Errorf("told %v", l.behind)
		}
		if l.shown().double || external(t, p) == "" {
			t.Error("not noticed that it is over")
		}
	})
}

// A mapping for ever is looked after, too; one that is given for a very short time does not make a flood.
func TestLifetimes(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.box.longest = 0
		p := l.outside.Want("udp", 3478)
		l.pass(time.Second)
		if v := l.shown(); external(t, p) == "" || !v.mappings[0].expires.IsZero() {
			t.Errorf("for ever: %+v", v)
		}
		l.box.asked = nil
		l.pass(35 * time.Minute)
		if !slices.Contains(l.box.asked, "add udp/3478") {
			t.Error("a mapping for ever is not looked after")
		}
		l.box.longest = time.Second
		l.pass(30 * time.Minute)
		l.box.asked = nil
		l.pass(time.Minute)
		if n := len(l.box.asked); n < 3 || n > 5 {
			t.Errorf("asked %d times a minute", n)
		}
	})
}
