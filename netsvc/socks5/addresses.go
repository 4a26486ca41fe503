package socks5

import (
	"net"
	"net/netip"
	"strconv"

	"linnet/netsvc/config"
	"linnet/netsvc/outside"
	"linnet/netsvc/transfer"
)

// announced reads the option of that name: "host", "host:port" or "[v6]:port".
func announced(list []string, port uint16) (hosts []transfer.Streamhost, err error) {
	for _, text := range list {
		h := transfer.Streamhost{Host: text, Port: port}
		if host, number, err := net.SplitHostPort(text); err == nil {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil || n == 0 {
				return nil, config.Bad("announce", "%q has no port of 1 to 65535", text)
			}
			h = transfer.Streamhost{Host: host, Port: uint16(n)}
		}
		if ip, err := netip.ParseAddr(h.Host); err == nil {
			h.Host = ip.WithZone("").String()
		} else if h.Host == "" || len(h.Host) > 253 {
			return nil, config.Bad("announce", "%q is not such as proxy.example.org, 192.0.2.1:1080 or [2001:db8::1]:1080", text)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// portOf is the port of the first address that is listened on.
func portOf(listen []string) uint16 {
	for _, text := range listen {
		if at, err := splitAddress(text); err == nil && at.port != 0 {
			return at.port
		}
	}
	return 0
}

// listening is one address that is listened on.
type listening struct {
	ip   netip.Addr // unspecified for all; zero for a name
	name string
	port uint16
}

func splitAddress(text string) (l listening, err error) {
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return l, err
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return l, err
	}
	l = listening{name: host, port: uint16(port)}
	if ip, err := netip.ParseAddr(host); err == nil {
		l.ip, l.name = ip.WithZone(""), ""
	} else if host == "" {
		l.ip, l.name = netip.IPv6Unspecified(), ""
	}
	return l, nil
}

// streamhosts are the addresses at which the listeners are reached, where the
// operator has named none: where the router in front maps the port to; the box's own
// of each family, a public one before a private one. external is zero when it is not
// known.
func streamhosts(listen []string, own []netip.Addr, external func(port uint16) netip.AddrPort) (hosts []transfer.Streamhost) {
	add := func(host string, port uint16) {
		h := transfer.Streamhost{Host: host, Port: port}
		for _, other := range hosts {
			if other == h {
				return
			}
		}
		if port != 0 {
			hosts = append(hosts, h)
		}
	}
	for _, text := range listen {
		at, err := splitAddress(text)
		switch {
		case err != nil:
		case at.name != "":
			add(at.name, at.port)
		case !at.ip.IsUnspecified():
			if out := external(at.port); outside.Private(at.ip) && out.IsValid() {
				add(out.Addr().String(), out.Port())
			}
			add(at.ip.String(), at.port)
		default:
			if out := external(at.port); out.IsValid() {
				add(out.Addr().String(), out.Port())
			}
			if ip := best(own, netip.Addr.Is4); ip.IsValid() {
				add(ip.String(), at.port)
			}
			if ip := best(own, netip.Addr.Is6); ip.IsValid() && at.ip.Is6() {
				add(ip.String(), at.port)
			}
		}
	}
	return hosts
}

// best is the first public address of a family, or the first of the local network, or the first other one: that of a
// tunnel, or of a provider's translator.
func best(own []netip.Addr, family func(netip.Addr) bool) (found netip.Addr) {
	for _, ip := range own {
		if !family(ip) || !ip.IsGlobalUnicast() {
			continue // loopback and link-local are of no use to others
		}
		if outside.Public(ip) || ip.Is6() && !ip.IsPrivate() {
			return ip
		}
		if !found.IsValid() || ip.IsPrivate() && !found.IsPrivate() {
			found = ip
		}
	}
	return found
}

// ownAddresses are those of the machine's interfaces.
func ownAddresses() (own []netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, ip.Unmap())
			}
		}
	}
	return own
}
