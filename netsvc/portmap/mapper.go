package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/outside"
)

// How often things are looked at again.
const (
	lookEvery    = time.Minute      // whether the network is still the same
	checkEvery   = 5 * time.Minute  // whether the router still knows its mappings
	renewLeast   = 15 * time.Second // between two renewals of one mapping, however short the router makes them
	retryFirst   = 30 * time.Second // after a router was silent or refused; doubled each time
	retryMost    = 30 * time.Minute
	silentMost   = 3 // requests without answer until the router is got to know anew
	lifeMost     = 24 * time.Hour
	removeWithin = 5 * time.Second // on exit
)

// settings is what the operator has decided.
type settings struct {
	always    bool       // map also when the address of this box is public
	gateway   netip.Addr // zero for the default gateway
	protocols []string
	lifetime  time.Duration
	ports     []outside.Target // beside those that services want
}

// state says what the mapper is about.
type state string

const (
	off         state = "off"
	idle        state = "nothing is to be mapped"
	offline     state = "there is no default gateway"
	direct      state = "this box has a public address"
	unneeded    state = "the address of this box is not a private one"
	searching   state = "asking the router"
	unsupported state = "the router answers to no protocol for mappings"
	working     state = "the router maps ports"
)

// mapping is one port at the router. It belongs to the mapper's goroutine.
type mapping struct {
	target   outside.Target
	external uint16
	made     bool
	expires  time.Time // zero for never
	due      time.Time // to be made, renewed, or tried again
	pause    time.Duration
	err      error // of the last attempt
}

// valid tells whether the router maps the port now, as far as is known.
func (m *mapping) valid(now time.Time) bool {
	return m.made && (m.expires.IsZero() || now.Before(m.expires))
}

// counters is what is measured.
type counters struct {
	requests, failures *metric.Counters // by protocol
	ignored, resets    *metric.Counter
}

// mapper does the work on a goroutine of its own; it is Live state. What stands below mu belongs to everybody and
// needs it, the rest to the goroutine.
type mapper struct {
	outside *outside.Outside
	counters
	log    *log.Logger
	secret []byte
	here   func() (network, error)
	speak  func(name string, n network) (protocol, error)
	hear   func(gateway netip.Addr) *ear
	tell   func(double bool, router netip.Addr)

	network  network
	address  netip.Addr // of the router, outside
	protocol protocol
	ear      *ear
	mappings map[outside.Target]*mapping
	silent   int           // requests without an answer, one after another
	pause    time.Duration // before the router is got to know again
	retry    time.Time     // not before
	check    time.Time
	told     state // last in the log
	double   bool

	wake   chan struct{}
	mu     sync.Mutex
	now    settings
	view   view
	doubt  bool // the router has announced itself
	cancel context.CancelFunc
	done   chan struct{}
}

// view is what the mapper shows of itself.
type view struct {
	state    state
	network  network
	protocol string
	address  netip.Addr
	double   bool
	mappings []mapping
}

func newMapper(o *outside.Outside) *mapper {
	m := &mapper{outside: o, here: here, mappings: make(map[outside.Target]*mapping), wake: make(chan struct{}, 1), view: view{state: off}}
	m.speak, m.hear = m.protocolOf, m.earOf
	return m
}

// use puts settings in force.
func (m *mapper) use(s settings) {
	m.mu.Lock()
	m.now = s
	m.mu.Unlock()
	m.poke()
}

func (m *mapper) settings() settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// poke makes the goroutine look around.
func (m *mapper) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// suspect makes it renew everything: the router may have forgotten it.
func (m *mapper) suspect() {
	m.mu.Lock()
	m.doubt = true
	m.mu.Unlock()
	m.poke()
}

// start begins the work.
func (m *mapper) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.done = cancel, make(chan struct{})
	m.outside.Map(m.poke)
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
}

// stop removes all mappings and ends the work, within the time of ctx.
func (m *mapper) stop(ctx context.Context) error {
	m.outside.Map(nil)
	m.cancel()
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *mapper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			m.removeAll()
			m.forget()
			m.publish(off)
			return
		case <-m.wake:
		case <-timer.C:
		}
		s, next := m.round(ctx)
		if ctx.Err() == nil {
			m.publish(s)
			timer.Reset(max(time.Until(next), time.Second)) // whatever a router says, this is no loop without pause
		}
	}
}

// round does what is due, and tells when there will be something again.
func (m *mapper) round(ctx context.Context) (state, time.Time) {
	s := m.settings()
	wanted := m.wanted(s)
	soon := time.Now().Add(lookEvery)
	for t, p := range m.mappings { // what has run out need not be removed
		if !p.valid(time.Now()) && !slices.Contains(wanted, t) {
			delete(m.mappings, t)
		}
	}
	if len(wanted) == 0 && len(m.mappings) == 0 {
		m.forget()
		return idle, time.Now().Add(lifeMost)
	}
	n, err := m.find(s)
	switch {
	case err != nil:
		m.forget()
		return offline, soon
	case !s.always && !outside.Private(n.local):
		m.forget()
		m.network = n
		if outside.Public(n.local) {
			return direct, soon
		}
		return unneeded, soon
	case n != m.network || m.protocol != nil && !slices.Contains(s.protocols, m.protocol.name()):
		m.forget()
		m.network, m.ear = n, m.hear(n.gateway)
	}
	if m.doubted() {
		// Its clock would tell only if it had been away for longer than the rounding of that.
		m.pause, m.retry, m.check = 0, time.Time{}, time.Time{}
		for _, p := range m.mappings {
			p.due = time.Time{}
		}
	}
	if m.protocol == nil {
		if time.Now().Before(m.retry) {
			return unsupported, earlier(soon, m.retry)
		}
		m.publish(searching)
		if !m.meet(ctx, s) {
			return unsupported, earlier(time.Now().Add(lookEvery), m.retry)
		}
	}
	m.look(ctx)
	for t := range m.mappings {
		if !slices.Contains(wanted, t) {
			m.remove(ctx, t)
		}
	}
	for _, t := range wanted {
		if m.protocol == nil || ctx.Err() != nil {
			break
		}
		m.keep(ctx, t, s.lifetime)
	}
	if m.protocol == nil {
		return unsupported, earlier(time.Now().Add(lookEvery), m.retry)
	}
	return working, m.next()
}

// next is when something is due.
func (m *mapper) next() time.Time {
	ask := m.check
	for _, p := range m.mappings {
		ask = earlier(ask, p.due)
	}
	if ask.Before(m.retry) {
		ask = m.retry
	}
	next := earlier(ask, time.Now().Add(lookEvery))
	for _, p := range m.mappings {
		if p.valid(time.Now()) && !p.expires.IsZero() {
			next = earlier(next, p.expires)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wanted lists what is to be mapped: what services want, and what the operator named.
func (m *mapper) wanted(s settings) []outside.Target {
	list := append(m.outside.Wanted(), s.ports...)
	slices.SortFunc(list, outside.Target.Compare)
	return slices.Compact(list)
}

func (m *mapper) find(s settings) (network, error) {
	if s.gateway.IsValid() {
		return towards(s.gateway)
	}
	return m.here()
}

// meet looks for a protocol that the router speaks.
func (m *mapper) meet(ctx context.Context, s settings) bool {
	for _, name := range s.protocols {
		p, err := m.speak(name, m.network)
		if err == nil {
			m.requests.With(name).Inc()
			if err = p.open(ctx); err != nil {
				m.failures.With(name).Inc()
				p.close()
			}
		}
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			m.log.Debug("router does not speak a protocol", "name", name, "addr", m.network.gateway, "cause", err)
			continue
		}
		m.protocol, m.silent, m.retry = p, 0, time.Time{}
		m.check = time.Now().Add(checkEvery)
		for _, k := range m.mappings {
			k.due = time.Time{} // another protocol, or the same router after a silence
		}
		return true
	}
	m.delay()
	return false
}

// delay puts off the next acquaintance, each time for longer.
func (m *mapper) delay() {
	m.pause = doubled(m.pause)
	m.retry = time.Now().Add(m.pause)
}

func doubled(pause time.Duration) time.Duration {
	return min(max(2*pause, retryFirst), retryMost)
}

// doubted tells, once, that the router has announced itself.
func (m *mapper) doubted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	doubt := m.doubt
	m.doubt = false
	return doubt
}

// look asks the router for a sign of life, when that is due.
func (m *mapper) look(ctx context.Context) {
	if time.Now().Before(m.check) || time.Now().Before(m.retry) {
		return
	}
	m.check = time.Now().Add(checkEvery)
	m.answered(ctx, m.request(func() error { return m.protocol.check(ctx) }), nil)
}

// request counts one exchange.
func (m *mapper) request(do func() error) error {
	name := m.protocol.name()
	m.requests.With(name).Inc()
	err := do()
	if err != nil {
		m.failures.With(name).Inc()
	}
	return err
}

// answered draws conclusions from the outcome of a request about a mapping, or about none. It tells whether the router
// has said anything.
func (m *mapper) answered(ctx context.Context, err error, about *mapping) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(err, errSilent) || errors.Is(err, errRefused) || errors.Is(err, errForeign) {
		m.silent++
		m.delay()
		if m.silent >= silentMost || !errors.Is(err, errSilent) {
			m.log.Info("router does not answer any more", "addr", m.network.gateway, "cause", err)
			m.drop()
		}
		return false
	}
	m.silent, m.pause, m.retry = 0, 0, time.Time{}
	if m.protocol.lost() {
		m.resets.Inc()
		m.log.Info("router has forgotten its mappings", "addr", m.network.gateway)
		for _, p := range m.mappings {
			if p != about {
				p.made, p.due = false, time.Time{}
			}
		}
	}
	return true
}

// keep makes or renews a mapping that is due.
func (m *mapper) keep(ctx context.Context, t outside.Target, lifetime time.Duration) {
	now := time.Now()
	p := m.mappings[t]
	if p == nil {
		p = &mapping{target: t, external: t.Port}
		m.mappings[t] = p
	}
	if now.Before(p.due) || now.Before(m.retry) {
		return
	}
	var g grant
	err := m.request(func() (err error) {
		g, err = m.protocol.add(ctx, t, p.external, lifetime)
		return err
	})
	if !m.answered(ctx, err, p) {
		if ctx.Err() == nil {
			p.err = err
		}
		return
	}
	now = time.Now()
	if err != nil {
		p.pause = doubled(p.pause)
		later := (*laterError)(nil)
		if errors.As(err, &later) {
			p.pause = min(max(p.pause, later.after), retryMost)
		}
		if !m.refused() { // the others will be refused for the same reason
			m.log.Warn("router refuses to map a port", "name", name(t), "cause", err, "retry", p.pause)
		}
		p.err, p.due = err, now.Add(p.pause)
		return
	}
	if !p.made || p.external != g.external {
		m.log.Info("router maps a port", "name", name(t), "addr", netip.AddrPortFrom(m.protocol.address(), g.external))
	}
	p.made, p.external, p.err, p.pause = true, g.external, nil, 0
	life := g.lifetime
	p.expires = now.Add(min(life, lifeMost))
	if life == 0 {
		life, p.expires = lifetime, time.Time{}
	}
	p.due = now.Add(max(min(life, lifeMost)/2, renewLeast))
}

// refused tells whether some mapping was refused when it was last tried.
func (m *mapper) refused() bool {
	for _, p := range m.mappings {
		if p.err != nil {
			return true
		}
	}
	return false
}

// remove ends a mapping that nobody wants any more. If that fails it runs out by itself.
func (m *mapper) remove(ctx context.Context, t outside.Target) {
	p := m.mappings[t]
	delete(m.mappings, t)
	if !p.valid(time.Now()) || m.protocol == nil {
		return
	}
	err := m.request(func() error { return m.protocol.remove(ctx, t, p.external) })
	if m.answered(ctx, err, nil) && err != nil {
		m.log.Info("router keeps a mapping that is not needed", "name", name(t), "cause", err)
	}
}

// removeAll removes what there is, on exit. A router that is silent now will not hear the others either.
func (m *mapper) removeAll() {
	ctx, cancel := context.WithTimeout(context.Background(), removeWithin)
	defer cancel()
	for t := range m.mappings {
		if m.protocol == nil || m.silent > 0 || ctx.Err() != nil {
			return
		}
		m.remove(ctx, t)
	}
}

// forget leaves the router without a word: nothing is wanted of it, or it is out of reach.
func (m *mapper) forget() {
	m.drop()
	m.ear.close()
	m.ear = nil
	m.network, m.address = network{}, netip.Addr{}
	m.silent, m.pause, m.retry = 0, 0, time.Time{}
	clear(m.mappings)
}

// drop ends the acquaintance with the router; its mappings stay until they run out.
func (m *mapper) drop() {
	if m.protocol != nil {
		m.protocol.close()
		m.protocol = nil
	}
}

// publish shows how things are, to the services and to the operator.
func (m *mapper) publish(s state) {
	now := time.Now()
	v := view{state: s, network: m.network}
	if m.protocol != nil {
		v.protocol, m.address = m.protocol.name(), m.protocol.address()
	}
	if v.address = m.address; s == direct {
		v.address = m.network.local
	}
	v.double = v.address.IsValid() && !v.address.IsUnspecified() && !outside.Public(v.address)
	for _, p := range m.mappings {
		v.mappings = append(v.mappings, *p)
	}
	slices.SortFunc(v.mappings, func(a, b mapping) int { return a.target.Compare(b.target) })
	if s != m.told && s != searching && !(m.told == "" && s == idle) {
		log := m.log
		if m.network.gateway.IsValid() {
			log = log.With("addr", m.network.gateway)
		}
		log.Info("port mapping: " + string(s))
		m.told = s
	}
	if v.double != m.double {
		m.double = v.double
		m.tell(v.double, v.address)
	}
	m.mu.Lock()
	m.view = v
	m.mu.Unlock()

	m.outside.Explain(v.reason())
	public := v.address
	if !outside.Public(public) {
		public = netip.Addr{}
	}
	m.outside.Publish(public, func(t outside.Target) netip.AddrPort {
		switch p := m.mappings[t]; {
		case !public.IsValid():
		case s == direct:
			return netip.AddrPortFrom(public, t.Port)
		case p != nil && p.valid(now):
			return netip.AddrPortFrom(public, p.external)
		}
		return netip.AddrPort{}
	})
}

// reason says why there is no public address.
func (v *view) reason() string {
	switch {
	case v.double:
		return "the router's own address, " + v.address.String() + ", is one that the internet does not reach"
	case v.state == working:
		return "the router does not tell its address"
	case v.state == off || v.state == idle:
		return ""
	}
	return string(v.state)
}

// shown returns what publish last showed.
func (m *mapper) shown() view {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}
