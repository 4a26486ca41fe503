package flow

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGate(t *testing.T) {
	type step struct {
		enter string // an address, or
		leave string // one that entered
		ok    bool
	}
	tests := []struct {
		name           string
		total, perAddr int
		steps          []step
	}{
		{name: "no limits", steps: []step{{enter: "192.0.2.1", ok: true}, {enter: "192.0.2.1", ok: true}}},
		{name: "total", total: 2, steps: []step{
			{enter: "192.0.2.1", ok: true}, {enter: "192.0.2.2", ok: true}, {enter: "192.0.2.3"},
			{leave: "192.0.2.1"}, {enter: "192.0.2.3", ok: true}, {enter: "192.0.2.1"},
		}},
		{name: "each IPv4 address", perAddr: 2, steps: []step{
			{enter: "192.0.2.1", ok: true}, {enter: "::ffff:192.0.2.1", ok: true}, {enter: "192.0.2.1"},
			{enter: "192.0.2.2", ok: true}, {leave: "192.0.2.1"}, {enter: "192.0.2.1", ok: true},
		}},
		{name: "each IPv6 network", perAddr: 1, steps: []step{
			{enter: "2001:db8::1", ok: true}, {enter: "2001:db8::ffff:2"}, {enter: "2001:db8:0:1::1", ok: true},
			{enter: "fe80::1%eth0", ok: true}, {enter: "fe80::2%eth1"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := NewGate(test.total, test.perAddr)
			inside := make(map[netip.Addr][]*ticket)
			for i, s := range test.steps {
				if s.leave != "" {
					a := netip.MustParseAddr(s.leave)
					inside[a][0].leave()
					inside[a] = inside[a][1:]
					continue
				}
				a := netip.MustParseAddr(s.enter)
				k := g.enter(a)
				if (k != nil) != s.ok {
					t.Fatalf("step %d: %s entered %v", i, s.enter, k != nil)
				}
				if k != nil {
					inside[a] = append(inside[a], k)
				}
			}
			for _, tickets := range inside {
				for _, k := range tickets {
					k.leave()
				}
			}
			if n, _ := g.Count(); n != 0 || len(g.byAddr) != 0 {
				t.Fatalf("%d inside, %d addresses known", n, len(g.byAddr))
			}
		})
	}
}

// admit accepts on a port of its own, through the gate, until the test ends. Connections that
// were let in come out of conns.
func admit(t *testing.T, g *Gate) (address string, conns <-chan *Conn) {
	t.Helper()
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, in := newPump(t), make(chan *Conn, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			if c := p.Admit(nc, g); c != nil {
				in <- c
			}
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return ln.Addr().String(), in
}

func TestAdmitCountsUnauthenticated(t *testing.T) {
	gate := NewGate(10, 2)
	address, conns := admit(t, gate)
	connect := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	refused := func() {
		t.Helper()
		if _, err := connect().Read(make([]byte, 1)); err == nil {
			t.Fatal("a third one was let in")
		}
	}
	connect()
	connect()
	first, second := receive(t, conns), receive(t, conns)
	refused()
	first.Admitted()
	first.Admitted()
	connect()
	third := receive(t, conns)
	refused()
	second.Close()
	second.Admitted() // its login and its end met
	first.Close()
	connect()
	receive(t, conns)
	refused()
	third.Close()
	if inside, refused := gate.Count(); inside != 1 || refused != 3 {
		t.Fatalf("%d inside, %d refused", inside, refused)
	}
}

// TestListenTunes reads the options back from an accepted socket, which is what inherits them.
func TestListenTunes(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct {
		name        string
		level, code int
		want        int
	}{
		{name: "SO_KEEPALIVE", level: unix.SOL_SOCKET, code: unix.SO_KEEPALIVE, want: 1},
		{name: "TCP_KEEPIDLE, seconds", level: unix.IPPROTO_TCP, code: unix.TCP_KEEPIDLE, want: 300},
		{name: "TCP_KEEPINTVL, seconds", level: unix.IPPROTO_TCP, code: unix.TCP_KEEPINTVL, want: 30},
		{name: "TCP_KEEPCNT", level: unix.IPPROTO_TCP, code: unix.TCP_KEEPCNT, want: 4},
		{name: "TCP_USER_TIMEOUT, milliseconds", level: unix.IPPROTO_TCP, code: unix.TCP_USER_TIMEOUT, want: 120_000},
		{name: "TCP_NODELAY", level: unix.IPPROTO_TCP, code: unix.TCP_NODELAY, want: 1},
		{name: "SO_PROTOCOL, not multipath", level: unix.SOL_SOCKET, code: unix.SO_PROTOCOL, want: unix.IPPROTO_TCP},
	} {
		raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), option.level, option.code); err != nil || got != option.want {
				t.Errorf("%s is %d, %v; want %d", option.name, got, err, option.want)
			}
		})
	}
}

func TestCustomer(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"one /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"two /64", "2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"two IPv4", "192.0.2.1", "192.0.2.2", false},
		{"mapped", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if got := Customer(netip.MustParseAddr(c.a)) == Customer(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s: same %v", c.name, got)
		}
	}
	if Customer(netip.Addr{}).IsValid() {
		t.Error("no address became one")
	}
}
