// Package c2s is the edge for clients over TCP: RFC 6120 with STARTTLS, and direct
// TLS (XEP-0368 1.1.0).
//
// It owns the listeners, the connections and their limits. A connection is
// negotiated by stream on a goroutine of its own; afterwards it is served in
// turns (client.go) and its session belongs to server.
package c2s

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/flow"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp/server"
	"linnet/netsvc/xmpp/stream"
	"linnet/store"
)

func init() {
	module.Register(module.Info{
		Name:    "c2s",
		Summary: "clients over TCP",
		Specs:   []string{"RFC 6120", "RFC 7590", "XEP-0368 1.1.0", "XEP-0478 0.2.1"},
		New:     func() module.Module { return &edge{live: nil} },
	})
}

// edge is one generation of the service.
type edge struct {
	host module.Host
	live *live

	listen, direct, plain []string
	stanza                int64
	early                 int64
	negotiation           time.Duration
	rate, burst           int64
	waiting, perAddress   int
	offerPlain            bool

	server  *server.Server
	store   *store.Store
	running context.Context
	log     *log.Logger
	streams [2]stream.Options // by whether TLS is there from the start or to be had; and the plain port's
	stats   *stats
}

// live outlives generations: the connections do.
type live struct {
	pump    *flow.Pump
	gate    *flow.Gate
	running context.Context
	stop    context.CancelFunc
	mu      sync.Mutex     // none begins once running has ended
	wait    sync.WaitGroup // negotiations
	desks   sync.Pool      // of *desk
}

// begin counts one more negotiation, which ends with wait.Done; false when the service stops.
func (l *live) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running.Err() != nil {
		return false
	}
	l.wait.Add(1)
	return true
}

// end ends the negotiations, and waits for that as long as ctx allows.
func (l *live) end(ctx context.Context) error {
	l.mu.Lock()
	l.stop()
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type stats struct {
	accepted                   [3]*metric.Counter // by way
	negotiated, failed, panics *metric.Counter
	scarce, slowed             *metric.Counter
	login                      *metric.Timer
}

func (e *edge) Setup(h module.Host) error {
	e.host = h
	e.live = module.Live(h, "c2s", func() *live {
		l := &live{gate: flow.NewGate(0, 0), desks: sync.Pool{New: func() any { return new(desk) }}}
		l.running, l.stop = context.WithCancel(context.Background())
		l.pump = flow.NewPump(flow.Options{})
		return l
	})
	e.server = server.Of(h)

	o := h.Options().About("Clients over TCP.")
	o.Addrs(&e.listen, "listen", []string{"[::]:5222"}, "where clients connect, and then begin TLS (STARTTLS)")
	o.Addrs(&e.direct, "direct_tls", []string{"[::]:5223"}, "where clients connect with TLS from the first byte")
	o.Addrs(&e.plain, "plain", nil, "where clients connect without TLS: for tests and benchmarks on this machine").LoopbackOnly()
	o.Bytes(&e.stanza, "stanza", 256<<10, "the largest stanza a client may send").Range(10000, 16<<20)
	o.Bytes(&e.early, "stanza_early", stream.EarlyBytes, "the same before the client has logged in").Range(10000, 1<<20)
	o.Duration(&e.negotiation, "negotiation", stream.DefaultTimeout, "how long a client may take to log in").Between(time.Second, 10*time.Minute)
	o.Bytes(&e.rate, "rate", 1<<20, "bytes a second that one client may send in the long run; 0 means no limit")
	o.Bytes(&e.burst, "burst", 4<<20, "bytes that one client may send at once").Range(256<<10, 1<<30)
	o.Int(&e.waiting, "unauthenticated", 2000, "connections that have no session yet").Range(1, 1<<20)
	o.Int(&e.perAddress, "unauthenticated_per_address", 100, "the same of one address (IPv6: of one /64)").Range(1, 1<<20)
	o.Bool(&e.offerPlain, "sasl_plain", true, "offer the mechanism PLAIN, inside TLS")

	h.Listen(&module.Listener{Name: "c2s", Addrs: &e.listen, Security: module.STARTTLS, Serve: func(c net.Conn) { e.serve(c, startTLS) }})
	h.Listen(&module.Listener{Name: "direct", Addrs: &e.direct, Security: module.TLS, Serve: func(c net.Conn) { e.serve(c, directTLS) }})
	h.Listen(&module.Listener{Name: "plain", Addrs: &e.plain, Security: module.Plain, Serve: func(c net.Conn) { e.serve(c, noTLS) }})

	m := h.Metrics()
	accepted := m.Counters(metric.Desc{Name: "clientsAccepted", Help: "connections from clients", Labels: []string{"listener"}})
	e.stats = &stats{
		accepted:   [...]*metric.Counter{startTLS: accepted.With("c2s"), directTLS: accepted.With("direct"), noTLS: accepted.With("plain")},
		negotiated: m.Counter(metric.Desc{Name: "clientsNegotiated", Help: "streams that got as far as a session"}),
		failed:     m.Counter(metric.Desc{Name: "clientsFailed", Help: "streams that ended before"}),
		panics:     m.Counter(metric.Desc{Name: "clientPanics", Help: "sessions ended by a mistake of this program"}),
		scarce:     m.Counter(metric.Desc{Name: "memoryRefused", Help: "connections refused because memory was scarce"}),
		slowed:     m.Counter(metric.Desc{Name: "clientsSlowed", Help: "times a client had to wait because it sent faster than it may"}),
	}
	e.stats.login = m.Timer(metric.Desc{Name: "loginTime", Help: "from a connection to its session; the client has its part in it"})
	m.GaugeFunc(metric.Desc{Name: "clientConnections", Help: "connections of clients now"}, func() int64 { return int64(e.live.pump.Stats().Conns) })
	m.GaugeFunc(metric.Desc{Name: "clientBuffers", Unit: metric.Bytes, Help: "memory in which bytes wait to be processed or written"}, func() int64 { return e.live.pump.Stats().Pool.Out })
	direction := []string{"direction"}
	m.CountersFunc(metric.Desc{Name: "clientBytes", Unit: metric.Bytes, Help: "bytes from and to clients on the wire", Labels: direction}, func(row func(int64, ...string)) {
		s := e.live.pump.Stats()
		row(int64(s.Received), "in")
		row(int64(s.Sent), "out")
	})
	m.GaugesFunc(metric.Desc{Name: "clientQueue", Help: "connections that wait for a processor", Labels: direction}, func(row func(int64, ...string)) {
		s := e.live.pump.Stats()
		row(int64(s.Ready), "in")
		row(int64(s.Dirty), "out")
	})
	m.GaugeFunc(metric.Desc{Name: "clientsUnauthenticated", Help: "connections that have no session yet"}, func() int64 { n, _ := e.live.gate.Count(); return int64(n) })
	m.CounterFunc(metric.Desc{Name: "gateRefused", Help: "connections refused because too many had no session yet"}, func() uint64 { _, n := e.live.gate.Count(); return n })
	return nil
}

// Start implements module.Starter.
func (e *edge) Start(context.Context) error { return nil }

// Switch implements module.Switcher: it makes what all streams of this generation
// share.
func (e *edge) Switch() {
	e.store, e.log, e.running = e.host.Store(), e.host.Log(), e.live.running
	e.live.gate.Set(e.waiting, e.perAddress)
	users := account.Of(e.host)
	base := stream.Options{
		IsHost:     e.server.IsHost,
		Main:       e.server.Hosts()[0],
		Directory:  users.Directory(),
		Secret:     users.Secret(),
		Iterations: users.Iterations(),
		Plain:      e.offerPlain,
		Guard:      account.GuardOf(e.host),
		Timeout:    e.negotiation,
		Early:      xmlstream.Limits{Bytes: int(e.early), Depth: 16, Attrs: 32, Kids: 32},
		Limits:     xmlstream.Limits{Bytes: int(e.stanza)},
	}
	for _, d := range e.server.Guests() {
		base.Steps = append(base.Steps, stream.Guest(d))
	}
	e.streams[secured], e.streams[insecure] = base, base
	e.streams[secured].Certs = cert.Of(e.host)
	e.streams[insecure].Insecure = true
}

const (
	secured = iota
	insecure
)

// Pressure implements module.Presser.
func (e *edge) Pressure(p module.Pressure) {
	squeeze := 0
	if p != module.Green {
		squeeze = 1
	}
	e.live.pump.Squeeze(squeeze)
}

// Stop implements module.Stopper. It comes before the server's: connections that
// are still negotiating end, the others are left for the server to say goodbye on.
func (e *edge) Stop(ctx context.Context) error { return e.live.end(ctx) }

// way is how a connection came.
type way uint8

const (
	startTLS way = iota
	directTLS
	noTLS
)

// serve has a new connection to itself.
func (e *edge) serve(nc net.Conn, w way) {
	e.stats.accepted[w].Inc()
	if e.host.Pressure() == module.Red {
		e.stats.scarce.Inc()
		if w != directTLS { // there a client understands nothing before a handshake
			nc.Write([]byte(refusal))
		}
		nc.Close()
		return
	}
	if !e.live.begin() {
		nc.Close()
		return
	}
	defer e.live.wait.Done()
	conn := e.live.pump.Admit(nc, e.live.gate)
	if conn == nil {
		return
	}
	begin := time.Now()

	o := &e.streams[secured]
	if w == noTLS {
		o = &e.streams[insecure]
	}
	buf := new(flow.Buffer)
	buf.SetMax(int(e.stanza) + 4096)
	conn.Outbox().SetLimit(e.server.OutboxLimit(int(e.stanza)))
	own := &owner{edge: e, conn: conn}
	c := &client{edge: e, scanner: new(xmlstream.Scanner)}
	s := stream.New(conn, buf, c.scanner, o, own)
	own.stream = s
	if err := s.Negotiate(e.running, w == directTLS); err != nil {
		e.stats.failed.Add(1)
		if told := (*stream.Error)(nil); errors.As(err, &told) {
			e.server.CountError(told)
		}
		if !errors.Is(err, stream.ErrClosed) {
			e.log.Debug("stream not negotiated", "addr", nc.RemoteAddr(), "cause", err)
		}
		return
	}
	e.stats.negotiated.Add(1)
	e.stats.login.Since(begin)
	c.session, c.epoch = own.session, own.epoch
	if e.rate > 0 {
		c.pace = flow.NewBucket(float64(e.rate), float64(e.burst))
	}
	conn.Serve(buf, c)
}

// refusal is what a client gets when memory is scarce.
const refusal = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>" +
	"<stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"

// panicked logs a mistake of ours that ended one session.
func (e *edge) panicked(p *flow.PanicError) {
	e.stats.panics.Add(1)
	e.log.Error("session ended by a panic", "cause", p.Value, "stack", string(p.Stack))
}
