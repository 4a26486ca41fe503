package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"linnet/store/table"
)

// Tx is a read transaction, valid inside View only and on its goroutine only. What it reads of one file is one state of
// that file, taken when the first table of the file is read.
type Tx struct {
	store *Store
	parts [2]txPart // linnet.db, cache.db
	now   uint32    // seconds, 0 while the clock is unset
	busy  bool      // inside bbolt: a panic is then the file's fault
	err   error     // of a Get or Count
}

// txPart is the transaction on one file.
type txPart struct {
	file  *file // nil until the file is used
	tx    *bbolt.Tx
	spans map[string][]span // of removed ranges, by table; usually nil
}

// View calls fn with a read transaction and returns fn's error, or that of a read that failed: a damaged page, or a disk
// that cannot be read, is an ErrDamaged and not the end of the process. View never waits for a commit.
//
// It is meant for one page of results: while it lasts, pages freed by later commits cannot be used again. Views must not
// nest.
func (s *Store) View(fn func(*Tx) error) (err error) {
	tx := &Tx{store: s, now: s.now()}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer tx.end(&err)
	if err = fn(tx); err == nil {
		err = tx.err
	}
	return err
}

// end closes the transaction and turns a fault while reading the file into an error.
func (tx *Tx) end(err *error) {
	r := recover()
	for i := range tx.parts {
		p := &tx.parts[i]
		if p.tx != nil {
			p.tx.Rollback()
		}
		if p.file != nil {
			p.file.dbMu.RUnlock()
		}
	}
	if r == nil {
		return
	}
	if !tx.busy && !isFault(r) {
		panic(r) // fn's own
	}
	*err = fmt.Errorf("%w: %v", ErrDamaged, r)
	tx.store.suspectDamage(*err)
}

// isFault reports whether a panic is an access to memory that is not there, as it is for a page of the map that could
// not be read. A nil pointer has no Addr.
func isFault(r any) bool {
	_, ok := r.(interface{ Addr() uintptr })
	return ok
}

// now returns the seconds since 1970, or 0 while the clock is unset.
func (s *Store) now() uint32 {
	t := time.Now()
	if !s.opt.Built.IsZero() && !t.After(s.opt.Built) {
		return 0
	}
	return uint32(t.Unix())
}

// part begins the transaction on the table's file if it has not begun, and returns nil when it cannot.
func (tx *Tx) part(f *file) *txPart {
	p := &tx.parts[0]
	if f == tx.store.cache {
		p = &tx.parts[1]
	}
	if p.tx != nil {
		return p
	}
	if p.file == nil {
		p.file = f
		f.dbMu.RLock()
	}
	if f.h == nil {
		tx.fail(f.unavailable())
		return nil
	}
	// A span is looked for when there was one before the transaction began, or one was added meanwhile.
	added := f.spansAdded.Load()
	look := f.spansActive.Load() > 0
	err := f.h.enter()
	if err == nil {
		p.tx, err = f.h.db.Begin(false)
	}
	if err != nil {
		tx.fail(err)
		return nil
	}
	if look || f.spansAdded.Load() != added {
		p.spans = make(map[string][]span)
		if err := readSpans(p.tx, func(table string, s span) { p.spans[table] = append(p.spans[table], s) }); err != nil {
			tx.fail(err)
			return nil
		}
	}
	return p
}

// fail notes the error of a read, which View returns.
func (tx *Tx) fail(err error) {
	tx.err = err
	if errors.Is(err, ErrDamaged) {
		tx.store.suspectDamage(err)
	}
}

// bucket returns a bucket of the table's file, and the table's spans.
func (tx *Tx) bucket(st *tableState, name []byte) (*bbolt.Bucket, []span) {
	p := tx.part(st.file)
	if p == nil {
		return nil, nil
	}
	b := p.tx.Bucket(name)
	if b == nil {
		tx.fail(fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name))
	}
	return b, p.spans[st.table.Name]
}

// storedRow is a stored value taken apart.
type storedRow struct {
	value   []byte
	version uint64
}

// liveRow takes a stored value apart; ok is false when there is none or it has expired.
func liveRow(st *tableState, v []byte, now uint32) (r storedRow, ok bool, err error) {
	if v == nil {
		return r, false, nil
	}
	if len(v) < st.head {
		return r, false, fmt.Errorf("%w: short row in table %s", ErrDamaged, st.table.Name)
	}
	if st.table.Versioned {
		r.version, v = binary.BigEndian.Uint64(v), v[8:]
	}
	if st.table.Expires {
		at := binary.BigEndian.Uint32(v)
		v = v[4:]
		if at != 0 && now >= at {
			return storedRow{}, false, nil
		}
	}
	r.value = v
	return r, true, nil
}

// read returns the live row at key; its value lies in the map.
func (tx *Tx) read(t *table.Table, key []byte) (r storedRow, ok bool) {
	st := tx.store.table(t)
	if st == nil {
		tx.fail(ErrTable)
		return r, false
	}
	tx.busy = true
	b, spans := tx.bucket(st, st.bucket)
	if b != nil && covering(spans, key) < 0 {
		var err error
		if r, ok, err = liveRow(st, b.Get(key), tx.now); err != nil {
			tx.fail(err)
		}
	}
	tx.busy = false
	return r, ok
}

// Get returns a copy of the row's value. If the row cannot be read, ok is false and View returns the error.
func (tx *Tx) Get(t *table.Table, key []byte) (value []byte, ok bool) {
	value, _, ok = tx.GetVersion(t, key)
	return value, ok
}

// GetVersion returns a copy of the row's value and its version, which is 0 for a table without versions. Versions of one
// table grow with every put and are never used again, but for a restore, which draws a new Incarnation.
func (tx *Tx) GetVersion(t *table.Table, key []byte) (value []byte, version uint64, ok bool) {
	r, ok := tx.read(t, key)
	if !ok {
		return nil, 0, false
	}
	return append(make([]byte, 0, len(r.value)), r.value...), r.version, true
}

// Has reports whether there is a row at key.
func (tx *Tx) Has(t *table.Table, key []byte) bool {
	_, ok := tx.read(t, key)
	return ok
}

// Scan calls fn for the rows in [from, to), in order of their keys or in reverse, until fn returns false. from nil is
// the beginning and to nil the end of the table. k and v are valid inside fn only and must not be changed.
func (tx *Tx) Scan(t *table.Table, from, to []byte, reverse bool, fn func(k, v []byte) bool) error {
	st := tx.store.table(t)
	if st == nil {
		return ErrTable
	}
	tx.busy = true
	b, spans := tx.bucket(st, st.bucket)
	if b == nil {
		tx.busy = false
		return tx.err
	}
	var failed error
	walk(b, from, to, reverse, spans, func(k, v []byte) bool {
		r, ok, err := liveRow(st, v, tx.now)
		if err != nil {
			failed = err
			return false
		}
		return !ok || tx.call(func() bool { return fn(k, r.value) })
	})
	tx.busy = false
	return tx.failing(failed)
}

// failing notes an error that is returned as well.
func (tx *Tx) failing(err error) error {
	if err != nil {
		tx.fail(err)
	}
	return err
}

// call runs a caller's function: its panics are its own.
func (tx *Tx) call(fn func() bool) bool {
	tx.busy = false
	more := fn()
	tx.busy = true
	return more
}

// ScanIndex calls fn for the rows whose index key is in [from, to), in the order of index keys (and of row keys where
// those are equal) or in reverse, until fn returns false. The arguments are valid inside fn only and must not be
// changed.
func (tx *Tx) ScanIndex(t *table.Table, index string, from, to []byte, reverse bool, fn func(indexKey, k, v []byte) bool) error {
	st := tx.store.table(t)
	if st == nil {
		return ErrTable
	}
	for i, ix := range st.table.Indexes {
		if ix.Name == index {
			return tx.scanIndex(st, st.indexes[i], from, to, reverse, fn)
		}
	}
	return fmt.Errorf("%w: index %s of %s", ErrTable, index, t.Name)
}

func (tx *Tx) scanIndex(st *tableState, index, from, to []byte, reverse bool, fn func(indexKey, k, v []byte) bool) error {
	tx.busy = true
	rows, spans := tx.bucket(st, st.bucket)
	entries, _ := tx.bucket(st, index)
	if rows == nil || entries == nil {
		tx.busy = false
		return tx.err
	}
	var failed error
	walk(entries, from, to, reverse, nil, func(k, v []byte) bool {
		if len(v) != 2 || len(k) < int(binary.BigEndian.Uint16(v)) {
			failed = fmt.Errorf("%w: index entry of table %s", ErrDamaged, st.table.Name)
			return false
		}
		n := len(k) - int(binary.BigEndian.Uint16(v))
		if covering(spans, k[n:]) >= 0 {
			return true
		}
		r, ok, err := liveRow(st, rows.Get(k[n:]), tx.now)
		if err != nil {
			failed = err
			return false
		}
		return !ok || tx.call(func() bool { return fn(k[:n:n], k[n:], r.value) })
	})
	tx.busy = false
	return tx.failing(failed)
}

// Count returns how many rows are in [from, to), counting no further than limit; limit 0 means no limit.
func (tx *Tx) Count(t *table.Table, from, to []byte, limit int) int {
	n := 0
	err := tx.Scan(t, from, to, false, func(_, _ []byte) bool {
		n++
		return n != limit
	})
	if err != nil && tx.err == nil {
		tx.err = err
	}
	return n
}

// walk visits the entries of [from, to) that no span covers. A span is leapt over, not read through: it may have a
// million rows that are still to be taken out.
func walk(b *bbolt.Bucket, from, to []byte, reverse bool, spans []span, fn func(k, v []byte) bool) {
	c := b.Cursor()
	if reverse {
		walkBack(c, from, to, spans, fn)
		return
	}
	k, v := c.Seek(from)
	for k != nil && (to == nil || bytes.Compare(k, to) < 0) {
		if i := covering(spans, k); i >= 0 {
			if spans[i].open {
				return
			}
			k, v = c.Seek(spans[i].to)
			continue
		}
		if !fn(k, v) {
			return
		}
		k, v = c.Next()
	}
}

func walkBack(c *bbolt.Cursor, from, to []byte, spans []span, fn func(k, v []byte) bool) {
	k, v := seekBefore(c, to)
	for k != nil && bytes.Compare(k, from) >= 0 {
		if i := covering(spans, k); i >= 0 {
			k, v = seekBefore(c, spans[i].from)
			continue
		}
		if !fn(k, v) {
			return
		}
		k, v = c.Prev()
	}
}

// seekBefore moves to the last key less than to, or to the last of all when to is nil.
func seekBefore(c *bbolt.Cursor, to []byte) (k, v []byte) {
	if to == nil {
		return c.Last()
	}
	if k, _ := c.Seek(to); k == nil {
		return c.Last()
	}
	return c.Prev()
}
