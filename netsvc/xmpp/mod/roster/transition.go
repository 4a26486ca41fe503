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

// answer is what the server sends back in the user's name.
type answer stanza.Type

// none is no answer: the zero type is no presence's.
const none answer = 0

// inbound is appendix A.3: what a contact's subscription stanza does, whether it
// goes on to the user's clients, and what the contact is answered.
func inbound(t stanza.Type, s xmpp.Subscription) (next xmpp.Subscription, deliver bool, reply answer) {
	next = s
	switch t {
	case stanza.Subscribe: // A.3.1
		switch {
		case s.From:
			return next, false, answer(stanza.Subscribed)
		case s.Approved:
			// The record of the approval has served: from now on it is a subscription.
			next.From, next.Approved, next.PendingIn = true, false, false
			return next, false, answer(stanza.Subscribed)
		case !s.PendingIn:
			next.PendingIn = true
			return next, true, none
		}
	case stanza.Unsubscribe: // A.3.2
		if s.PendingIn || s.From {
			next.PendingIn, next.From = false, false
			return next, true, answer(stanza.Unsubscribed)
		}
	case stanza.Subscribed: // A.3.3
		if s.Ask {
			next.Ask, next.To = false, true
			return next, true, none
		}
	case stanza.Unsubscribed: // A.3.4
		if s.Ask || s.To {
			next.Ask, next.To = false, false
			return next, true, none
		}
	}
	return next, false, none
}
