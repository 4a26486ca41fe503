package portmap

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/outside"
	"linnet/netsvc/wire/natpmp"
	"linnet/store"
	"linnet/store/table"
)

func init() {
	module.Register(module.Info{
		Name:    "portmap",
		Summary: "The router in front is asked to let connections through: PCP, NAT-PMP, UPnP.",
		Specs:   []string{"RFC 6887", "RFC 6886", "UPnP IGD 1.0", "UPnP IGD 2.0"},
		New:     func() module.Module { return new(service) },
	})
}

// protocols are the names of all, in the order in which they are tried.
var protocols = []string{"pcp", "nat-pmp", "upnp"}

// service is one generation of the options.
type service struct {
	host     module.Host
	mapper   *mapper
	counters counters
	behind   *event.Source
	secrets  *table.Table

	mode     string
	gateway  string
	speak    []string
	lifetime time.Duration
	ports    []string
	settings settings
}

// Setup implements module.Module.
func (s *service) Setup(h module.Host) error {
	s.host = h
	o := outside.Of(h)
	s.mapper = module.Live(h, "portmap", func() *mapper { return newMapper(o) })
	s.secrets = table.New("portmap.secret", table.None)
	h.Table(s.secrets)

	c := h.Options()
	c.Enum(&s.mode, "mode", "auto", []string{"off", "auto", "on"}, "whether the router is asked: never, when this box has a private address, or always")
	c.Strings(&s.ports, "ports", nil, "ports that are mapped beside those that services ask for, such as \"tcp/5222\"")
	c.Duration(&s.lifetime, "lifetime", time.Hour, "for how long a mapping is asked; it is renewed at half of that, and lasts as long after a crash").Between(2*time.Minute, lifeMost)
	c.Strings(&s.speak, "protocols", protocols, "the protocols that are tried, in this order")
	c.String(&s.gateway, "gateway", "", "the IPv4 address of the router, where it is not the default gateway")
	c.Check(s.check)

	m := h.Metrics()
	s.counters = counters{
		requests: m.Counters(metric.Desc{Name: "portmapRequests", Labels: []string{"protocol"}, MaxRows: len(protocols), Help: "requests to the router"}),
		failures: m.Counters(metric.Desc{Name: "portmapFailures", Labels: []string{"protocol"}, MaxRows: len(protocols), Help: "requests that the router refused or did not answer"}),
		ignored:  m.Counter(metric.Desc{Name: "portmapIgnored", Help: "answers that were broken, unasked for, or not from the router"}),
		resets:   m.Counter(metric.Desc{Name: "portmapResets", Help: "times that the router had forgotten its mappings"}),
	}
	m.GaugeFunc(metric.Desc{Name: "portmapWanted", Help: "ports that are to be reachable from outside"}, func() int64 { return int64(len(s.mapper.wanted(s.mapper.settings()))) })
	m.GaugeFunc(metric.Desc{Name: "portmapMapped", Help: "ports that the router lets through"}, s.mapped)
	m.GaugeFunc(metric.Desc{Name: "portmapDoubleNat", Help: "1 when the router stands behind another router"}, func() int64 {
		if s.mapper.shown().double {
			return 1
		}
		return 0
	})
	s.behind = event.Declare(h, event.Desc{Name: "doubleNat", Severity: event.Warning, Fields: []event.Field{{Name: "router"}},
		Help: "The router stands behind another router, so that nothing reaches this box from outside."})
	h.Command(command.Command{Name: "portmap show", Effect: command.Read, Role: command.Operator, Run: s.show,
		Help: "Show which ports the router lets through, and how it is reached from outside."})
	return nil
}

func (s *service) mapped() (n int64) {
	now := time.Now()
	for _, p := range s.mapper.shown().mappings {
		if p.valid(now) {
			n++
		}
	}
	return n
}

// check reads the options that are texts.
func (s *service) check() error {
	s.settings = settings{always: s.mode == "on", protocols: s.speak, lifetime: s.lifetime}
	if s.gateway != "" {
		a, err := netip.ParseAddr(s.gateway)
		if err != nil || !a.Is4() {
			return config.Bad("gateway", "%q is not an IPv4 address", s.gateway)
		}
		s.settings.gateway = a
	}
	for _, name := range s.speak {
		if !slices.Contains(protocols, name) {
			return config.Bad("protocols", "%q is none of %s", name, strings.Join(protocols, ", "))
		}
	}
	for _, text := range s.ports {
		network, digits, _ := strings.Cut(text, "/")
		port, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || port == 0 || network != "tcp" && network != "udp" {
			return config.Bad("ports", "%q is not a port such as \"tcp/5222\"", text)
		}
		s.settings.ports = append(s.settings.ports, outside.Target{Network: network, Port: uint16(port)})
	}
	return nil
}

// Enabled implements module.Optional.
func (s *service) Enabled() bool { return s.mode != "off" }

// Start implements module.Starter.
func (s *service) Start(ctx context.Context) error {
	if err := s.readSecret(ctx); err != nil {
		return err
	}
	s.mapper.log, s.mapper.counters, s.mapper.tell = s.host.Log(), s.counters, s.tell
	s.mapper.use(s.settings)
	s.mapper.start()
	return nil
}

// tell raises the event, or ends it. It is about one router: what address that has is a value that may change.
func (s *service) tell(double bool, router netip.Addr) {
	for _, was := range s.behind.Raised() {
		s.behind.Clear(was)
	}
	if double {
		s.behind.Raise(router.String())
	}
}

// Switch implements module.Switcher.
func (s *service) Switch() { s.mapper.use(s.settings) }

// Stop implements module.Stopper.
func (s *service) Stop(ctx context.Context) error { return s.mapper.stop(ctx) }

// readSecret reads what nonces are made of, or makes it.
func (s *service) readSecret(ctx context.Context) error {
	key := []byte("nonce")
	err := s.host.Store().View(func(tx *store.Tx) error {
		s.mapper.secret, _ = tx.Get(s.secrets, key)
		return nil
	})
	if err != nil || len(s.mapper.secret) > 0 {
		return err
	}
	s.mapper.secret = make([]byte, 32)
	if _, err := rand.Read(s.mapper.secret); err != nil {
		return err
	}
	var b store.Batch
	b.Put(s.secrets, key, s.mapper.secret)
	return s.host.Store().Apply(ctx, &b)
}

// protocolOf makes the protocol of that name for the router.
func (m *mapper) protocolOf(name string, n network) (protocol, error) {
	if name == "upnp" {
		return &speakUPnP{network: n, ignored: m.ignored, limits: usual,
			search: []netip.AddrPort{netip.AddrPortFrom(searchGroup, searchPort), netip.AddrPortFrom(n.gateway, searchPort)}}, nil
	}
	l, err := openLink(netip.AddrPortFrom(n.gateway, natpmp.Port), patient, m.ignored)
	switch {
	case err != nil:
		return nil, err
	case name == "nat-pmp":
		return &speakNATPMP{link: l}, nil
	case name == "pcp":
		return &speakPCP{link: l, secret: m.secret, gateway: n.gateway, external: m.address}, nil
	}
	_ = l.conn.Close()
	return nil, errors.New("no protocol is called " + name)
}

// earOf listens to the router.
func (m *mapper) earOf(gateway netip.Addr) *ear {
	return listen(netip.AddrPortFrom(gateway, natpmp.Port), m.suspect)
}

func name(t outside.Target) string { return t.Network + "/" + strconv.Itoa(int(t.Port)) }

func (s *service) show(context.Context, *command.Call) (*command.Result, error) {
	v := s.mapper.shown()
	r := command.Table(command.Column{Name: "port"}, command.Column{Name: "external", Label: "reached at"},
		command.Column{Name: "expires", Kind: command.Time}, command.Column{Name: "problem"})
	r.Set("state", "state", string(v.state))
	if v.network.gateway.IsValid() {
		r.Set("gateway", "router", v.network.gateway.String())
		r.Set("local", "address of this box", v.network.local.String())
	}
	if v.protocol != "" {
		r.Set("protocol", "protocol", v.protocol)
	}
	if v.address.IsValid() {
		r.Set("address", "address outside", v.address.String())
	}
	if v.double {
		r.Set("problem", "problem", "the router stands behind another router, which has to let connections through, too")
	}
	now := time.Now()
	for _, p := range v.mappings {
		external, expires, problem := "", "", ""
		if p.valid(now) {
			external, expires = netip.AddrPortFrom(v.address, p.external).String(), command.Stamp(p.expires)
		}
		if p.err != nil {
			problem = p.err.Error()
			if homeless(p.err) {
				problem += ": so do routers whose line is down, or that stand behind another router"
			}
		}
		r.Row(name(p.target), external, expires, problem)
	}
	return r, nil
}
