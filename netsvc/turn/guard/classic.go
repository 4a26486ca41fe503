package guard

import (
	"encoding/binary"

	"github.com/pion/stun/v2"
)

// classic answers a Binding request of RFC 3489, as RFC 8489 section 11 and RFC 5389 section 12.2 want: such a client
// is told by the cookie that it does not send, and does not know XOR-MAPPED-ADDRESS. It reports whether b was one.
//
// Answering from another address or port is not offered here (package behavior does), and refused with 420: a test for kinds of translators then
// says less, instead of something wrong.
func (g *Guard) classic(b []byte, from Path) bool {
	if !Classic(b) {
		return false
	}
	var unknown []byte
	for p := b[header:]; len(p) > 0; {
		t, n := stun.AttrType(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))
		plain := t == stun.AttrChangeRequest && n == 4 && binary.BigEndian.Uint32(p[4:]) == 0
		if t.Required() && !plain && len(unknown) < 8 {
			unknown = binary.BigEndian.AppendUint16(unknown, uint16(t))
		}
		p = p[4+n:]
	}
	answer := append([]byte{1, 1, 0, 0}, b[4:header]...)
	if unknown != nil {
		answer[1] = 0x11
		answer = append(answer, 0, byte(stun.AttrErrorCode), 0, 4, 0, 0, 4, 20)
		if len(unknown)&3 != 0 { // one is said twice
			unknown = append(unknown, unknown[:2]...)
		}
		answer = append(answer, 0, byte(stun.AttrUnknownAttributes), 0, byte(len(unknown)))
		answer = append(answer, unknown...)
	} else {
		a := from.From.Addr()
		answer = append(answer, 0, byte(stun.AttrMappedAddress), 0, byte(4+a.BitLen()/8), 0, byte(familyOf(a)))
		answer = append(binary.BigEndian.AppendUint16(answer, from.From.Port()), a.AsSlice()...)
	}
	binary.BigEndian.PutUint16(answer[2:], uint16(len(answer)-header))
	switch {
	case g.clients[from] == nil && !g.opts.Limiter.Allow(from.From.Addr(), len(answer)):
		g.opts.Count.Limited.Inc()
		return true
	case unknown == nil:
		g.opts.Count.Bindings.Inc()
	}
	g.link.Send(answer, from)
	return true
}

// Classic reports whether b is a well-formed Binding request of RFC 3489 and nothing else.
func Classic(b []byte) bool {
	if len(b) < header || binary.BigEndian.Uint16(b) != stun.BindingRequest.Value() || int(binary.BigEndian.Uint16(b[2:]))+header != len(b) ||
		binary.BigEndian.Uint32(b[4:]) == cookie {
		return false
	}
	for p := b[header:]; len(p) > 0; {
		if len(p) < 4 {
			return false
		}
		n := int(binary.BigEndian.Uint16(p[2:]))
		if n&3 != 0 || len(p)-4 < n { // section 11.2 of RFC 3489: multiples of four, without padding
			return false
		}
		p = p[4+n:]
	}
	return true
}
