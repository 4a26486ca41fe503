package socks5

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/config"
	"linnet/netsvc/flow"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/outside"
	"linnet/netsvc/quota"
	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/jid"
)

func init() {
	module.Register(module.Info{
		Name:    "socks5",
		Summary: "files between users who cannot reach each other",
		Specs:   []string{"RFC 1928", "XEP-0065 1.8.2", "XEP-0260 1.0.3"},
		New:     func() module.Module { return new(proxy) },
	})
}

// proxy is one generation of the service.
type proxy struct {
	host   module.Host
	live   *live
	ledger *quota.Ledger
	desk   *transfer.Desk

	enabled          bool
	listen           []string
	announce         []string
	hosts            []transfer.Streamhost // announced by the operator
	handshake        time.Duration
	activation       time.Duration
	pending, perAddr int
	most, mostOf     int
	rate, rateAll    int64
	hookTime         time.Duration
	chunk            int64
	limits           limits
	gateway          gateway
	stats            *stats
	ownAddresses     func() []netip.Addr // of the machine; a test has its own
}

// live outlives generations: the transfers do.
type live struct {
	gate    *flow.Gate
	waiting waiting
	shapers shapers
	wait    sync.WaitGroup // transfers, and those about to begin

	mu      sync.Mutex
	closed  bool
	next    uint64
	moving  map[uint64]*moving
	ofUser  map[jid.JID]int // transfers of each local party
	mapped  map[uint16]*outside.Port
	watched bool
}

func newLive() *live {
	return &live{gate: flow.NewGate(0, 0), moving: make(map[uint64]*moving), ofUser: make(map[jid.JID]int), mapped: make(map[uint16]*outside.Port)}
}

type stats struct {
	rejected, began, completed, bytes *metric.Counter
	flow                              *metric.Counter
	refused, ended                    *metric.Counters
	took                              *metric.Timer
}

// smallBoard is the limit of the program's memory up to which little is pinned: that
// of a board with 128 MB (see appliance/guard).
const smallBoard = 80 << 20

func (p *proxy) Setup(h module.Host) error {
	p.host, p.ledger, p.desk = h, quota.Of(h), transfer.Of(h)
	p.live = module.Live(h, "socks5", newLive)
	p.ownAddresses = ownAddresses

	o := h.Options().About("Files between users who cannot reach each other directly (XEP-0065). How much may be relayed is said by [quota].")
	o.Bool(&p.enabled, "enabled", true, "whether files are relayed")
	o.Addrs(&p.listen, "listen", []string{"[::]:1080"}, "where clients connect for a transfer")
	o.Strings(&p.announce, "announce", nil, "the addresses that clients are told, best first, such as proxy.example.org or 192.0.2.1:1080; left out, those of this machine and of the router in front of it")
	o.Duration(&p.handshake, "handshake", 10*time.Second, "how long a client may take to say what it wants").Between(time.Second, time.Minute)
	o.Duration(&p.activation, "activation", time.Minute, "how long a client may wait for the other one, and for the transfer to be activated").Between(time.Second, 10*time.Minute)
	o.Duration(&p.limits.idle, "idle", 5*time.Minute, "a transfer without a byte for so long ends").Between(10*time.Second, 24*time.Hour)
	o.Int(&p.pending, "pending", 512, "connections that are not in a transfer").Range(2, 1<<20)
	o.Int(&p.perAddr, "pending_per_address", 256, "the same of one address (IPv6: of one /64)").Range(2, 1<<20)
	o.Int(&p.most, "transfers", 512, "transfers at a time").Range(1, 1<<20)
	o.Int(&p.mostOf, "transfers_per_user", 128, "transfers of one user at a time").Range(1, 1<<20)
	o.Bytes(&p.rate, "user_rate", 0, "bytes a second of one user's transfers, in both directions together, where `quota set` has set no rate; 0 means no limit")
	o.Bytes(&p.rateAll, "rate", 0, "bytes a second of all transfers together; 0 means no limit")
	o.Duration(&p.hookTime, "hook_time", 5*time.Second, "how long a billing system may take to allow a transfer").Between(100*time.Millisecond, time.Minute)
	o.Bytes(&p.chunk, "chunk", 0, "how much is moved at once: what a receiver that does not read can pin; 0 for what suits the memory").Range(0, 16<<20)
	o.Check(p.check)

	p.gateway.setup(p, h)

	h.Listen(&module.Listener{Name: "socks5", Addrs: &p.listen, Security: module.Plain, Serve: p.serve})

	m := h.Metrics()
	p.stats = &stats{
		rejected:  m.Counter(metric.Desc{Name: "socks5Rejected", Help: "connections to the proxy that asked for something else than a transfer"}),
		began:     m.Counter(metric.Desc{Name: "transfersBegun", Help: "transfers that were activated"}),
		completed: m.Counter(metric.Desc{Name: "transfersCompleted", Help: "transfers that both sides ended"}),
		bytes:     m.Counter(metric.Desc{Name: "transferBytes", Unit: metric.Bytes, Help: "bytes moved in transfers that have ended"}),
		flow:      m.Counter(metric.Desc{Name: "transferFlow", Unit: metric.Bytes, Help: "bytes moved in transfers, as they move", Rate: true}),
		refused:   m.Counters(metric.Desc{Name: "transfersRefused", Help: "activations that were refused, by cause", Labels: []string{"cause"}}),
		ended:     m.Counters(metric.Desc{Name: "transfersEnded", Help: "transfers that ended, by cause", Labels: []string{"cause"}}),
		took:      m.Timer(metric.Desc{Name: "transferTime", Help: "how long transfers took"}),
	}
	m.GaugeFunc(metric.Desc{Name: "transfersOpen", Help: "transfers under way"}, func() int64 { return int64(len(p.live.list())) })
	m.GaugeFunc(metric.Desc{Name: "transfersWaiting", Help: "connections that wait for their transfer to be activated"}, p.live.waiting.count)
	m.GaugeFunc(metric.Desc{Name: "transferAverage", Unit: metric.Bytes, Help: "average size of the transfers that have ended"}, func() int64 {
		return int64(p.stats.bytes.Value() / max(p.stats.took.Count(), 1))
	})
	p.commands(h)
	return nil
}

// Enabled implements module.Optional.
func (p *proxy) Enabled() bool { return p.enabled }

func (p *proxy) check() (err error) {
	if p.hosts, err = announced(p.announce, portOf(p.listen)); err != nil {
		return err
	}
	for _, h := range p.hosts {
		if h.Port == 0 {
			return config.Bad("announce", "%s needs a port", h.Host)
		}
	}
	return nil
}

// Start implements module.Starter.
func (p *proxy) Start(context.Context) error {
	l := p.live
	l.mu.Lock()
	l.closed = false
	watch := !l.watched
	l.watched = true
	l.mu.Unlock()
	l.waiting.open()
	if watch {
		account.Of(p.host).Watch(func(c account.Change) {
			if c.Kind == account.Deleted || c.Kind == account.Disabled {
				l.cutUser(c.Account.JID)
			}
		})
	}
	return nil
}

// Switch implements module.Switcher.
func (p *proxy) Switch() {
	small := debug.SetMemoryLimit(-1) <= smallBoard
	p.limits.chunk = p.chunk
	if p.limits.chunk == 0 {
		p.limits.chunk = 1 << 20
		if small {
			p.limits.chunk = 64 << 10
		}
	}
	p.limits.chunk = smooth(smooth(p.limits.chunk, p.rate), p.rateAll)
	if small {
		p.limits.buffers = [2]int{256 << 10, 32 << 10}
	}
	p.live.gate.Set(p.pending, p.perAddr)
	p.live.shapers.set(p.rate, p.rateAll)
	p.wantPorts()
	p.desk.Offer(p)
}

// smooth returns the piece for a rate: one that does not come in jerks.
func smooth(chunk, rate int64) int64 {
	if rate <= 0 {
		return chunk
	}
	return min(chunk, max(4<<10, rate/8))
}

// wantPorts asks that the ports of the listeners be reachable from outside.
func (p *proxy) wantPorts() {
	want := make(map[uint16]bool)
	if len(p.hosts) == 0 {
		for _, text := range p.listen {
			at, err := splitAddress(text)
			if err == nil && at.port != 0 && (at.ip.IsUnspecified() || outside.Private(at.ip)) {
				want[at.port] = true
			}
		}
	}
	l := p.live
	l.mu.Lock()
	defer l.mu.Unlock()
	for port, w := range l.mapped {
		if !want[port] {
			w.Release()
			delete(l.mapped, port)
		}
	}
	for port := range want {
		if l.mapped[port] == nil {
			l.mapped[port] = outside.Of(p.host).Want("tcp", port)
		}
	}
}

// Stop implements module.Stopper.
func (p *proxy) Stop(ctx context.Context) error {
	p.desk.Offer(nil)
	l := p.live
	l.waiting.close()
	l.mu.Lock()
	l.closed = true
	for port, w := range l.mapped {
		w.Release()
		delete(l.mapped, port)
	}
	l.mu.Unlock()
	for _, m := range l.list() {
		m.end(endStop, nil)
	}
	done := make(chan struct{})
	go func() { l.wait.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Streamhosts implements transfer.Proxy.
func (p *proxy) Streamhosts() []transfer.Streamhost {
	if len(p.hosts) > 0 {
		return p.hosts
	}
	return streamhosts(p.listen, p.ownAddresses(), func(port uint16) (at netip.AddrPort) {
		p.live.mu.Lock()
		defer p.live.mu.Unlock()
		if w := p.live.mapped[port]; w != nil {
			at, _ = w.External()
		}
		return at
	})
}

// Activate implements transfer.Proxy.
func (p *proxy) Activate(r transfer.Request, done func(error)) {
	parties, n := p.live.waiting.take(r.Keys)
	switch n {
	case 0:
		p.refuse("unknown")
		done(transfer.ErrUnknown)
		return
	case 1:
		p.refuse("alone")
		done(transfer.ErrAlone)
		return
	}
	l := p.live
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		closeAll(parties)
		done(errStopped)
		return
	}
	l.wait.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.wait.Done()
		p.begin(r, order(parties, r.Address), done)
	}()
}

var errStopped = errors.New("socks5: stopped")

func closeAll(parties []*party) {
	for _, q := range parties {
		q.close()
	}
}

func (p *proxy) refuse(cause string) { p.stats.refused.With(cause).Inc() }

// order puts the requester first: see the package comment.
func order(parties []*party, requester string) [2]*party {
	from, err := netip.ParseAddrPort(requester)
	first, second := parties[0], parties[1]
	if err == nil {
		ip := from.Addr().Unmap().WithZone("")
		if first.addr.WithZone("") == ip && second.addr.WithZone("") != ip {
			return [2]*party{first, second}
		}
	}
	return [2]*party{second, first}
}

// openTime is how long the first lease may take.
const openTime = 20 * time.Second

// begin asks who has a say, and moves the bytes.
func (p *proxy) begin(r transfer.Request, sides [2]*party, done func(error)) {
	m, cause, err := p.admit(r, "socks5", sides)
	if err != nil {
		p.refuse(cause)
		closeAll(sides[:])
		done(err)
		return
	}
	for _, q := range sides {
		q.admitted()
	}
	done(nil)
	p.move(m)
}

// move moves the bytes of an admitted transfer, and settles it.
func (p *proxy) move(m *moving) {
	p.stats.began.Inc()
	r, sides := m.request, m.sides
	m.run()
	moved := m.bytes[0].Load() + m.bytes[1].Load()
	m.account.Close(m.reason)
	closeAll(sides[:])
	p.stats.bytes.Add(uint64(moved))
	p.stats.took.Since(m.begin)
	p.stats.ended.With(m.reason).Inc()
	if m.reason == endDone {
		p.stats.completed.Inc()
	}
	p.live.remove(m) // when everything is counted
	p.host.Log().Debug("transfer ended", "jid", r.Requester, "reason", m.reason, "bytes", moved, "took", time.Since(m.begin))
	switch m.reason {
	case endLimit:
		p.desk.Notify(transfer.Notice{Request: r, Cause: m.cause})
	case endStore:
		p.host.Log().Error("transfer ended", "reason", m.reason, "cause", m.cause)
	}
}

// admit opens the accounts of a transfer; on an error, cause is for the metrics.
func (p *proxy) admit(r transfer.Request, service string, sides [2]*party) (m *moving, cause string, err error) {
	limit, err := p.desk.Allow(r, p.hookTime)
	if err != nil {
		return nil, "hook", err
	}
	m = &moving{request: r, begin: time.Now(), sides: sides, opts: &p.limits, flow: p.stats.flow}
	m.running, m.stop = context.WithCancel(context.Background())
	if err := p.live.add(m, p); err != nil {
		m.stop()
		return nil, "many", err
	}
	ctx, cancel := context.WithTimeout(m.running, openTime)
	defer cancel()
	m.account, err = p.ledger.Open(ctx, quota.Flow{Service: service, From: r.Requester, To: r.Target, Requester: r.Requester, Max: limit})
	if err != nil {
		cut := m.running.Err() != nil
		p.live.remove(m)
		var lim *quota.Limit
		switch {
		case errors.As(err, &lim):
			return nil, "quota", err
		case cut:
			return nil, "cut", &transfer.Refusal{Reason: "the transfer was ended"}
		}
		return nil, "broken", err
	}
	return m, "", nil
}

// few is how many transfers may have larger buffers on a small board: with small ones
// a transfer is slow where its other side is far away.
const few = 8

// add notes a transfer, if there may be one more.
func (l *live) add(m *moving, p *proxy) error {
	users := m.local(p.host.Site().Domains)
	var rates [2]int64
	var own [2]bool
	for i, who := range users {
		var err error
		if rates[i], own[i], err = p.ledger.RateOf(who); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errStopped
	}
	if len(l.moving) >= p.most {
		return &transfer.Refusal{Reason: "too many transfers are under way"}
	}
	for _, who := range users {
		if l.ofUser[who] >= p.mostOf {
			return &transfer.Refusal{Reason: "too many transfers of " + who.String() + " are under way"}
		}
	}
	l.next++
	m.id = l.next
	l.moving[m.id] = m
	if len(l.moving) > few {
		m.crowded = 1
	}
	m.all = &l.shapers.all
	m.chunk = smooth(smooth(p.limits.chunk, rates[0]), rates[1])
	for i, who := range users {
		l.ofUser[who]++
		m.shapers[i] = l.shapers.enter(who, rates[i], own[i])
	}
	m.leave = func() {
		for _, who := range users {
			l.shapers.leave(who)
			if l.ofUser[who]--; l.ofUser[who] == 0 {
				delete(l.ofUser, who)
			}
		}
	}
	return nil
}

func (l *live) remove(m *moving) {
	m.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moving[m.id] == m {
		delete(l.moving, m.id)
		m.leave()
	}
}

// local are the parties of our domains, each user once.
func (m *moving) local(domains []string) (list []jid.JID) {
	for _, j := range []jid.JID{m.request.Requester.Bare(), m.request.Target.Bare()} {
		for _, d := range domains {
			if j.Domain() == d && (len(list) == 0 || list[0] != j) {
				list = append(list, j)
			}
		}
	}
	return list
}

func (l *live) list() (list []*moving) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.moving {
		list = append(list, m)
	}
	return list
}

// cutUser ends the transfers of a user and returns how many there were.
func (l *live) cutUser(who jid.JID) (n int) {
	for _, m := range l.list() {
		if m.request.Requester.Bare() == who || m.request.Target.Bare() == who {
			if m.end(endCut, nil) {
				n++
			}
		}
	}
	return n
}
