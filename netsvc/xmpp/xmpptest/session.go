package xmpptest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// Session is a bound resource whose client is the test: what the server sends to
// it waits for Expect. It implements xmpp.Session.
type Session struct {
	inbox
	server   *Server
	account  *Account
	jid      jid.JID
	slots    xmpp.Slots
	flags    atomic.Uint32
	presence atomic.Pointer[stanza.Stanza]
	since    time.Time

	mu        sync.Mutex
	active    time.Time
	addr      string
	resumable bool
	hanging   bool
	held      []sent
	owed      []func(bool) // of what a hanging client got
	ended     bool
	condition string
}

// sent is a stanza and who wants to know whether the client has it.
type sent struct {
	stanza  *stanza.Stanza
	settled func(bool)
}

// Login binds a resource, of an account that is made if there is none. The client
// has not sent presence yet.
func (s *Server) Login(full string) *Session {
	s.t.Helper()
	j := jid.MustParse(full)
	a := s.Register(j.Bare().String())
	now := seconds(time.Now())
	ss := &Session{server: s, account: a, jid: j, since: now, active: now, addr: "[2001:db8::1]:49152"}
	ss.inbox = inbox{t: s.t, who: full, settle: s.settle}
	a.Retain()
	a.change(func(list []xmpp.Session) []xmpp.Session { return append(list, ss) })
	s.generation.Load().hooks.Bound.Tell(ss)
	return ss
}

// Send is what the client sends: one stanza, or an element that is none. Its
// 'from' is the client's, whatever it says.
func (ss *Session) Send(xml string) {
	ss.server.t.Helper()
	ss.mu.Lock()
	ss.active = seconds(time.Now())
	gone := ss.ended
	ss.mu.Unlock()
	if gone {
		ss.server.t.Fatalf("%s: sends after its end", ss.jid)
	}
	n, err := xmlstream.Parse([]byte(xml), "jabber:client")
	if err != nil {
		ss.server.t.Fatalf("%s: cannot send %s: %v", ss.jid, xml, err)
	}
	if n.Name.Space != "jabber:client" {
		handle := ss.server.generation.Load().nonzas[n.Name.Space]
		if handle == nil {
			ss.server.t.Fatalf("%s: nobody handles %s", ss.jid, xml)
		}
		handle(ss, n)
		return
	}
	st, err := stanza.Parse([]byte(xml))
	if err != nil {
		ss.server.t.Fatalf("%s: cannot send %s: %v", ss.jid, xml, err)
	}
	ss.server.fromClient(ss, st.Relay(ss.jid, st.To))
}

// Hang keeps the client from acknowledging what it gets, until Acknowledge. If it
// ends meanwhile, the senders are told.
func (ss *Session) Hang() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.hanging = true
}

// Acknowledge lets the client acknowledge everything it got, and what it will get.
func (ss *Session) Acknowledge() { ss.pay(true, func() { ss.hanging = false }) }

func (ss *Session) pay(has bool, change func()) {
	ss.mu.Lock()
	change()
	owed := ss.owed
	ss.owed = nil
	ss.mu.Unlock()
	for _, settled := range owed {
		settled(has)
	}
}

// Resumable says that the session waits for its client when the connection is
// lost (XEP-0198).
func (ss *Session) Resumable() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.resumable = true
}

// Resume is a new connection of the client to its session.
func (ss *Session) Resume() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.addr = "[2001:db8::1]:49153"
	ss.active = seconds(time.Now())
}

// Ended reports whether the session is gone, and with which stream error.
func (ss *Session) Ended() (condition string, ended bool) {
	ss.server.settle()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.condition, ss.ended
}

// The methods of xmpp.Session.

func (ss *Session) JID() jid.JID             { return ss.jid }
func (ss *Session) Account() xmpp.Account    { return ss.account }
func (ss *Session) Slots() *xmpp.Slots       { return &ss.slots }
func (ss *Session) Presence() *stanza.Stanza { return ss.presence.Load() }
func (ss *Session) Since() time.Time         { return ss.since }
func (ss *Session) Secure() bool             { return true }
func (ss *Session) Has(f xmpp.Flag) bool     { return ss.flags.Load()&uint32(f) != 0 }

func (ss *Session) Priority() int8 {
	if p := ss.presence.Load(); p != nil {
		return priorityOf(p)
	}
	return 0
}

func (ss *Session) Set(f xmpp.Flag, on bool) {
	if on {
		ss.flags.Or(uint32(f))
	} else {
		ss.flags.And(^uint32(f))
	}
}

func (ss *Session) Active() time.Time {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.active
}

func (ss *Session) RemoteAddr() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.addr
}

func (ss *Session) Deliver(s *stanza.Stanza) { ss.deliver(s, nil) }

func (ss *Session) deliver(s *stanza.Stanza, settled func(bool)) {
	hold := ss.server.generation.Load().hooks.Deliver.Held(ss, s)
	ss.mu.Lock()
	if ss.ended {
		ss.mu.Unlock()
		if settled != nil {
			settled(false)
		}
		return
	}
	ss.held = append(ss.held, sent{s, settled})
	if hold {
		ss.mu.Unlock()
		return
	}
	ss.mu.Unlock()
	ss.Flush()
}

func (ss *Session) Flush() {
	ss.mu.Lock()
	var settled []func(bool)
	for _, q := range ss.held {
		ss.put(q.stanza)
		switch {
		case q.settled == nil:
		case ss.hanging || ss.addr == "":
			ss.owed = append(ss.owed, q.settled)
		default:
			settled = append(settled, q.settled)
		}
	}
	ss.held = nil
	ss.mu.Unlock()
	for _, f := range settled {
		f(true)
	}
}

// Disconnect is a connection that is lost.
func (ss *Session) Disconnect() {
	ss.mu.Lock()
	waits := ss.resumable && !ss.ended
	if waits {
		ss.addr = ""
	}
	ss.mu.Unlock()
	if !waits {
		ss.End("", "")
	}
}

func (ss *Session) End(condition, text string) {
	ss.mu.Lock()
	if ss.ended {
		ss.mu.Unlock()
		return
	}
	ss.ended, ss.condition, ss.addr = true, condition, ""
	for _, q := range ss.held {
		if q.settled != nil {
			ss.owed = append(ss.owed, q.settled)
		}
	}
	ss.held = nil
	ss.mu.Unlock()
	ss.account.change(func(list []xmpp.Session) []xmpp.Session {
		return slices.DeleteFunc(list, func(o xmpp.Session) bool { return o == xmpp.Session(ss) })
	})
	ss.pay(false, func() {})
	g := ss.server.generation.Load()
	if was := ss.presence.Swap(nil); was != nil {
		gone := stanza.NewPresence(stanza.Unavailable, "", ss.jid, jid.JID{}, nil)
		g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: was, Leaving: gone})
	}
	g.hooks.Ended.Tell(ss)
	ss.account.Release()
}
