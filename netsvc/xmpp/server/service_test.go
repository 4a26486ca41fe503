package server

import (
	"testing"

	"linnet/netsvc/xmpp"
)

// A service has its own addresses beside the served domains; what it does not
// answer itself is refused, and while it is not ready it is not there.
func TestService(t *testing.T) {
	run(t, func(n *node) {
		ready := true
		service := &xmpp.Service{
			Address: func(host string) string { return "proxy." + host },
			Ready:   func() bool { return ready },
			IQs: []xmpp.IQ{{Space: "urn:example:q", Local: "query", Get: func(r *xmpp.Request) {
				r.Result([]byte("<q xmlns='urn:example:q'>" + r.Host + "</q>"))
			}}},
		}
		g := *n.current()
		var err error
		if g.places, err = xmpp.Places([]*xmpp.Service{service}, n.Hosts()); err != nil {
			t.Fatal(err)
		}
		n.generation.Store(&g)
		c := n.online(n.user("romeo"), "orchard")
		c.read()
		ask := func(text string, pieces ...string) {
			t.Helper()
			c.send(text)
			n.settle()
			c.expect(pieces...)
		}
		ask("<iq type='get' id='1' to='proxy.montague.lit'><query xmlns='urn:example:q'/></iq>", "id='1'", "<q xmlns='urn:example:q'>montague.lit</q>")
		ask("<iq type='set' id='2' to='proxy.montague.lit'><query xmlns='urn:example:q'/></iq>", "id='2'", "feature-not-implemented")
		ask("<iq type='get' id='3' to='proxy.montague.lit'><query xmlns='urn:example:r'/></iq>", "id='3'", "service-unavailable")
		ask("<iq type='get' id='4' to='x@proxy.montague.lit'><query xmlns='urn:example:q'/></iq>", "id='4'", "service-unavailable")
		ask("<message to='proxy.montague.lit' type='chat' id='5'><body>x</body></message>", "id='5'", "service-unavailable")
		if !n.Serves("montague.lit") || !n.Serves("proxy.montague.lit") || n.Serves("elsewhere.lit") {
			t.Error("what is served")
		}
		ready = false
		if n.Serves("proxy.montague.lit") {
			t.Error("a service that is not ready is served")
		}
		ask("<iq type='get' id='6' to='proxy.montague.lit'><query xmlns='urn:example:q'/></iq>", "id='6'", "remote-server-not-found")
	})
}
