package server

import (
	"sync/atomic"
	"time"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// receipt is one sender's claim on one stanza. The zero receipt belongs to a
// sender who counts nothing.
type receipt struct {
	ledger *ledger
	n      uint32
}

func (r receipt) owe(c *owed) {
	if r.ledger != nil {
		r.ledger.owe(r.n, c)
	}
}

func (r receipt) settle() {
	if r.ledger != nil {
		r.ledger.settle(r.n)
	}
}

// doubt says that a commit the claim rested on has failed.
func (r receipt) doubt() {
	if r.ledger != nil {
		r.ledger.doubt()
	}
}

// owed is one message owed to one account, however many of its sessions were
// handed it.
//
// It is paid, towards its sender, by the first that happens of: a commit that
// has it (archive, spool, offline), one session's acknowledgement, the write to
// a session without stream management, an error sent back. It is done when
// nothing more needs to happen: a session has it, or it was kept as undelivered,
// or it was answered. When all who had it in hand are gone and it is not done,
// it goes to the account's undelivered messages.
//
// It is its own completion callback for flow: Written.
type owed struct {
	account *account // retained while anybody holds the copy
	stanza  *stanza.Stanza
	receipt receipt
	since   time.Time

	holders atomic.Int32 // sessions that have it, and 1 for who is handing it out
	state   atomic.Uint32
	row     uint64 // in the spool; set before the state says submitted
}

const (
	paid      = 1 << iota // the sender's claim is settled
	done                  // nothing more needs to happen
	stored                // a commit that has it is under way or made
	keeping               // it is being given to who keeps messages
	spooling              // it is being given to the spool, or was
	submitted             // its row was, and is to be removed: what is submitted later is committed later
	spooled               // its row is in the spool
	unspooled             // the commit of its row has failed
	returning             // nobody has it in hand: the row becomes an offline message when it is there
)

// newOwed makes the copy, with the first hold for the one who hands it out.
func newOwed(a *account, s *stanza.Stanza, r receipt) *owed {
	a.Retain()
	c := &owed{account: a, stanza: s, receipt: r, since: time.Now()}
	c.holders.Store(1)
	r.owe(c)
	return c
}

// kept makes the copy of a message that stands in the spool.
func (a *account) kept(s *stanza.Stanza, row uint64) *owed {
	c := newOwed(a, s, receipt{})
	c.row = row
	c.state.Store(paid | spooling | submitted | spooled)
	return c
}

// hold notes one more who has it in hand.
func (c *owed) hold() { c.holders.Add(1) }

// Written is what an outbox tells of a session without stream management.
func (c *owed) Written(ok bool) {
	if ok {
		c.finish()
	}
	c.drop()
}

// pay settles the sender's claim, once.
func (c *owed) pay() {
	if c.state.Or(paid)&paid == 0 {
		c.receipt.settle()
	}
}

// finish says that nothing more needs to happen.
func (c *owed) finish() {
	old := c.state.Or(done)
	if old&done != 0 {
		return
	}
	c.pay()
	if old&submitted != 0 {
		c.unspool()
	}
}

func (c *owed) is(state uint32) bool { return c.state.Load()&state != 0 }

// drop gives up one hold. The last one sends a copy that is not done back.
func (c *owed) drop() {
	if c.holders.Add(-1) > 0 {
		return
	}
	if !c.is(done) {
		c.account.server.current().undelivered(c)
		return // it took a hold of its own
	}
	c.account.Release()
}

// delayed returns the message with the time it was first sent, for those who get
// it later (XEP-0203).
func (c *owed) delayed() *stanza.Stanza {
	return xmpp.Delayed(c.stanza, c.account.jid.Host(), c.since, c.account.server.store.Options().Built)
}

// spool commits the message to its account's spool, from where it is delivered if
// the server dies before the client has it. False: somebody is just giving it a row, and no
// later message of its sender may have one before.
func (c *owed) spool() bool {
	srv := c.account.server
	keep := srv.current().spool
	if keep == nil || !keep.Keeps(c.stanza) {
		return true
	}
	if old, ok := c.begin(spooling, spooling|keeping|stored|done); !ok {
		return old&(spooling|stored|done) != 0
	}
	var b store.Batch
	c.row = keep.Put(&b, c.account, c.delayed())
	c.account.Retain()
	srv.store.Submit(&b, func(err error) {
		if err == nil {
			srv.current().stats.spooled.Inc()
			c.pay()
			c.step(spooled)
		} else {
			c.step(unspooled)
		}
		c.account.Release()
	})
	c.step(submitted)
	return true
}

// step notes how far the message's row has come. What became of the row may be told
// before the call returns that submitted it; what follows from that is done once both are.
func (c *owed) step(bit uint32) {
	switch now := c.state.Or(bit) | bit; {
	case now&submitted == 0:
	case now&done != 0:
		c.unspool()
	case now&unspooled != 0:
		c.unspool() // out of the account's box, in which it was put already
		if c.state.And(^uint32(spooling|unspooled|returning))&returning != 0 {
			c.drop() // to undelivered again
			c.account.Proceed()
		} // otherwise the next sweep tries again
	case now&spooled != 0 && now&returning != 0:
		c.giveBack()
	}
}

// begin sets a bit, unless the old state is one of those.
func (c *owed) begin(bit, unless uint32) (old uint32, ok bool) {
	for {
		old = c.state.Load()
		if old&unless != 0 {
			return old, false
		}
		if c.state.CompareAndSwap(old, old|bit) {
			return old, true
		}
	}
}

// toOffline makes the message's row in the spool an offline message, as soon as it is
// there; false when there is none.
func (c *owed) toOffline() bool {
	if !c.is(spooling) {
		return false
	}
	c.hold()
	c.account.Defer()
	switch old := c.state.Or(returning); {
	case old&spooled != 0 && old&submitted != 0:
		c.giveBack()
	case old&spooling == 0: // the commit has failed meanwhile
		c.state.And(^uint32(returning))
		c.holders.Add(-1)
		c.account.Proceed()
		return false
	}
	return true
}

// giveBack is the second half of toOffline.
func (c *owed) giveBack() {
	c.account.server.current().spool.Return(c.account, c.row)
	c.state.And(^uint32(submitted | spooled)) // it is no row of the spool any more
	c.finish()
	c.account.Proceed()
	c.drop()
}

// unspool removes the row, once. Whoever waits for the account's writes after the message
// is done, waits for that too.
func (c *owed) unspool() {
	if c.state.And(^uint32(submitted))&submitted == 0 {
		return
	}
	srv := c.account.server
	var b store.Batch
	srv.current().spool.Drop(&b, c.account, c.row)
	srv.store.Submit(&b, nil)
}
