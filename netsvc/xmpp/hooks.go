package xmpp

import (
	"slices"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
)

// Hooks are the points on the way of a stanza at which extensions act.
//
// Each generation of the server has its own Hooks, filled during Setup, sealed
// into Order, and never changed afterwards: calling them takes no lock.
//
// The three phases of a point run one after another: Filter may refuse (the
// sender gets the error), Handle may stamp, store or consume, Observe may only
// look.
type Hooks struct {
	Sent        Point // a stanza of a local session, before it is routed; Transit.Account is the sender's
	Received    Point // a stanza for a local account, before delivery; Transit.Account is the recipient's
	Fanout      Point // a message that the sessions in Transit.Took were chosen to get
	Undelivered Point // a message that no session took; who keeps it says so with Transit.Keep
	Host        Point // a message or presence addressed to a served domain; Transit.Account is nil

	Deliver      Hold                      // the last look at what goes to one client
	Bound        Event[Session]            // a resource was bound
	Resumed      Event[Session]            // a client resumed its session over a new connection
	Available    Event[Session]            // a session sent its initial presence
	Presence     Event[PresenceChange]     // a session's own presence changed (including the initial one and its end)
	Subscription Event[SubscriptionChange] // a contact's subscription changed, committed
	Ended        Event[Session]            // a session is gone for good; its presence was Unavailable before
	Leaving      Event[Account]            // an account is about to be deleted: the last moment to read its rows
	Removed      Event[Account]            // it was deleted, and its sessions have ended
}

// PresenceChange tells what a session's presence was and what it is now; both
// are broadcast presences without a 'to', nil stands for unavailable. Both are nil
// when a client leaves that was never available.
type PresenceChange struct {
	Session  Session
	Was, Now *stanza.Stanza
	// Leaving is the unavailable presence to send on, when Now is nil: the
	// client's own with its status, or one made by the server.
	Leaving *stanza.Stanza
}

// SubscriptionChange tells what an account and one of its contacts were to each
// other and what they are now.
type SubscriptionChange struct {
	Account  Account
	Contact  jid.JID // bare
	Was, Now Subscription
}

// Verdict is the answer of a Handle step.
type Verdict uint8

const (
	Pass  Verdict = iota // go on
	Taken                // consumed: nothing after this step sees the stanza
)

// Point is one place on the way with its three phases.
type Point struct {
	Filter  Steps[func(*Transit) *stanza.Error]
	Handle  Steps[func(*Transit) Verdict]
	Observe Steps[func(*Transit)]
}

// Run takes t through the phases. It returns the error that refused the stanza,
// or whether a Handle step consumed it.
func (p *Point) Run(t *Transit) (refused *stanza.Error, taken bool) {
	for _, f := range p.Filter.list {
		if e := f(t); e != nil {
			return e, false
		}
	}
	for _, f := range p.Handle.list {
		if f(t) == Taken {
			return nil, true
		}
	}
	for _, f := range p.Observe.list {
		f(t)
	}
	return nil, false
}

// Event is a point at which extensions are told of something that happened.
type Event[T any] struct {
	Steps[func(T)]
}

// Tell calls every step with v.
func (e *Event[T]) Tell(v T) {
	for _, f := range e.list {
		f(v)
	}
}

// Hold is the point before a stanza enters a client's stream.
type Hold struct {
	Steps[func(Session, *stanza.Stanza) bool]
}

// Held reports whether any step wants s kept back from the session for now. The
// session keeps the stanza in order and sends it before the next one that is
// not held, or when Session.Flush is called.
func (h *Hold) Held(to Session, s *stanza.Stanza) bool {
	for _, f := range h.list {
		if f(to, s) {
			return true
		}
	}
	return false
}

// Steps is the ordered list of the functions of one phase.
type Steps[F any] struct {
	list  []F
	ranks []int
	err   error
}

// Add puts f into the phase at the place its extension has in Order. It is
// called in Setup only.
func (s *Steps[F]) Add(extension string, f F) {
	rank, err := Rank(extension)
	if err != nil {
		s.err = err
		return
	}
	i, _ := slices.BinarySearch(s.ranks, rank+1)
	s.ranks = append(s.ranks, rank) // by hand: slices.Insert is 1.4 KB of code for each type
	copy(s.ranks[i+1:], s.ranks[i:])
	s.ranks[i] = rank
	s.list = append(s.list, f)
	copy(s.list[i+1:], s.list[i:])
	s.list[i] = f
}

// Err is the first fault of an Add.
func (s *Steps[F]) Err() error { return s.err }

// Err is the first fault of any Add.
func (h *Hooks) Err() error {
	points := []*Point{&h.Sent, &h.Received, &h.Fanout, &h.Undelivered, &h.Host}
	for _, p := range points {
		for _, err := range []error{p.Filter.err, p.Handle.err, p.Observe.err} {
			if err != nil {
				return err
			}
		}
	}
	for _, err := range []error{h.Deliver.err, h.Bound.err, h.Resumed.err, h.Available.err, h.Presence.err, h.Subscription.err, h.Ended.err, h.Leaving.err, h.Removed.err} {
		if err != nil {
			return err
		}
	}
	return nil
}
