package turn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/offer"
	"linnet/netsvc/outside"
)

// announcer tells netsvc/offer where this server is: the public addresses if there are any, behind a router those
// that it gave, or the domain; over TLS a name, if its certificate is one that clients trust.
type announcer struct {
	server  *server
	offers  *offer.Offers
	outside *outside.Outside
	certs   *cert.Keeper
	roots   *x509.CertPool // whom clients trust; nil: whom this machine does

	mu      sync.Mutex
	listen  listening
	bound   map[uint16]bool // UDP ports that were chosen by the kernel
	wants   map[outside.Target]*outside.Port
	watched func()
	clock   bool   // as it was when last announced
	leaf    []byte // of the main domain, likewise
	checked time.Time
}

// listening is what a generation listens on.
type listening struct {
	host     string // what clients are told; "" to find out
	domains  []string
	udp, tls []uint16
}

// portsOf reads the ports of listening addresses.
func portsOf(addrs []string) (list []uint16) {
	for _, a := range addrs {
		if _, text, err := net.SplitHostPort(a); err == nil {
			if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 && !slices.Contains(list, uint16(n)) {
				list = append(list, uint16(n))
			}
		}
	}
	return list
}

// use takes over what another generation listens on.
func (a *announcer) use(l listening) {
	a.mu.Lock()
	a.listen = l
	a.want()
	a.mu.Unlock()
	a.announce()
}

// again is use with what is listened on already, after the addresses of relays have changed.
func (a *announcer) again() {
	a.mu.Lock()
	a.want()
	a.mu.Unlock()
	a.announce()
}

// start follows changes until stop.
func (a *announcer) start() {
	stop := a.outside.Watch(func() {
		go func() {
			a.server.look()
			a.announce()
		}()
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched = stop
}

// stop takes everything back.
func (a *announcer) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watched != nil {
		a.watched()
		a.watched = nil
	}
	a.listen = listening{}
	a.want()
	a.offers.Set("turn", nil)
}

// at notes a port that was bound, which the options may not name.
func (a *announcer) at(port uint16, bound bool) {
	a.mu.Lock()
	if slices.Contains(a.listen.udp, port) {
		a.mu.Unlock()
		return
	}
	if a.bound == nil {
		a.bound = make(map[uint16]bool)
	}
	if bound {
		a.bound[port] = true
	} else {
		delete(a.bound, port)
	}
	a.mu.Unlock()
	a.announce()
}

// want has the ports reachable from outside where this box stands behind a router. The caller holds mu.
func (a *announcer) want() {
	r := a.server.rules.Load()
	wanted := make(map[outside.Target]bool)
	if r != nil && outside.Private(r.relay4) && !r.external.IsValid() {
		for _, p := range a.listen.udp {
			wanted[outside.Target{Network: "udp", Port: p}] = true
			wanted[outside.Target{Network: "tcp", Port: p}] = true
		}
		for _, p := range a.listen.tls {
			wanted[outside.Target{Network: "tcp", Port: p}] = true
		}
	}
	for t, p := range a.wants {
		if !wanted[t] {
			p.Release()
			delete(a.wants, t)
		}
	}
	for t := range wanted {
		if a.wants[t] == nil {
			if a.wants == nil {
				a.wants = make(map[outside.Target]*outside.Port)
			}
			a.wants[t] = a.outside.Want(t.Network, t.Port)
		}
	}
}

// announce tells what is reachable now.
func (a *announcer) announce() {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.listen.domains) == 0 {
		return
	}
	a.clock, a.leaf, a.checked = a.server.clockSet(now), a.mainLeaf(), now
	var list []offer.Service
	add := func(kind, host string, port uint16, transport string, secret bool) {
		s := offer.Service{Place: offer.Place{Type: kind, Host: host, Port: port, Transport: transport}}
		if secret {
			if !a.clock {
				return // no credentials can be made: it is announced when they can
			}
			s.Issue = a.server.issue
		}
		list = append(list, s)
	}
	for _, transport := range []string{"udp", "tcp"} {
		for _, p := range a.plainPorts(transport) {
			for _, host := range a.hosts(transport, p) {
				add("stun", host.name, host.port, transport, false)
				add("turn", host.name, host.port, transport, true)
			}
		}
	}
	for _, p := range a.listen.tls {
		for _, name := range a.trusted(now) {
			port := p
			if w := a.wants[outside.Target{Network: "tcp", Port: p}]; w != nil {
				if ext, ok := w.External(); ok {
					port = ext.Port()
				}
			}
			add("turns", name, port, "tcp", true)
		}
	}
	a.offers.Set("turn", list)
}

// plainPorts are the ports without TLS.
func (a *announcer) plainPorts(transport string) []uint16 {
	list := slices.Clone(a.listen.udp)
	if transport == "udp" {
		for p := range a.bound {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

type hostPort struct {
	name string
	port uint16
}

// hosts is where a port is reached: the option's host, or the public addresses, or the domain.
func (a *announcer) hosts(transport string, port uint16) (list []hostPort) {
	if a.listen.host != "" {
		return []hostPort{{a.listen.host, port}}
	}
	r := a.server.rules.Load()
	switch w := a.wants[outside.Target{Network: transport, Port: port}]; {
	case r.external.IsValid():
		list = append(list, hostPort{r.external.String(), port})
	case outside.Public(r.relay4):
		list = append(list, hostPort{r.relay4.String(), port})
	case w != nil:
		if ext, ok := w.External(); ok {
			list = append(list, hostPort{ext.Addr().String(), ext.Port()})
		}
	}
	if global(r.relay6) {
		list = append(list, hostPort{r.relay6.String(), port})
	}
	if len(list) == 0 {
		return []hostPort{{"", port}}
	}
	return list
}

// global reports whether an IPv6 address is one that the internet knows: 2000::/3 without documentation.
func global(a netip.Addr) bool {
	return a.Is6() && netip.MustParsePrefix("2000::/3").Contains(a) && !netip.MustParsePrefix("2001:db8::/32").Contains(a)
}

// trusted lists the names whose certificate a client trusts without being told to.
func (a *announcer) trusted(now time.Time) (names []string) {
	wanted := a.listen.domains
	if a.listen.host != "" {
		wanted = []string{a.listen.host}
	}
	for _, name := range wanted {
		if a.trusts(name, now) {
			names = append(names, name)
		}
	}
	return names
}

func (a *announcer) trusts(name string, now time.Time) bool {
	set := a.certs.Current()
	c, err := set.Config(cert.StartTLS, name).GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil || c.Leaf == nil {
		return false
	}
	if own := set.Authority(); own != nil && bytes.Equal(c.Leaf.RawIssuer, own.Certificate.RawSubject) {
		return false // without the system's roots being read
	}
	between := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		if k, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(k)
		}
	}
	_, err = c.Leaf.Verify(x509.VerifyOptions{DNSName: name, Intermediates: between, Roots: a.roots, CurrentTime: now})
	return err == nil
}

func (a *announcer) mainLeaf() []byte {
	if k := a.certs.Current().Leaf(a.listen.domains[0]); k != nil {
		return k.Raw
	}
	return nil
}

// look announces anew when the clock was set, another certificate is shown, or an hour has gone by.
func (a *announcer) look() {
	now := time.Now()
	a.mu.Lock()
	same := len(a.listen.domains) == 0 || a.clock == a.server.clockSet(now) && bytes.Equal(a.leaf, a.mainLeaf()) && now.Sub(a.checked) < time.Hour
	a.mu.Unlock()
	if !same {
		a.announce()
	}
}

// issue makes a credential for XEP-0215.
func (s *server) issue(id account.ID) (offer.Credential, error) {
	now := time.Now()
	if !s.clockSet(now) {
		return offer.Credential{}, offer.ErrNotNow
	}
	c := s.keeper.Issue(id, now, s.rules.Load().life)
	return offer.Credential{Username: c.Name, Password: c.Password, Expires: c.Expires}, nil
}
