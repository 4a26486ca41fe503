package natlab

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// expect is the best path between clients of two kinds.
func expect(a, b Kind) Path {
	switch {
	case a == None || b == None:
		return Host
	case a == FullCone || b == FullCone || a == EndpointIndependent && b == EndpointIndependent:
		return Reflexive
	}
	return Relayed
}

var kinds = []Kind{None, FullCone, EndpointIndependent, Symmetric}

// relayThrough has a reached by b through a's relay, and data go both ways.
func relayThrough(t *testing.T, a, b *Caller) {
	t.Helper()
	relay, _, err := a.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	at := relay.LocalAddr().(*net.UDPAddr).AddrPort()
	peer := b.Mapped()
	a.host.lab.Wait("data goes through the relay", func() bool {
		// The permission is by address alone, so that it does not matter which port a translator gives b here.
		_, _ = relay.WriteTo([]byte("permit"), net.UDPAddrFromAddrPort(peer))
		b.send("check relayed", at)
		time.Sleep(10 * time.Millisecond)
		_, ok := b.Heard("answer relayed")
		return ok
	})
	from, _ := a.Heard("check relayed")
	for i := range 50 {
		there, back := fmt.Sprintf("data %d there", i), fmt.Sprintf("data %d back", i)
		a.host.lab.Wait(there, func() bool {
			b.send(there, at)
			_, _ = relay.WriteTo([]byte(back), net.UDPAddrFromAddrPort(from))
			time.Sleep(time.Millisecond)
			_, one := a.Heard(there)
			_, two := b.Heard(back)
			return one && two
		})
	}
}

// Between clients of any two kinds the path is found that is to be expected, and data flows on it; where there is no
// other one, by the node.
func TestMatrix(t *testing.T) {
	binary := program(t)
	inet := NewLab(t).Internet(0)
	server := inet.Client("node", None)
	n := server.Start(binary, "services=turn", "c2s.listen=", "c2s.direct_tls=[::]:5223", "turn.tls=", "turn.user_allocations=100")
	door := netip.AddrPortFrom(server.Public, 5223)
	var hosts [2][]*Client
	var relays [2][]Relay
	for side, names := range [2]string{"a", "b"} {
		for _, k := range kinds {
			c := inet.Client(fmt.Sprintf("%s%d", names, k), k)
			u := n.Login(c.Space, c.name, door)
			r, err := u.Services()
			if err != nil {
				t.Fatal(err)
			}
			hosts[side], relays[side] = append(hosts[side], c), append(relays[side], r)
		}
	}
	for i, a := range kinds {
		for j, b := range kinds {
			t.Run(a.String()+" to "+b.String(), func(t *testing.T) {
				one, two := hosts[0][i].Call(relays[0][i]), hosts[1][j].Call(relays[1][j])
				want := expect(a, b)
				got := Meet(one, two, want)
				if got == NoPath {
					relayThrough(t, one, two)
					relayThrough(t, two, one)
					got = Relayed
				}
				if got != want {
					t.Errorf("the path is %v, expected %v", got, want)
				}
			})
		}
	}
}
