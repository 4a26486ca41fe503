package guard

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v2"
)

// allocate is RFC 8656 section 7.2; the numbers are those of its list.
func (g *Guard) allocate(r *request, c *client) {
	if c != nil { // 2
		switch {
		case c.made == r.id && c.user.Name == r.who.Name:
			g.allocated(r, c, nil) // the answer was lost
		default:
			g.refuse(r, stun.CodeAllocMismatch)
		}
		return
	}
	ask := &Ask{From: r.from.From, To: g.link.Local(), Transport: g.link.Transport()}
	if r.from.Via.IsValid() {
		ask.To = netip.AddrPortFrom(r.from.Via, ask.To.Port())
	}
	more, code := r.wants(ask)
	if code != 0 {
		g.refuse(r, code)
		return
	}
	if o := g.opening[r.from]; o != nil {
		if o.reply.id != r.id {
			g.refuse(r, stun.CodeAllocMismatch)
		}
		return // the answer is on its way
	}
	o := &opening{reply: r.envelope(), lifetime: r.lifetime(leastLife), more: more}
	o.client.Store(new(client))
	ask.Cut = func() {
		o.cutting.Store(true)
		g.cut(o.client.Load())
	}
	o.cut = ask.Cut
	g.opening[r.from] = o
	g.house.Open(r.who.User, ask, func(relay Relay, code stun.ErrorCode) { g.answerOf(o, relay, code) }) // 7 to 9
}

// opening is an Allocate that the house is busy with.
type opening struct {
	reply    request
	lifetime uint32
	more     stun.Setter
	cut      func()
	client   atomic.Pointer[client] // one that is nobody's until there is a relay
	cutting  atomic.Bool            // before there was one

	relay Relay
	code  stun.ErrorCode
}

// answerOf takes the house's answer, from anywhere.
func (g *Guard) answerOf(o *opening, relay Relay, code stun.ErrorCode) {
	o.relay, o.code = relay, code
	g.mu.Lock()
	over := g.over
	if !over {
		g.opened = append(g.opened, o)
	}
	g.mu.Unlock()
	switch {
	case !over:
		g.link.Wake()
	case relay != nil:
		relay.Close()
	}
}

// begin makes an allocation of a relay that the house has opened.
func (g *Guard) begin(o *opening) {
	reply := &o.reply
	delete(g.opening, reply.from)
	if o.relay == nil {
		g.refuse(reply, o.code)
		return
	}
	c := &client{
		from: reply.from, user: reply.who.User, relay: o.relay, made: reply.id, lifetime: min(o.lifetime, uint32(g.opts.MaxCall/time.Second)),
		ends: time.Now().Add(g.opts.MaxCall),
	}
	o.client.Store(c)
	g.relays.Add(1)
	g.admit(c)
	c.timer = time.AfterFunc(c.keep(c.lifetime), o.cut)
	if o.cutting.Load() {
		g.cut(c)
	}
	g.give(&task{client: c, method: stun.MethodAllocate, relay: c.relay,
		attributes: []stun.Setter{raw{stun.AttrRequestedTransport, []byte{protocolUDP, 0, 0, 0}}, seconds(innerLife)},
		done: func(ok bool) {
			if g.opens != nil { // pion did not want it
				g.opens.Close()
				g.opens = nil
				g.relays.Done()
			}
			if !ok {
				g.dismiss(c)
				g.refuse(reply, stun.CodeServerError)
				return
			}
			g.allocated(reply, c, o.more)
			o.reply, o.more, o.relay = request{}, nil, nil // Cut keeps the rest
		}})
}

// allocated answers with success.
func (g *Guard) allocated(r *request, c *client, more stun.Setter) {
	all := []stun.Setter{
		mapped{stun.AttrXORRelayedAddress, c.relay.Addr()}, seconds(c.lifetime), mapped{stun.AttrXORMappedAddress, r.from.From},
	}
	if more != nil {
		all = append(all, more)
	}
	g.answer(r, stun.ClassSuccessResponse, r.who.key, all...)
}

// protocolUDP is 17 in REQUESTED-TRANSPORT.
const protocolUDP = 17

// wants reads what an Allocate asks for. more belongs into the answer.
func (r *request) wants(ask *Ask) (more stun.Setter, code stun.ErrorCode) {
	transport, ok := r.get(stun.AttrRequestedTransport) // 3
	switch {
	case !ok || len(transport) != 4:
		return nil, stun.CodeBadRequest
	case transport[0] != protocolUDP:
		return nil, stun.CodeUnsupportedTransProto
	}
	if v, ok := r.get(stun.AttrDontFragment); ok { // 4
		if len(v) != 0 {
			return nil, stun.CodeBadRequest
		}
		ask.DontFragment = true
	}
	asked, given := r.get(stun.AttrRequestedAddressFamily)
	even, evenly := r.get(stun.AttrEvenPort)
	second, dual := r.get(attrAdditionalFamily)
	if token, ok := r.get(stun.AttrReservationToken); ok { // 5
		if len(token) != 8 || evenly || given || dual {
			return nil, stun.CodeBadRequest
		}
		return nil, stun.CodeInsufficientCapacity // nothing was ever reserved
	}
	if given { // 6
		if len(asked) != 4 {
			return nil, stun.CodeBadRequest
		}
		switch family(asked[0]) {
		case familyIPv4:
		case familyIPv6:
			ask.IPv6 = true
		default:
			return nil, stun.CodeAddrFamilyNotSupported
		}
	}
	if evenly { // 7
		if len(even) != 1 {
			return nil, stun.CodeBadRequest
		}
		if even[0]&0x80 != 0 {
			if dual {
				return nil, stun.CodeBadRequest
			}
			return nil, stun.CodeInsufficientCapacity
		}
		ask.EvenPort = true
	}
	if dual { // 8
		if len(second) != 4 || given || family(second[0]) != familyIPv6 {
			return nil, stun.CodeBadRequest
		}
		// One address is what there is: the other family is said to be missing, section 18.12.
		reason := "Address Family not Supported"
		more = raw{attrAddressError, append([]byte{byte(familyIPv6), 0, 4, 40}, reason...)}
	}
	return more, 0
}

// lifetime is how many seconds an allocation lives that asks for it with r, section 7.2: never less than least.
func (r *request) lifetime(least uint32) uint32 {
	v, ok := r.get(stun.AttrLifetime)
	if !ok || len(v) != 4 {
		return least
	}
	return min(max(binary.BigEndian.Uint32(v), least), mostLife)
}

// keep is how long the guard waits for the next refresh.
func (c *client) keep(lifetime uint32) time.Duration {
	return min(time.Duration(lifetime)*time.Second, time.Until(c.ends))
}

// refresh is RFC 8656 section 8.2.
func (g *Guard) refresh(r *request, c *client) {
	if v, ok := r.get(stun.AttrRequestedAddressFamily); ok {
		if len(v) != 4 {
			g.refuse(r, stun.CodeBadRequest)
			return
		}
		if family(v[0]) != familyOf(c.relay.Addr().Addr()) {
			g.refuse(r, stun.CodePeerAddrFamilyMismatch)
			return
		}
	}
	reply := r.envelope()
	if n, ok := r.number(stun.AttrLifetime); ok && n == 0 {
		g.remove(c, func(bool) { g.answer(&reply, stun.ClassSuccessResponse, reply.who.key, seconds(0)) })
		return
	}
	left := uint32(max(0, time.Until(c.ends)/time.Second))
	if left == 0 {
		g.refuse(r, stun.CodeAllocQuotaReached)
		return
	}
	lifetime := min(r.lifetime(leastLife), left)
	g.give(&task{client: c, method: stun.MethodRefresh, attributes: []stun.Setter{seconds(innerLife)}, done: func(ok bool) {
		if !ok {
			g.refuse(&reply, stun.CodeServerError)
			return
		}
		c.timer.Reset(c.keep(lifetime))
		g.answer(&reply, stun.ClassSuccessResponse, reply.who.key, seconds(lifetime))
	}})
}
