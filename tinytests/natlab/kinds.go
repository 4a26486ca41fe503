package natlab

import (
	"fmt"
	"net/netip"
)

// Kind is how a client is connected to the internet.
type Kind uint8

// The kinds, in the words of RFC 4787.
const (
	None                Kind = iota // a public address, no firewall
	FullCone                        // endpoint-independent mapping and filtering
	EndpointIndependent             // endpoint-independent mapping, address and port-dependent filtering: most homes
	Symmetric                       // address and port-dependent mapping and filtering: carriers, offices
)

func (k Kind) String() string {
	return [...]string{"none", "full cone", "endpoint-independent", "symmetric"}[k]
}

// Internet is the bridge that stands for it, with addresses of servers on it.
type Internet struct {
	*Space
	hosts int
}

// The internet's addresses. They belong to a part of IPv4 that is assigned and looks public to programs, but is not
// seen on the internet; here nothing leaves the namespaces anyway.
var hub = public(254)

func public(n int) netip.Addr { return netip.AddrFrom4([4]byte{11, 11, 11, byte(n)}) }

// Internet makes a bridge where its own host has the first n addresses, and that of the hub, where there is nothing
// more to be found.
func (l *Lab) Internet(n int) *Internet {
	l.t.Helper()
	s := l.Space("inet")
	script := "ip link add br0 type bridge forward_delay 0\nip link set br0 up\n"
	script += fmt.Sprintf("ip addr add %v/24 dev br0\n", hub)
	for i := range n {
		script += fmt.Sprintf("ip addr add %v/24 dev br0\n", public(i+1))
	}
	s.Shell(script)
	return &Internet{s, n}
}

// Join connects a host to the internet by a cable with this name at its end. It is what leads to everywhere.
func (n *Internet) Join(s *Space, name string) netip.Addr {
	n.lab.t.Helper()
	n.hosts++
	addr := public(n.hosts)
	port := fmt.Sprintf("p%d", n.hosts)
	n.lab.Cable(s, name, addr.String()+"/24", n.Space, port, "")
	n.Shell("ip link set " + port + " master br0")
	s.Shell("ip route add default via " + hub.String())
	return addr
}

// Client is a host of somebody, and the router in front of it.
type Client struct {
	*Space
	Kind   Kind
	Addr   netip.Addr // its own
	Router *Space     // nil with a public address
	Public netip.Addr // where packets from it come from
}

// Client makes a client behind a router of some kind.
func (n *Internet) Client(name string, k Kind) *Client {
	n.lab.t.Helper()
	c := &Client{Space: n.lab.Space(name), Kind: k}
	if k == None {
		c.Public = n.Join(c.Space, "eth0")
		c.Addr = c.Public
		return c
	}
	c.Router = n.lab.Space(name + "-r")
	c.Public = n.Join(c.Router, "wan")
	net := c.Public.As4()[3]
	c.Addr = netip.AddrFrom4([4]byte{192, 168, net, 2})
	n.lab.Cable(c.Space, "eth0", c.Addr.String()+"/24", c.Router, "lan", fmt.Sprintf("192.168.%d.1/24", net))
	c.Shell(fmt.Sprintf("ip route add default via 192.168.%d.1", net))
	c.Router.Shell("sysctl -qw net.ipv4.ip_forward=1")
	c.Router.Nft(rules(k, c.Addr))
	return c
}

// rules make a router of some kind. That the router drops what comes to itself is essential: an answer of its own to
// a packet that nobody expects would take the port, in its table of connections, from the client that is to have it
// next, and make an endpoint-independent translator symmetric.
func rules(k Kind, client netip.Addr) string {
	masquerade, incoming, forward := "masquerade", "", `iifname "wan" ct state new drop`
	switch k {
	case Symmetric:
		masquerade = "masquerade fully-random"
	case FullCone:
		incoming = fmt.Sprintf(`iifname "wan" meta l4proto udp dnat to %v`, client)
		forward = ""
	}
	return fmt.Sprintf(`
table ip lab {
	chain input { type filter hook input priority filter; iifname "wan" ct state new drop; }
	chain forward { type filter hook forward priority filter; %s; }
	chain prerouting { type nat hook prerouting priority dstnat; %s; }
	chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" %s; }
}
`, forward, incoming, masquerade)
}
