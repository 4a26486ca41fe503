package natlab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestPurpose is what the gateway is for: a box at home, behind a router by others, of which nobody has configured
// anything; two people with accounts on it, each behind a router of their own, who call each other through it; and a
// stranger who gets nothing.
func TestPurpose(t *testing.T) {
	binary := program(t)
	h := newHome(t)
	h.route("enable_upnp=yes", "enable_natpmp=yes")
	n := h.box.Start(binary, "services=turn,portmap", "c2s.listen=", "c2s.direct_tls=[::]:5223", "turn.tls=", "portmap.ports=tcp/5223")
	romeo, juliet := h.inet.Client("romeo", EndpointIndependent), h.inet.Client("juliet", Symmetric)

	var door netip.AddrPort
	h.Wait("the door is mapped", func() bool {
		door = h.reached(n, "tcp/5223")
		return door.IsValid()
	})
	h.Wait("relays are mapped", func() bool {
		show := n.Ctl("portmap", "show")
		return h.reached(n, "udp/3478").IsValid() && strings.Count(show, "udp/49") == strings.Count(show, h.box.Public.String()+":49") && strings.Count(show, "udp/49") >= 16
	})
	var callers [2]*Caller
	for i, c := range []*Client{romeo, juliet} {
		u := n.Login(c.Space, []string{"romeo", "juliet"}[i], door)
		defer u.Close()
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
	t.Run("both relayed", func(t *testing.T) { betweenRelays(t, callers[0], callers[1]) })
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
