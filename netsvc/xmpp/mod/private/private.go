// Package private keeps what a user's clients want to find again on any machine:
// Private XML Storage, XEP-0049 1.2.
//
// Whatever it is, it is kept as it came, by the name of its element, and only
// shown to the user's own clients.
package private

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const space = "jabber:iq:private"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "private",
		Summary: "keeps settings and bookmarks of a user's clients",
		Specs:   []string{"XEP-0049 1.2"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host  xmpp.Host
	table *table.Table
	bytes int64
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = table.New("private", table.Account, table.Export("query"))
	h.Table(m.table)
	h.Options().Bytes(&m.bytes, "bytes", 256<<10, "how much one account may keep").Range(1<<10, 64<<20)
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToSelf, Fresh: true, Get: m.get, Set: m.set})
	return nil
}

// key is the account and the name of an element; a row is all elements of that name
// that came together.
func (m *module) key(a xmpp.Account, space, local string) []byte {
	return table.AppendString(table.AppendString(a.ID().Row(), space), local)
}

func (m *module) get(r *xmpp.Request) {
	if len(r.Payload.Kids) != 1 {
		r.Refuse(stanza.BadRequest, "exactly one element must say what is wanted")
		return
	}
	name := r.Payload.First().Name
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query")
	err := m.host.Store().View(func(tx *store.Tx) error {
		if kept, ok := tx.Get(m.table, m.key(r.Account, name.Space, name.Local)); ok {
			w.Raw(kept)
		} else {
			w.Start(name.Space, name.Local).End()
		}
		return nil
	})
	if err != nil {
		r.Broken("private data cannot be read", err)
		return
	}
	r.Result(w.End().Bytes())
}

func (m *module) set(r *xmpp.Request) {
	rows, bad := m.rows(r)
	if bad != nil {
		r.Fail(bad)
		return
	}
	kept, err := m.kept(r.Account)
	if err != nil {
		r.Broken("private data cannot be read", err)
		return
	}
	var b store.Batch
	for _, row := range rows {
		kept[string(row.key)] = int64(len(row.value))
		b.Put(m.table, row.key, row.value)
	}
	total := int64(0)
	for _, size := range kept {
		total += size
	}
	if total > m.bytes {
		r.Refuse(stanza.ResourceConstraint, "there is no room for so much private data")
		return
	}
	r.Commit(m.host.Store(), &b, nil)
}

type row struct{ key, value []byte }

// rows makes the rows of what a request wants to be kept. Each element stands for
// itself in them: it may have used prefixes that were declared around it.
func (m *module) rows(r *xmpp.Request) (rows []row, bad *stanza.Error) {
	raw := r.IQ.Raw(space, "query")
	var s xmlstream.Scanner
	s.ResetBare(xmlstream.Limits{Bytes: len(raw) + 1, Kids: len(raw) + 1}, xmlstream.ClientSpace)
	if ev, _, err := s.Scan(raw); err != nil || ev != xmlstream.EventElement {
		return nil, stanza.NewError(stanza.BadRequest, "")
	}
	el := s.Element()
	kids := el.Kids()
	at := map[string]int{} // rows, by their keys
	for i := range kids {
		k := &kids[i]
		own := string(el.KidSpace(k))
		if own == "" || own == space || own == xmlstream.ClientSpace {
			return nil, stanza.NewError(stanza.NotAcceptable, "an element without a namespace of its own cannot be kept")
		}
		key := m.key(r.Account, own, string(el.KidLocal(k)))
		if len(key) > store.MaxKey {
			return nil, stanza.NewError(stanza.NotAcceptable, "the name of an element is too long")
		}
		value, ok := el.AppendKid(nil, k)
		if !ok {
			return nil, stanza.NewError(stanza.ResourceConstraint, "there is no room for so much private data")
		}
		if n, ok := at[string(key)]; ok {
			rows[n].value = append(rows[n].value, value...)
			continue
		}
		at[string(key)] = len(rows)
		rows = append(rows, row{key, value})
	}
	if len(rows) == 0 {
		return nil, stanza.NewError(stanza.NotAcceptable, "nothing to keep")
	}
	return rows, nil
}

// kept lists the sizes of an account's rows by their keys.
func (m *module) kept(a xmpp.Account) (map[string]int64, error) {
	sizes := map[string]int64{}
	prefix := a.ID().Row()
	err := m.host.Store().View(func(tx *store.Tx) error {
		return tx.Scan(m.table, prefix, table.PrefixEnd(prefix), false, func(k, v []byte) bool {
			sizes[string(k)] = int64(len(v))
			return true
		})
	})
	return sizes, err
}
