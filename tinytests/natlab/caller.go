package natlab

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"
)

// Path says how two clients reach each other, the best first.
type Path uint8

// The paths, in the words of RFC 8445.
const (
	NoPath    Path = iota
	Host           // one of them by its own address
	Reflexive      // through translators that let each other's packets in
	Relayed        // by the node
)

func (p Path) String() string { return [...]string{"none", "host", "reflexive", "relayed"}[p] }

// Caller is a client in a call: a socket, the addresses that it may be reached at, and what it has heard. It does of
// ICE (RFC 8445) what decides about paths: checks on every candidate, in both directions.
type Caller struct {
	host   *Client
	relay  Relay
	socket *net.UDPConn

	mu    sync.Mutex
	heard map[string]netip.AddrPort // answers and data, with where they came from
}

// Call begins to listen on a host.
func (c *Client) Call(r Relay) *Caller {
	c.lab.t.Helper()
	k := &Caller{host: c, relay: r, socket: c.UDP(netip.AddrPortFrom(c.Addr, 0)), heard: make(map[string]netip.AddrPort)}
	go k.read(k.socket)
	return k
}

// read answers checks on a socket, echoes data, and remembers what it hears.
func (k *Caller) read(c net.PacketConn) {
	b := make([]byte, 2<<10)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		at := from.(*net.UDPAddr).AddrPort()
		if stun.IsMessage(b[:n]) {
			m := &stun.Message{Raw: bytes.Clone(b[:n])}
			var seen stun.XORMappedAddress
			if m.Decode() == nil && seen.GetFrom(m) == nil {
				ip, _ := netip.AddrFromSlice(seen.IP)
				k.note("stun", netip.AddrPortFrom(ip.Unmap(), uint16(seen.Port)))
			}
			continue
		}
		k.note(string(b[:n]), at)
		if text, ok := bytes.CutPrefix(b[:n], []byte("check ")); ok {
			_, _ = c.WriteTo(append([]byte("answer "), text...), from)
		}
	}
}

func (k *Caller) note(text string, at netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard[text] = at
}

// Heard tells whether something has come, and from where.
func (k *Caller) Heard(text string) (netip.AddrPort, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.heard[text]
	return at, ok
}

func (k *Caller) send(text string, to netip.AddrPort) {
	_, _ = k.socket.WriteToUDPAddrPort([]byte(text), to) // what has no route is one more check that fails
}

// Own is the host candidate.
func (k *Caller) Own() netip.AddrPort { return k.socket.LocalAddr().(*net.UDPAddr).AddrPort() }

// Mapped asks the node for the reflexive candidate, until it answers.
func (k *Caller) Mapped() netip.AddrPort {
	lab := k.host.lab
	lab.t.Helper()
	lab.Wait("the node says where packets come from", func() bool {
		k.socket.WriteToUDPAddrPort(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, k.relay.Stun)
		time.Sleep(20 * time.Millisecond)
		_, ok := k.Heard("stun")
		return ok
	})
	at, _ := k.Heard("stun")
	return at
}

// Meet looks for the best path between two callers that does without a relay. It is told which is expected, so as
// to be patient until that one is found; for none it tries for half a second.
func Meet(a, b *Caller, expected Path) Path {
	a.host.lab.t.Helper()
	aMapped, bMapped := a.Mapped(), b.Mapped()
	limit := time.Minute
	if expected == Relayed {
		limit = 500 * time.Millisecond
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, side := range []struct {
			from        *Caller
			own, mapped netip.AddrPort
		}{{a, b.Own(), bMapped}, {b, a.Own(), aMapped}} {
			side.from.send("check host", side.own)
			if side.mapped != side.own {
				side.from.send("check reflexive", side.mapped)
			}
		}
		if best := best(a, b); best != NoPath && (best <= expected || time.Until(end) < limit/2) {
			return best
		}
	}
	return best(a, b)
}

func best(a, b *Caller) Path {
	for _, path := range []Path{Host, Reflexive} {
		for _, k := range []*Caller{a, b} {
			if _, ok := k.Heard("answer " + path.String()); ok {
				return path
			}
		}
	}
	return NoPath
}

// errAllocation says that the node gave no relay.
var errAllocation = errors.New("no allocation")

// Allocate asks the node for a relay. What comes through it is answered and remembered as on the socket.
func (k *Caller) Allocate() (net.PacketConn, *turn.Client, error) {
	lab := k.host.lab
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: k.relay.At.String(), STUNServerAddr: k.relay.Stun.String(),
		Username: k.relay.Username, Password: k.relay.Password,
		Conn: k.host.UDP(netip.AddrPortFrom(k.host.Addr, 0)), LoggerFactory: &logging.DefaultLoggerFactory{},
	})
	if err != nil {
		return nil, nil, err
	}
	lab.t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		return nil, nil, err
	}
	c, err := client.Allocate()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errAllocation, err)
	}
	go k.read(c)
	return c, client, nil
}
