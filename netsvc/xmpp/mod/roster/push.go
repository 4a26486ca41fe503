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
func (m *module) pushAll(a xmpp.Account, it *item) {
	for _, s := range a.Sessions() {
		if s.Has(m.interested) {
			s.Send(m.push(it, s.JID()))
		}
	}
}

// push makes the roster push for one client. Its id only has to differ from other
// pushes under way: the version does.
func (m *module) push(it *item, to jid.JID) *stanza.Stanza {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").Attr("ver", m.ver(it.changed))
	it.appendTo(w)
	return stanza.NewIQ(stanza.Set, "push"+strconv.FormatUint(it.changed, 10), jid.JID{}, to, w.End().Bytes())
}

// ver is a version as clients see it. It carries the store's incarnation, so that
// no version is ever used for two different rosters, even after a restore.
func (m *module) ver(v uint64) string {
	return string(strconv.AppendUint(m.prefix(), v, 10))
}

func (m *module) prefix() []byte {
	return append(strconv.AppendUint(nil, m.host.Store().Incarnation(), 36), '.')
}
