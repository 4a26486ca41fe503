// Package vcard keeps the users' business cards: vcard-temp, XEP-0054 1.3.0.
//
// A card is kept as it came and shown to everybody who asks.
package vcard

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const space = "vcard-temp"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "vcard",
		Summary: "business cards and avatars of users",
		Specs:   []string{"XEP-0054 1.3.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host  xmpp.Host
	table *table.Table
	bytes int64
	photo int64
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = table.New("vcard", table.Account, table.Export("vCard"))
	h.Table(m.table)
	o := h.Options()
	o.Bytes(&m.bytes, "bytes", 160<<10, "how large a card may be, as it is sent").Range(1<<10, 4<<20)
	o.Bytes(&m.photo, "photo", 96<<10, "how large the picture on a card may be").Range(0, 4<<20)
	h.IQ(xmpp.IQ{Space: space, Local: "vCard", To: xmpp.ToSelf | xmpp.ToAccount, Fresh: true, Get: m.get, Set: m.set})
	h.Disco().Feature(xmpp.ToHost, space)
	return nil
}

// mine reports whether the request comes from a client of the account.
func mine(r *xmpp.Request) bool { return r.Session != nil && r.Session.Account() == r.Account }

// get is sections 3.1 and 3.3. Somebody else's card that is not there looks like an
// account that is not there.
func (m *module) get(r *xmpp.Request) {
	var card []byte
	found := false
	err := m.host.Store().View(func(tx *store.Tx) error {
		card, found = tx.Get(m.table, r.Account.ID().Row())
		return nil
	})
	switch {
	case err != nil:
		r.Broken("card cannot be read", err)
	case found:
		r.Result(card)
	case mine(r):
		r.Refuse(stanza.ItemNotFound, "")
	default:
		r.Refuse(stanza.ServiceUnavailable, "")
	}
}

// set is section 3.2. An empty card is no card.
func (m *module) set(r *xmpp.Request) {
	card := r.IQ.Raw(space, "vCard")
	var b store.Batch
	switch {
	case r.Session == nil:
		r.Refuse(stanza.ServiceUnavailable, "") // as if nobody were there
		return
	case !mine(r):
		r.Refuse(stanza.Forbidden, "this is somebody else's card")
		return
	case int64(len(card)) > m.bytes:
		r.Refuse(stanza.NotAcceptable, "the card is too large")
		return
	case picture(r.Payload) > m.photo:
		r.Refuse(stanza.NotAcceptable, "the picture is too large")
		return
	case len(r.Payload.Kids) == 0:
		b.Delete(m.table, r.Account.ID().Row())
	default:
		b.Put(m.table, r.Account.ID().Row(), card)
	}
	r.Commit(m.host.Store(), &b, nil)
}

// picture is the number of bytes in the pictures and sounds of a card. They are in
// base64, which clients like to break into lines.
func picture(card *xmlstream.Node) (bytes int64) {
	for _, n := range card.Kids {
		digits := int64(0)
		for _, c := range []byte(n.ChildText(space, "BINVAL")) {
			if c > ' ' && c != '=' {
				digits++
			}
		}
		bytes += digits * 3 / 4
	}
	return bytes
}
