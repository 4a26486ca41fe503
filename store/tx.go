package store

import (
	"bytes"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"linnet/store/table"
)

// Tx is a read transaction: one state of both files, valid inside View only and on its goroutine only.
type Tx struct {
	store *Store
	txs   [2]*bbolt.Tx // linnet.db, cache.db; begun at the first use
	now   uint32       // seconds, 0 while the clock is unset
	err   error
}

// View calls fn with a read transaction and returns fn's error. It is meant for one page of results: pages freed by
// later commits cannot be used again while it lasts. It never waits for a commit. Views do not nest.
func (s *Store) View(fn func(*Tx) error) error {
	tx := &Tx{store: s, now: s.now()}
	s.main.dbMu.RLock()
	defer s.main.dbMu.RUnlock()
	s.cache.dbMu.RLock()
	defer s.cache.dbMu.RUnlock()
	if s.main.db == nil || s.cache.db == nil {
		return ErrClosed
	}
	defer func() {
		for _, t := range tx.txs {
			if t != nil {
				t.Rollback()
			}
		}
	}()
	err := fn(tx)
	if err == nil {
		err = tx.err
	}
	return err
}

// now returns the seconds since 1970, or 0 while the clock is unset.
func (s *Store) now() uint32 {
	t := time.Now()
	if !s.opt.Built.IsZero() && !t.After(s.opt.Built) {
		return 0
	}
	return uint32(t.Unix())
}

func (tx *Tx) bucket(st *tableState, name []byte) *bbolt.Bucket {
	i := 0
	if st.file == tx.store.cache {
		i = 1
	}
	if tx.txs[i] == nil {
		t, err := st.file.db.Begin(false)
		if err != nil {
			tx.err = err
			return nil
		}
		tx.txs[i] = t
	}
	return tx.txs[i].Bucket(name)
}

// row is a stored value taken apart.
type row struct {
	value   []byte
	version uint64
}

// liveRow takes a stored value apart; ok is false when there is none or it has expired.
func liveRow(st *tableState, v []byte, now uint32) (r row, ok bool) {
	if v == nil || len(v) < st.head {
		return row{}, false
	}
	if st.table.Versioned {
		r.version, v = binary.BigEndian.Uint64(v), v[8:]
	}
	if st.table.Expires {
		at := binary.BigEndian.Uint32(v)
		v = v[4:]
		if at != 0 && now >= at {
			return row{}, false
		}
	}
	r.value = v
	return r, true
}

// Get returns a copy of the row's value.
func (tx *Tx) Get(t *table.Table, key []byte) (value []byte, ok bool) {
	value, _, ok = tx.GetVersion(t, key)
	return value, ok
}

// GetVersion returns a copy of the row's value and its version, which is 0 for a table without versions.
func (tx *Tx) GetVersion(t *table.Table, key []byte) (value []byte, version uint64, ok bool) {
	st := tx.store.table(t)
	if st == nil {
		tx.err = ErrTable
		return nil, 0, false
	}
	b := tx.bucket(st, st.bucket)
	if b == nil {
		return nil, 0, false
	}
	r, ok := liveRow(st, b.Get(key), tx.now)
	if !ok {
		return nil, 0, false
	}
	return append(make([]byte, 0, len(r.value)), r.value...), r.version, true
}

// Scan calls fn for the rows in [from, to), in order of their keys or in reverse, until fn returns false. from nil is
// the beginning and to nil the end of the table. k and v are valid inside fn only.
func (tx *Tx) Scan(t *table.Table, from, to []byte, reverse bool, fn func(k, v []byte) bool) error {
	st := tx.store.table(t)
	if st == nil {
		return ErrTable
	}
	b := tx.bucket(st, st.bucket)
	if b == nil {
		return tx.err
	}
	walk(b, from, to, reverse, func(k, v []byte) bool {
		r, ok := liveRow(st, v, tx.now)
		return !ok || fn(k, r.value)
	})
	return nil
}

// ScanIndex calls fn for the rows whose index key is in [from, to), in the order of index keys (and of row keys where
// those are equal) or in reverse, until fn returns false. The arguments are valid inside fn only.
func (tx *Tx) ScanIndex(t *table.Table, index string, from, to []byte, reverse bool, fn func(indexKey, k, v []byte) bool) error {
	st := tx.store.table(t)
	if st == nil {
		return ErrTable
	}
	for i, ix := range t.Indexes {
		if ix.Name != index {
			continue
		}
		rows, entries := tx.bucket(st, st.bucket), tx.bucket(st, st.indexes[i])
		if rows == nil || entries == nil {
			return tx.err
		}
		walk(entries, from, to, reverse, func(k, v []byte) bool {
			n := len(k) - int(binary.BigEndian.Uint16(v))
			r, ok := liveRow(st, rows.Get(k[n:]), tx.now)
			return !ok || fn(k[:n], k[n:], r.value)
		})
		return nil
	}
	return ErrTable
}

// Count returns how many rows are in [from, to), counting no further than limit; limit 0 means no limit.
func (tx *Tx) Count(t *table.Table, from, to []byte, limit int) int {
	n := 0
	err := tx.Scan(t, from, to, false, func(_, _ []byte) bool {
		n++
		return n != limit
	})
	if err != nil {
		tx.err = err
	}
	return n
}

func walk(b *bbolt.Bucket, from, to []byte, reverse bool, fn func(k, v []byte) bool) {
	c := b.Cursor()
	if !reverse {
		for k, v := c.Seek(from); k != nil && (to == nil || bytes.Compare(k, to) < 0); k, v = c.Next() {
			if !fn(k, v) {
				return
			}
		}
		return
	}
	var k, v []byte
	if to == nil {
		k, v = c.Last()
	} else if k, v = c.Seek(to); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for ; k != nil && bytes.Compare(k, from) >= 0; k, v = c.Prev() {
		if !fn(k, v) {
			return
		}
	}
}
