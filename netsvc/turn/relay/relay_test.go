package relay

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/peer"
)

var (
	here4 = netip.MustParseAddr("127.0.0.1")
	here6 = netip.MustParseAddr("::1")
)

// free is a meter without limits; shut lets nothing pass.
type free struct{ closed int }

func (m *free) Pass(int, bool) bool { return true }
func (m *free) Close()              { m.closed++ }

type shut struct{ free }

func (*shut) Pass(int, bool) bool { return false }

func same(a netip.AddrPort) netip.AddrPort { return a }

func open(t *testing.T, b *Box, s Spec) *Relay {
	t.Helper()
	if s.Meter == nil {
		s.Meter = &free{}
	}
	if s.External == nil {
		s.External = same
	}
	r, err := b.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// reads returns what arrives at a relay, or "" when it was closed.
func reads(r net.PacketConn) (string, net.Addr) {
	p := make([]byte, 2000)
	n, from, err := r.ReadFrom(p)
	if err != nil {
		return "", nil
	}
	return string(p[:n]), from
}

func send(t *testing.T, r *Relay, text string, to netip.AddrPort) {
	t.Helper()
	if n, err := r.WriteTo([]byte(text), net.UDPAddrFromAddrPort(to)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// Two relays of a box exchange packets inside, under the addresses that the world knows.
func TestInside(t *testing.T) {
	for _, tc := range []struct {
		name     string
		local    netip.Addr
		external func(netip.AddrPort) netip.AddrPort
	}{
		{"IPv4", here4, same},
		{"IPv6", here6, same},
		{"behind a router", here4, func(a netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("5.6.7.8"), a.Port()+1)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := NewBox(NewCounters()) // whose rules permit nobody
			x := open(t, b, Spec{Local: tc.local, External: tc.external})
			y := open(t, b, Spec{Local: tc.local, External: tc.external})
			if !x.Permits(y.Addr().Addr()) {
				t.Fatal("not permitted")
			}
			got := make(chan string, 3)
			go func() {
				for {
					text, from := reads(y)
					if from == nil {
						close(got)
						return
					}
					got <- text + " from " + from.String()
				}
			}()
			for _, text := range []string{"one", "two", "three"} {
				send(t, x, text, y.Addr())
				if g := <-got; g != text+" from "+x.Addr().String() {
					t.Errorf("%q", g)
				}
			}
			// A mapped spelling of the address is the same one; another port is nobody.
			if tc.local.Is4() {
				send(t, x, "mapped", netip.AddrPortFrom(netip.AddrFrom16(y.Addr().Addr().As16()), y.Addr().Port()))
				if g := <-got; !strings.HasPrefix(g, "mapped") {
					t.Errorf("%q", g)
				}
			}
			send(t, x, "lost", netip.AddrPortFrom(y.Addr().Addr(), y.Addr().Port()+2))
			if n := b.Count.Forbidden.Value(); n != 1 {
				t.Errorf("%d forbidden", n)
			}
			if b.Count.Sent.Value() != 0 {
				t.Error("it went onto the wire")
			}
			y.Close()
			for range got {
			}
			send(t, x, "to nobody", y.Addr())
			if n := b.Len(); n != 1 {
				t.Errorf("%d relays", n)
			}
		})
	}
}

// listener is a service of this machine that no relay may reach.
func listener(t *testing.T, addr string) (at netip.AddrPort, heard chan string) {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close() })
	heard = make(chan string, 10)
	go func() {
		for {
			text, from := reads(c)
			if from == nil {
				return
			}
			heard <- text
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), heard
}

// A service of the box does not hear of its relays, whatever address it is called by.
func TestOwnServices(t *testing.T) {
	network, err := peer.Here()
	if err != nil {
		t.Fatal(err)
	}
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for _, rules := range []*peer.Rules{peer.New(network, nil, nil), peer.New(network, all, nil)} {
		for _, local := range []netip.Addr{here4, here6} {
			b := NewBox(NewCounters())
			b.SetRules(rules)
			r := open(t, b, Spec{Local: local})
			sent := uint64(0)
			for _, own := range network.Own {
				if own.Is4() != local.Is4() || own.IsLinkLocalUnicast() {
					continue
				}
				at, heard := listener(t, own.String())
				send(t, r, "knock", at)
				sent++
				// What was not sent cannot arrive; this is what would tell if it had been.
				select {
				case text := <-heard:
					t.Errorf("%v hears %q", at, text)
				default:
				}
			}
			if n := b.Count.Forbidden.Value(); n != sent || b.Count.Sent.Value() != 0 {
				t.Errorf("%v: %d of %d forbidden, %d bytes sent", local, n, sent, b.Count.Sent.Value())
			}
			send(t, r, "port 0", netip.MustParseAddrPort("8.8.8.8:0"))
			if n := b.Count.Forbidden.Value(); n != sent+1 {
				t.Error("port 0 is a peer")
			}
		}
	}
}

// What comes over the wire and says that it is a relay of this box is not believed.
func TestForgedRelay(t *testing.T) {
	b := NewBox(NewCounters())
	r := open(t, b, Spec{Local: here4})
	at, _ := listener(t, "127.0.0.1")
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.Local()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = at
	got := make(chan string, 1)
	go func() { text, _ := reads(r); got <- text }()
	c.Write([]byte("I am your neighbour"))
	for range 6000 {
		if b.Count.Lost.Value() == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Close()
	if text := <-got; text != "" || b.Count.Lost.Value() != 1 {
		t.Errorf("%q was believed, %d lost", text, b.Count.Lost.Value())
	}
}

// Limits of packets: size, meter, queue.
func TestLost(t *testing.T) {
	b := NewBox(NewCounters())
	x, y := open(t, b, Spec{Local: here4}), open(t, b, Spec{Local: here4})
	send(t, x, strings.Repeat("x", largest+1), y.Addr())
	if n := b.Count.Lost.Value(); n != 1 {
		t.Errorf("%d lost for their size", n)
	}
	for range inboxBytes/1000 + 10 {
		send(t, x, strings.Repeat("x", 1000), y.Addr())
	}
	if n := b.Count.Inside.Value(); n > inboxBytes || n < inboxBytes-1000 {
		t.Errorf("%d bytes wait", n)
	}
	z := open(t, b, Spec{Local: here4, Meter: &shut{}})
	before := b.Count.Lost.Value()
	send(t, z, "out", x.Addr())
	send(t, x, "in", z.Addr())
	if n := b.Count.Lost.Value() - before; n != 2 {
		t.Errorf("%d lost for the meter", n)
	}
}

func TestPorts(t *testing.T) {
	b := NewBox(NewCounters())
	var got []int
	var all []*Relay
	for range 8 {
		r := open(t, b, Spec{Local: here4, Low: 21501, High: 21508})
		got = append(got, int(r.Local().Port()))
		all = append(all, r)
	}
	if slices.IsSorted(got) {
		t.Logf("ports in order (1 of 40320 tests): %v", got)
	}
	slices.Sort(got)
	for i, p := range got {
		if p != 21501+i {
			t.Fatalf("%v", got)
		}
	}
	if _, err := b.Open(Spec{Local: here4, Low: 21501, High: 21508, External: same, Meter: &free{}}); !errors.Is(err, ErrNoPort) {
		t.Errorf("%v", err)
	}
	m := all[3].meter.(*free)
	all[3].Close()
	all[3].Close()
	if m.closed != 1 {
		t.Errorf("the meter was closed %d times", m.closed)
	}
	if r := open(t, b, Spec{Local: here4, Low: 21501, High: 21508}); r.Local() != all[3].Local() {
		t.Errorf("%v is free, not %v", all[3].Local(), r.Local())
	}
	for range 4 {
		if r := open(t, b, Spec{Local: here4, Low: 21510, High: 21517, Even: true, DontFragment: true}); r.Local().Port()%2 != 0 {
			t.Errorf("%v is not even", r.Local())
		}
	}
	if _, err := b.Open(Spec{Local: here4, Low: 21510, High: 21517, Even: true, External: same, Meter: &free{}}); !errors.Is(err, ErrNoPort) {
		t.Errorf("%v", err)
	}
	if r := open(t, b, Spec{Local: here4, Ports: []uint16{21511}}); r.Local().Port() != 21511 {
		t.Errorf("%v", r.Local())
	}
	if _, err := b.Open(Spec{Local: here4, Ports: []uint16{}, External: same, Meter: &free{}}); !errors.Is(err, ErrNoPort) {
		t.Errorf("no port is ready, and still: %v", err)
	}
	if _, err := b.Open(Spec{Local: netip.MustParseAddr("192.0.2.1"), Low: 21520, High: 21521, External: same, Meter: &free{}}); err == nil || errors.Is(err, ErrNoPort) {
		t.Errorf("an address that is not here: %v", err)
	}
	if b.Busy(netip.MustParseAddrPort("192.0.2.1:21520")) {
		t.Error("a port that could not be had is taken")
	}
}

// Rules that change hold for relays that are open, and for the peer of the packet before.
func TestRulesChange(t *testing.T) {
	b := NewBox(NewCounters())
	r := open(t, b, Spec{Local: here4})
	to := netip.MustParseAddrPort("8.8.8.8:9")
	for i, tc := range []struct {
		rules *peer.Rules
		may   bool
	}{
		{nil, false},
		{peer.New(peer.Network{}, nil, nil), true},
		{peer.New(peer.Network{Own: []netip.Addr{to.Addr()}}, nil, nil), false},
		{peer.New(peer.Network{}, nil, nil), true},
		{nil, false},
	} {
		b.SetRules(tc.rules)
		if got := r.may(to); got != tc.may {
			t.Errorf("%d: %v", i, got)
		}
	}
}
