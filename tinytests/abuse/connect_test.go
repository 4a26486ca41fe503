package abuse

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// slowness is a client that never gets to a session.
type slowness struct {
	name, listener string
	begin          func(*peer) // what it does at once
	drip           string      // what it says then, byte by byte, over and over
	answer         string      // what it gets
}

// Who is slow before login is cut off when [c2s] negotiation has passed, however
// busy it seems; a TLS layer that is not there yet carries no answer.
func TestSlowBeforeLogin(t *testing.T) {
	const timeout = "<stream:error><connection-timeout .*"
	n := start(t, "c2s.negotiation=1s")
	n.accounts("romeo")
	rows := []slowness{
		{name: "silent", listener: "c2s", answer: opened + timeout},
		{name: "half a header", listener: "c2s", begin: func(p *peer) { p.send("<stream:stream to='loc") }, answer: opened + timeout},
		{name: "a header without end", listener: "c2s", begin: func(p *peer) { p.send("<stream:stream ") }, drip: " ", answer: opened + timeout},
		{name: "white space before the header", listener: "c2s", drip: " ", answer: opened + timeout},
		{name: "white space after it", listener: "c2s", begin: func(p *peer) { p.open() }, drip: "\n", answer: timeout},
		{name: "silent after it", listener: "c2s", begin: func(p *peer) { p.open() }, answer: timeout},
		{name: "credentials without end", listener: "plain", begin: func(p *peer) { p.open(); p.send("<auth xmlns='%s' mechanism='PLAIN'>", saslSpace) }, drip: "A", answer: timeout},
		{name: "a challenge without response", listener: "plain", begin: func(p *peer) {
			p.open()
			p.send("%s", auth("SCRAM-SHA-1", "biwsbj1yb21lbyxyPWFiYw=="))
			p.expect("<challenge [^>]*>[^<]*</challenge>")
		}, answer: timeout},
		{name: "logged in, without a resource", listener: "plain", begin: func(p *peer) { p.authenticate("romeo") }, drip: " ", answer: timeout},
		{name: "no handshake", listener: "c2s", begin: func(p *peer) {
			p.open()
			p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			p.expect("<proceed [^>]*/>")
		}},
		{name: "a handshake without end", listener: "direct", begin: func(p *peer) { p.send("\x16\x03\x01\x40\x00\x01") }, drip: "\x00"},
		{name: "silent instead of TLS", listener: "direct"},
	}
	before := n.metric("clientsFailed")
	var wait sync.WaitGroup
	for _, row := range rows {
		p := n.dial(row.listener)
		p.name = row.name
		wait.Go(func() {
			if row.begin != nil {
				row.begin(p)
			}
			if row.drip == "" {
				return
			}
			for range 300 { // longer than the server's patience
				if _, err := io.WriteString(p.conn, row.drip); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
		defer func() {
			p.expect("%s", row.answer)
			p.got = nil
			p.rest()
		}()
	}
	n.fine()
	wait.Wait()
	n.until(func() bool { return n.metric("clientsFailed") == before+int64(len(rows)) }, "%d of %d streams have failed", n.metric("clientsFailed")-before, len(rows))
	n.until(func() bool { return n.metric("clientsUnauthenticated") == 0 }, "%d are inside the gate", n.metric("clientsUnauthenticated"))
	if got := n.metric("streamErrors", "connection-timeout"); got != int64(len(rows)) {
		t.Errorf("%d streams ended with connection-timeout, not %d", got, len(rows))
	}
	n.fine()
}

// A connection that is lost costs nothing more, wherever the stream stood.
func TestLostBeforeLogin(t *testing.T) {
	n := start(t)
	n.accounts("romeo")
	each(n, []slowness{
		{name: "at once", listener: "c2s"},
		{name: "in the header", listener: "c2s", begin: func(p *peer) { p.send("<stream:stream to='loc") }},
		{name: "after the features", listener: "c2s", begin: func(p *peer) { p.open() }},
		{name: "in the handshake", listener: "direct", begin: func(p *peer) { p.send("\x16\x03\x01\x40\x00\x01") }},
		{name: "after the handshake", listener: "c2s", begin: func(p *peer) { p.startTLS() }},
		{name: "after the login", listener: "plain", begin: func(p *peer) { p.authenticate("romeo") }},
	}, func(s slowness) string { return s.name }, func(n *node, s slowness) {
		for _, linger := range []int{-1, 0} { // in order, and with a reset
			n.counts(1, func() {
				p := n.dial(s.listener)
				raw := p.conn.(*net.TCPConn)
				if s.begin != nil {
					s.begin(p)
				}
				raw.SetLinger(linger)
				raw.Close()
			}, "clientsFailed")
		}
		n.until(func() bool { return n.metric("clientsUnauthenticated") == 0 }, "a place is not given back")
	})
}

// Thousands who never log in: as many as the gate permits, and one more.
func TestCrowdBeforeLogin(t *testing.T) {
	size := crowdSize(t)
	n := start(t, fmt.Sprint("c2s.unauthenticated=", size), "c2s.unauthenticated_per_address=100", "c2s.negotiation=5m")
	n.accounts("romeo")
	all := gather(t, n.addr("c2s"), size)
	n.until(func() bool { return n.metric("clientsUnauthenticated") == int64(size) }, "not all are inside the gate")
	n.fine()
	n.counts(3, func() {
		for range 3 {
			n.dial("c2s").end()
		}
	}, "gateRefused")

	all.leave(2)
	n.until(func() bool { return n.metric("clientsUnauthenticated") == int64(size)-2 }, "the places are not given back")
	n.login("romeo/orchard").alive() // gives the place back
	n.login("romeo/street").alive()
	n.dial("c2s").open()
	n.dial("c2s").open()
	n.dial("c2s").end()
	n.fine()
	all.leave(size)
	n.until(func() bool { return n.metric("clientsUnauthenticated") <= 2 }, "the places are not given back")
}

// The limit of one address, at its number and one more; the others get in.
func TestCrowdOfOneAddress(t *testing.T) {
	const limit = 20
	n := start(t, "c2s.unauthenticated=1000", fmt.Sprint("c2s.unauthenticated_per_address=", limit))
	var all []*peer
	for range limit {
		all = append(all, n.dialFrom("127.0.0.2", "c2s").open())
	}
	n.counts(1, func() { n.dialFrom("127.0.0.2", "plain").end() }, "gateRefused") // one gate for all listeners
	n.dialFrom("127.0.0.3", "c2s").open()
	all[0].send(closing)
	all[0].expect(closing)
	all[0].end()
	n.until(func() bool { return n.metric("clientsUnauthenticated") == limit }, "the place is not given back")
	n.dialFrom("127.0.0.2", "c2s").open()
	n.fine()
}

// Who logs in and binds no resource has no session that would count, and keeps his
// place before the gate.
func TestCrowdWithoutSessions(t *testing.T) {
	const limit = 10
	n := start(t, fmt.Sprint("c2s.unauthenticated_per_address=", limit))
	n.accounts("romeo")
	var all []*peer
	for range limit {
		all = append(all, n.dial("plain").authenticate("romeo"))
	}
	n.counts(1, func() { n.dial("c2s").end() }, "gateRefused")
	all[0].bind("orchard").alive()
	n.dial("c2s").open()
	id := all[0].manage()
	all[1].send("%s", resume(id, 0))
	all[1].expect("<resumed [^>]*/>")
	n.dial("c2s").open()
	n.fine()
}

// Requests that lead nowhere end the stream, by their number.
func TestElementsWithoutEnd(t *testing.T) {
	n := start(t, "register.policy=open")
	each(n, []trick{
		{"aborts", "<abort xmlns='" + saslSpace + "'/>", saslError("aborted")},
		{"responses", "<response xmlns='" + saslSpace + "'/>", saslError("malformed-request")},
	}, trick.title, func(n *node, c trick) {
		p := n.dial("plain").open()
		for range 64 {
			p.send("%s", c.say)
			p.expect("%s", c.want)
		}
		n.ends("policy-violation", func() {
			p.send("%s", c.say)
			p.fails("policy-violation")
		})
	})
	const ask = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>"
	p := n.dial("plain").open()
	for range 10 {
		p.send(ask)
		p.expect("<iq type='result' id='r'>.*?</iq>")
	}
	p.send(ask)
	p.expect("<iq type='error' id='r'><error [^>]*><not-acceptable .*?</iq>")
	n.fine()
}
