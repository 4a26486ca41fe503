package socks5

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/config"
	"linnet/netsvc/module"
	"linnet/netsvc/outside"
	"linnet/netsvc/peer"
	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/socks"
)

// gateway is SOCKS for programs in the local network that want to reach the world
// from this box: RFC 1928 with CONNECT alone, RFC 1929 with the passwords of accounts.
// It is off unless it is given addresses to listen on, which must be those of a local
// network, as its clients' must be; so it is never on the port of XEP-0065, nor open
// to strangers. Where it connects to is held against the rules that calls are held
// against: nothing in the networks that this box is in, unless the operator opens it.
type gateway struct {
	listen []string
	allow  []string
	opened []netip.Prefix

	rules   func() rules // as the box stands now
	resolve func(ctx context.Context, name string) ([]netip.Addr, error)
}

// rules say what may be connected to: *peer.Rules.
type rules interface{ Permits(netip.Addr) bool }

func (g *gateway) setup(p *proxy, h module.Host) {
	o := h.Options()
	o.Addrs(&g.listen, "gateway", nil, "where programs of the local network may use this box as a SOCKS server, with the names and passwords of accounts, which go over the wire as they are; addresses of local networks only")
	o.Strings(&g.allow, "gateway_allow", nil, "networks of the operator's own, such as 192.168.7.0/24, that may be reached by it")
	o.Check(g.check)
	h.Listen(&module.Listener{Name: "gateway", Addrs: &g.listen, Security: module.Plain, Serve: p.serveGateway})
	g.resolve = lookup
	g.rules = func() rules {
		here, err := peer.Here()
		if err != nil {
			return (*peer.Rules)(nil) // which permits nothing
		}
		// The address of the router is this box's, too: behind its ports are the services of the house.
		if a := outside.Of(h).Address(); a.IsValid() {
			here.Own = append(here.Own, a)
		}
		return peer.New(here, g.opened, nil)
	}
}

func (g *gateway) check() error {
	for _, text := range g.listen {
		at, err := splitAddress(text)
		if err != nil || !isLocal(at.ip) {
			return config.Bad("gateway", "%s is no address of a local network", text)
		}
	}
	g.opened = nil
	for _, text := range g.allow {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return config.Bad("gateway_allow", "%q is no network such as 192.168.7.0/24", text)
		}
		g.opened = append(g.opened, n.Masked())
	}
	return nil
}

// isLocal reports whether an address is one of a local network.
func isLocal(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// reachTime is how long looking up a name and connecting may take.
const reachTime = 20 * time.Second

// serveGateway has one client from its greeting to its end.
func (p *proxy) serveGateway(nc net.Conn) {
	c, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return
	}
	addr := nc.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	leave, ok := func() {}, isLocal(addr) && p.host.Pressure() != module.Red
	if ok {
		leave, ok = p.live.gate.Enter(addr)
	}
	if !ok {
		c.Close()
		return
	}
	who := &party{conn: c, addr: addr, leave: leave}
	defer who.close()
	c.SetDeadline(time.Now().Add(p.handshake))
	user, err := p.login(c, addr)
	if err != nil {
		p.stats.rejected.Inc()
		return
	}
	to, err := readRequest(c)
	if err != nil {
		p.stats.rejected.Inc()
		return
	}
	c.SetDeadline(time.Time{})
	other, reply := p.reach(to)
	if other == nil {
		p.refuse("gateway")
		c.Write(socks.AppendReply(nil, reply, socks.Address{}))
		return
	}
	defer other.conn.Close()
	l := p.live
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.wait.Add(1)
	l.mu.Unlock()
	defer l.wait.Done()
	// What was refused is told by the reply, not by a closed connection after it.
	m, reason, err := p.admit(transfer.Request{Requester: user}, "gateway", [2]*party{who, other})
	if err != nil {
		p.refuse(reason)
		c.Write(socks.AppendReply(nil, socks.NotAllowed, socks.Address{}))
		return
	}
	who.admitted()
	bound := other.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	c.Write(socks.AppendReply(nil, socks.Succeeded, socks.Address{IP: bound.Addr().Unmap(), Port: bound.Port()}))
	p.move(m)
}

// login is RFC 1928 section 3 and RFC 1929.
func (p *proxy) login(c *net.TCPConn, addr netip.Addr) (user jid.JID, err error) {
	room := make([]byte, 0, socks.MaxPassword)
	var methods []byte
	if _, err = exactly(c, room, func(b []byte) (missing int, err error) {
		methods, missing, err = socks.ReadGreeting(b)
		return missing, err
	}); err != nil {
		return user, err
	}
	method := socks.NoAcceptable
	for _, m := range methods {
		if socks.Method(m) == socks.Password {
			method = socks.Password
		}
	}
	if _, err = c.Write(socks.AppendMethod(nil, method)); err != nil || method == socks.NoAcceptable {
		return user, errRefused
	}
	var name, password string
	if _, err = exactly(c, room, func(b []byte) (missing int, err error) {
		name, password, missing, err = socks.ReadPassword(b)
		return missing, err
	}); err != nil {
		return user, err
	}
	user, err = p.authenticate(name, password, addr)
	if _, bad := c.Write(socks.AppendPasswordStatus(nil, err == nil)); bad != nil {
		return user, bad
	}
	return user, err
}

// authenticate checks a password as a client's PLAIN would be. A name without a domain
// is of the main one.
func (p *proxy) authenticate(name, password string, addr netip.Addr) (user jid.JID, err error) {
	users, guard := account.Of(p.host), account.GuardOf(p.host)
	local, domain, found := strings.Cut(name, "@")
	if !found {
		domain = p.host.Site().Domains[0]
	}
	host, err := jid.New("", domain, "")
	if err != nil || !users.IsHost(host.Domain()) {
		return user, errRefused
	}
	claimed, _ := jid.New(local, host.Domain(), "")
	verdict := guard.Ask(addr, claimed)
	if verdict.Refuse {
		return user, errRefused
	}
	x, err := sasl.New(sasl.Plain, &sasl.Options{Host: host, Directory: users.Directory(), Plain: true,
		Secret: users.Secret(), Iterations: users.Iterations()})
	if err != nil {
		return user, err
	}
	_, _, err = x.Step([]byte("\x00" + local + "\x00" + password))
	if verdict.Wait > 0 {
		time.Sleep(verdict.Wait)
	}
	if err != nil {
		var bad *sasl.Error
		if errors.As(err, &bad) && bad.Condition == sasl.NotAuthorized {
			guard.Failed(addr, claimed)
		}
		return user, err
	}
	guard.Succeeded(addr, claimed)
	return x.Identity(), nil
}

// readRequest reads the request of a client that has logged in.
func readRequest(c *net.TCPConn) (to socks.Address, err error) {
	var what socks.Command
	_, err = exactly(c, make([]byte, 0, socks.MaxRequest), func(b []byte) (missing int, err error) {
		what, to, missing, err = socks.ReadRequest(b)
		return missing, err
	})
	reply := socks.Succeeded
	switch {
	case err == socks.ErrAddress:
		reply = socks.AddressUnknown
	case err != nil:
		return to, err
	case what != socks.Connect:
		reply = socks.CommandUnknown
	case to.Port == 0:
		reply = socks.NotAllowed
	}
	if reply != socks.Succeeded {
		c.Write(socks.AppendReply(nil, reply, socks.Address{}))
		return to, errRefused
	}
	return to, nil
}

// reach connects to where a client wants to go, if it may. Addresses are looked at
// after the name was looked up, and then used: no name leads past the rules.
func (p *proxy) reach(to socks.Address) (*party, socks.Reply) {
	ctx, cancel := context.WithTimeout(context.Background(), reachTime)
	defer cancel()
	list := []netip.Addr{to.IP}
	if to.Name != "" {
		var err error
		if list, err = p.gateway.resolve(ctx, to.Name); err != nil {
			return nil, socks.HostUnreachable
		}
	}
	reply := socks.NotAllowed
	rules := p.gateway.rules()
	for _, ip := range list {
		if ip = ip.Unmap(); !rules.Permits(ip) {
			continue
		}
		var d net.Dialer
		d.SetMultipathTCP(false)
		c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(ip, to.Port).String())
		if err == nil {
			return &party{conn: c.(*net.TCPConn), addr: ip, leave: func() {}}, socks.Succeeded
		}
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			reply = socks.ConnectionRefused
		case errors.Is(err, syscall.ENETUNREACH):
			reply = socks.NetworkUnreachable
		default:
			reply = socks.HostUnreachable
		}
	}
	return nil, reply
}
