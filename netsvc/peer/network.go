package peer

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// link is one network interface.
type link struct {
	name      string
	addresses []netip.Prefix
}

// Here is the Network of this machine.
func Here() (Network, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return Network{}, err
	}
	var links []link
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		l := link{name: i.Name}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.addresses = append(l.addresses, p)
			}
		}
		links = append(links, l)
	}
	routes, _ := os.ReadFile("/proc/net/route") // without it, all links are the box's own
	return networkOf(links, defaultRoutes(string(routes))), nil
}

// defaultRoutes lists the interfaces that lead to the internet, from /proc/net/route.
func defaultRoutes(table string) (names []string) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			names = append(names, f[0])
		}
	}
	return names
}

// networkOf gathers what the interfaces say. On the one that leads to the internet, IPv4 neighbours are the provider's
// other customers, who can be reached from anywhere; an IPv6 network is a household's or a data centre's own.
func networkOf(links []link, outward []string) (n Network) {
	for _, l := range links {
		leadsOut := false
		for _, name := range outward {
			leadsOut = leadsOut || name == l.name
		}
		for _, p := range l.addresses {
			a := p.Addr().WithZone("")
			n.Own = append(n.Own, a)
			if p.IsSingleIP() {
				continue
			}
			if a.Is4() && p.Bits() < 31 {
				n.Cast = append(n.Cast, p.Masked().Addr(), last(p))
			}
			if a.Is6() || !leadsOut {
				n.Links = append(n.Links, netip.PrefixFrom(a, p.Bits()).Masked())
			}
		}
	}
	return n
}

// last is the broadcast address of an IPv4 network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
