package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"linnet/store/table"
)

// Rows and bytes handled in one transaction of a migration: it bounds the memory for dirty pages.
const (
	stepRows  = 4000
	stepBytes = 1 << 20
)

// migrate writes the table anew, in the layout declared now, into buckets of the next generation, and then exchanges
// them in one transaction. If it is interrupted the old rows are still in place and it begins again.
func (f *file) migrate(db *bbolt.DB, st *tableState, from record) error {
	old := *st
	to := st.declared()
	to.generation = from.generation + 1
	st.indexes = nil // not shared with old
	st.use(to)
	err := db.Update(func(tx *bbolt.Tx) error {
		if err := dropGeneration(tx, st.table.Name, to.generation); err != nil {
			return err
		}
		for _, name := range st.buckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		// Versions go on where they were, or a client could see one twice.
		return tx.Bucket(st.bucket).SetSequence(tx.Bucket(old.bucket).Sequence())
	})
	if err != nil {
		return err
	}
	next := []byte{}
	for next != nil {
		err := db.Update(func(tx *bbolt.Tx) (err error) {
			next, err = upgradeRows(tx, st, &old, from, next)
			return err
		})
		if err != nil {
			return err
		}
	}
	return db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketStore)
		for _, r := range st.staleIndexes(b) {
			if err := b.Delete(indexKey(st.table.Name, r.name)); err != nil {
				return err
			}
		}
		if err := st.record(b, to); err != nil {
			return err
		}
		return dropGeneration(tx, st.table.Name, from.generation)
	})
}

// upgradeRows copies one step's rows, beginning with key next, and returns where to go on; nil at the end.
func upgradeRows(tx *bbolt.Tx, st, old *tableState, from record, next []byte) ([]byte, error) {
	tw := newTableWriter(tx, st)
	c := tx.Bucket(old.bucket).Cursor()
	rows, size := 0, 0
	for k, v := c.Seek(next); k != nil; k, v = c.Next() {
		if rows++; rows > stepRows || size > stepBytes {
			return bytes.Clone(k), nil
		}
		size += len(k) + len(v)
		if len(v) < from.head() {
			return nil, ErrDamaged
		}
		var h rowHead
		if from.flags&recVersioned != 0 {
			h.version, v = binary.BigEndian.Uint64(v), v[8:]
		}
		if from.flags&recExpires != 0 {
			h.expires, v = binary.BigEndian.Uint32(v), v[4:]
		}
		key, value, keep := k, v, true
		if up := st.table.Upgrade; up != nil && from.layout < st.table.Layout {
			var err error
			if key, value, keep, err = callUpgrade(up, from.layout, k, v); err != nil {
				return nil, err
			}
		}
		if !keep {
			continue
		}
		if len(key) == 0 || len(key) > MaxKey || len(value) > MaxValue {
			return nil, ErrKey
		}
		if err := tw.put(bytes.Clone(key), bytes.Clone(value), h); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func callUpgrade(up table.Upgrade, from uint32, k, v []byte) (key, value []byte, keep bool, err error) {
	defer foreignPanic(&err)
	key, value, keep = up(from, k, v)
	return key, value, keep, nil
}

// dropGeneration deletes the table's buckets of one generation, whatever indexes they belong to.
func dropGeneration(tx *bbolt.Tx, name string, generation uint32) error {
	var names [][]byte
	suffix := generationSuffix(generation)
	err := tx.ForEach(func(bucket []byte, _ *bbolt.Bucket) error {
		base, _, _ := strings.Cut(string(bucket), "#")
		owner, _, _ := strings.Cut(base, "/")
		if owner == name && string(bucket[len(base):]) == suffix {
			names = append(names, bytes.Clone(bucket))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := tx.DeleteBucket(n); err != nil {
			return err
		}
	}
	return nil
}

// reindex builds one index anew, or drops it. The index has no record while it is built, so that an interrupted build
// begins again.
func (f *file) reindex(db *bbolt.DB, r reindexing) error {
	st := r.state
	key := indexKey(st.table.Name, r.name)
	// The rows' bucket says which generation is in use.
	name := []byte(st.table.Name + "/" + r.name + string(st.bucket[len(st.table.Name):]))
	err := db.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketStore).Delete(key); err != nil {
			return err
		}
		if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
		if r.at < 0 {
			return nil
		}
		_, err := tx.CreateBucket(name)
		return err
	})
	if err != nil || r.at < 0 {
		return err
	}
	for next := []byte{}; next != nil; {
		err := db.Update(func(tx *bbolt.Tx) error {
			tw := newTableWriter(tx, st)
			c := tw.bucket.Cursor()
			rows := 0
			for k, v := c.Seek(next); k != nil; k, v = c.Next() {
				if rows++; rows > stepRows {
					next = bytes.Clone(k)
					return nil
				}
				if len(v) < st.head {
					return ErrDamaged
				}
				if err := tw.indexRow(r.at, bytes.Clone(k), v[st.head:]); err != nil {
					return err
				}
			}
			next = nil
			return tx.Bucket(bucketStore).Put(key, versionBytes(st.table.Indexes[r.at].Version))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
