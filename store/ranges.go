package store

import (
	"bytes"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// A removed range may have more rows than one transaction should touch. The transaction of its batch then takes out the
// first rangeStep rows and notes the rest as a span in the bucket ~ranges; later transactions go on, a step each, with
// other batches in between. Readers and preconditions take a row within a span for absent, so the range is gone for
// everybody with the commit of its batch, and after a crash the noted span is continued. A row put into a span is cut
// out of it.

// rangeStep is how many rows of removed ranges one transaction takes out.
const rangeStep = 4000

// maxSpans is how many spans a table may have before they are finished on the spot: they are searched one by one.
const maxSpans = 32

// span is the rest of a removed range: [from, to), or to the end of the table when open.
type span struct {
	id       uint64 // key in ~ranges
	from, to []byte
	open     bool
}

func (s *span) covers(key []byte) bool {
	return bytes.Compare(key, s.from) >= 0 && (s.open || bytes.Compare(key, s.to) < 0)
}

// covering returns the index of the span that covers key, or -1.
func covering(spans []span, key []byte) int {
	for i := range spans {
		if spans[i].covers(key) {
			return i
		}
	}
	return -1
}

func spanKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func (s *span) bytes(table string) []byte {
	b := append([]byte{byte(len(table))}, table...)
	b = binary.AppendUvarint(b, uint64(len(s.from)))
	b = append(b, s.from...)
	if s.open {
		return append(b, 1)
	}
	return append(append(b, 0), s.to...)
}

func parseSpan(k, v []byte) (table string, s span, err error) {
	if len(k) != 8 || len(v) < 1 || len(v) < 1+int(v[0]) {
		return "", s, ErrDamaged
	}
	table, v = string(v[1:1+v[0]]), v[1+v[0]:]
	n, used := binary.Uvarint(v)
	if used <= 0 || n >= uint64(len(v)-used) {
		return "", s, ErrDamaged
	}
	v = v[used:]
	s = span{id: binary.BigEndian.Uint64(k), from: bytes.Clone(v[:n]), open: v[n] == 1}
	if !s.open {
		s.to = bytes.Clone(v[n+1:])
	}
	return table, s, nil
}

// readSpans reads all spans; a View uses it too.
func readSpans(tx *bbolt.Tx, fn func(table string, s span)) error {
	b := tx.Bucket(bucketRanges)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		table, s, err := parseSpan(k, v)
		if err == nil {
			fn(table, s)
		}
		return err
	})
}

// loadRanges takes the writer's spans from the file: at the open, and after a transaction that failed. Spans of tables
// not declared in this build wait for one that does.
func (f *file) loadRanges(tx *bbolt.Tx) error {
	for _, st := range f.tables {
		st.spans = nil
	}
	err := readSpans(tx, func(table string, s span) {
		if st := f.store.tables[table]; st != nil && st.file == f {
			st.spans = append(st.spans, s)
		}
	})
	f.spansActive.Store(f.countSpans())
	return err
}

func (f *file) countSpans() int32 {
	n := 0
	for _, st := range f.tables {
		n += len(st.spans)
	}
	return int32(n)
}

// removeRange removes the rows of [from, to), as many as the budget allows at once.
func (w *writeTx) removeRange(tw *tableWriter, from, to []byte) error {
	next, err := w.take(tw, from, to)
	if err != nil || next == nil {
		return err
	}
	return w.note(tw, span{from: next, to: bytes.Clone(to), open: to == nil})
}

// take removes rows of [from, to) up to the budget and returns the first key that was left, nil if none was.
func (w *writeTx) take(tw *tableWriter, from, to []byte) (next []byte, err error) {
	var keys keyList
	c := tw.bucket.Cursor()
	for k, _ := c.Seek(from); k != nil && (to == nil || bytes.Compare(k, to) < 0); k, _ = c.Next() {
		if w.budget <= 0 {
			next = bytes.Clone(k)
			break
		}
		w.budget--
		keys.add(k)
	}
	for i := range keys.len() {
		if err := tw.delete(keys.at(i)); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// note adds a span to the table.
func (w *writeTx) note(tw *tableWriter, s span) error {
	b := w.tx.Bucket(bucketRanges)
	var err error
	if s.id, err = b.NextSequence(); err != nil {
		return err
	}
	if err := b.Put(spanKey(s.id), s.bytes(tw.state.table.Name)); err != nil {
		return err
	}
	tw.state.spans = append(tw.state.spans, s)
	w.spansChanged()
	if len(tw.state.spans) <= maxSpans {
		return nil
	}
	w.budget = 1 << 30
	err = w.advance(tw)
	w.budget = 0
	return err
}

// spansChanged makes readers look for spans before the commit that adds one; see Tx.spans.
func (w *writeTx) spansChanged() {
	w.file.spansActive.Store(max(w.file.spansActive.Load(), w.file.countSpans()))
	w.file.spansAdded.Add(1)
}

// advance continues the table's spans within the budget.
func (w *writeTx) advance(tw *tableWriter) error {
	b := w.tx.Bucket(bucketRanges)
	for len(tw.state.spans) > 0 && w.budget > 0 {
		s := &tw.state.spans[0]
		to := s.to
		if s.open {
			to = nil
		}
		next, err := w.take(tw, s.from, to)
		if err != nil {
			return err
		}
		if next != nil {
			s.from = next
			return b.Put(spanKey(s.id), s.bytes(tw.state.table.Name))
		}
		if err := b.Delete(spanKey(s.id)); err != nil {
			return err
		}
		tw.state.spans = slices.Delete(tw.state.spans, 0, 1)
	}
	return nil
}

// carve cuts key, which is about to be put, out of the spans that cover it; they may overlap.
func (w *writeTx) carve(tw *tableWriter, key []byte) error {
	for i := covering(tw.state.spans, key); i >= 0; i = covering(tw.state.spans, key) {
		if err := w.split(tw, i, key); err != nil {
			return err
		}
	}
	return nil
}

// split replaces span i by its parts left and right of key.
func (w *writeTx) split(tw *tableWriter, i int, key []byte) error {
	st := tw.state
	s := st.spans[i]
	st.spans = slices.Delete(st.spans, i, i+1)
	b := w.tx.Bucket(bucketRanges)
	if err := b.Delete(spanKey(s.id)); err != nil {
		return err
	}
	// The right part begins with the key's successor. note may finish all spans, with the row not yet put.
	right := span{from: append(bytes.Clone(key), 0), to: s.to, open: s.open}
	if err := w.note(tw, right); err != nil {
		return err
	}
	if bytes.Equal(s.from, key) {
		return nil
	}
	return w.note(tw, span{from: s.from, to: bytes.Clone(key)})
}

// advanceRanges continues the spans of all tables.
func (w *writeTx) advanceRanges() error {
	for _, st := range w.file.tables {
		if len(st.spans) > 0 {
			if err := w.advance(w.table(st.table)); err != nil {
				return err
			}
		}
	}
	return nil
}

// finishRanges takes out what is left of all removed ranges, before a migration reads the rows.
func (f *file) finishRanges(db *bbolt.DB) error {
	if err := db.View(f.loadRanges); err != nil {
		return err
	}
	for f.countSpans() > 0 {
		w := &writeTx{file: f, budget: f.rangeStep}
		err := db.Update(func(tx *bbolt.Tx) error {
			w.tx = tx
			return w.advanceRanges()
		})
		w.end()
		if err != nil {
			return err
		}
	}
	return nil
}
