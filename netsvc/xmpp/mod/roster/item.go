package roster

import (
	"errors"
	"slices"
	"strings"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// item is one contact. Items are immutable once they stand in a roster.
type item struct {
	contact jid.JID // bare
	name    string
	groups  []string
	sub     xmpp.Subscription
	changed uint64 // the roster's version at which it last changed
	request []byte // the pending inbound subscribe, as it came, while sub.PendingIn
}

// roster is one account's contacts, sorted by address. Contacts that are not
// InRoster stay in it: pending requests nobody has answered, and tombstones of
// removed contacts, which tell a client with an older version what is gone.
//
// A roster is immutable: a change makes a new one that shares the items.
type roster struct {
	items   []*item
	version uint64 // of the last change
	oldest  uint64 // clients with a version before this one get the whole roster
}

// tombs is how many removed contacts a roster remembers.
const tombs = 64

func (r *roster) search(contact jid.JID) (int, bool) {
	return slices.BinarySearchFunc(r.items, contact, func(i *item, j jid.JID) int {
		return strings.Compare(i.contact.String(), j.String())
	})
}

func (r *roster) get(contact jid.JID) *item {
	if i, ok := r.search(contact); ok {
		return r.items[i]
	}
	return nil
}

// sub is the state of a contact, the zero one for a stranger.
func (r *roster) sub(contact jid.JID) xmpp.Subscription {
	if it := r.get(contact); it != nil {
		return it.sub
	}
	return xmpp.Subscription{}
}

// with returns the roster with it put in the place of its contact, at the next
// version.
func (r *roster) with(it *item) *roster {
	next := &roster{version: r.version + 1, oldest: r.oldest}
	it.changed = next.version
	i, found := r.search(it.contact)
	next.items = make([]*item, len(r.items), len(r.items)+1)
	copy(next.items, r.items)
	if found {
		next.items[i] = it
	} else {
		next.items = slices.Insert(next.items, i, it)
	}
	return next
}

// bury drops the oldest tombstones beyond the bound and returns them.
func (r *roster) bury() (gone []*item) {
	var dead []*item
	for _, it := range r.items {
		if it.tomb() {
			dead = append(dead, it)
		}
	}
	if len(dead) <= tombs {
		return nil
	}
	slices.SortFunc(dead, func(a, b *item) int { return int(int64(a.changed - b.changed)) })
	gone = dead[:len(dead)-tombs/2]
	r.oldest = gone[len(gone)-1].changed
	r.items = slices.DeleteFunc(r.items, func(it *item) bool { return slices.Contains(gone, it) })
	return gone
}

// tomb reports whether nothing is left of the contact but the memory of it.
func (it *item) tomb() bool { return it.sub == (xmpp.Subscription{}) }

// copy returns an item that may be changed.
func (it *item) copy(contact jid.JID) *item {
	if it == nil {
		return &item{contact: contact}
	}
	c := *it
	return &c
}

// appendTo writes the item as clients see it, RFC 6121 section 2.1.2.
func (it *item) appendTo(w *xmlstream.Writer) {
	w.Start("", "item").Attr("jid", it.contact.String())
	if !it.sub.InRoster {
		w.Attr("subscription", "remove").End()
		return
	}
	w.AttrIf("name", it.name)
	switch {
	case it.sub.To && it.sub.From:
		w.Attr("subscription", "both")
	case it.sub.To:
		w.Attr("subscription", "to")
	case it.sub.From:
		w.Attr("subscription", "from")
	default:
		w.Attr("subscription", "none")
	}
	if it.sub.Ask {
		w.Attr("ask", "subscribe")
	}
	if it.sub.Approved {
		w.Attr("approved", "true")
	}
	for _, g := range it.groups {
		w.Leaf("", "group", g)
	}
	w.End()
}

// The rows: account, contact → item; and account, "" → version and oldest.

func newTable() *table.Table { return table.New("roster", table.Account, table.Export("query")) }

func key(id account.ID, contact string) []byte {
	return table.AppendString(table.AppendUint64(nil, uint64(id)), contact)
}

const (
	bitTo = 1 << iota
	bitFrom
	bitAsk
	bitPendingIn
	bitApproved
	bitInRoster
)

func (it *item) encode() []byte {
	var bits byte
	for i, on := range [...]bool{it.sub.To, it.sub.From, it.sub.Ask, it.sub.PendingIn, it.sub.Approved, it.sub.InRoster} {
		if on {
			bits |= 1 << i
		}
	}
	b := table.AppendUint64([]byte{bits}, it.changed)
	b = table.AppendString(b, it.name)
	b = table.AppendBytes(b, it.request)
	for _, g := range it.groups {
		b = table.AppendString(b, g)
	}
	return b
}

var errRow = errors.New("roster: malformed row")

func decode(contact string, v []byte) (*item, error) {
	c, err := jid.Parse(contact)
	if err != nil || len(v) == 0 {
		return nil, errRow
	}
	bits := v[0]
	it := &item{contact: c, sub: xmpp.Subscription{To: bits&bitTo != 0, From: bits&bitFrom != 0, Ask: bits&bitAsk != 0,
		PendingIn: bits&bitPendingIn != 0, Approved: bits&bitApproved != 0, InRoster: bits&bitInRoster != 0}}
	if it.changed, v, err = table.ReadUint64(v[1:]); err != nil {
		return nil, err
	}
	if it.name, v, err = table.ReadString(v); err != nil {
		return nil, err
	}
	var request string
	if request, v, err = table.ReadString(v); err != nil {
		return nil, err
	}
	it.request = []byte(request)
	for len(v) > 0 {
		var g string
		if g, v, err = table.ReadString(v); err != nil {
			return nil, err
		}
		it.groups = append(it.groups, g)
	}
	return it, nil
}

// load reads an account's roster.
func (m *module) load(tx *store.Tx, id account.ID) (*roster, error) {
	r := &roster{}
	prefix := table.AppendUint64(nil, uint64(id))
	var bad error
	err := tx.Scan(m.table, prefix, table.PrefixEnd(prefix), false, func(k, v []byte) bool {
		contact, _, err := table.ReadString(k[len(prefix):])
		if err == nil && contact == "" {
			r.version, v, err = table.ReadUint64(v)
			if err == nil {
				r.oldest, _, err = table.ReadUint64(v)
			}
		} else if err == nil {
			var it *item
			if it, err = decode(contact, v); err == nil {
				r.items = append(r.items, it)
			}
		}
		bad = err
		return err == nil
	})
	if err == nil {
		err = bad
	}
	return r, err
}

// save adds what changed from one roster to the next.
func (m *module) save(b *store.Batch, id account.ID, r *roster, it *item) {
	for _, gone := range r.bury() {
		b.Delete(m.table, key(id, gone.contact.String()))
	}
	if i, ok := r.search(it.contact); ok {
		b.Put(m.table, key(id, it.contact.String()), r.items[i].encode())
	}
	b.Put(m.table, key(id, ""), table.AppendUint64(table.AppendUint64(nil, r.version), r.oldest))
}
