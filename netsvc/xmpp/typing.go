package xmpp

import (
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// OnlyTyping reports whether a message says no more than that somebody is typing or
// has stopped to (XEP-0085 2.1): what nobody misses who does not look just now. What
// servers stamp and the other hints of XEP-0334 add nothing; the hint to store it does.
func OnlyTyping(s *stanza.Stanza) bool {
	var t typing
	s.Each(func(space, local string, _ []byte) bool { return t.look(space, local) })
	return t.only()
}

// OnlyTypingIn is OnlyTyping for a message that is part of another one: a copy.
func OnlyTypingIn(message *xmlstream.Node) bool {
	var t typing
	for _, n := range message.Kids {
		if !t.look(n.Name.Space, n.Name.Local) {
			break
		}
	}
	return t.only()
}

// typing is what was seen of a message's children.
type typing struct{ state, more bool }

// look takes note of a child and reports whether it is worth while to go on.
func (t *typing) look(space, local string) bool {
	switch space {
	case "http://jabber.org/protocol/chatstates":
		t.state = true
	case "urn:xmpp:hints":
		t.more = local == "store"
	case stamp.Space, "urn:xmpp:sid:0":
	case xmlstream.ClientSpace:
		t.more = local != "thread"
	default:
		t.more = true
	}
	return !t.more
}

func (t *typing) only() bool { return t.state && !t.more }
