package turn

import (
	"math/rand/v2"
	"net/netip"
	"sync"

	"linnet/netsvc/outside"
)

// spare is how many relay ports are kept mapped for calls to come.
const spare = 16

// ahead keeps relay ports mapped at the router in front of this box, before they are needed: a client that wants a
// relay does not wait for a router. It does nothing on a box that has a public address.
type ahead struct {
	outside *outside.Outside

	mu        sync.Mutex
	low, high uint16
	ports     map[uint16]*mappedPort
}

// mappedPort is a port that is wanted from outside.
type mappedPort struct {
	*outside.Port
	busy bool // a relay has it
}

// use takes over the values of another generation; nil wants nothing any more.
func (a *ahead) use(r *rules) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ports == nil {
		a.ports = make(map[uint16]*mappedPort)
	}
	a.low, a.high = 0, 0
	if r != nil && outside.Private(r.relay4) && !r.external.IsValid() {
		a.low, a.high = r.low, r.high
	}
	for n, p := range a.ports {
		if a.high == 0 || !p.busy && (n < a.low || n > a.high) {
			p.Release()
			delete(a.ports, n)
		}
	}
	a.fill()
}

// fill wants more ports until there are enough that are free, or gives back those that are too many. The caller holds
// mu.
func (a *ahead) fill() {
	if a.high == 0 {
		return
	}
	free := 0
	for n, p := range a.ports {
		switch {
		case p.busy:
		case free == spare:
			p.Release()
			delete(a.ports, n)
		default:
			free++
		}
	}
	for _, i := range rand.Perm(int(a.high-a.low) + 1) {
		if free == spare {
			return
		}
		n := a.low + uint16(i)
		if a.ports[n] == nil {
			a.ports[n] = &mappedPort{Port: a.outside.Want("udp", n)}
			free++
		}
	}
}

// ready lists the ports that are mapped and free. nil means that any port will do: there is no router, or none that
// maps ports, and calls go as far as they do without.
func (a *ahead) ready() []uint16 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.high == 0 || !a.outside.Address().IsValid() {
		return nil
	}
	list := []uint16{}
	for n, p := range a.ports {
		if _, ok := p.External(); ok && !p.busy {
			list = append(list, n)
		}
	}
	return list
}

// external tells where a port is reached.
func (a *ahead) external(n uint16) (netip.AddrPort, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.ports[n]; p != nil {
		return p.External()
	}
	return netip.AddrPort{}, false
}

// take notes that a relay has the port, and give that it has it no more.
func (a *ahead) take(n uint16) { a.set(n, true) }
func (a *ahead) give(n uint16) { a.set(n, false) }

func (a *ahead) set(n uint16, busy bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.ports[n]; p != nil {
		p.busy = busy
		a.fill()
	}
}
