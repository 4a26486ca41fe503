// Package csi saves the batteries of clients nobody looks at: Client State
// Indication, XEP-0352 1.0.0. While a client says it is inactive, what only
// changes its screen waits; the first stanza that matters takes it along.
//
// The waiting itself, its order and its bound are the session's
// (xmpp.Hooks.Deliver), which also keeps only the last presence of each resource;
// this package says what may wait.
package csi

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space        = "urn:xmpp:csi:0"
	carbonsSpace = "urn:xmpp:carbons:2"
	forwardSpace = "urn:xmpp:forward:0"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "csi",
		Summary: "lets inactive clients sleep",
		Specs:   []string{"XEP-0352 1.0.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	inactive xmpp.Flag
	presence bool
	typing   bool
}

func (m *module) Setup(h xmpp.Host) error {
	o := h.Options().About("What waits while a client says that nobody looks at it.")
	o.Bool(&m.presence, "presence", true, "changes of contacts' presence wait")
	o.Bool(&m.typing, "typing", true, "messages that only say that somebody is typing wait")
	m.inactive = h.Flag("inactive")
	h.StreamFeature(xmpp.Always("<csi xmlns='" + space + "'/>"))
	h.Nonza(space, m.state)
	h.Hooks().Deliver.Add("csi", m.hold)
	h.Hooks().Resumed.Add("csi", m.active)
	return nil
}

// state is section 4.2. There is no reply.
func (m *module) state(s xmpp.Session, n *xmlstream.Node) {
	switch n.Name.Local {
	case "inactive":
		s.Set(m.inactive, true)
	case "active":
		m.active(s)
	}
}

// active sends what waited before anything else happens on the stream (5.1). A
// resumed stream begins active, like every other (5.2).
func (m *module) active(s xmpp.Session) {
	s.Set(m.inactive, false)
	s.Flush()
}

// hold says what may wait.
func (m *module) hold(to xmpp.Session, s *stanza.Stanza) bool {
	if !to.Has(m.inactive) {
		return false
	}
	switch s.Kind {
	case stanza.Presence:
		return m.presence && (s.Type == stanza.Available || s.Type == stanza.Unavailable)
	case stanza.Message:
		return m.typing && s.Type != stanza.TypeError && onlyTyping(s)
	}
	return false
}

// onlyTyping judges a message, or the one that it is a copy of.
func onlyTyping(s *stanza.Stanza) bool {
	for _, direction := range []string{"received", "sent"} {
		if s.Has(carbonsSpace, direction) {
			copied := s.Node(carbonsSpace, direction).Child(forwardSpace, "forwarded").Child(xmlstream.ClientSpace, "message")
			return copied != nil && xmpp.OnlyTypingIn(copied)
		}
	}
	return xmpp.OnlyTyping(s)
}
