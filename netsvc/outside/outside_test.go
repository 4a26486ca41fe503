package outside

import (
	"net/netip"
	"slices"
	"testing"
)

var (
	address = netip.MustParseAddr("9.9.9.9")
	at      = netip.AddrPortFrom(address, 40000)
)

// everything maps each wanted port to at.
func everything(Target) netip.AddrPort { return at }

func nothing(Target) netip.AddrPort { return netip.AddrPort{} }

func TestWithoutMapper(t *testing.T) {
	o := New()
	p := o.Want("udp", 3478)
	if _, ok := p.External(); ok || o.Address().IsValid() {
		t.Error("something is known though nobody asked a router")
	}
	p.Release()
	p.Release()
	if len(o.Wanted()) != 0 {
		t.Errorf("wanted after Release: %v", o.Wanted())
	}
}

func TestWantedIsShared(t *testing.T) {
	o := New()
	woken := 0
	o.Map(func() { woken++ })
	first, second := o.Want("udp", 3478), o.Want("udp", 3478)
	tcp := o.Want("tcp", 7625)
	if want := []Target{{"tcp", 7625}, {"udp", 3478}}; !slices.Equal(o.Wanted(), want) {
		t.Errorf("wanted: %v, want %v", o.Wanted(), want)
	}
	if woken != 2 {
		t.Errorf("the mapper was woken %d times for two ports", woken)
	}
	first.Release()
	if len(o.Wanted()) != 2 || woken != 2 {
		t.Error("the first Release of two took the port away")
	}
	o.Publish(address, everything)
	if got, ok := second.External(); !ok || got != at {
		t.Errorf("external is %v, %v", got, ok)
	}
	if _, ok := first.External(); ok {
		t.Error("a released wish is still reachable")
	}
	second.Release()
	tcp.Release()
	if len(o.Wanted()) != 0 || woken != 4 {
		t.Errorf("wanted %v, woken %d", o.Wanted(), woken)
	}
}

func TestWatchersHearOfChangesOnly(t *testing.T) {
	o := New()
	calls := 0
	stop := o.Watch(func() { calls++; o.Address() })
	p := o.Want("tcp", 7625)
	for _, step := range []struct {
		name     string
		address  netip.Addr
		external func(Target) netip.AddrPort
		calls    int
	}{
		{name: "nothing new", external: nothing, calls: 0},
		{name: "address", address: address, external: nothing, calls: 1},
		{name: "port", address: address, external: everything, calls: 2},
		{name: "the same", address: address, external: everything, calls: 2},
		{name: "port lost", address: address, external: nothing, calls: 3},
	} {
		o.Publish(step.address, step.external)
		if calls != step.calls || o.Address() != step.address {
			t.Errorf("%s: %d calls, want %d; address %v", step.name, calls, step.calls, o.Address())
		}
	}
	stop()
	o.Publish(netip.Addr{}, everything)
	if calls != 3 {
		t.Error("a call after stop")
	}
	p.Release()
}

func TestReason(t *testing.T) {
	o := New()
	if o.Reason() != "" {
		t.Error("there is a reason though nobody has looked")
	}
	o.Explain("no router")
	if o.Reason() != "no router" {
		t.Errorf("the reason is %q", o.Reason())
	}
	o.Publish(address, nothing)
	if o.Reason() != "" {
		t.Error("there is a reason for no address beside an address")
	}
}

func TestWantRefusesNonsense(t *testing.T) {
	for _, bad := range []Target{{"sctp", 1}, {"udp", 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Want(%v) passed", bad)
				}
			}()
			New().Want(bad.Network, bad.Port)
		}()
	}
}

func TestPublic(t *testing.T) {
	for _, tc := range []struct {
		addr            string
		public, private bool
	}{
		{addr: "9.9.9.9", public: true},
		{addr: "::ffff:9.9.9.9", public: true},
		{addr: "10.1.2.3", private: true},
		{addr: "100.63.255.255", public: true},
		{addr: "100.64.0.1", private: true},
		{addr: "100.127.255.255", private: true},
		{addr: "100.128.0.1", public: true},
		{addr: "172.31.0.1", private: true},
		{addr: "172.32.0.1", public: true},
		{addr: "192.168.1.1", private: true},
		{addr: "192.0.2.1"},
		{addr: "169.254.1.1"},
		{addr: "127.0.0.1"},
		{addr: "0.0.0.0"},
		{addr: "224.0.0.1"},
		{addr: "255.255.255.255"},
		{addr: "2001:db8::1"},
		{addr: "fc00::1"},
	} {
		a := netip.MustParseAddr(tc.addr)
		if Public(a) != tc.public || Private(a) != tc.private {
			t.Errorf("%s: public %v, private %v", tc.addr, Public(a), Private(a))
		}
	}
	if Public(netip.Addr{}) || Private(netip.Addr{}) {
		t.Error("the zero address is somewhere")
	}
}
