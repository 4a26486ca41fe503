package roster

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// The functions of this file are the tables of RFC 6121 appendix A. Its nine
// states are the sensible combinations of four bits: To, From, Ask ("Pending
// Out") and PendingIn.

// outbound is appendix A.2: what a subscription stanza of the user's own client
// does to the contact's state, and whether it goes on to the contact.
func outbound(t stanza.Type, s xmpp.Subscription) (next xmpp.Subscription, route bool) {
	next = s
	switch t {
	case stanza.Subscribe: // A.2.1
		next.Ask = !s.To
		next.InRoster = true
		return next, true
	case stanza.Unsubscribe: // A.2.2
		next.To, next.Ask = false, false
		return next, true
	case stanza.Subscribed: // A.2.3, and pre-approval, section 3.4
		if s.PendingIn {
			next.PendingIn, next.From = false, true
			next.InRoster = true
			return next, true
		}
		if !s.From {
			next.Approved = true
			next.InRoster = true
		}
		return next, false
	case stanza.Unsubscribed: // A.2.4; it also takes back a pre-approval
		next.Approved = false
		if s.PendingIn || s.From {
			next.PendingIn, next.From = false, false
			return next, true
		}
	}
	return next, false
}

// action is what the server does with an inbound subscription stanza.
type action uint8

const (
	ignore  action = iota
	deliver        // to the user's clients
	accept         // answer 'subscribed' in the user's name
)

// inbound is appendix A.3: what a contact's subscription stanza does.
func inbound(t stanza.Type, s xmpp.Subscription) (next xmpp.Subscription, do action) {
	next = s
	switch t {
	case stanza.Subscribe: // A.3.1
		switch {
		case s.From:
			return next, accept
		case s.Approved:
			next.From, next.Approved, next.PendingIn = true, false, false
			return next, accept
		case !s.PendingIn:
			next.PendingIn = true
			return next, deliver
		}
	case stanza.Unsubscribe: // A.3.2
		if s.PendingIn || s.From {
			next.PendingIn, next.From = false, false
			return next, deliver
		}
	case stanza.Subscribed: // A.3.3
		if s.Ask {
			next.Ask, next.To = false, true
			return next, deliver
		}
	case stanza.Unsubscribed: // A.3.4
		if s.Ask || s.To {
			next.Ask, next.To = false, false
			return next, deliver
		}
	}
	return next, ignore
}
