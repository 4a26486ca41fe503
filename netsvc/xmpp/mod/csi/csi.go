// Package csi saves the batteries of clients nobody looks at: Client State
// Indication, XEP-0352 1.0.0. While a client says it is inactive, what only
// changes its screen waits; the first stanza that matters takes it along.
//
// The waiting itself, its order and its bound are the session's
// (xmpp.Hooks.Deliver); this package says what may wait.
package csi

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space      = "urn:xmpp:csi:0"
	chatStates = "http://jabber.org/protocol/chatstates"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "csi",
		Summary: "lets inactive clients sleep",
		Specs:   []string{"XEP-0352 1.0.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct{ inactive xmpp.Flag }

func (m *module) Setup(h xmpp.Host) error {
	m.inactive = h.Flag("inactive")
	h.StreamFeature([]byte("<csi xmlns='" + space + "'/>"))
	h.Nonza(space, m.state)
	h.Hooks().Deliver.Add("csi", m.hold)
	h.Hooks().Resumed.Add("csi", m.activate) // section 5: a resumed stream begins active
	return nil
}

func (m *module) state(s xmpp.Session, n *xmlstream.Node) {
	switch n.Name.Local {
	case "inactive":
		s.Set(m.inactive, true)
	case "active":
		m.activate(s)
	}
}

func (m *module) activate(s xmpp.Session) {
	s.Set(m.inactive, false)
	s.Flush()
}

// hold says what may wait: presence, and messages that only say that somebody is
// typing.
func (m *module) hold(to xmpp.Session, s *stanza.Stanza) bool {
	if !to.Has(m.inactive) {
		return false
	}
	switch s.Kind {
	case stanza.Presence:
		return s.Type == stanza.Available || s.Type == stanza.Unavailable
	case stanza.Message:
		return onlyState(s)
	}
	return false
}

func onlyState(s *stanza.Stanza) bool {
	state := false
	matters := false
	s.Each(func(space, local string, _ []byte) bool {
		switch {
		case space == chatStates:
			state = true
		case space == "jabber:client" && local == "thread", space == "urn:xmpp:hints":
		default:
			matters = true
		}
		return !matters
	})
	return state && !matters
}
