package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"linnet/store/table"
)

// maxGroup bounds the bytes committed in one transaction, and with it the dirty pages held in memory.
const maxGroup = 4 << 20

// submit appends p to the queue and starts the writer if it is not there: an idle store has no goroutine.
func (f *file) submit(p *payload) {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		// On a goroutine of its own: the submitter may hold the lock that done takes.
		go p.finish(ErrClosed)
		return
	}
	f.store.inFlight.Add(p.size)
	f.queue = append(f.queue, p)
	start := !f.running
	f.running = true
	f.mu.Unlock()
	if start {
		go f.write()
	}
}

// finish tells the submitter and gives p back.
func (p *payload) finish(err error) {
	if p.barrier != nil {
		p.barrier()
	} else if p.done != nil {
		p.done(err)
	}
	p.release()
}

// write is the writer: it commits group after group and ends when nothing waits.
func (f *file) write() {
	var group []*payload
	for {
		f.mu.Lock()
		if len(f.queue) == 0 {
			f.running = false
			f.idle.Broadcast()
			f.mu.Unlock()
			return
		}
		wait := f.store.opt.CommitEvery - time.Since(f.last)
		if wait > 0 && !f.closing {
			f.mu.Unlock()
			time.Sleep(wait)
			f.mu.Lock()
		}
		n, size := 0, int64(0)
		for n < len(f.queue) && (n == 0 || size < maxGroup) {
			size += f.queue[n].size
			n++
		}
		group = append(group[:0], f.queue[:n]...)
		f.queue = slices.Delete(f.queue, 0, n)
		f.mu.Unlock()

		err := f.commit(group)
		f.last = time.Now()
		for _, p := range group {
			n, perr := p.size, p.err
			if err != nil {
				perr = err
			}
			p.finish(perr)
			f.store.settle(n)
		}
		clear(group)
	}
}

// commit evaluates and applies the group in one transaction.
func (f *file) commit(group []*payload) error {
	if !slices.ContainsFunc(group, func(p *payload) bool { return p.err == nil && len(p.ops) > 0 }) {
		return nil
	}
	tx, err := f.db.Begin(true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCommit, err)
	}
	w := &writeTx{file: f, tx: tx, tables: make(map[*tableState]*tableWriter)}
	saved := func() {}
	err = w.apply(group)
	if err == nil && f.durable {
		saved, err = f.store.saveMarks(tx)
	}
	if err != nil {
		tx.Rollback()
		return fmt.Errorf("%w: %w", ErrCommit, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", ErrCommit, err)
	}
	saved()
	return nil
}

// writeTx is one write transaction. Changes are gathered per table and applied in key order, which is what a B+tree
// likes; a precondition first applies what its table has gathered.
type writeTx struct {
	file   *file
	tx     *bbolt.Tx
	tables map[*tableState]*tableWriter
}

type tableWriter struct {
	state   *tableState
	bucket  *bbolt.Bucket
	indexes []*bbolt.Bucket
	todo    []change
}

type change struct {
	key, value []byte
	expires    uint32
	del        bool
}

func (w *writeTx) table(t *table.Table) *tableWriter {
	st := w.file.store.table(t)
	tw := w.tables[st]
	if tw == nil {
		tw = &tableWriter{state: st, bucket: w.tx.Bucket(st.bucket)}
		if t.Append {
			tw.bucket.FillPercent = 0.9
		}
		for _, name := range st.indexes {
			tw.indexes = append(tw.indexes, w.tx.Bucket(name))
		}
		w.tables[st] = tw
	}
	return tw
}

func (w *writeTx) apply(group []*payload) error {
	for _, p := range group {
		if p.err != nil {
			continue
		}
		if p.pre {
			var err error
			if p.err, err = w.preconditions(p); err != nil {
				return err
			} else if p.err != nil {
				continue
			}
		}
		for i := range p.ops {
			o := &p.ops[i]
			if o.kind > opDeleteRange {
				continue
			}
			tw := w.table(o.table)
			if o.kind != opDeleteRange {
				tw.todo = append(tw.todo, change{key: p.key(o), value: p.value(o), expires: uint32(o.aux), del: o.kind == opDelete})
				continue
			}
			if err := tw.flush(); err != nil {
				return err
			}
			to := p.value(o)
			if o.openTo {
				to = nil
			}
			if err := tw.deleteRange(p.key(o), to); err != nil {
				return err
			}
		}
	}
	for _, tw := range w.tables {
		if err := tw.flush(); err != nil {
			return err
		}
	}
	return nil
}

// preconditions returns the first that fails.
func (w *writeTx) preconditions(p *payload) (failed, err error) {
	for i := range p.ops {
		o := &p.ops[i]
		if o.kind <= opDeleteRange {
			continue
		}
		tw := w.table(o.table)
		if err := tw.flush(); err != nil {
			return nil, err
		}
		row, ok := liveRow(tw.state, tw.bucket.Get(p.key(o)), w.file.store.now())
		want := ""
		switch {
		case o.kind == opAbsent && ok:
			want = "absent"
		case o.kind == opPresent && !ok:
			want = "present"
		case o.kind == opEquals && row.version != o.aux:
			want = "version"
		}
		if want != "" {
			return &PreconditionError{Table: o.table.Name, Key: bytes.Clone(p.key(o)), Want: want}, nil
		}
	}
	return nil, nil
}

// flush applies the gathered changes in key order; of several changes to one key the last counts.
func (tw *tableWriter) flush() error {
	byKey := func(a, b change) int { return bytes.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(tw.todo, byKey) {
		slices.SortStableFunc(tw.todo, byKey)
	}
	for i := range tw.todo {
		c := &tw.todo[i]
		if i+1 < len(tw.todo) && bytes.Equal(c.key, tw.todo[i+1].key) {
			continue
		}
		var err error
		if c.del {
			err = tw.delete(c.key)
		} else {
			err = tw.put(c)
		}
		if err != nil {
			return err
		}
	}
	tw.todo = tw.todo[:0]
	return nil
}

func (tw *tableWriter) put(c *change) error {
	st := tw.state
	if err := tw.unindex(c.key, c.value); err != nil {
		return err
	}
	value := c.value
	if st.head > 0 {
		value = make([]byte, 0, st.head+len(c.value))
		if st.table.Versioned {
			v, err := tw.bucket.NextSequence()
			if err != nil {
				return err
			}
			value = binary.BigEndian.AppendUint64(value, v)
		}
		if st.table.Expires {
			value = binary.BigEndian.AppendUint32(value, c.expires)
		}
		value = append(value, c.value...)
	}
	if err := tw.bucket.Put(c.key, value); err != nil {
		return err
	}
	for i, ix := range st.table.Indexes {
		var err error
		ix.Keys(c.key, c.value, func(ik []byte) {
			if e := tw.indexes[i].Put(indexEntry(ik, c.key), indexValue(c.key)); e != nil {
				err = e
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unindex removes the index entries of the row at key, if there is one.
func (tw *tableWriter) unindex(key, _ []byte) error {
	st := tw.state
	if len(st.indexes) == 0 {
		return nil
	}
	old := tw.bucket.Get(key)
	if old == nil {
		return nil
	}
	old = old[st.head:]
	for i, ix := range st.table.Indexes {
		var err error
		ix.Keys(key, old, func(ik []byte) {
			if e := tw.indexes[i].Delete(indexEntry(ik, key)); e != nil {
				err = e
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (tw *tableWriter) delete(key []byte) error {
	if err := tw.unindex(key, nil); err != nil {
		return err
	}
	return tw.bucket.Delete(key)
}

func (tw *tableWriter) deleteRange(from, to []byte) error {
	c := tw.bucket.Cursor()
	var keys [][]byte
	for k, _ := c.Seek(from); k != nil && (to == nil || bytes.Compare(k, to) < 0); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := tw.delete(k); err != nil {
			return err
		}
	}
	return nil
}

// An index entry's key is the index key followed by the row's key; its value is the length of the latter.
func indexEntry(ik, key []byte) []byte {
	return append(append(make([]byte, 0, len(ik)+len(key)), ik...), key...)
}
func indexValue(key []byte) []byte { return binary.BigEndian.AppendUint16(nil, uint16(len(key))) }
