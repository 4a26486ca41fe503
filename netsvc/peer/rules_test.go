package peer

import (
	"net/netip"
	"slices"
	"testing"
)

var here = networkOf([]link{
	{"lo", prefixes("127.0.0.1/8", "::1/128")},
	{"wan", prefixes("5.6.7.8/24", "2a00:1:2:3::8/64", "fe80::1/64")},
	{"lan", prefixes("192.168.1.1/24", "20.30.40.1/28", "2a00:5:6:7::1/64", "fd00:1::1/64")},
	{"ppp", prefixes("100.100.1.2/32")},
}, []string{"wan"})

func TestPermits(t *testing.T) {
	plain := New(here, nil, nil)
	opened := New(here, prefixes("192.168.1.0/24", "fd00:1::/64", "2a00:5:6:7::/64"), prefixes("192.168.1.66/32"))
	wide := New(here, prefixes("0.0.0.0/0", "::/0"), nil)
	for _, tc := range []struct {
		name, addr          string
		plain, opened, wide bool
	}{
		{"internet", "8.8.8.8", true, true, true},
		{"internet, IPv6", "2a01::1", true, true, true},
		{"provider's neighbour", "5.6.7.9", true, true, true},

		{"loopback", "127.0.0.1", false, false, false},
		{"all of loopback", "127.200.0.1", false, false, false},
		{"loopback, IPv6", "::1", false, false, false},
		{"this host", "0.0.0.0", false, false, false},
		{"this network", "0.1.2.3", false, false, false},
		{"unspecified", "::", false, false, false},
		{"link-local", "169.254.169.254", false, false, false},
		{"link-local, IPv6", "fe80::2", false, false, false},
		{"with zone", "fe80::2%lan", false, false, false},
		{"global with zone", "2a01::1%lan", false, false, false},
		{"site-local", "fec0::1", false, false, false},
		{"multicast", "224.0.0.251", false, false, false},
		{"multicast, IPv6", "ff02::fb", false, false, false},
		{"reserved", "240.0.0.1", false, false, false},
		{"broadcast", "255.255.255.255", false, false, false},
		{"mapped internet", "::ffff:8.8.8.8", false, false, false},
		{"mapped loopback", "::ffff:127.0.0.1", false, false, false},
		{"compatible", "::8.8.8.8", false, false, false},
		{"translated", "::ffff:0:10.1.2.3", false, false, false},
		{"reserved, IPv6", "200::1", false, false, true},
		{"not assigned, IPv6", "4000::1", false, false, true},
		{"not assigned, IPv6, far up", "f000::1", false, false, true},
		{"segments", "5f00::1", false, false, true},
		{"benchmarks, IPv6", "2001:2::1", false, false, true},
		{"identifiers", "2001:20::1", false, false, true},
		{"internet beside those", "2001:200::1", true, true, true},
		{"internet, last", "3ffe:ffff::1", true, true, true},
		{"NAT64", "64:ff9b::7f00:1", false, false, false},
		{"local NAT64", "64:ff9b:1::1", false, false, false},
		{"6to4", "2002:7f00:1::1", false, false, false},
		{"Teredo", "2001::1", false, false, false},

		{"private", "10.1.2.3", false, false, true},
		{"carrier", "100.64.0.1", false, false, true},
		{"private 172", "172.31.255.255", false, false, true},
		{"not private 172", "172.32.0.1", true, true, true},
		{"protocol assignments", "192.0.0.8", false, false, true},
		{"documentation", "192.0.2.1", false, false, true},
		{"6to4 relays", "192.88.99.1", false, false, true},
		{"benchmarks", "198.19.255.255", false, false, true},
		{"documentation 2", "198.51.100.1", false, false, true},
		{"documentation 3", "203.0.113.1", false, false, true},
		{"discard", "100::1", false, false, true},
		{"documentation, IPv6", "2001:db8::1", false, false, true},
		{"unique local", "fd12::1", false, false, true},

		{"host in the LAN", "192.168.1.2", false, true, true},
		{"closed host in the LAN", "192.168.1.66", false, false, true},
		{"host in another LAN", "192.168.2.2", false, false, true},
		{"LAN's broadcast", "192.168.1.255", false, false, false},
		{"LAN's name", "192.168.1.0", false, false, false},
		{"WAN's broadcast", "5.6.7.255", false, false, false},
		{"public LAN", "20.30.40.2", false, false, true},
		{"beside the public LAN", "20.30.40.16", true, true, true},
		{"LAN, IPv6", "2a00:5:6:7::2", false, true, true},
		{"unique local LAN", "fd00:1::2", false, true, true},
		{"WAN, IPv6", "2a00:1:2:3::9", false, false, true},

		{"own, WAN", "5.6.7.8", false, false, false},
		{"own, LAN", "192.168.1.1", false, false, false},
		{"own, IPv6", "2a00:1:2:3::8", false, false, false},
		{"own, LAN, IPv6", "2a00:5:6:7::1", false, false, false},
		{"own, tunnel", "100.100.1.2", false, false, false},
	} {
		a := netip.MustParseAddr(tc.addr)
		for _, r := range []struct {
			name  string
			rules *Rules
			want  bool
		}{{"plain", plain, tc.plain}, {"opened", opened, tc.opened}, {"wide", wide, tc.wide}, {"nil", nil, false}} {
			if got := r.rules.Permits(a); got != r.want {
				t.Errorf("%s (%s): %s says %v", tc.name, tc.addr, r.name, got)
			}
		}
	}
	if plain.Permits(netip.Addr{}) {
		t.Error("no address at all is permitted")
	}
}

func TestDefaultRoutes(t *testing.T) {
	table := `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
tun0	00000000	00000000	0001	0	0	0	00000080	0	0	0
wwan0	00000000	00000000	0001	0	0	9	00000000	0	0	0
`
	if got := defaultRoutes(table); !slices.Equal(got, []string{"eth0", "wwan0"}) {
		t.Errorf("%q", got)
	}
}

func TestHere(t *testing.T) {
	n, err := Here()
	if err != nil || !slices.Contains(n.Own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v, %v", n, err)
	}
}

func BenchmarkPermits(b *testing.B) {
	r, a := New(here, nil, nil), netip.MustParseAddr("8.8.8.8")
	for b.Loop() {
		r.Permits(a)
	}
}
