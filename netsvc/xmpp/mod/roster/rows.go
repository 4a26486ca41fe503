package roster

import (
	"errors"
	"sync/atomic"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// The rows: account, contact → item; and account, "" → version and oldest.

func newTable() *table.Table { return table.New("roster", table.Account, table.Export("query")) }

func key(id account.ID, contact string) []byte { return table.AppendString(id.Row(), contact) }

var errRow = errors.New("roster: malformed row")

// flags are the bits of a row's first byte, in their order.
func flags(s *xmpp.Subscription) [6]*bool {
	return [...]*bool{&s.To, &s.From, &s.Ask, &s.PendingIn, &s.Approved, &s.InRoster}
}

func (it *item) encode() []byte {
	var bits byte
	for i, on := range flags(&it.sub) {
		if *on {
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

func decode(contact string, v []byte) (*item, error) {
	c, err := jid.Parse(contact)
	if err != nil || len(v) == 0 {
		return nil, errRow
	}
	it := &item{contact: c}
	for i, on := range flags(&it.sub) {
		*on = v[0]&(1<<i) != 0
	}
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
	if request != "" {
		it.request = []byte(request)
	}
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
	r := &roster{failed: new(atomic.Bool)}
	prefix := id.Row()
	var bad error
	err := tx.Scan(m.table, prefix, table.PrefixEnd(prefix), false, func(k, v []byte) bool {
		var contact string
		if contact, _, bad = table.ReadString(k[len(prefix):]); bad != nil {
			return false
		}
		if contact == "" {
			if r.version, v, bad = table.ReadUint64(v); bad == nil {
				r.oldest, _, bad = table.ReadUint64(v)
			}
			return bad == nil
		}
		var it *item
		if it, bad = decode(contact, v); bad == nil {
			r.items = append(r.items, it)
			r.count(it, 1)
		}
		return bad == nil
	})
	return r, errors.Join(err, bad)
}

// save adds to the batch what is different in next, which came of was by putting
// it into it.
func (m *module) save(b *store.Batch, id account.ID, was, next *roster, it *item) {
	for _, gone := range next.bury() {
		b.Delete(m.table, key(id, gone.contact.String()))
	}
	if next.get(it.contact) == it {
		b.Put(m.table, key(id, it.contact.String()), it.encode())
	} else {
		b.Delete(m.table, key(id, it.contact.String()))
	}
	if next.version != was.version {
		b.Put(m.table, key(id, ""), table.AppendUint64(table.AppendUint64(nil, next.version), next.oldest))
	}
}
