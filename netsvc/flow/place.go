package flow

import "net/netip"

// Enter takes a place for a peer whose connection is no Conn, and returns what gives
// it back, to be called once. ok is false where there is no room.
func (g *Gate) Enter(addr netip.Addr) (leave func(), ok bool) {
	t := g.enter(addr)
	if t == nil {
		return nil, false
	}
	return t.leave, true
}
