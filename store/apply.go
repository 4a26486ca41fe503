package store

import (
	"bytes"
	"encoding/binary"
	"sort"

	"go.etcd.io/bbolt"

	"linnet/store/table"
)

// writeTx is one write transaction of a file's writer. Changes are gathered per table and applied in key order, which is
// what a B+tree likes; a precondition first applies what its table has gathered.
type writeTx struct {
	file   *file
	tx     *bbolt.Tx
	now    uint32         // seconds, 0 while the clock is unset
	active []*tableWriter // the tables touched so far
	budget int            // rows of removed ranges that may still be taken out in this transaction
	failed uint64         // preconditions
}

// tableWriter applies changes to one table within one write transaction.
type tableWriter struct {
	state   *tableState
	bucket  *bbolt.Bucket
	indexes []*bbolt.Bucket
	expiry  *bbolt.Bucket // nil unless rows expire
	todo    []change
	heads   []byte // backing of the values put; bbolt wants them untouched until the commit
	old     keyList
	new     keyList
}

type change struct {
	key, value []byte
	seq        uint32 // position among the table's changes
	expires    uint32
	del        bool
}

// rowHead is what the store keeps with a row; a version of 0 asks for the next one.
type rowHead struct {
	version uint64
	expires uint32
}

func newTableWriter(tx *bbolt.Tx, st *tableState) *tableWriter {
	tw := &tableWriter{}
	tw.begin(tx, st)
	return tw
}

func (tw *tableWriter) begin(tx *bbolt.Tx, st *tableState) {
	tw.state = st
	tw.bucket = tx.Bucket(st.bucket)
	if st.table.Append {
		// Where keys grow within their owner, a page that splits will not be added to again: fill it.
		tw.bucket.FillPercent = 0.9
	}
	tw.indexes = tw.indexes[:0]
	for _, name := range st.indexes {
		tw.indexes = append(tw.indexes, tx.Bucket(name))
	}
	tw.expiry = nil
	if st.expiry != nil {
		tw.expiry = tx.Bucket(st.expiry)
	}
}

// table returns the writer of t for this transaction. Its buffers serve from one transaction to the next.
func (w *writeTx) table(t *table.Table) *tableWriter {
	st := w.file.store.table(t)
	if st.writer == nil {
		st.writer = &tableWriter{}
	}
	if st.writer.bucket == nil {
		st.writer.begin(w.tx, st)
		w.active = append(w.active, st.writer)
	}
	return st.writer
}

// end forgets the transaction and keeps the buffers, unless a large group made them large.
func (w *writeTx) end() {
	for _, tw := range w.active {
		clear(tw.todo)
		tw.todo, tw.heads = tw.todo[:0], nil
		if cap(tw.todo) > 4096 {
			tw.todo = nil
		}
		tw.bucket, tw.expiry = nil, nil
		clear(tw.indexes)
	}
	w.active, w.tx = w.active[:0], nil
}

// apply evaluates and applies the batches in order. Its error fails all of them; a failed precondition is left in the
// payload.
func (w *writeTx) apply(group []*payload) error {
	for _, p := range group {
		p.err = p.bad
		if p.err == nil && p.pre {
			if err := w.preconditions(p); err != nil {
				return err
			}
		}
		if p.err != nil {
			continue
		}
		for i := range p.ops {
			if err := w.change(p, &p.ops[i]); err != nil {
				return err
			}
		}
	}
	for _, tw := range w.active {
		if err := w.flush(tw); err != nil {
			return err
		}
	}
	return nil
}

func (w *writeTx) change(p *payload, o *op) error {
	switch o.kind {
	case opPut, opDelete:
		tw := w.table(o.table)
		tw.todo = append(tw.todo, change{
			key: p.key(o), value: p.value(o), seq: uint32(len(tw.todo)), expires: uint32(o.aux), del: o.kind == opDelete,
		})
	case opDeleteRange:
		tw := w.table(o.table)
		if err := w.flush(tw); err != nil {
			return err
		}
		to := p.value(o)
		if o.openTo {
			to = nil
		}
		return w.removeRange(tw, p.key(o), to)
	}
	return nil
}

// preconditions leaves the first that fails in p.err.
func (w *writeTx) preconditions(p *payload) error {
	for i := range p.ops {
		o := &p.ops[i]
		want := ""
		switch o.kind {
		case opAbsent:
			want = "absent"
		case opPresent:
			want = "present"
		case opEquals:
			want = "version"
		default:
			continue
		}
		tw := w.table(o.table)
		if err := w.flush(tw); err != nil {
			return err
		}
		key := p.key(o)
		row, ok, err := liveRow(tw.state, tw.bucket.Get(key), w.now)
		if err != nil {
			return err
		}
		if covering(tw.state.spans, key) >= 0 {
			row, ok = storedRow{}, false
		}
		if o.kind == opAbsent && ok || o.kind == opPresent && !ok || o.kind == opEquals && row.version != o.aux {
			p.err = &PreconditionError{Table: o.table.Name, Key: bytes.Clone(key), Want: want}
			w.failed++
			return nil
		}
	}
	return nil
}

// byKey sorts changes by key and, of one key, as they were submitted. It is for package sort, which bbolt brings
// anyway: package slices would compile 7 KB of code for this type.
type byKey []change

func (c byKey) Len() int      { return len(c) }
func (c byKey) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c byKey) Less(i, j int) bool {
	if order := bytes.Compare(c[i].key, c[j].key); order != 0 {
		return order < 0
	}
	return c[i].seq < c[j].seq
}

// flush applies the gathered changes in key order; of several changes to one key the last one counts, so that a row
// written by every batch of a group is written once.
func (w *writeTx) flush(tw *tableWriter) error {
	if todo := byKey(tw.todo); !sort.IsSorted(todo) {
		sort.Sort(todo)
	}
	for i := range tw.todo {
		c := &tw.todo[i]
		if i+1 < len(tw.todo) && bytes.Equal(c.key, tw.todo[i+1].key) {
			continue
		}
		if c.del {
			if err := tw.delete(c.key); err != nil {
				return err
			}
			continue
		}
		if len(tw.state.spans) > 0 {
			if err := w.carve(tw, c.key); err != nil {
				return err
			}
		}
		if err := tw.put(c.key, c.value, rowHead{expires: c.expires}); err != nil {
			return err
		}
	}
	tw.todo = tw.todo[:0]
	return nil
}

// put writes one row and what is derived from it. key and value must stay as they are until the commit.
func (tw *tableWriter) put(key, value []byte, h rowHead) error {
	st := tw.state
	if tw.derives() {
		if err := tw.derive(key, tw.bucket.Get(key), value, h.expires); err != nil {
			return err
		}
	}
	if st.head == 0 {
		return tw.bucket.Put(key, value)
	}
	stored, err := tw.withHead(value, h)
	if err != nil {
		return err
	}
	return tw.bucket.Put(key, stored)
}

// withHead puts the row's head in front of the value.
func (tw *tableWriter) withHead(value []byte, h rowHead) ([]byte, error) {
	size := tw.state.head + len(value)
	if cap(tw.heads)-len(tw.heads) < size {
		tw.heads = make([]byte, 0, max(16<<10, size))
	}
	from := len(tw.heads)
	if tw.state.table.Versioned {
		if h.version == 0 {
			var err error
			if h.version, err = tw.bucket.NextSequence(); err != nil {
				return nil, err
			}
		}
		tw.heads = binary.BigEndian.AppendUint64(tw.heads, h.version)
	}
	if tw.state.table.Expires {
		tw.heads = binary.BigEndian.AppendUint32(tw.heads, h.expires)
	}
	tw.heads = append(tw.heads, value...)
	return tw.heads[from:len(tw.heads):len(tw.heads)], nil
}

func (tw *tableWriter) delete(key []byte) error {
	if tw.derives() {
		old := tw.bucket.Get(key)
		if old == nil {
			return nil
		}
		if err := tw.derive(key, old, nil, 0); err != nil {
			return err
		}
	}
	return tw.bucket.Delete(key)
}
