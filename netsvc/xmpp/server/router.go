package server

import (
	"sync"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// transits are used again: moving a stanza allocates none.
var transits = sync.Pool{New: func() any { return new(xmpp.Transit) }}

func getTransit(s *stanza.Stanza, by *Session, of *account) *xmpp.Transit {
	t := transits.Get().(*xmpp.Transit)
	if by == nil {
		t.Reset(s, nil, of)
	} else {
		t.Reset(s, by, of)
	}
	return t
}

// fromClient moves one stanza of a local session. It runs on the goroutine that
// read it; r is the session's claim, with one debt for the move itself.
func (g *generation) fromClient(ss *Session, s *stanza.Stanza, r receipt) {
	t := getTransit(s, ss, ss.account)
	g.sent(t, ss, r)
	g.submit(t)
	r.settle()
}

// sent takes the stanza through the sender's hooks and on to its addressee.
func (g *generation) sent(t *xmpp.Transit, ss *Session, r receipt) {
	if t.Stanza.Kind == stanza.Presence && t.Stanza.To.IsZero() {
		g.ownPresence(ss, t.Stanza)
		return
	}
	if t.Stanza.To.IsZero() && t.Stanza.Kind == stanza.Message {
		t.Stanza = t.Stanza.Redirect(ss.account.jid) // RFC 6120 section 10.3.1
	}
	refused, taken := g.hooks.Sent.Run(t)
	if t.Kept() {
		// The sender's own archive: one more copy that is owed.
		r.owe(nil)
		t.After(func(err error) {
			if err != nil {
				g.stats.gaps.Add(1)
			}
			r.settle()
		})
	}
	switch {
	case refused != nil:
		// Straight back: the error bears the addressee's name, and who is blocked
		// would not get in with it.
		if reply := t.Stanza.Fail(refused); reply != nil {
			g.stats.bounced.Add(1)
			ss.Send(reply)
		}
	case !taken:
		g.route(t, r)
	}
	if r.ledger != nil && t.Batch.Len() > 0 {
		ss.noteHandled(&t.Batch)
	}
}

// submit sends the writes that go with a stanza to the store, and t back to the
// pool.
func (g *generation) submit(t *xmpp.Transit) {
	if after := t.Done(); len(after) > 0 || t.Batch.Len() > 0 {
		g.store.Submit(&t.Batch, func(err error) {
			if err != nil {
				g.stats.unstored.Add(1)
			}
			for _, f := range after {
				f(err)
			}
		})
	}
	t.Reset(nil, nil, nil)
	transits.Put(t)
}

// route asks, in order, who serves the addressee: an account or a host of ours,
// then the finders for everything else.
func (g *generation) route(t *xmpp.Transit, r receipt) {
	g.stats.routed.Inc()
	to := t.Stanza.To
	if to.IsZero() { // an IQ to the sender's own account, RFC 6120 section 10.3.3
		g.answer(t)
		return
	}
	if !g.IsHost(to.Domain()) {
		if at := g.places[to.Domain()]; at.IsReady() {
			g.toService(t, at)
			return
		}
		for _, find := range g.finders {
			if deliver := find(to); deliver != nil {
				deliver(t, r)
				return
			}
		}
		g.bounce(t.Stanza, stanza.NewError(stanza.RemoteServerNotFound, ""))
		return
	}
	if to.Local() == "" {
		g.toHost(t)
		return
	}
	a, err := g.find(to.Bare())
	switch {
	case err != nil:
		g.log.Error("account lookup failed", "cause", err)
		g.bounce(t.Stanza, stanza.NewError(stanza.InternalServerError, ""))
	case a == nil:
		g.toNobody(t.Stanza)
	case t.Stanza.Kind == stanza.IQ && to.IsBare():
		t.Reset(t.Stanza, t.Session, a)
		if refused, taken := g.hooks.Received.Run(t); refused != nil {
			g.bounce(t.Stanza, refused)
		} else if !taken {
			g.answer(t)
		}
		a.Release()
	default:
		t.Reset(t.Stanza, t.Session, a)
		g.deliver(t, a, r)
		a.Release()
	}
}

// toNobody is RFC 6121 section 8.5.1: there is no such account. Presence is
// dropped in silence, so that nobody learns from it who exists.
func (g *generation) toNobody(s *stanza.Stanza) {
	if s.Kind != stanza.Presence {
		g.bounce(s, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// toHost is for what is addressed to a served domain: IQs have handlers, the
// rest nobody reads (RFC 6120 section 10.5.3).
func (g *generation) toHost(t *xmpp.Transit) {
	if t.Stanza.Kind == stanza.IQ {
		g.answer(t)
		return
	}
	if refused, taken := g.hooks.Host.Run(t); refused != nil {
		g.bounce(t.Stanza, refused)
	} else if !taken && t.Stanza.Kind == stanza.Message {
		g.bounce(t.Stanza, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// bounce sends the error reply, if s is something that may be answered.
func (g *generation) bounce(s *stanza.Stanza, e *stanza.Error) {
	reply := s.Fail(e)
	if reply == nil {
		return
	}
	g.stats.bounced.Add(1)
	g.reply(reply)
}

// reply routes an answer of the server: it goes to the one session that asked,
// or wherever the asker lives, and owes nobody anything.
func (g *generation) reply(s *stanza.Stanza) {
	t := getTransit(s, nil, nil)
	g.route(t, receipt{})
	g.submit(t)
}

// find returns the local account in memory, retained; nil when there is none.
func (s *Server) find(bare jid.JID) (*account, error) {
	sh := s.shard(bare)
	if a := sh.get(bare); a != nil {
		return a, nil
	}
	user, ok, err := s.accounts.Lookup(bare)
	if err != nil || !ok {
		return nil, err
	}
	return sh.put(&account{server: s, traffic: s.trafficOf(bare.Domain()), id: user.ID, jid: bare}), nil
}
