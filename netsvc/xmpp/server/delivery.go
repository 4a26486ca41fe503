package server

import (
	"slices"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// This file is RFC 6121 section 8.5: which sessions of an account get a stanza
// that is addressed to it, and what becomes of it when none does.

// deliver takes a stanza through the recipient's hooks and to its sessions. t is
// ready for the recipient's side; r is the sender's claim.
func (g *generation) deliver(t *xmpp.Transit, a *account, r receipt) {
	refused, taken := g.hooks.Received.Run(t)
	if refused != nil {
		g.bounce(t.Stanza, refused)
		return
	}
	if taken {
		return
	}
	switch t.Stanza.Kind {
	case stanza.Message:
		g.deliverMessage(t, a, r)
	case stanza.Presence:
		g.deliverPresence(t, a)
	case stanza.IQ:
		g.deliverIQ(t, a)
	}
}

// deliverPresence is for presence that no extension took: notifications and
// errors. Sections 8.5.2.1.2, 8.5.2.2.2, 8.5.3.1 and 8.5.3.2.2.
func (g *generation) deliverPresence(t *xmpp.Transit, a *account) {
	s := t.Stanza
	if s.To.IsFull() {
		if ss := a.find(s.To.Resource()); ss != nil {
			ss.deliver(s, nil)
		}
		return
	}
	for _, ss := range a.Sessions() {
		if ss.Presence() != nil {
			ss.(*Session).deliver(s, nil)
		}
	}
}

// deliverIQ is for IQs to a full JID: to the client, or the error of section
// 8.5.3.2.3. What is addressed to the bare JID has been answered by an IQ handler.
func (g *generation) deliverIQ(t *xmpp.Transit, a *account) {
	if ss := a.find(t.Stanza.To.Resource()); ss != nil {
		ss.deliver(t.Stanza, nil)
		return
	}
	g.bounce(t.Stanza, stanza.NewError(stanza.ServiceUnavailable, ""))
}

// deliverMessage chooses the sessions and notes who owes what. First the choice, then
// the look at the backlog: who becomes reachable shuts it before.
func (g *generation) deliverMessage(t *xmpp.Transit, a *account, r receipt) {
	t.Took = choose(t.Took[:0], t.Stanza, a)
	c := newOwed(a, t.Stanza, r)
	took := len(t.Took) > 0
	if t.Kept() && took { // in the recipient's archive: his sender's claim rests on that
		g.archivedBy(t, c)
	} else if r.ledger != nil && g.spool != nil && took && !g.spool.Keeps(t.Stanza) {
		c.pay()
	}
	switch {
	case !a.queue(c, t.Session, t.Took):
		g.hand(t, c)
	case t.Kept() && !took:
		// It rests on the archive as what waits before it does: what is spooled while
		// it waits would stand in front of older ones that are kept later.
		g.archivedBy(t, c)
	}
	c.drop()
}

// choose names the sessions that get a message: those of section 8.5 or, where the
// resource that a chat is for has gone, the person (8.5.3.2.1).
func choose(list []xmpp.Session, s *stanza.Stanza, a *account) []xmpp.Session {
	list = receivers(list, s, a)
	if len(list) == 0 && s.Type == stanza.Chat {
		list = reachable(list, a)
	}
	return list
}

// broken reports whether the session is about to end because its connection has. What it
// loses may not come to it again: it would be behind what it loses next.
func broken(s xmpp.Session) bool {
	ss := s.(*Session)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.managed == nil && ss.out != nil && ss.out.Lost()
}

// forPerson reports whether the message is for a person more than for a client: it
// can be kept, and if its session loses it another one may get it.
func forPerson(s *stanza.Stanza) bool { return s.Type == stanza.Normal || s.Type == stanza.Chat }

// forResource reports whether nobody else gets the message when the resource that it is
// for is not there (8.5.3.2.1).
func forResource(s *stanza.Stanza) bool { return s.Type != stanza.Chat && s.To.IsFull() }

// hand gives the message to the sessions in t.Took. Where there are none it is kept,
// or it is of a type that is answered or dropped.
func (g *generation) hand(t *xmpp.Transit, c *owed) {
	switch {
	case len(t.Took) > 0:
		g.fanOut(t, c)
	case forPerson(t.Stanza) && !forResource(t.Stanza):
		g.keep(t, c)
	case t.Kept(): // in the recipient's archive
		g.storedBy(t, c)
	default:
		if (t.Stanza.Type == stanza.GroupChat || t.Stanza.Type == stanza.Normal) && !c.is(stored) {
			g.bounce(t.Stanza, stanza.NewError(stanza.ServiceUnavailable, ""))
		}
		c.finish()
	}
}

// fanOut hands the message to the sessions in t.Took.
func (g *generation) fanOut(t *xmpp.Transit, c *owed) {
	if refused, taken := g.hooks.Fanout.Run(t); refused != nil || taken {
		c.finish()
		return
	}
	for _, ss := range t.Took {
		ss.(*Session).deliver(t.Stanza, c)
	}
}

// receivers names the sessions that section 8.5 gives a message to.
func receivers(list []xmpp.Session, s *stanza.Stanza, a *account) []xmpp.Session {
	if s.To.IsFull() {
		if ss := a.find(s.To.Resource()); ss != nil {
			list = append(list, ss)
		}
		return list
	}
	switch s.Type {
	case stanza.Normal, stanza.Chat, stanza.Headline:
		return reachable(list, a)
	}
	return list // groupchat and error are for one resource only: 8.5.2.1.1
}

// reachable adds every session that is available with a priority of 0 or more:
// of the two choices of section 8.5.2.1.1 the one that suits people with
// several devices.
func reachable(list []xmpp.Session, a *account) []xmpp.Session {
	for _, ss := range a.Sessions() {
		if ss.(*Session).reachable() {
			list = append(list, ss)
		}
	}
	return list
}

// keep is for a message that no session took: an extension keeps it, or its
// sender gets the error of section 8.5.2.2.1. Where t.Took names sessions it came
// here to keep the order, and goes to them if nobody keeps it.
func (g *generation) keep(t *xmpp.Transit, c *owed) {
	for { // spooled meanwhile, its row would be younger than those behind it
		if _, ok := c.begin(keeping, spooling); ok {
			break
		}
		if c.toOffline() {
			return
		}
	}
	defer c.state.And(^uint32(keeping))
	refused, taken := g.hooks.Undelivered.Run(t)
	switch {
	case t.Kept(): // by who takes undelivered ones, or by the recipient's archive before
		g.storedBy(t, c)
	case taken:
		c.finish()
	case len(t.Took) > 0:
		g.fanOut(t, c)
	case c.is(stored) && c.is(paid): // in the recipient's archive since it came
		c.finish()
	default:
		if refused == nil {
			refused = stanza.NewError(stanza.ServiceUnavailable, "")
		}
		g.bounce(t.Stanza, refused)
		c.finish()
	}
}

// archivedBy pays for a message that sessions have once the commit of t's batch is
// done. If it fails nothing is lost but the copy in the archive.
func (g *generation) archivedBy(t *xmpp.Transit, c *owed) {
	c.state.Or(stored)
	c.account.Retain()
	t.After(func(err error) {
		if err == nil {
			c.pay()
		} else {
			c.state.And(^uint32(stored))
			c.receipt.doubt()
			g.stats.gaps.Add(1)
		}
		c.account.Release()
	})
}

// storedBy has done with a message that nobody else has once the commit of t's batch
// is done. If it fails its sender is told to try again later.
func (g *generation) storedBy(t *xmpp.Transit, c *owed) {
	c.state.Or(stored)
	c.hold()
	t.After(func(err error) {
		if err != nil && !c.is(done) {
			g.bounce(c.stanza, stanza.NewError(stanza.ResourceConstraint, "the message could not be stored"))
		}
		c.finish()
		c.drop()
	})
}

// undelivered takes a copy that every session lost back to its account, where
// another session may take it, or it is kept: also when others that are older are
// still on their way there. Its hold is the last one.
func (g *generation) undelivered(c *owed) {
	t := getTransit(c.stanza, nil, c.account)
	c.holders.Store(1)
	keep := false
	if forPerson(c.stanza) {
		t.Stanza = c.delayed()
		t.Took = slices.DeleteFunc(reachable(t.Took, c.account), broken)
		keep = len(t.Took) == 0 || c.account.behind()
	}
	if keep {
		g.keep(t, c)
	} else {
		g.hand(t, c)
	}
	c.drop()
	g.submit(t)
}
