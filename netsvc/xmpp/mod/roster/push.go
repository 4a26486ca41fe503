package roster

import (
	"strconv"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// pushAll tells every client that asked for the roster what became of a contact:
// RFC 6121 section 2.1.6.
func (m *module) pushAll(a xmpp.Account, it *item, version uint64) {
	for _, s := range a.Sessions() {
		if s.Has(m.interested) {
			s.Send(m.push(it, version, s.JID()))
		}
	}
}

// push makes the roster push for one client. Its id only has to differ from other
// pushes under way: the version does.
func (m *module) push(it *item, version uint64, to jid.JID) *stanza.Stanza {
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "query").Attr("ver", m.ver(version))
	it.appendTo(w)
	return stanza.NewIQ(stanza.Set, "push"+strconv.FormatUint(version, 10), jid.JID{}, to, w.End().Bytes())
}
