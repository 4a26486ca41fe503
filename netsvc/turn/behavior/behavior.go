package behavior

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/guard"
)

// Plan is where the sockets are: at both addresses, with Port and the one after it. The zero Plan is none.
type Plan struct {
	First, Second netip.Addr // different ones of one family
	Port          uint16     // at most 65534
}

// Sockets lists the four.
func (p Plan) Sockets() [4]netip.AddrPort {
	at := netip.AddrPortFrom
	return [4]netip.AddrPort{at(p.First, p.Port), at(p.First, p.Port+1), at(p.Second, p.Port), at(p.Second, p.Port+1)}
}

// other is the socket with the other address, the other port, or both.
func (p Plan) other(at netip.AddrPort, address, port bool) netip.AddrPort {
	a, n := at.Addr(), at.Port()
	if address {
		if a == p.First {
			a = p.Second
		} else {
			a = p.First
		}
	}
	if port {
		if n == p.Port {
			n++
		} else {
			n = p.Port
		}
	}
	return netip.AddrPortFrom(a, n)
}

// Responder answers at the sockets it is given. It is safe for concurrent use, and lives as long as the box.
type Responder struct {
	// Allow reports whether an answer of n bytes may go to a stranger.
	Allow func(to netip.Addr, n int) bool
	Count *guard.Counters

	mu      sync.Mutex
	plan    Plan
	sockets []socket
}

// socket is one that answers, or a place that is free: conn is nil then. A map would be more code for four of them.
type socket struct {
	at   netip.AddrPort
	conn *net.UDPConn
}

// find returns the socket at an address, nil when there is none.
func (r *Responder) find(at *netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.sockets {
		if s := &r.sockets[i]; s.conn != nil && s.at == *at {
			return s.conn
		}
	}
	return nil
}

// replace has b stand where a did.
func (r *Responder) replace(a, b socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.sockets {
		if r.sockets[i].conn == a.conn {
			r.sockets[i] = b
			return
		}
	}
	r.sockets = append(r.sockets, b)
}

// Use has the next requests answered by that plan.
func (r *Responder) Use(p Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = p
}

// Serve answers what comes to a socket, until it is closed.
func (r *Responder) Serve(c *net.UDPConn) {
	at := unmapped(c.LocalAddr().(*net.UDPAddr).AddrPort())
	r.replace(socket{}, socket{at, c})
	defer r.replace(socket{at, c}, socket{})
	var room [largest + 1]byte
	for {
		n, from, err := c.ReadFromUDPAddrPort(room[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of memory, or an ICMP error of an answer
			time.Sleep(time.Millisecond)
		default:
			r.reply(c, room[:n], unmapped(from), at)
		}
	}
}

// reply answers one datagram.
func (r *Responder) reply(c *net.UDPConn, b []byte, from, at netip.AddrPort) {
	plan := r.complete()
	answer, via, outcome := Answer(plan, b, from, at)
	if outcome == Malformed {
		r.Count.Malformed.Inc()
		return
	}
	if !r.Allow(from.Addr(), len(answer)) {
		r.Count.Limited.Inc()
		return
	}
	if via != at {
		if c = r.find(&via); c == nil { // closed a moment ago
			return
		}
	}
	if outcome == Answered {
		r.Count.Bindings.Inc()
	}
	_, _ = c.WriteToUDPAddrPort(answer, from) // what cannot be sent is lost
}

// complete is the plan, or none as long as one of its sockets is missing.
func (r *Responder) complete() Plan {
	r.mu.Lock()
	plan := r.plan
	r.mu.Unlock()
	for _, at := range plan.Sockets() {
		if r.find(&at) == nil {
			return Plan{}
		}
	}
	return plan
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

const (
	header  = 20
	cookie  = 0x2112A442
	largest = 548 // a request that is larger is not looked at: what goes unfragmented over any IPv4, RFC 8489 section 6.1
	shake   = 0x5354554E

	changeAddress, changePort = 4, 2 // the bits of CHANGE-REQUEST, RFC 5780 section 7.2

	mostUnknown = 8 // types in a 420: it must not be larger than the others
)

// Outcome is what came of a datagram.
type Outcome uint8

// Outcomes.
const (
	Malformed Outcome = iota // nothing that a client asks: no answer
	Answered
	Refused // 420
)

// Answer makes the answer to a datagram that came to the socket at, and says which socket it goes out of. Without a plan
// there is no other socket.
func Answer(plan Plan, b []byte, from, at netip.AddrPort) (answer []byte, via netip.AddrPort, outcome Outcome) {
	classic := false
	if len(b) > largest || !guard.WellFormed(b) || binary.BigEndian.Uint16(b) != stun.BindingRequest.Value() {
		if classic = len(b) <= largest && guard.Classic(b); !classic {
			return nil, at, Malformed
		}
	}
	q, ok := read(b, plan != Plan{})
	if !ok {
		return nil, at, Malformed
	}
	w := writer{b: append(make([]byte, 0, 128), b[:header]...)}
	if q.unknown != nil {
		w.b[0], w.b[1] = 0x01, 0x11
		w.attribute(stun.AttrErrorCode, []byte{0, 0, 4, 20}) // no words: it must be short
		if classic && len(q.unknown)&3 != 0 {                // RFC 3489 has no padding: one is said twice
			q.unknown = append(q.unknown, q.unknown[:2]...)
		}
		w.attribute(stun.AttrUnknownAttributes, q.unknown)
		return w.end(q.fingerprint), at, Refused
	}
	via = plan.other(at, q.flags&changeAddress != 0, q.flags&changePort != 0)
	var mask []byte
	names := [3]stun.AttrType{stun.AttrMappedAddress, attrSourceAddress, attrChangedAddress}
	if !classic {
		names = [3]stun.AttrType{stun.AttrXORMappedAddress, stun.AttrResponseOrigin, stun.AttrOtherAddress}
		mask = b[4:header]
	}
	w.b[0], w.b[1] = 0x01, 0x01
	w.address(names[0], from, mask)
	if !classic { // and as it is, which shows translators that write into packets
		w.address(stun.AttrMappedAddress, from, nil)
	}
	w.address(names[1], via, nil)
	if plan != (Plan{}) {
		w.address(names[2], plan.other(at, true, true), nil) // of the socket that was asked, RFC 5780 section 6.1
	}
	return w.end(q.fingerprint && !classic), via, Answered
}

// Attributes of RFC 3489.
const (
	attrSourceAddress  stun.AttrType = 0x0004
	attrChangedAddress stun.AttrType = 0x0005
)

// question is what a request says.
type question struct {
	flags       byte
	fingerprint bool
	unknown     []byte // types that must be understood and are not
}

// read reads the attributes of a well-formed request. What stands behind MESSAGE-INTEGRITY does not count. It fails for a
// CHANGE-REQUEST of the wrong size.
func read(b []byte, change bool) (q question, ok bool) {
	signed, asked := false, false
	for p := b[header:]; len(p) > 0; {
		t, n := stun.AttrType(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))
		switch {
		case t == stun.AttrFingerprint:
			q.fingerprint = true
		case signed:
		case t == stun.AttrMessageIntegrity:
			signed = true
		case t == stun.AttrChangeRequest:
			if n != 4 {
				return q, false
			}
			flags := p[7] & (changeAddress | changePort)
			switch {
			case flags != 0 && !change:
				q.refuse(t)
			case !asked: // the first counts
				q.flags = flags
			}
			asked = true
		case t == stun.AttrUsername || t == stun.AttrRealm || t == stun.AttrNonce || t == 0x1C: // as in any request; the last is MESSAGE-INTEGRITY-SHA256
		case t.Required():
			q.refuse(t)
		}
		p = p[4+(n+3)&^3:]
	}
	return q, true
}

func (q *question) refuse(t stun.AttrType) {
	if len(q.unknown) < 2*mostUnknown {
		q.unknown = binary.BigEndian.AppendUint16(q.unknown, uint16(t))
	}
}

// writer appends attributes to a header.
type writer struct{ b []byte }

func (w *writer) attribute(t stun.AttrType, v []byte) {
	w.b = binary.BigEndian.AppendUint16(w.b, uint16(t))
	w.b = binary.BigEndian.AppendUint16(w.b, uint16(len(v)))
	w.b = append(w.b, v...)
	for len(w.b)&3 != 0 {
		w.b = append(w.b, 0)
	}
}

// address appends an address, with a mask of 16 bytes or nil, RFC 8489 section 14.2.
func (w *writer) address(t stun.AttrType, a netip.AddrPort, mask []byte) {
	v := make([]byte, 4, 20)
	v[1] = 1
	if a.Addr().Is6() {
		v[1] = 2
	}
	binary.BigEndian.PutUint16(v[2:], a.Port())
	v = append(v, a.Addr().AsSlice()...)
	if mask != nil {
		v[2] ^= mask[0]
		v[3] ^= mask[1]
		for i := range v[4:] {
			v[4+i] ^= mask[i]
		}
	}
	w.attribute(t, v)
}

// end writes the length, and a fingerprint to those who have sent one.
func (w *writer) end(fingerprint bool) []byte {
	n := len(w.b) - header
	if fingerprint {
		n += 8
	}
	binary.BigEndian.PutUint16(w.b[2:], uint16(n))
	if fingerprint {
		w.attribute(stun.AttrFingerprint, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(w.b)^shake))
	}
	return w.b
}
