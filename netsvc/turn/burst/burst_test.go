package burst

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func open(t testing.TB, network, addr string, local bool) (*net.UDPConn, *Socket) {
	t.Helper()
	at, err := net.ResolveUDPAddr(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP(network, at)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadBuffer(4 << 20)
	s, err := New(c, local)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func port(c *net.UDPConn, host string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(c.LocalAddr().(*net.UDPAddr).Port))
}

// Datagrams of all sizes and in all orders arrive as they were, with and without segmentation.
func TestRoundTrip(t *testing.T) {
	for _, tc := range []struct {
		name, from, to, network, host string
		local                         bool
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "udp4", "127.0.0.1", false},
		{"IPv6", "[::1]:0", "[::1]:0", "udp6", "::1", false},
		{"both families, IPv4", "[::]:0", "127.0.0.1:0", "udp", "127.0.0.1", true},
		{"both families, IPv6", "[::]:0", "[::1]:0", "udp", "::1", true},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s plain=%v", tc.name, plain), func(t *testing.T) {
				a, sa := open(t, tc.network, tc.from, tc.local)
				b, sb := open(t, tc.network, tc.to, false)
				sa.plain.Store(plain)
				to := port(b, tc.host)
				var o Out
				var want []string
				for i, n := range []int{200, 200, 200, 100, 200, 1, 1, 1, 0, 1500, 1500, 1400, 1400, 1399, 1400, 5, 6, 6} {
					want = append(want, strings.Repeat(string(rune('a'+i)), n))
				}
				for range 100 {
					want = append(want, strings.Repeat("z", 300))
				}
				for _, text := range want {
					if !o.Add([]byte(text), to, netip.Addr{}) {
						t.Fatal("no room")
					}
				}
				if o.Len() != len(want) {
					t.Fatal(o.Len())
				}
				if lost := o.Flush(sa); lost != 0 {
					t.Fatalf("%d lost", lost)
				}
				if sa.plain.Load() != plain {
					t.Log("segmentation does not work here")
				}
				b.SetReadDeadline(time.Now().Add(time.Minute))
				for i, text := range want {
					d, err := sb.Next()
					if err != nil {
						t.Fatal(err)
					}
					if string(d.Data) != text || d.Cut || d.From != port(a, tc.host) {
						t.Fatalf("datagram %d is %d bytes of %q from %v", i, len(d.Data), d.Data[:min(1, len(d.Data))], d.From)
					}
				}
				if sb.Buffered() != 0 || o.Len() != 0 {
					t.Error("something is left")
				}
			})
		}
	}
}

// A socket of all addresses answers from the one that was asked.
func TestLocal(t *testing.T) {
	for _, tc := range []struct{ network, host string }{{"udp", "127.0.0.1"}, {"udp", "127.0.0.5"}, {"udp", "::1"}, {"udp4", "127.0.0.1"}, {"udp4", "127.0.0.5"}} {
		t.Run(tc.network+" "+tc.host, func(t *testing.T) {
			host := tc.host
			a, sa := open(t, tc.network, ":0", true)
			b, sb := open(t, "udp", net.JoinHostPort(host, "0"), false)
			if _, err := b.WriteToUDPAddrPort([]byte("ask"), port(a, host)); err != nil {
				t.Fatal(err)
			}
			a.SetReadDeadline(time.Now().Add(time.Minute))
			d, err := sa.Next()
			if err != nil || d.To != netip.MustParseAddr(host) {
				t.Fatal(d.To, err)
			}
			for _, run := range []int{1, 3} {
				var o Out
				for range run {
					o.Add([]byte("answer"), d.From, d.To)
				}
				if lost := o.Flush(sa); lost != 0 {
					t.Fatal(lost)
				}
				b.SetReadDeadline(time.Now().Add(time.Minute))
				for range run {
					if got, err := sb.Next(); err != nil || got.From != port(a, host) {
						t.Fatal(got.From, err)
					}
				}
			}
		})
	}
}

// What is larger than a buffer is told, and what cannot be sent is counted without the rest being lost.
func TestLost(t *testing.T) {
	a, sa := open(t, "udp4", "127.0.0.1:0", false)
	b, sb := open(t, "udp4", "127.0.0.1:0", false)
	var o Out
	nowhere := netip.MustParseAddrPort("255.255.255.255:0") // port 0: EINVAL
	o.Add([]byte("one"), port(b, "127.0.0.1"), netip.Addr{})
	o.Add([]byte("two"), nowhere, netip.Addr{})
	o.Add(make([]byte, Size+1), port(b, "127.0.0.1"), netip.Addr{})
	o.Add([]byte("four"), port(b, "127.0.0.1"), netip.Addr{})
	if lost := o.Flush(sa); lost != 1 {
		t.Errorf("%d lost", lost)
	}
	b.SetReadDeadline(time.Now().Add(time.Minute))
	for _, want := range []Datagram{{Data: []byte("one")}, {Data: make([]byte, Size), Cut: true}, {Data: []byte("four")}} {
		if d, err := sb.Next(); err != nil || string(d.Data) != string(want.Data) || d.Cut != want.Cut {
			t.Errorf("%q, %v, %v", d.Data, d.Cut, err)
		}
	}
	for o.Add(make([]byte, 1000), port(b, "127.0.0.1"), netip.Addr{}) {
	}
	if o.Len() != outBytes/1000 {
		t.Errorf("%d fit", o.Len())
	}
	a.Close()
	if lost := o.Flush(sa); lost != outBytes/1000 {
		t.Errorf("%d lost by a closed socket", lost)
	}
}

func TestDeadlineAndEnd(t *testing.T) {
	c, s := open(t, "udp4", "127.0.0.1:0", false)
	c.SetReadDeadline(time.Unix(1, 0))
	if _, err := s.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	c.SetReadDeadline(time.Time{})
	go c.Close()
	if _, err := s.Next(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func BenchmarkFlush(b *testing.B) {
	for _, run := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(run), func(b *testing.B) {
			_, sa := open(b, "udp4", "127.0.0.1:0", false)
			c, _ := open(b, "udp4", "127.0.0.1:0", false)
			to := port(c, "127.0.0.1")
			p := make([]byte, 200)
			b.ReportAllocs()
			var o Out
			for b.Loop() {
				for range run {
					o.Add(p, to, netip.Addr{})
				}
				o.Flush(sa)
			}
		})
	}
}
