package xmpptest

import (
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// Client is who speaks through one session: the test. What the server sends
// waits in the Inbox.
type Client struct {
	Inbox
	session *session
}

// Login binds a resource, of an account that is made if there is none. The client
// has not sent presence yet.
func (s *Server) Login(full string) *Client {
	s.t.Helper()
	j := jid.MustParse(full)
	a := s.Register(j.Bare().String())
	now := seconds(time.Now())
	ss := &session{server: s, account: a, jid: j, since: now, active: now, addr: "[2001:db8::1]:49152"}
	ss.client = &Client{Inbox: Inbox{server: s, who: full}, session: ss}
	a.Retain()
	a.change(func(list []xmpp.Session) []xmpp.Session { return append(list, ss) })
	s.accounts.LoggedIn(a.id)
	s.generation.Load().hooks.Bound.Tell(ss)
	return ss.client
}

// Session is the client's session as extensions see it.
func (c *Client) Session() xmpp.Session { return c.session }

// Send sends one stanza, or an element that is none. Its 'from' is the client's,
// whatever it says.
func (c *Client) Send(xml string) {
	t, ss := c.server.t, c.session
	t.Helper()
	ss.mu.Lock()
	ss.active = seconds(time.Now())
	gone := ss.ended || ss.addr == ""
	ss.mu.Unlock()
	if gone {
		t.Fatalf("%s has no connection to send on", ss.jid)
	}
	n, err := xmlstream.Parse([]byte(xml), xmlstream.ClientSpace)
	if err != nil {
		t.Fatalf("%s cannot send %s: %v", ss.jid, xml, err)
	}
	if n.Name.Space != xmlstream.ClientSpace {
		handle := c.server.generation.Load().nonzas[n.Name.Space]
		if handle == nil {
			t.Fatalf("nobody handles %s", xml)
		}
		handle(ss, n)
		return
	}
	st, err := stanza.Parse([]byte(xml))
	if err != nil {
		t.Fatalf("%s cannot send %s: %v", ss.jid, xml, err)
	}
	c.server.fromClient(ss, st.Relay(ss.jid, st.To))
}

// Deliver puts a stanza into a client's session as it is, past all rules.
func (s *Server) Deliver(to *Client, xml string) {
	s.t.Helper()
	st, err := stanza.Parse([]byte(xml))
	if err != nil {
		s.t.Fatalf("%s cannot be delivered: %v", xml, err)
	}
	to.session.Send(st)
}

// Ask sends an IQ and expects the answer.
func (c *Client) Ask(iq, answer string) {
	c.server.t.Helper()
	c.Send(iq)
	c.Expect(answer)
}

// Hang keeps the client from acknowledging what it gets, until Acknowledge. If
// its session ends meanwhile, what was sent with SendKept returns to the spool.
func (c *Client) Hang() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.hanging = true
}

// Acknowledge makes the client acknowledge everything, from now on at once.
func (c *Client) Acknowledge() {
	c.session.pay(true, func() { c.session.hanging = false })
}

// Resumable says that the session waits for its client when the connection is
// lost (XEP-0198).
func (c *Client) Resumable() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.session.resumable = true
}

// Resume is a new connection of the client to its session.
func (c *Client) Resume() {
	c.session.mu.Lock()
	c.session.addr = "[2001:db8::1]:49153"
	c.session.mu.Unlock()
	c.server.Hooks().Resumed.Tell(c.session)
}

// Lose cuts the client's connection: its session ends, or waits if it can be
// resumed.
func (c *Client) Lose() { c.session.Disconnect() }

// Close ends the client's stream in order.
func (c *Client) Close() { c.session.End("", "") }

// Ended reports whether the session is gone, and with which stream error.
func (c *Client) Ended() (condition string, ended bool) {
	c.server.settle()
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.condition, c.session.ended
}

// Connected reports whether the session has a connection.
func (c *Client) Connected() bool {
	c.server.settle()
	return c.session.RemoteAddr() != ""
}

// Peer is another server. What is sent to its domain waits in the Inbox.
type Peer struct {
	Inbox
	domain string
}

// Peer returns the server of a domain that is not ours.
func (s *Server) Peer(domain string) *Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[domain]
	if p == nil {
		p = &Peer{Inbox: Inbox{server: s, who: domain}, domain: domain}
		s.peers[domain] = p
	}
	return p
}

// Send sends a stanza, with its 'from' and 'to'.
func (p *Peer) Send(xml string) {
	p.server.t.Helper()
	st, err := stanza.Parse([]byte(xml))
	if err != nil || st.From.Domain() != p.domain || !p.server.serves(st.To) {
		p.server.t.Fatalf("%s cannot send %s (%v)", p.domain, xml, err)
	}
	p.server.reply(st)
}
