package natlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"
)

// program returns the path of the program, or skips the test and says what is missing.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LINNET_NATLAB")
	if path == "" {
		t.Skip("the laboratory runs where LINNET_NATLAB names the program: make interop does that")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v (packages iproute2 and nftables)", err)
		}
	}
	probe := fmt.Sprintf("ln%d-probe", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", probe).CombinedOutput(); err != nil {
		t.Skipf("this kernel or container makes no network namespaces: %s", out)
	}
	defer exec.Command("ip", "netns", "del", probe).Run()
	c := exec.Command("ip", "netns", "exec", probe, "nft", "add table ip lab; add chain ip lab c { type nat hook postrouting priority srcnat; }; add rule ip lab c masquerade fully-random")
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("this kernel translates no addresses: %s", out)
	}
	return path
}

// mirror answers every datagram with the address that it came from.
func mirror(c *net.UDPConn) {
	b := make([]byte, 100)
	for {
		_, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		_, _ = c.WriteToUDPAddrPort([]byte(from.String()), from)
	}
}

// seen asks a mirror, until it answers, where a socket's packets come from.
func seen(t *testing.T, c *net.UDPConn, mirror netip.AddrPort) netip.AddrPort {
	t.Helper()
	b := make([]byte, 100)
	for range 300 {
		if _, err := c.WriteToUDPAddrPort([]byte("who am I"), mirror); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if at, err := netip.ParseAddrPort(string(b[:n])); err == nil && from == mirror {
			return at
		}
	}
	t.Fatalf("%v does not answer", mirror)
	return netip.AddrPort{}
}

// hears tells whether a datagram that is sent to a place outside arrives at a socket. One that arrives does so at
// once, for the network is the kernel's; where it is expected to, the test is patient all the same.
func hears(t *testing.T, c, from *net.UDPConn, to netip.AddrPort, expected bool) bool {
	t.Helper()
	b := make([]byte, 100)
	tries := 5
	if expected {
		tries = 600
	}
	for range tries {
		if _, err := from.WriteToUDPAddrPort([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, _, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				break
			}
			if string(b[:n]) == "hello" {
				return true
			}
		}
	}
	return false
}

// The routers of the laboratory are of the kinds that they are called.
func TestKinds(t *testing.T) {
	program(t)
	inet := NewLab(t).Internet(2)
	one, two := netip.AddrPortFrom(public(1), 3478), netip.AddrPortFrom(public(2), 3478)
	for _, at := range []netip.AddrPort{one, two} {
		go mirror(inet.UDP(at))
	}
	stranger, neighbour := inet.UDP(netip.AddrPortFrom(public(2), 0)), inet.UDP(netip.AddrPortFrom(public(1), 0))
	for _, tc := range []struct {
		kind               Kind
		own, same, unasked bool // the address is its own; two servers see the same; strangers get through
	}{
		{kind: None, own: true, same: true, unasked: true},
		{kind: FullCone, same: true, unasked: true},
		{kind: EndpointIndependent, same: true},
		{kind: Symmetric},
	} {
		t.Run(tc.kind.String(), func(t *testing.T) {
			c := inet.Client(fmt.Sprintf("c%d", tc.kind), tc.kind)
			s := c.UDP(netip.AddrPortFrom(c.Addr, 0))
			local := s.LocalAddr().(*net.UDPAddr).AddrPort()
			first := seen(t, s, one)
			if first.Addr() != c.Public || (first == local) != tc.own {
				t.Errorf("%v is seen as %v", local, first)
			}
			if got := hears(t, s, stranger, first, tc.unasked); got != tc.unasked {
				t.Errorf("a stranger's datagram arrives: %v", got)
			}
			if got := hears(t, s, neighbour, first, tc.unasked); got != tc.unasked {
				t.Errorf("one from another port of the server arrives: %v", got)
			}
			if second := seen(t, s, two); (second == first) != tc.same { // even after datagrams that were dropped
				t.Errorf("one server sees %v, the other one %v", first, second)
			}
		})
	}
}
