package socks5

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/transfer"
)

func list(hosts []transfer.Streamhost) (s string) {
	for _, h := range hosts {
		s += fmt.Sprintf("%s/%d ", h.Host, h.Port)
	}
	return s
}

func TestAnnounced(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string
		bad  bool
	}{
		{in: "proxy.example.org", want: "proxy.example.org/1080 "},
		{in: "proxy.example.org:7777", want: "proxy.example.org/7777 "},
		{in: "192.0.2.1:1", want: "192.0.2.1/1 "},
		{in: "2001:db8::1", want: "2001:db8::1/1080 "},
		{in: "[2001:DB8::1]:81", want: "2001:db8::1/81 "},
		{in: "x:0", bad: true},
		{in: "x:http", bad: true},
		{in: ":80", bad: true},
		{in: "", bad: true},
	} {
		got, err := announced([]string{tt.in}, 1080)
		if (err != nil) != tt.bad || list(got) != tt.want {
			t.Errorf("%q: %s, %v", tt.in, list(got), err)
		}
	}
}

func TestStreamhosts(t *testing.T) {
	addrs := func(texts ...string) (all []netip.Addr) {
		for _, s := range texts {
			all = append(all, netip.MustParseAddr(s))
		}
		return all
	}
	out := netip.MustParseAddrPort("9.9.9.9:40000")
	for _, tt := range []struct {
		name   string
		listen []string
		own    []netip.Addr
		out    netip.AddrPort
		want   string
	}{
		{name: "a router", listen: []string{"[::]:1080"}, own: addrs("127.0.0.1", "::1", "192.168.1.1", "8.8.8.8", "fe80::1", "fd00::1", "2001:470::1"),
			want: "8.8.8.8/1080 2001:470::1/1080 "},
		{name: "behind a router", listen: []string{"[::]:1080"}, own: addrs("127.0.0.1", "192.168.1.5", "fd00::5"), out: out,
			want: "9.9.9.9/40000 192.168.1.5/1080 fd00::5/1080 "},
		{name: "a tunnel beside the local network", listen: []string{"[::]:1080"}, own: addrs("100.101.102.103", "192.168.1.5", "192.168.2.5"), want: "192.168.1.5/1080 "},
		{name: "a provider's translator", listen: []string{"[::]:1080"}, own: addrs("127.0.0.1", "100.64.1.5"), out: out, want: "9.9.9.9/40000 100.64.1.5/1080 "},
		{name: "one address, of a provider's translator", listen: []string{"100.64.1.5:1080"}, out: out, want: "9.9.9.9/40000 100.64.1.5/1080 "},
		{name: "IPv4 alone", listen: []string{"0.0.0.0:1080"}, own: addrs("192.168.1.5", "2001:470::1"), want: "192.168.1.5/1080 "},
		{name: "one address, mapped", listen: []string{"192.168.1.5:1080"}, out: out, want: "9.9.9.9/40000 192.168.1.5/1080 "},
		{name: "one public address", listen: []string{"8.8.8.8:1080"}, out: out, want: "8.8.8.8/1080 "},
		{name: "two", listen: []string{"8.8.8.8:1080", "[2001:470::1]:1081"}, want: "8.8.8.8/1080 2001:470::1/1081 "},
		{name: "twice the same", listen: []string{"0.0.0.0:1080", "[::]:1080"}, own: addrs("8.8.8.8"), want: "8.8.8.8/1080 "},
		{name: "a name", listen: []string{"localhost:1080"}, want: "localhost/1080 "},
		{name: "no port yet", listen: []string{"127.0.0.1:0"}},
		{name: "no address", listen: []string{"[::]:1080"}},
	} {
		if got := list(streamhosts(tt.listen, tt.own, func(uint16) netip.AddrPort { return tt.out })); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The transfers of one user share his rate, those of others have theirs.
func TestShapers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shapers
		s.set(1000, 0)
		a, again, b := s.enter(romeo.Bare(), 0, false), s.enter(romeo.Bare(), 0, false), s.enter(juliet.Bare(), 0, false)
		if a != again || a == b {
			t.Fatal("shapers are mixed up")
		}
		a.take(250) // the burst, a quarter of a second's
		if pause := a.take(1000); pause != time.Second {
			t.Errorf("pause %v", pause)
		}
		if pause := b.take(250); pause != 0 {
			t.Errorf("the other one pauses %v", pause)
		}
		if pause := s.all.take(1 << 40); pause != 0 {
			t.Errorf("no rate, and a pause of %v", pause)
		}
		time.Sleep(time.Second)
		s.set(2000, 0) // a reload
		if pause := a.take(1000); pause != 500*time.Millisecond {
			t.Errorf("pause %v at the double rate", pause)
		}
		if c := s.enter(juliet.Bare(), 100, true); c != b {
			t.Error("another shaper of the same user")
		}
		time.Sleep(time.Minute)
		s.set(5000, 0) // is not his
		b.take(25)
		if pause := b.take(100); pause != time.Second {
			t.Errorf("pause %v at a rate of his own", pause)
		}
		s.leave(juliet.Bare())
		s.leave(romeo.Bare())
		if len(s.users) != 2 {
			t.Error("left too early")
		}
		s.leave(romeo.Bare())
		s.leave(juliet.Bare())
		if len(s.users) != 0 {
			t.Error("somebody is still there")
		}
		if (*shaper)(nil).take(5) != 0 {
			t.Error("nobody pauses")
		}
	})
}
