package portmap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"linnet/netsvc/outside"
)

// A router, a network and services that do whatever may happen, for days; then all behaves, and within the longest
// pause everything that is wanted is mapped, nothing else is asked for, and the router is left in peace.
func TestChaos(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) { chaos(t, l, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func chaos(t *testing.T, l *lab, r *rand.Rand) {
	held := make(map[outside.Target][]*outside.Port)
	outer := []netip.Addr{worldly, netip.MustParseAddr("9.9.9.11"), netip.MustParseAddr("100.64.1.2"), {}}
	places := []network{l.place, {netip.MustParseAddr("192.168.2.1"), netip.MustParseAddr("192.168.2.9")},
		{netip.MustParseAddr("9.9.9.1"), netip.MustParseAddr("9.9.9.10")}}
	for range 300 {
		switch r.IntN(12) {
		case 0, 1:
			key := outside.Target{Network: []string{"tcp", "udp"}[r.IntN(2)], Port: uint16(1000 + r.IntN(8))}
			held[key] = append(held[key], l.outside.Want(key.Network, key.Port))
		case 2:
			for key, ports := range held {
				ports[0].Release()
				if held[key] = ports[1:]; len(held[key]) == 0 {
					delete(held, key)
				}
				break
			}
		case 3:
			l.box.silent = !l.box.silent
		case 4:
			l.box.closed = r.IntN(3) == 0
		case 5:
			l.box.refuse = []error{nil, errors.New("no"), &laterError{errors.New("no"), time.Duration(r.IntN(100)) * time.Hour}}[r.IntN(3)]
		case 6:
			l.box.reset = true
			clear(l.box.entries)
		case 7:
			l.box.longest = []time.Duration{0, time.Second, time.Minute, time.Hour, 1000 * time.Hour}[r.IntN(5)]
		case 8:
			l.box.outer = outer[r.IntN(len(outer))]
		case 9:
			l.nowhere = r.IntN(3) == 0
			l.place = places[r.IntN(len(places))]
		case 10:
			l.box.name = protocols[r.IntN(len(protocols))]
		case 11:
			l.suspect()
		}
		l.pass(time.Duration(r.ExpFloat64() * float64(5*time.Minute)))
		for key, ports := range held {
			at, ok := ports[0].External()
			switch {
			case !ok:
			case !outside.Public(at.Addr()) || at.Port() == 0:
				t.Fatalf("%v is published at %v", key, at)
			case at.Addr() != l.outside.Address():
				t.Fatalf("%v is published at %v, the address is %v", key, at, l.outside.Address())
			}
		}
	}
	l.box.silent, l.box.closed, l.box.refuse, l.box.longest, l.box.outer, l.nowhere, l.place = false, false, nil, lifeMost, worldly, false, places[0]
	l.pass(2*retryMost + checkEvery)
	for key, ports := range held {
		if at, ok := ports[0].External(); !ok || at.Port() != l.box.entries[key] || at.Addr() != worldly {
			t.Errorf("%v is published at %v, %v; the router has %d; %+v", key, at, ok, l.box.entries[key], l.shown())
		}
	}
	l.box.asked, l.looks = nil, 0
	l.pass(24 * time.Hour)
	if l.looks > 2*24*60 {
		t.Errorf("looked at the network %d times a day", l.looks)
	}
	most := 24*60/5 + 50*len(held) // a check in five minutes, a renewal in half an hour
	if len(held) == 0 {
		most = 0
	}
	if len(l.box.asked) > most {
		t.Errorf("asked %d times a day for %d ports", len(l.box.asked), len(held))
	}
	for _, what := range l.box.asked {
		network, port := "", uint16(0)
		if n, _ := fmt.Sscanf(what, "add %3s/%d", &network, &port); n == 2 && len(held[outside.Target{Network: network, Port: port}]) == 0 {
			t.Errorf("asked to %s, which nobody wants", what)
		}
	}
}
