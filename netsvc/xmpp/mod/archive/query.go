package archive

import (
	"errors"
	"slices"
	"time"

	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/rsm"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// fields tells what can be asked for, section 4.1.5.
func (m *extension) fields(r *xmpp.Request) {
	f := form.New(form.Ask, space)
	f.Add(
		form.Field{Var: "with", Type: form.JIDSingle},
		form.Field{Var: "start", Type: form.TextSingle},
		form.Field{Var: "end", Type: form.TextSingle},
		form.Field{Var: "before-id", Type: form.TextSingle},
		form.Field{Var: "after-id", Type: form.TextSingle},
		form.Field{Var: "ids", Type: form.ListMulti, Open: true},
	)
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "query")
	f.Append(w)
	r.Result(w.End().Bytes())
}

// search is one query, ready to run: the rows after from and before to, counted
// from the one end of that range or from the other.
type search struct {
	query    string // the client's own id of the query
	with     jid.JID
	from, to id       // both exclusive
	ids      []string // those to be found among, in the order of the search; none: all
	known    []string // those that must be in the archive
	limit    int
	back     bool // the last rows of the range, not the first
	flip     bool // the page is sent last row first
}

var noEnd = id{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// query answers with one page, section 4.
func (m *extension) query(r *xmpp.Request) {
	if r.Session == nil {
		r.Refuse(stanza.Forbidden, "")
		return
	}
	q, bad := parseSearch(r.Payload, m.page)
	if bad != nil {
		r.Fail(bad)
		return
	}
	var page []row
	var more bool
	total := 0
	err := m.host.Store().View(func(tx *store.Tx) (err error) {
		for _, n := range append(q.known, q.ids...) {
			if _, ok := tx.Get(m.rows, rowKey(r.Account.ID(), n)); !ok {
				bad = notFound()
				return nil
			}
		}
		if q.limit > 0 {
			page, more, err = m.read(tx, r.Account, q)
			return err
		}
		// Only the count was asked for, XEP-0059 section 2.7.
		return m.scan(tx, r.Account, q, func(row) bool { total++; return true })
	})
	switch {
	case err != nil:
		r.Broken("the archive cannot be read", err)
	case bad != nil:
		r.Fail(bad)
	default:
		built := m.host.Store().Options().Built
		for _, found := range page {
			r.Session.Send(found.result(q.query, built, r.Account.JID(), r.Session.JID()))
		}
		r.Result(q.fin(page, more, total))
	}
}

// parseSearch reads the form and the page that is asked for.
func parseSearch(n *xmlstream.Node, most int) (*search, *stanza.Error) {
	q := &search{query: n.Attr("queryid"), to: noEnd, flip: n.Child(space, "flip-page") != nil}
	if x := n.Child(form.Space, "x"); x != nil {
		f, err := form.Parse(x)
		if err != nil {
			return nil, stanza.NewError(stanza.BadRequest, err.Error())
		}
		if bad := q.filter(f); bad != nil {
			return nil, bad
		}
	}
	page, _, err := rsm.Parse(n)
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, err.Error())
	}
	q.limit = page.Limit(most)
	q.back = page.Backwards()
	if page.HasIndex {
		return nil, stanza.NewError(stanza.FeatureNotImplemented, "pages are found by id, not by index")
	}
	from, to := q.from, q.to
	for _, bad := range []*stanza.Error{q.beside(page.After, q.raise), q.beside(page.Before, q.lower)} {
		if bad != nil {
			return nil, bad
		}
	}
	if q.limit == 0 {
		q.from, q.to = from, to // counted is the whole set, wherever the page would begin
	}
	slices.Sort(q.ids)
	q.ids = slices.Compact(q.ids)
	if q.back {
		slices.Reverse(q.ids)
	}
	return q, nil
}

// filter applies the fields of section 4.1 and 4.2.
func (q *search) filter(f *form.Form) *stanza.Error {
	if f.FormType() != space {
		return stanza.NewError(stanza.BadRequest, "the form has another FORM_TYPE")
	}
	for _, field := range f.Fields {
		var bad *stanza.Error
		value := f.Value(field.Var)
		switch field.Var {
		case form.TypeField:
		case "with":
			with, err := jid.Parse(value)
			if err != nil {
				return stanza.NewError(stanza.JIDMalformed, "'with' is no address")
			}
			q.with = with
		case "start", "end":
			bad = q.moment(field.Var, value)
		case "after-id":
			bad = q.beside(value, q.raise)
		case "before-id":
			bad = q.beside(value, q.lower)
		case "ids":
			for _, v := range field.Values {
				n, err := parseID(v)
				if err != nil {
					return notFound()
				}
				q.ids = append(q.ids, string(n[:]))
			}
		default: // section 4.1.5: what is not understood must not be ignored
			return stanza.NewError(stanza.FeatureNotImplemented, "unknown field "+field.Var)
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

func notFound() *stanza.Error {
	return stanza.NewError(stanza.ItemNotFound, "no message of this archive has this id")
}

func (q *search) moment(name, value string) *stanza.Error {
	t, err := stamp.Parse(value)
	if err != nil {
		return stanza.NewError(stanza.BadRequest, "'"+name+"' is no date and time")
	}
	// Stamps are shown with milliseconds. A message has the moment that is shown of
	// it: who asks for what came until then must find it.
	micro := max(0, t.UnixMicro())
	if name == "start" {
		q.raise(idAt(uint64((micro + 999) / 1000 * 1000)))
	} else {
		q.lower(idAt(uint64(micro/1000*1000 + 1000)))
	}
	return nil
}

// beside narrows the search to one side of a row, which must be in the archive.
func (q *search) beside(value string, narrow func(id)) *stanza.Error {
	if value == "" {
		return nil
	}
	n, err := parseID(value)
	if err != nil {
		return notFound()
	}
	q.known = append(q.known, string(n[:]))
	narrow(n)
	return nil
}

func (q *search) raise(n id) {
	if string(n[:]) > string(q.from[:]) {
		q.from = n
	}
}

func (q *search) lower(n id) {
	if string(n[:]) < string(q.to[:]) {
		q.to = n
	}
}

// pageBytes is how many bytes of messages one page may have; one message it has in
// any case. It must fit into what a server lets wait for a client that reads, at
// its smallest setting, or a few large messages would make a conversation
// unreadable.
const pageBytes = 48 << 10

// read finds one page, first row first, and whether there is more beyond it.
func (m *extension) read(tx *store.Tx, a xmpp.Account, q *search) (page []row, more bool, err error) {
	size := 0
	err = m.scan(tx, a, q, func(r row) bool {
		size += len(r.message)
		if len(page) == q.limit || len(page) > 0 && size > pageBytes {
			more = true
			return false
		}
		r.message = slices.Clone(r.message)
		page = append(page, r)
		return true
	})
	if q.back != q.flip { // scan went the other way than the page is sent
		slices.Reverse(page)
	}
	return page, more, err
}

// scan calls f for each row of the search until it returns false. What f gets it may
// not keep.
func (m *extension) scan(tx *store.Tx, a xmpp.Account, q *search, f func(row) bool) error {
	var bad error
	try := func(k, v []byte) bool {
		r, contact, err := readRow(k, v)
		if err != nil {
			bad = err
			return false
		}
		if !q.with.IsZero() && contact != q.with.Bare().String() || q.with.IsFull() && !r.mentions(q.with) {
			return true
		}
		return f(r)
	}
	owner := table.AppendUint64(nil, uint64(a.ID()))
	if len(q.ids) > 0 {
		for _, n := range q.ids {
			key := rowKey(a.ID(), n)
			if v, ok := tx.Get(m.rows, key); ok && n > string(q.from[:]) && n < string(q.to[:]) && !try(key, v) {
				break
			}
		}
		return bad
	}
	if !q.with.IsZero() {
		owner = table.AppendString(owner, q.with.Bare().String())
		from, to := q.keys(owner)
		err := tx.ScanIndex(m.rows, byContact, from, to, q.back, func(_, k, v []byte) bool { return try(k, v) })
		return errors.Join(err, bad)
	}
	from, to := q.keys(owner)
	return errors.Join(tx.Scan(m.rows, from, to, q.back, try), bad)
}

// keys makes the range of keys that begin with the prefix. (A zero byte behind
// the id would not do for its successor: entries of an index have more bytes.)
func (q *search) keys(prefix []byte) (from, to []byte) {
	next := q.from.next()
	from = append(append(from, prefix...), next[:]...)
	to = append(append(to, prefix...), q.to[:]...)
	return from, to
}

// mentions reports whether the full address sent or was sent the message.
func (r *row) mentions(full jid.JID) bool {
	s, err := stanza.Parse(r.message)
	return err == nil && (s.From == full || s.To == full)
}

// result wraps one message of the page, section 4.2.
func (r *row) result(query string, built time.Time, account, to jid.JID) *stanza.Stanza {
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "result").AttrIf("queryid", query).Attr("id", r.id.String())
	w.Start("urn:xmpp:forward:0", "forwarded")
	when := r.id.time()
	stamp.Delay{Time: when, Unset: !stamp.IsSet(when, built)}.Append(w)
	w.Raw(r.message).End().End()
	return stanza.NewMessage(stanza.Normal, "", account, to, w.Bytes())
}

// fin describes the page, section 4.3.
func (q *search) fin(page []row, more bool, total int) []byte {
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "fin")
	if !more && q.limit > 0 {
		w.Attr("complete", "true")
	}
	set := rsm.Result{Count: total, HasCount: q.limit == 0}
	if n := len(page); n > 0 {
		set.First, set.Last = page[0].id.String(), page[n-1].id.String()
		if q.flip {
			set.First, set.Last = set.Last, set.First
		}
	}
	set.Append(w)
	return w.End().Bytes()
}

// metadata tells where the archive begins and ends, section 5.
func (m *extension) metadata(r *xmpp.Request) {
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "metadata")
	err := m.host.Store().View(func(tx *store.Tx) error {
		for _, end := range []struct {
			name string
			back bool
		}{{"start", false}, {"end", true}} {
			err := m.scan(tx, r.Account, &search{to: noEnd, back: end.back}, func(found row) bool {
				w.Start("", end.name).Attr("id", found.id.String()).Attr("timestamp", stamp.Format(found.id.time())).End()
				return false
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.Broken("the archive cannot be read", err)
		return
	}
	r.Result(w.End().Bytes())
}
