package portmap

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/outside"
	"linnet/netsvc/wire/igd"
	"linnet/netsvc/wire/natpmp"
	"linnet/netsvc/wire/pcp"
)

func info(t *testing.T) module.Info {
	t.Helper()
	for _, i := range module.All() {
		if i.Name == "portmap" {
			return i
		}
	}
	t.Fatal("portmap is not registered")
	return module.Info{}
}

// wait waits until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 6000 {
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain until " + what)
}

// loopback serves a router at the port that routers have, at an address of its own.
func loopback(r *router) (gateway string) {
	gateway = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	r.serve(gateway + ":5351")
	return gateway
}

// An operator is told of double NAT wherever he may look.
func TestServiceDoubleNAT(t *testing.T) {
	r := newRouter(t)
	r.pcp, r.address = true, netip.MustParseAddr("100.64.1.2")
	gateway := loopback(r)
	s := moduletest.Start(t, info(t), moduletest.Options{Values: map[string]string{
		"portmap/mode": "on", "portmap/gateway": gateway, "portmap/ports": "tcp/5222", "portmap/protocols": "pcp"}})
	wait(t, "it is noticed", func() bool { return s.Metric("portmapDoubleNat") == 1 })
	behind := s.Module.(*service).behind
	wait(t, "the event is raised", func() bool { return slices.Equal(behind.Raised(), []string{"100.64.1.2"}) })
	result, err := s.Run("portmap show", nil)
	if err != nil {
		t.Fatal(err)
	}
	if shown := string(result.AppendTable(nil, "", "")); !strings.Contains(shown, "stands behind another router") {
		t.Errorf("shown is\n%s", shown)
	}
	if err := s.Module.(module.Stopper).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if raised := behind.Raised(); len(raised) != 0 {
		t.Errorf("after the end: %q", raised)
	}
	if err := s.Module.(module.Starter).Start(t.Context()); err != nil { // for the Stop of the test's end
		t.Fatal(err)
	}
}

// The whole service with a router on loopback.
func TestService(t *testing.T) {
	r := newRouter(t)
	r.pmp = true
	gateway := loopback(r)
	options := map[string]string{"portmap/mode": "on", "portmap/gateway": gateway, "portmap/ports": "tcp/5222"}
	s := moduletest.Start(t, info(t), moduletest.Options{Values: options})
	o := s.Module.(*service).mapper.outside
	port := o.Want("udp", 3478)
	wait(t, "both ports are mapped", func() bool { return s.Metric("portmapMapped") == 2 })
	if at, ok := port.External(); !ok || at.String() != "9.9.9.9:3478" {
		t.Errorf("reached at %v, %v", at, ok)
	}
	if s.Metric("portmapWanted") != 2 || s.Metric("portmapDoubleNat") != 0 {
		t.Errorf("wanted %d, double %d", s.Metric("portmapWanted"), s.Metric("portmapDoubleNat"))
	}
	result, err := s.Run("portmap show", nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(result.AppendTable(nil, "", ""))
	for _, want := range []string{"nat-pmp", "9.9.9.9:3478", "9.9.9.9:5222", "tcp/5222", gateway} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}
	options["portmap/ports"] = ""
	s.Again(options)
	wait(t, "the port of the operator is gone", func() bool { _, there := r.has("tcp", 5222); return !there })
	if _, there := r.has("udp", 3478); !there {
		t.Error("the other went, too")
	}
	if err := s.Module.(module.Stopper).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := r.has("udp", 3478); there {
		t.Error("the mapping is there after the end")
	}
	if err := s.Module.(module.Starter).Start(t.Context()); err != nil { // for the Stop of the test's end
		t.Fatal(err)
	}
}

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		name  string
		s     service
		wrong bool
	}{
		{name: "defaults", s: service{mode: "auto", speak: protocols}},
		{name: "gateway", s: service{gateway: "192.168.1.1"}},
		{name: "a name", s: service{gateway: "router.lan"}, wrong: true},
		{name: "IPv6", s: service{gateway: "fe80::1"}, wrong: true},
		{name: "ports", s: service{ports: []string{"tcp/5222", "udp/1"}}},
		{name: "no network", s: service{ports: []string{"5222"}}, wrong: true},
		{name: "another network", s: service{ports: []string{"sctp/5222"}}, wrong: true},
		{name: "port 0", s: service{ports: []string{"tcp/0"}}, wrong: true},
		{name: "port 65536", s: service{ports: []string{"tcp/65536"}}, wrong: true},
		{name: "protocol", s: service{speak: []string{"igd"}}, wrong: true},
	} {
		if err := tc.s.check(); (err != nil) != tc.wrong {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if (&service{mode: "off"}).Enabled() || !(&service{mode: "auto"}).Enabled() {
		t.Error("off does not switch it off")
	}
	for _, target := range []outside.Target{udp, tcp} {
		s := service{ports: []string{name(target)}}
		if err := s.check(); err != nil || s.settings.ports[0] != target {
			t.Errorf("%v became %v, %v", target, s.settings.ports, err)
		}
	}
}

func TestHomeless(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{err: &laterError{pcp.NoResources, time.Minute}, want: true},
		{err: natpmp.NetworkFailure, want: true},
		{err: &igd.Fault{Code: 501}, want: true},
		{err: &laterError{pcp.NotAuthorized, time.Minute}},
		{err: natpmp.UnsupportedVersion},
		{err: &igd.Fault{Code: 718}},
		{err: errSilent},
	} {
		if homeless(tc.err) != tc.want {
			t.Errorf("%v: %v", tc.err, !tc.want)
		}
	}
}

func TestAnnouncements(t *testing.T) {
	for _, tc := range []struct {
		name string
		b    []byte
		want bool
	}{
		{name: "NAT-PMP", b: []byte{0, 128, 0, 0, 0, 0, 0, 1, 9, 9, 9, 9}, want: true},
		{name: "PCP", b: append([]byte{2, 128, 0, 0}, make([]byte, 20)...), want: true},
		{name: "a mapping", b: []byte{0, 129, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1}},
		{name: "a request", b: []byte{0, 0}},
		{name: "nothing"},
	} {
		if got := announces(tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
