package xmpptest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// session is a bound resource. It implements xmpp.Session.
type session struct {
	client   *Client
	server   *Server
	account  *Account
	jid      jid.JID
	slots    xmpp.Slots
	flags    atomic.Uint32
	presence atomic.Pointer[stanza.Stanza]
	status   atomic.Pointer[string] // of the client's last unavailable presence
	since    time.Time

	mu        sync.Mutex
	active    time.Time
	addr      string // "" while no connection is attached
	resumable bool
	hanging   bool // the client acknowledges nothing
	held      []sent
	owed      []func(bool) // of what the client got and has not acknowledged
	ended     bool
	condition string
}

// sent is a stanza and who wants to know whether the client has it.
type sent struct {
	stanza  *stanza.Stanza
	settled func(bool)
}

func (ss *session) JID() jid.JID             { return ss.jid }
func (ss *session) Account() xmpp.Account    { return ss.account }
func (ss *session) Slots() *xmpp.Slots       { return &ss.slots }
func (ss *session) Presence() *stanza.Stanza { return ss.presence.Load() }
func (ss *session) Since() time.Time         { return ss.since }
func (ss *session) Secure() bool             { return true }
func (ss *session) Has(f xmpp.Flag) bool     { return ss.flags.Load()&uint32(f) != 0 }

func (ss *session) Priority() int8 {
	if p := ss.presence.Load(); p != nil {
		return priorityOf(p)
	}
	return 0
}

func (ss *session) Set(f xmpp.Flag, on bool) {
	if on {
		ss.flags.Or(uint32(f))
	} else {
		ss.flags.And(^uint32(f))
	}
}

func (ss *session) Active() time.Time {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.active
}

func (ss *session) RemoteAddr() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.addr
}

func (ss *session) Send(s *stanza.Stanza) { ss.deliver(s, nil) }

func (ss *session) SendKept(s *stanza.Stanza, row uint64) {
	ss.deliver(s, func(has bool) {
		spool := ss.server.Spool()
		if !has {
			spool.Return(ss.account, row)
			return
		}
		var b store.Batch
		spool.Drop(&b, ss.account, row)
		ss.server.Store().Submit(&b, nil)
	})
}

func (ss *session) deliver(s *stanza.Stanza, settled func(bool)) {
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

func (ss *session) Flush() {
	ss.mu.Lock()
	var settled []func(bool)
	for _, q := range ss.held {
		ss.client.put(q.stanza)
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

// pay settles everything that the client got and has not acknowledged.
func (ss *session) pay(has bool, change func()) {
	ss.mu.Lock()
	change()
	owed := ss.owed
	ss.owed = nil
	ss.mu.Unlock()
	for _, settled := range owed {
		settled(has)
	}
}

func (ss *session) Disconnect() {
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

func (ss *session) End(condition, text string) {
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
	if len(ss.account.Sessions()) == 0 {
		status := ""
		if p := ss.status.Load(); p != nil {
			status = *p
		}
		ss.server.accounts.LoggedOut(ss.account.id, status)
	}
	ss.account.Release()
}
