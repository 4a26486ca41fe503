package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/offer"
	"linnet/netsvc/outside"
	"linnet/netsvc/quota"
	"linnet/netsvc/turn/behavior"
	"linnet/netsvc/turn/guard"
	"linnet/netsvc/turn/relay"
)

func init() {
	module.Register(module.Info{
		Name:    "turn",
		Summary: "calls and transfers of clients behind address translators: STUN and TURN",
		Specs:   []string{"RFC 8489", "RFC 8656", "RFC 5780", "draft-uberti-behave-turn-rest-00"},
		New:     func() module.Module { return new(service) },
	})
}

// service is one generation of the options.
type service struct {
	host   module.Host
	server *server
	certs  *cert.Keeper

	enabled             bool
	listen, listenTLS   []string
	name                string
	realm               string
	relayPorts          string
	relayAddresses      []string
	external            string
	allow, deny         []string
	life, maxCall       time.Duration
	perUser, total      int
	userRate, rate      int64
	permissions, chans  int
	answers             int
	answerRate          int64
	streams, perAddress int

	behavior         []string // addresses, as written
	behaviorPort     int
	behaviorPlan     behavior.Plan // what check makes of them
	behaviorListener []string
}

// Setup implements module.Module.
func (p *service) Setup(h module.Host) error {
	p.host = h
	p.certs = cert.Of(h)
	p.server = module.Live(h, "turn", newServer)
	if s := p.server; s.accounts == nil { // the first generation; nothing is written while guards read
		s.accounts, s.ledger, s.ahead.outside = account.Of(h), quota.Of(h), outside.Of(h)
		s.failures = account.GuardOf(h)
		s.scarce = func() bool { return h.Pressure() == module.Red }
		a := &s.announcer
		a.server, a.offers, a.outside, a.certs = s, offer.Of(h), outside.Of(h), p.certs
	}
	o := h.Options().About("STUN and TURN: how clients behind address translators reach each other. Credentials come from XEP-0215.")
	o.Bool(&p.enabled, "enabled", true, "whether this node is a STUN and TURN server")
	o.Addrs(&p.listen, "listen", []string{"[::]:3478"}, "where clients connect, over UDP and TCP")
	o.Addrs(&p.listenTLS, "tls", []string{"[::]:5349"}, "where clients connect over TLS; announced only with a certificate that clients trust")
	o.String(&p.name, "host", "", "the name or address that clients are told; left out, the public addresses of this machine or of the router that maps its ports, or else the domain")
	o.String(&p.realm, "realm", "", "the realm of credentials; left out, the main domain. Another one ends all calls, and users made with `turn user` need new passwords")
	o.String(&p.relayPorts, "relay_ports", "49152-49407", "the UDP ports of relays, which a firewall must let in")
	o.Strings(&p.relayAddresses, "relay_addresses", nil, "the addresses of this machine that relays have, at most one of IPv4 and one of IPv6; left out, those that lead to the internet")
	o.String(&p.external, "external_address", "", "the IPv4 address that the world knows this machine by, when it stands behind a router whose ports are forwarded by hand")
	o.Strings(&p.allow, "allow_peers", nil, "own networks that relays may reach, such as [\"192.168.1.0/24\"]; others cannot be called there")
	o.Strings(&p.deny, "deny_peers", nil, "networks that relays may not reach, beside all that are private or this machine's own")
	o.Duration(&p.life, "credential_life", 12*time.Hour, "how long a credential can begin calls").Between(time.Minute, 7*24*time.Hour)
	o.Duration(&p.maxCall, "max_call", 24*time.Hour, "how long one call may last").Between(time.Minute, 7*24*time.Hour)
	o.Int(&p.perUser, "user_allocations", 10, "relays that one user may have at a time; a call takes about two for each of its clients").Range(1, 10000)
	o.Int(&p.total, "allocations", 1000, "relays of all users; their ports are a limit, too").Range(1, 60000)
	o.Bytes(&p.userRate, "user_rate", 0, "bytes a second that one user may relay, both ways together; 0 means no limit").Range(0, 1<<40)
	o.Bytes(&p.rate, "rate", 0, "the same of all users; 0 means no limit").Range(0, 1<<40)
	o.Int(&p.permissions, "permissions", 64, "peers that one relay may have at a time").Range(1, 1000)
	o.Int(&p.chans, "channels", 64, "channels that one relay may have at a time").Range(1, 1000)
	o.Int(&p.answers, "answers", 20, "answers a second to one address (IPv6: /56) that has shown no credential").Range(1, 10000)
	o.Bytes(&p.answerRate, "answer_rate", 125000, "bytes a second of such answers in all").Range(1000, 1<<30)
	o.Int(&p.streams, "connections", 500, "connections over TCP and TLS").Range(1, 1<<16)
	o.Int(&p.perAddress, "connections_per_address", 20, "the same of one address (IPv6: of one /64)").Range(1, 1<<16)
	o.Strings(&p.behavior, "behavior", nil, "two public addresses of this machine, both IPv4 or both IPv6, at which clients can find out what kind of address translator is before them (RFC 5780); left out, nowhere")
	o.Int(&p.behaviorPort, "behavior_port", 3480, "the UDP port of that at both addresses; the one after it is taken as well").Range(1, 65534)
	o.Check(p.check)

	h.Listen(&module.Listener{Name: "udp", Addrs: &p.listen, Security: module.Plain, Packets: p.packets})
	h.Listen(&module.Listener{Name: "behavior", Addrs: &p.behaviorListener, Security: module.Plain, Packets: p.server.behavior.Serve})
	h.Listen(&module.Listener{Name: "tcp", Addrs: &p.listen, Security: module.Plain, Serve: func(c net.Conn) { p.stream(c, "tcp") }})
	h.Listen(&module.Listener{Name: "tls", Addrs: &p.listenTLS, Security: module.TLS, Serve: func(c net.Conn) { p.stream(c, "tls") }})
	for _, t := range p.server.keeper.Tables() {
		h.Table(t)
	}
	p.metrics(h.Metrics())
	p.commands(h)
	return nil
}

func (p *service) metrics(m *metric.Section) {
	counter := func(name, unit, help string) *metric.Counter {
		return m.Counter(metric.Desc{Name: name, Unit: unit, Help: help, Rate: unit == metric.Bytes})
	}
	count := &guard.Counters{
		Malformed: counter("turnMalformed", "", "packets that no client makes, dropped"),
		Stray:     counter("turnStray", "", "data that belongs to no allocation, permission or channel, dropped"),
		Limited:   counter("turnLimited", "", "answers to strangers that were not sent, because there were too many"),
		Bindings:  counter("turnBindings", "", "clients that were told their address"),
		Refused:   m.Counters(metric.Desc{Name: "turnRefused", Help: "requests that were refused", Labels: []string{"code"}}),
		Broken:    counter("turnBroken", "", "granted requests that failed inside: mistakes of the program"),
		Panics:    counter("turnPanics", "", "packets dropped because of a mistake in the program"),
	}
	relayed := &relay.Counters{
		Sent:      counter("turnBytesSent", metric.Bytes, "data relayed to peers"),
		Received:  counter("turnBytesReceived", metric.Bytes, "data relayed from peers"),
		Inside:    counter("turnBytesInside", metric.Bytes, "data relayed between two clients of this node"),
		Forbidden: counter("turnForbidden", "", "packets to peers that are not to be called, dropped"),
		Lost:      counter("turnLost", "", "packets dropped because of their size or a limit"),
	}
	if p.server.count == nil { // the first generation; later ones get the same counters
		p.server.count, p.server.box = count, relay.NewBox(relayed)
		p.server.behavior.Count = count
	}
	m.GaugeFunc(metric.Desc{Name: "turnAllocations", Help: "relays that are open"}, func() int64 { return int64(p.server.box.Len()) })
	m.GaugeFunc(metric.Desc{Name: "turnConnections", Help: "connections over TCP and TLS"}, func() int64 {
		inside, _ := p.server.gate.Count()
		return int64(inside)
	})
}

// check reads what is written as text, and tells all that is wrong with it.
func (p *service) check() error {
	var all []error
	bad := func(option string, err error) {
		if err != nil {
			all = append(all, config.Bad(option, "%v", err))
		}
	}
	_, _, err := ports(p.relayPorts)
	bad("relay_ports", err)
	if len(p.realm) > guard.MaxRealm || strings.ContainsAny(p.realm, "\":\\") {
		bad("realm", fmt.Errorf("at most %d letters, without colons and quotes", guard.MaxRealm))
	}
	_, _, err = families(p.relayAddresses)
	bad("relay_addresses", err)
	if a, err := netip.ParseAddr(p.external); p.external != "" && (err != nil || !a.Is4()) {
		bad("external_address", fmt.Errorf("%q is not an IPv4 address", p.external))
	}
	p.behaviorPlan, err = plan(p.behavior, p.behaviorPort)
	bad("behavior", err)
	bad("behavior_port", p.placeBehavior())
	_, err = networks(p.allow)
	bad("allow_peers", err)
	_, err = networks(p.deny)
	bad("deny_peers", err)
	return errors.Join(all...)
}

// placeBehavior lists where the plan listens, which no address of listen may take.
func (p *service) placeBehavior() (err error) {
	p.behaviorListener = nil
	if p.behaviorPlan.Port == 0 {
		return nil
	}
	for _, at := range p.behaviorPlan.Sockets() {
		p.behaviorListener = append(p.behaviorListener, at.String())
		if other := holder(p.listen, at); other != "" && err == nil {
			err = fmt.Errorf("%s is taken by %s of `listen`", at, other)
		}
	}
	return err
}

// ports reads "49152-49407".
func ports(text string) (low, high uint16, err error) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		last = first
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errA != nil || errB != nil || a < 1024 || b < a {
		return 0, 0, fmt.Errorf("%q is not a range of ports from 1024 on, such as 49152-49407", text)
	}
	return uint16(a), uint16(b), nil
}

// families reads at most one address of each family.
func families(list []string) (v4, v6 netip.Addr, err error) {
	for _, text := range list {
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsUnspecified() || a.Is4In6() || a.Zone() != "" {
			return v4, v6, fmt.Errorf("%q is not the address of a machine", text)
		}
		into := &v4
		if a.Is6() {
			into = &v6
		}
		if into.IsValid() {
			return v4, v6, errors.New("there are two addresses of one family")
		}
		*into = a
	}
	return v4, v6, nil
}

// plan reads where translators can be told apart: two addresses of one family, or none.
func plan(list []string, port int) (behavior.Plan, error) {
	var all [2]netip.Addr
	for i := 0; i < len(list) && i < len(all); i++ {
		all[i], _ = netip.ParseAddr(list[i])
		if a := all[i]; a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "" {
			all[i] = netip.Addr{}
		}
	}
	a, b := all[0], all[1]
	switch {
	case len(list) == 0:
		return behavior.Plan{}, nil
	case len(list) != 2 || !a.IsValid() || a == b || a.BitLen() != b.BitLen():
		return behavior.Plan{}, errors.New("it takes two addresses of this machine, of one family")
	}
	return behavior.Plan{First: a, Second: b, Port: uint16(port)}, nil
}

// holder returns which of the listening addresses keeps others from at; "" for none.
func holder(listen []string, at netip.AddrPort) string {
	for _, text := range listen {
		if other, err := netip.ParseAddrPort(text); err == nil && other.Port() == at.Port() && (other.Addr().IsUnspecified() || other.Addr() == at.Addr()) {
			return text
		}
	}
	return ""
}

func networks(list []string) (all []netip.Prefix, err error) {
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); bad == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			return nil, fmt.Errorf("%q is not a network such as 192.168.1.0/24", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// rules are the values of this generation. Its texts were checked.
func (p *service) rules() *rules {
	r := &rules{
		realm: p.realm, maxCall: p.maxCall, perUser: p.perUser, total: p.total, userRate: p.userRate, rate: p.rate,
		permissions: p.permissions, channels: p.chans, answers: p.answers, answerB: int(p.answerRate), life: p.life,
	}
	if r.realm == "" {
		r.realm = p.host.Site().Domains[0]
	}
	if len(r.realm) > guard.MaxRealm {
		r.realm = "turn"
	}
	r.low, r.high, _ = ports(p.relayPorts)
	r.allow, _ = networks(p.allow)
	r.deny, _ = networks(p.deny)
	if r.relay4, r.relay6, _ = families(p.relayAddresses); len(p.relayAddresses) == 0 {
		r.find(p.server.outward)
	}
	if p.external != "" {
		r.external = netip.MustParseAddr(p.external)
	}
	return r
}

// outward is the address that this machine sends from to the internet; zero when there is no way. No packet is sent.
func outward(network, to string) netip.Addr {
	c, err := net.Dial(network, to)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
}

// Enabled implements module.Optional.
func (p *service) Enabled() bool { return p.enabled }

// Start implements module.Starter.
func (p *service) Start(ctx context.Context) error {
	s := p.server
	s.built, s.log = p.host.Store().Options().Built, p.host.Log()
	if err := s.keeper.Open(ctx, p.host.Store()); err != nil {
		return err
	}
	s.use(p.rules())
	s.behavior.Use(p.behaviorPlan)
	s.gate.Set(p.streams, p.perAddress)
	s.watching.Do(func() { s.accounts.Watch(s.changed) })
	s.start()
	s.announcer.start()
	return nil
}

// Switch implements module.Switcher.
func (p *service) Switch() {
	s := p.server
	s.use(p.rules())
	s.behavior.Use(p.behaviorPlan)
	s.gate.Set(p.streams, p.perAddress)
	s.announcer.use(listening{host: p.name, domains: p.host.Site().Domains, udp: portsOf(p.listen), tls: portsOf(p.listenTLS)})
}

// Stop implements module.Stopper. The sockets are closed by now.
func (p *service) Stop(ctx context.Context) error {
	p.server.announcer.stop()
	p.server.ahead.use(nil)
	return p.server.stop(ctx)
}

// packets serves a UDP socket. A guard that is closed for a new realm is followed by another.
func (p *service) packets(c *net.UDPConn) {
	s := p.server
	_ = c.SetReadBuffer(2 << 20) // as much as the kernel allows
	port := uint16(c.LocalAddr().(*net.UDPAddr).Port)
	s.announcer.at(port, true)
	defer s.announcer.at(port, false)
	for s.context().Err() == nil {
		link, err := guard.UDP(c)
		if err != nil {
			s.log.Error("socket cannot be served", "addr", c.LocalAddr().String(), "cause", err)
			return
		}
		s.serve(link)
		if link.Gone() {
			return
		}
	}
}

// handshake is how long TLS may take to begin.
const handshake = 10 * time.Second

// stream serves a connection of TCP or TLS.
func (p *service) stream(c net.Conn, transport string) {
	defer c.Close()
	s := p.server
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || p.host.Pressure() == module.Red {
		return
	}
	at := from.AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	leave, ok := s.gate.Enter(at.Addr())
	if !ok {
		return
	}
	defer leave()
	var local netip.AddrPort
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		local = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	if transport == "tls" {
		ctx, cancel := context.WithTimeout(s.context(), handshake)
		t := tls.Server(c, p.certs.Current().Config(cert.StartTLS, ""))
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return
		}
		c = t
	}
	s.serve(guard.Stream(c, transport, at, local))
}
