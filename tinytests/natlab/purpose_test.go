package natlab

import (
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPurpose is what the gateway is for: a box at home, behind a router by others, of which nobody has configured
// anything; two people with accounts on it, each behind a router of their own, who call each other through it; and a
// stranger who gets nothing.
func TestPurpose(t *testing.T) {
	binary := program(t)
	t.Run("pcp", func(t *testing.T) { purpose(t, binary, "enable_upnp=yes", "enable_natpmp=yes") })
	t.Run("upnp", func(t *testing.T) { purpose(t, binary, "enable_upnp=yes", "enable_natpmp=no") })
}

func purpose(t *testing.T, binary string, router ...string) {
	h := newHome(t)
	h.route(router...)
	n := h.box.Start(binary, "services=turn,socks5,portmap", "c2s.listen=", "c2s.direct_tls=[::]:5223", "turn.tls=", "portmap.ports=tcp/5223", "memory.limit=32MB")
	romeo, juliet := h.inet.Client("romeo", EndpointIndependent), h.inet.Client("juliet", Symmetric)

	var door netip.AddrPort
	h.Wait("the door is mapped", func() bool {
		door = h.reached(n, "tcp/5223")
		return door.IsValid()
	})
	h.Wait("relays are mapped", func() bool {
		show := n.Ctl("portmap", "show")
		return h.reached(n, "udp/3478").IsValid() && h.reached(n, "tcp/1080").IsValid() && strings.Count(show, "udp/49") == strings.Count(show, h.box.Public.String()+":49") && strings.Count(show, "udp/49") >= 16
	})
	var callers [2]*Caller
	var users [2]*User
	for i, c := range []*Client{romeo, juliet} {
		u := n.Login(c.Space, []string{"romeo", "juliet"}[i], door)
		defer u.Close()
		users[i] = u
		r, err := u.Services()
		if err != nil {
			t.Fatal(err)
		}
		if r.At.Addr() != h.box.Public {
			t.Errorf("TURN is offered at %v, the router is %v", r.At, h.box.Public)
		}
		callers[i] = c.Call(r)
	}
	t.Run("call", func(t *testing.T) {
		if path := Meet(callers[0], callers[1], Relayed); path != NoPath {
			t.Errorf("the path is %v", path)
		}
		relayThrough(t, callers[0], callers[1])
		relayThrough(t, callers[1], callers[0])
	})
	t.Run("file", func(t *testing.T) { sendFile(t, users[0], users[1], h.box.Public) })
	t.Run("both relayed", func(t *testing.T) { betweenRelays(t, callers[0], callers[1]) })
	if peak := n.Peak(); peak > 64<<10 {
		t.Errorf("the program took %d KB, a router has 64 MB", peak)
	} else {
		t.Logf("the program took %d KB at the most", peak)
	}
}

// fileSize is that of the file which is sent: a gigabyte.
const fileSize = 1 << 30

// sendFile has one user send a file to another through the node's proxy, which is found where the router is.
func sendFile(t *testing.T, from, to *User, router netip.Addr) {
	t.Helper()
	service, hosts, err := from.Proxies()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(hosts, func(at netip.AddrPort) bool { return at.Addr() == router })
	if i < 0 {
		t.Fatalf("the proxy is offered at %v, the router is %v", hosts, router)
	}
	const sid = "file"
	in, err := to.Stream(hosts[i], sid, from.JID, to.JID)
	if err != nil {
		t.Fatal(err)
	}
	out, err := from.Stream(hosts[i], sid, from.JID, to.JID)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Activate(service, sid, to.JID); err != nil {
		t.Fatal(err)
	}
	// The file's bytes differ everywhere; both sides add up what they see of them.
	sums := [2]hash.Hash32{crc32.New(crc32.MakeTable(crc32.Castagnoli)), crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	sent := make(chan error, 1)
	go func() {
		source := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), fileSize), sums[0])
		_, err := io.CopyBuffer(struct{ io.Writer }{out}, source, make([]byte, 256<<10))
		out.Close()
		sent <- err
	}()
	n, err := io.CopyBuffer(sums[1], struct{ io.Reader }{in}, make([]byte, 256<<10))
	if serr := <-sent; err != nil || serr != nil || n != fileSize || sums[0].Sum32() != sums[1].Sum32() {
		t.Errorf("%d bytes of %d came: sent %v, received %v; the sums are %x and %x", n, fileSize, serr, err, sums[0].Sum32(), sums[1].Sum32())
	}
}

// betweenRelays has two callers who know of each other nothing but their relays, both of the same node: what one
// sends does not leave the node, since few routers would send it back.
func betweenRelays(t *testing.T, a, b *Caller) {
	t.Helper()
	var relays [2]net.PacketConn
	var at [2]net.Addr
	for i, k := range []*Caller{a, b} {
		c, _, err := k.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		relays[i], at[i] = c, c.LocalAddr()
	}
	for i := range 50 {
		there, back := fmt.Sprintf("relay to relay %d there", i), fmt.Sprintf("relay to relay %d back", i)
		a.host.lab.Wait(there, func() bool {
			_, _ = relays[0].WriteTo([]byte(there), at[1])
			_, _ = relays[1].WriteTo([]byte(back), at[0])
			time.Sleep(time.Millisecond)
			_, one := b.Heard(there)
			_, two := a.Heard(back)
			return one && two
		})
	}
}
