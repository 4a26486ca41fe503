// Package carbons gives all of a user's clients a copy of the conversations each
// of them has: Message Carbons, XEP-0280 1.0.1, with its recommended rules in full
// (urn:xmpp:carbons:rules:0).
//
// It owns the decision which message is copied to whom (rules.go). It stores
// nothing: a copy is for clients that are connected; what they miss, the archive
// has.
package carbons

import (
	"slices"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space        = "urn:xmpp:carbons:2"
	rulesSpace   = "urn:xmpp:carbons:rules:0"
	forwardSpace = "urn:xmpp:forward:0"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "carbons",
		Summary: "copies of conversations for all of a user's clients",
		Specs:   []string{"XEP-0280 1.0.1", "XEP-0297 1.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	enabled xmpp.Flag
	recent  xmpp.Key[*recent]
	copies  *metric.Counter
}

func (m *module) Setup(h xmpp.Host) error {
	m.enabled = h.Flag("carbons")
	m.recent = xmpp.NewKey[*recent](h, "carbons")
	h.IQ(xmpp.IQ{Space: space, Local: "enable", To: xmpp.ToSelf, Feature: space, Set: m.toggle(true)})
	h.IQ(xmpp.IQ{Space: space, Local: "disable", To: xmpp.ToSelf, Feature: "-", Set: m.toggle(false)})
	m.copies = h.Metrics().Counter(metric.Desc{Name: "carbons", Help: "copies for other clients of the same user"})
	h.Disco().Feature(xmpp.ToHost, space)
	h.Disco().Feature(xmpp.ToHost|xmpp.ToSelf, rulesSpace)
	h.Hooks().Sent.Handle.Add("carbons", m.sent)
	h.Hooks().Fanout.Handle.Add("carbons", m.received)
	h.Hooks().Undelivered.Handle.Add("carbons", m.received)
	return nil
}

// toggle is sections 4 and 5; repeating a request is no error (10.1).
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
	s, sessions := t.Stanza, t.Account.Sessions()
	if s.Kind != stanza.Message || len(sessions) < 2 || s.To.Bare() == t.Account.JID() {
		return xmpp.Pass // to oneself: the others get it as received
	}
	own := s
	if t.Own != nil {
		own = t.Own
	}
	var payload []byte
	for _, to := range sessions {
		if to == t.Session || !to.Has(m.enabled) {
			continue
		}
		if payload == nil {
			if !eligible(s) {
				return xmpp.Pass
			}
			payload = wrap("sent", own)
			m.remember(t.Account, s)
		}
		m.copies.Inc()
		to.Send(stanza.NewMessage(s.Type, "", t.Account.JID(), to.JID(), payload))
	}
	return xmpp.Pass
}

// received copies what came to the clients that it was not delivered to, section 7:
// also when it was delivered to none.
func (m *module) received(t *xmpp.Transit) xmpp.Verdict {
	s := t.Stanza
	var payload []byte
	for _, to := range t.Account.Sessions() {
		if to == t.Session || !to.Has(m.enabled) || slices.Contains(t.Took, to) {
			continue
		}
		if payload == nil {
			if again(t) || !m.eligibleIn(t.Account, s) {
				return xmpp.Pass
			}
			payload = wrap("received", s)
		}
		m.copies.Inc()
		to.Send(stanza.NewMessage(s.Type, "", t.Account.JID(), to.JID(), payload))
	}
	return xmpp.Pass
}

// again reports whether the message was delivered before, to a client that went
// away with it: it was copied then, and the server has stamped it since.
func again(t *xmpp.Transit) (is bool) {
	if t.Session != nil || !t.Stanza.Has(stamp.Space, "delay") {
		return false
	}
	t.Stanza.Each(func(space, local string, raw []byte) bool {
		if space == stamp.Space && local == "delay" {
			if n, err := xmlstream.Parse(raw, xmlstream.ClientSpace); err == nil {
				d, err := stamp.ParseDelay(n)
				is = err == nil && d.From == t.Account.JID().Host()
			}
		}
		return !is
	})
	return is
}

// wrap makes the copy (XEP-0297) that all clients share: the message as it was
// routed.
func wrap(direction string, s *stanza.Stanza) []byte {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, direction).Start(forwardSpace, "forwarded").Raw(s.AppendForwarded(nil)).End().End()
	return w.Bytes()
}
