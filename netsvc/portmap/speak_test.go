package portmap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/outside"
	"linnet/netsvc/wire/natpmp"
	"linnet/netsvc/wire/pcp"
)

// quick is a pace for tests in which answers get lost; slow one for those in which they must not.
var (
	quick = pace{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond}
	slow  = pace{time.Minute}
)

var (
	udp = outside.Target{Network: "udp", Port: 3478}
	tcp = outside.Target{Network: "tcp", Port: 7620} // a port that the fake router gives to somebody else
)

func speaker(t *testing.T, name string, at netip.AddrPort, p pace, ignored *metric.Counter) protocol {
	t.Helper()
	l, err := openLink(at, p, ignored)
	if err != nil {
		t.Fatal(err)
	}
	var s protocol = &speakNATPMP{link: l}
	if name == "pcp" {
		s = &speakPCP{link: l, secret: []byte("secret"), gateway: at.Addr()}
	}
	t.Cleanup(s.close)
	return s
}

// both runs a test with either protocol of datagrams, and a router that speaks it.
func both(t *testing.T, test func(t *testing.T, name string, r *router)) {
	for _, name := range []string{"pcp", "nat-pmp"} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.pcp, r.pmp = name == "pcp", name == "nat-pmp"
			test(t, name, r.serve("127.0.0.1:0"))
		})
	}
}

func TestMapRenewRemove(t *testing.T) {
	both(t, func(t *testing.T, name string, r *router) {
		s := speaker(t, name, r.at, slow, new(metric.Counter))
		ctx := t.Context()
		if err := s.open(ctx); err != nil {
			t.Fatal(err)
		}
		for _, target := range []outside.Target{udp, tcp, tcp} { // the second time it is renewed
			want := target.Port
			if target == tcp {
				want++
			}
			g, err := s.add(ctx, target, target.Port, time.Hour)
			if err != nil || g.external != want || g.lifetime != time.Hour {
				t.Fatalf("%v: %+v, %v", target, g, err)
			}
			if e, ok := r.has(target.Network, want); !ok || e.port != target.Port || e.client != self {
				t.Fatalf("%v: the router has %+v, %v", target, e, ok)
			}
		}
		if s.address() != worldly {
			t.Errorf("the router's address is %v", s.address())
		}
		for _, target := range []outside.Target{udp, tcp} {
			if err := s.remove(ctx, target, target.Port); err != nil {
				t.Errorf("%v: %v", target, err)
			}
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left at the router: %v", left)
		}
		if s.lost() {
			t.Error("a router that went on has lost its memory")
		}
	})
}

// A router that speaks only one of the two says so at once to who speaks the other.
func TestForeign(t *testing.T) {
	r := newRouter(t)
	r.pmp = true
	s := speaker(t, "pcp", r.serve("127.0.0.1:0").at, slow, new(metric.Counter))
	if err := s.open(t.Context()); !errors.Is(err, errForeign) {
		t.Errorf("PCP with a NAT-PMP router: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	both(t, func(t *testing.T, name string, r *router) {
		closed := newRouter(t).serve("127.0.0.1:0")
		free := closed.at
		t.Run("silent", func(t *testing.T) { // it reads, and answers nothing
			s := speaker(t, name, free, quick, new(metric.Counter))
			if err := s.open(t.Context()); !errors.Is(err, errSilent) {
				t.Error(err)
			}
			for closed.asked() < len(quick) { // it reads them some time
				time.Sleep(time.Millisecond)
			}
		})
		t.Run("nothing listens", func(t *testing.T) {
			s := speaker(t, name, netip.MustParseAddrPort("127.0.0.1:9"), slow, new(metric.Counter))
			if err := s.open(t.Context()); !errors.Is(err, errRefused) {
				t.Error(err)
			}
		})
		t.Run("cancelled", func(t *testing.T) {
			s := speaker(t, name, free, slow, new(metric.Counter))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			if err := s.open(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	})
}

// Whatever comes before the answer is dropped and counted, and the answer is taken.
func TestMisbehaviour(t *testing.T) {
	alter := func(b []byte, at int, to byte) []byte {
		b = bytes.Clone(b)
		b[at] = to
		return b
	}
	for _, tc := range []struct {
		name, protocol string
		before         func(answer []byte) []byte
	}{
		{name: "wrong nonce", protocol: "pcp", before: func(b []byte) []byte { return alter(b, 24, b[24]^1) }},
		{name: "wrong port", protocol: "pcp", before: func(b []byte) []byte { return alter(b, 41, b[41]^1) }},
		{name: "wrong protocol", protocol: "pcp", before: func(b []byte) []byte { return alter(b, 36, 6) }},
		{name: "other opcode", protocol: "pcp", before: func(b []byte) []byte { return alter(b, 1, 0x80) }},
		{name: "a request", protocol: "pcp", before: func(b []byte) []byte { return alter(b, 1, 1) }},
		{name: "short", protocol: "pcp", before: func(b []byte) []byte { return b[:40] }},
		{name: "empty", protocol: "pcp", before: func(b []byte) []byte { return []byte{} }},
		{name: "port 0", protocol: "pcp", before: func(b []byte) []byte { return alter(alter(b, 42, 0), 43, 0) }},
		{name: "the late answer to a removal", protocol: "pcp", before: func(b []byte) []byte { return append(append(bytes.Clone(b[:4]), 0, 0, 0, 0), b[8:]...) }},
		{name: "wrong port", protocol: "nat-pmp", before: func(b []byte) []byte { return alter(b, 9, b[9]^1) }},
		{name: "wrong protocol", protocol: "nat-pmp", before: func(b []byte) []byte { return alter(b, 1, 130) }},
		{name: "short", protocol: "nat-pmp", before: func(b []byte) []byte { return b[:12] }},
		{name: "a request", protocol: "nat-pmp", before: func(b []byte) []byte { return alter(b, 1, 1) }},
		{name: "port 0", protocol: "nat-pmp", before: func(b []byte) []byte { return alter(alter(b, 10, 0), 11, 0) }},
		{name: "the late answer to a removal", protocol: "nat-pmp", before: func(b []byte) []byte { return append(bytes.Clone(b[:12]), 0, 0, 0, 0) }},
	} {
		t.Run(tc.protocol+" "+tc.name, func(t *testing.T) {
			r := newRouter(t)
			r.pcp, r.pmp = tc.protocol == "pcp", tc.protocol == "nat-pmp"
			r.twist = func(b []byte) [][]byte { return [][]byte{tc.before(b), b} }
			var ignored metric.Counter
			s := speaker(t, tc.protocol, r.serve("127.0.0.1:0").at, slow, &ignored)
			g, err := s.add(t.Context(), udp, udp.Port, time.Hour)
			if err != nil || g.external != udp.Port {
				t.Errorf("%+v, %v", g, err)
			}
			if ignored.Value() != 1 {
				t.Errorf("%d datagrams were ignored", ignored.Value())
			}
		})
	}
}

// The answer to an earlier wish is none to a removal.
func TestLateAnswerToARemoval(t *testing.T) {
	both(t, func(t *testing.T, name string, r *router) {
		var ignored metric.Counter
		s := speaker(t, name, r.at, slow, &ignored)
		if _, err := s.add(t.Context(), udp, udp.Port, time.Hour); err != nil {
			t.Fatal(err)
		}
		lifetime := 4 // where it stands
		if name == "nat-pmp" {
			lifetime = 12
		}
		r.set(func(r *router) {
			r.twist = func(b []byte) [][]byte {
				late := bytes.Clone(b)
				binary.BigEndian.PutUint32(late[lifetime:], 3600)
				return [][]byte{late, b}
			}
		})
		if err := s.remove(t.Context(), udp, udp.Port); err != nil || ignored.Value() != 1 {
			t.Errorf("%v, %d ignored", err, ignored.Value())
		}
	})
}

// A nonce belongs to one router and one port.
func TestNonces(t *testing.T) {
	one, other := netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("192.168.1.2")
	seen := make(map[pcp.Nonce]bool)
	for _, s := range []speakPCP{{secret: []byte("a"), gateway: one}, {secret: []byte("a"), gateway: other}, {secret: []byte("b"), gateway: one}} {
		for _, t := range []outside.Target{udp, tcp, {Network: "tcp", Port: udp.Port}, {Network: "tcp", Port: udp.Port + 256}} {
			seen[s.nonce(t)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d nonces for 12 mappings", len(seen))
	}
}

// Answers are late: each comes when the request has been sent again, so that one too many is left for the next.
func TestDelayedAnswers(t *testing.T) {
	both(t, func(t *testing.T, name string, r *router) {
		var late []byte
		r.set(func(r *router) {
			r.twist = func(b []byte) [][]byte {
				was := late
				late = bytes.Clone(b)
				return [][]byte{was, was}
			}
		})
		var ignored metric.Counter
		s := speaker(t, name, r.at, pace{10 * time.Millisecond, 10 * time.Millisecond, time.Minute, time.Minute}, &ignored)
		for _, target := range []outside.Target{udp, {Network: "tcp", Port: 8443}, udp} {
			if g, err := s.add(t.Context(), target, target.Port, time.Hour); err != nil || g.external != target.Port {
				t.Errorf("%v: %+v, %v", target, g, err)
			}
		}
		if ignored.Value() == 0 {
			t.Error("no answer to another request was ignored")
		}
	})
}

func TestRefusals(t *testing.T) {
	r := newRouter(t)
	r.pcp = true
	r.twist = func(b []byte) [][]byte {
		b[3] = byte(pcp.NoResources)
		binary.BigEndian.PutUint32(b[4:], 90)
		return [][]byte{b}
	}
	s := speaker(t, "pcp", r.serve("127.0.0.1:0").at, slow, new(metric.Counter))
	_, err := s.add(t.Context(), udp, udp.Port, time.Hour)
	later := (*laterError)(nil)
	if !errors.As(err, &later) || later.after != 90*time.Second || !errors.Is(err, pcp.NoResources) {
		t.Errorf("PCP: %v", err)
	}
	r = newRouter(t)
	r.pmp = true
	r.twist = func(b []byte) [][]byte { return [][]byte{append([]byte{b[0], b[1], 0, 2}, b[4:]...)} }
	s = speaker(t, "nat-pmp", r.serve("127.0.0.1:0").at, slow, new(metric.Counter))
	if _, err := s.add(t.Context(), udp, udp.Port, time.Hour); !errors.Is(err, natpmp.Result(2)) {
		t.Errorf("NAT-PMP: %v", err)
	}
}

// After a crash the box has forgotten everything but its secret: that is enough to renew and to remove.
func TestSameNonceAfterACrash(t *testing.T) {
	r := newRouter(t)
	r.pcp = true
	r.serve("127.0.0.1:0")
	for range 2 {
		s := speaker(t, "pcp", r.at, slow, new(metric.Counter))
		if _, err := s.add(t.Context(), udp, udp.Port, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	stranger := speaker(t, "pcp", r.at, slow, new(metric.Counter))
	stranger.(*speakPCP).secret = []byte("another")
	if _, err := stranger.add(t.Context(), udp, udp.Port, time.Hour); !errors.Is(err, pcp.NotAuthorized) {
		t.Errorf("another secret: %v", err)
	}
}

func TestEpoch(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, tc := range []struct {
		name   string
		ours   time.Duration
		theirs uint32 // after 1000
		lost   bool
	}{
		{name: "in step", ours: time.Hour, theirs: 4600},
		{name: "a second back", ours: 0, theirs: 999},
		{name: "two seconds back", ours: 0, theirs: 998, lost: true},
		{name: "begun anew", ours: time.Hour, theirs: 5, lost: true},
		{name: "begun anew long ago", ours: 10 * time.Hour, theirs: 30000, lost: true},
		{name: "fast by a sixteenth", ours: 3600 * time.Second, theirs: 1000 + 3840},
		{name: "fast by more", ours: 3600 * time.Second, theirs: 1000 + 3850, lost: true},
		{name: "slow by a sixteenth", ours: 3600 * time.Second, theirs: 1000 + 3376},
		{name: "slow by more", ours: 3600 * time.Second, theirs: 1000 + 3370, lost: true},
	} {
		var e epoch
		e.see(1000, start)
		if e.lost() {
			t.Errorf("%s: lost at first sight", tc.name)
		}
		e.see(tc.theirs, start.Add(tc.ours))
		if got := e.lost(); got != tc.lost {
			t.Errorf("%s: %v", tc.name, got)
		}
		if e.lost() {
			t.Errorf("%s: told twice", tc.name)
		}
	}
}

func TestEpochGoesBack(t *testing.T) {
	both(t, func(t *testing.T, name string, r *router) {
		r.set(func(r *router) { r.began = time.Now().Add(-time.Hour) })
		s := speaker(t, name, r.at, slow, new(metric.Counter))
		if err := s.open(t.Context()); err != nil || s.lost() {
			t.Fatal(err)
		}
		r.set(func(r *router) { r.began = time.Now() })
		if err := s.check(t.Context()); err != nil || !s.lost() {
			t.Errorf("not noticed: %v", err)
		}
	})
}

func TestDefaultGateway(t *testing.T) {
	word := func(a string) string {
		b := netip.MustParseAddr(a).As4()
		const hex = "0123456789ABCDEF"
		n := binary.NativeEndian.Uint32(b[:])
		var out []byte
		for shift := 28; shift >= 0; shift -= 4 {
			out = append(out, hex[n>>shift&15])
		}
		return string(out)
	}
	head := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	row := func(destination, gateway, flags, metric, mask string) string {
		return "eth0\t" + word(destination) + "\t" + word(gateway) + "\t" + flags + "\t0\t0\t" + metric + "\t" + word(mask) + "\t0\t0\t0   \n"
	}
	lan := row("192.168.1.0", "0.0.0.0", "0001", "0", "255.255.255.0")
	for _, tc := range []struct{ name, table, want string }{
		{name: "one", table: head + row("0.0.0.0", "192.168.1.1", "0003", "0", "0.0.0.0") + lan, want: "192.168.1.1"},
		{name: "least metric", table: head + row("0.0.0.0", "10.0.0.1", "0003", "600", "0.0.0.0") + row("0.0.0.0", "192.168.1.1", "0003", "100", "0.0.0.0"), want: "192.168.1.1"},
		{name: "half of everything is not everything", table: head + row("0.0.0.0", "10.8.0.1", "0003", "0", "128.0.0.0")},
		{name: "down", table: head + row("0.0.0.0", "192.168.1.1", "0002", "0", "0.0.0.0")},
		{name: "a line without gateway", table: head + row("0.0.0.0", "0.0.0.0", "0001", "0", "0.0.0.0")},
		{name: "none", table: head + lan},
		{name: "empty"},
		{name: "broken", table: "eth0 00000000 xyz 0003 0 0 0 00000000\neth0 00000000\n"},
	} {
		got, err := defaultGateway(tc.table)
		if (err != nil) != (tc.want == "") || err == nil && got.String() != tc.want {
			t.Errorf("%s: %v, %v", tc.name, got, err)
		}
	}
}
