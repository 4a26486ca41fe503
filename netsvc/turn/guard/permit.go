package guard

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v2"
)

// peers reads the peers that a request names and refuses it for the first that is not to be had: RFC 8656 sections
// 10.2 and 12.2. A refused one spoils the others, so that a success means all of them.
func (g *Guard) peers(r *request, c *client) (list []netip.AddrPort, code stun.ErrorCode) {
	for _, a := range r.signed {
		if a.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := addressOf(a.Value, &r.id)
		switch {
		case !ok:
			return nil, stun.CodeBadRequest
		case familyOf(peer.Addr()) != familyOf(c.relay.Addr().Addr()):
			return nil, stun.CodePeerAddrFamilyMismatch
		case !c.relay.Permits(peer.Addr()):
			return nil, stun.CodeForbidden
		}
		list = append(list, peer)
	}
	if len(list) == 0 {
		return nil, stun.CodeBadRequest
	}
	return list, 0
}

// room makes room for n more permissions, by forgetting those that have ended, and reports whether there is.
func (g *Guard) room(c *client, list []netip.AddrPort) bool {
	now, n := time.Now(), 0
	for i, p := range list {
		if c.permission(p.Addr()) == nil && !named(list[:i], p.Addr()) {
			n++
		}
	}
	if len(c.permissions)+n > g.opts.Permissions {
		c.permissions = slices.DeleteFunc(c.permissions, func(p permission) bool { return now.After(p.ends) && !named(list, p.peer) })
	}
	return len(c.permissions)+n <= g.opts.Permissions
}

func named(list []netip.AddrPort, a netip.Addr) bool {
	for _, p := range list {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// grant notes permissions that pion has.
func (c *client) grant(list []netip.AddrPort) {
	ends := time.Now().Add(permissionLife + afterglow)
	for _, p := range list {
		if had := c.permission(p.Addr()); had != nil {
			had.ends = ends
		} else {
			c.permissions = append(c.permissions, permission{p.Addr(), ends})
		}
	}
}

// createPermission is RFC 8656 section 10.2.
func (g *Guard) createPermission(r *request, c *client) {
	list, code := g.peers(r, c)
	if code == 0 && !g.room(c, list) {
		code = stun.CodeInsufficientCapacity
	}
	if code != 0 {
		g.refuse(r, code)
		return
	}
	attributes := make([]stun.Setter, len(list))
	for i, p := range list {
		attributes[i] = mapped{stun.AttrXORPeerAddress, p}
	}
	reply := r.envelope()
	g.give(&task{client: c, method: stun.MethodCreatePermission, attributes: attributes, done: func(ok bool) {
		if !ok {
			g.refuse(&reply, stun.CodeServerError)
			return
		}
		c.grant(list)
		g.answer(&reply, stun.ClassSuccessResponse, reply.who.key)
	}})
}

// channelBind is RFC 8656 section 12.2.
func (g *Guard) channelBind(r *request, c *client) {
	list, code := g.peers(r, c)
	if code == 0 && len(list) != 1 {
		code = stun.CodeBadRequest
	}
	n, ok := r.number(stun.AttrChannelNumber)
	number := uint16(n >> 16)
	if code == 0 && (!ok || number < channels || number > channelEnd) {
		code = stun.CodeBadRequest
	}
	if code == 0 {
		code = g.channelFree(c, number, list[0])
	}
	if code == 0 && !g.room(c, list) {
		code = stun.CodeInsufficientCapacity
	}
	if code != 0 {
		g.refuse(r, code)
		return
	}
	reply := r.envelope()
	g.give(&task{client: c, method: stun.MethodChannelBind,
		attributes: []stun.Setter{raw{stun.AttrChannelNumber, []byte{byte(number >> 8), byte(number), 0, 0}}, mapped{stun.AttrXORPeerAddress, list[0]}},
		done: func(ok bool) {
			if !ok {
				g.refuse(&reply, stun.CodeServerError)
				return
			}
			c.grant(list)
			ends := time.Now().Add(channelLife + afterglow)
			if had := c.channel(number); had != nil {
				had.ends = ends
			} else {
				c.channels = append(c.channels, channel{number, list[0], ends})
			}
			g.answer(&reply, stun.ClassSuccessResponse, reply.who.key)
		}})
}

// channelFree reports with which code a channel cannot be bound: a number stands for one peer, and a peer has one
// number.
func (g *Guard) channelFree(c *client, number uint16, peer netip.AddrPort) stun.ErrorCode {
	now := time.Now()
	c.channels = slices.DeleteFunc(c.channels, func(ch channel) bool { return now.After(ch.ends) })
	for _, ch := range c.channels {
		if (ch.number == number) != (ch.peer == peer) {
			return stun.CodeBadRequest
		}
	}
	if c.channel(number) == nil && len(c.channels) >= g.opts.Channels {
		return stun.CodeInsufficientCapacity
	}
	return 0
}
