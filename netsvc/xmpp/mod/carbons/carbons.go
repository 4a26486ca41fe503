// Package carbons gives all of a user's clients a copy of the conversations each
// of them has: Message Carbons, XEP-0280 1.0.1.
//
// It owns the decision which message is copied to whom. It stores nothing: a copy
// is for clients that are connected; what they miss, the archive has.
package carbons

import (
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space        = "urn:xmpp:carbons:2"
	rulesSpace   = "urn:xmpp:carbons:rules:0"
	forwardSpace = "urn:xmpp:forward:0"
	hintsSpace   = "urn:xmpp:hints"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "carbons",
		Summary: "copies of conversations for all of a user's clients",
		Specs:   []string{"XEP-0280 1.0.1", "XEP-0297 1.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct{ enabled xmpp.Flag }

func (m *module) Setup(h xmpp.Host) error {
	m.enabled = h.Flag("carbons")
	h.IQ(xmpp.IQ{Space: space, Local: "enable", To: xmpp.ToSelf, Feature: space, Set: m.toggle(true)})
	h.IQ(xmpp.IQ{Space: space, Local: "disable", To: xmpp.ToSelf, Feature: "-", Set: m.toggle(false)})
	h.Disco().Feature(xmpp.ToHost, space)
	h.Disco().Feature(xmpp.ToHost|xmpp.ToSelf, rulesSpace)
	h.Hooks().Sent.Handle.Add("carbons", m.sent)
	h.Hooks().Fanout.Handle.Add("carbons", m.received)
	return nil
}

func (m *module) toggle(on bool) func(*xmpp.Request) {
	return func(r *xmpp.Request) {
		if r.Session == nil {
			r.Refuse(stanza.NotAllowed, "")
			return
		}
		r.Session.Set(m.enabled, on)
		r.Result(nil)
	}
}

// sent copies what one client sent to the user's others, section 8.
func (m *module) sent(t *xmpp.Transit) xmpp.Verdict {
	if t.Stanza.Kind != stanza.Message || t.Session == nil {
		return xmpp.Pass
	}
	if t.Stanza.To.Bare() == t.Account.JID() || !eligible(t.Stanza) {
		return xmpp.Pass // to oneself: the others get it as received
	}
	own := t.Stanza
	if t.Own != nil {
		own = t.Own
	}
	for _, s := range t.Account.Sessions() {
		if s != t.Session && s.Has(m.enabled) {
			s.Send(carbon("sent", own, s.JID()))
		}
	}
	return xmpp.Pass
}

// received copies what was delivered to the clients that it was not delivered to,
// section 7.
func (m *module) received(t *xmpp.Transit) xmpp.Verdict {
	if !eligible(t.Stanza) {
		return xmpp.Pass
	}
	for _, s := range t.Account.Sessions() {
		if s.Has(m.enabled) && s != t.Session && !took(t, s) {
			s.Send(carbon("received", t.Stanza, s.JID()))
		}
	}
	return xmpp.Pass
}

func took(t *xmpp.Transit, s xmpp.Session) bool {
	for _, o := range t.Took {
		if o == s {
			return true
		}
	}
	return false
}

// eligible is section 6.1, a conversation between two people, and section 9, what
// its sender wants only one client to have. The <private/> mark itself stays: the
// XEP no longer lets servers take it out.
func eligible(s *stanza.Stanza) bool {
	if s.Has(space, "private") || s.Has(hintsSpace, "no-copy") || s.Has(space, "received") || s.Has(space, "sent") {
		return false
	}
	switch s.Type {
	case stanza.Chat:
		return true
	case stanza.Normal:
		return s.Has("jabber:client", "body") || s.Has("urn:xmpp:receipts", "received") || s.Has("urn:xmpp:chat-markers:0", "displayed")
	}
	return false
}

// carbon wraps the message as it was routed.
func carbon(direction string, s *stanza.Stanza, to jid.JID) *stanza.Stanza {
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, direction).Start(forwardSpace, "forwarded").Raw(s.AppendForwarded(nil)).End().End()
	return stanza.NewMessage(s.Type, "", to.Bare(), to, w.Bytes())
}
