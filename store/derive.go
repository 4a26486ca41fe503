package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// errDeclared reports a function of a table's declaration, for an index or an upgrade, that panicked. It is a programming
// error, and must not look like a damaged file.
var errDeclared = errors.New("store: a function of the table's declaration panicked")

// keyList holds keys one after another, to be used again without allocating.
type keyList struct {
	buf  []byte
	ends []int
}

func (l *keyList) reset()         { l.buf, l.ends = l.buf[:0], l.ends[:0] }
func (l *keyList) add(key []byte) { l.buf = append(l.buf, key...); l.ends = append(l.ends, len(l.buf)) }
func (l *keyList) len() int       { return len(l.ends) }
func (l *keyList) at(i int) []byte {
	from := 0
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.buf[from:l.ends[i]]
}

func (l *keyList) has(key []byte) bool {
	for i := range l.ends {
		if bytes.Equal(l.at(i), key) {
			return true
		}
	}
	return false
}

// derives reports whether anything but the row itself changes with a row.
func (tw *tableWriter) derives() bool { return tw.expiry != nil || len(tw.indexes) > 0 }

// derive brings index and expiry entries from the stored row old (nil: none) to the new value (nil: removed). Entries
// that stay the same are not touched: a page not dirtied is a page not written to flash.
func (tw *tableWriter) derive(key, old, value []byte, expires uint32) error {
	st := tw.state
	if old != nil && len(old) < st.head {
		return ErrDamaged
	}
	if tw.expiry != nil {
		was := uint32(0)
		if old != nil {
			was = binary.BigEndian.Uint32(old[st.head-4:])
		}
		if was != expires {
			if was != 0 {
				if err := tw.expiry.Delete(expiryEntry(was, key)); err != nil {
					return err
				}
			}
			if expires != 0 {
				if err := tw.expiry.Put(expiryEntry(expires, key), nil); err != nil {
					return err
				}
			}
		}
	}
	for i := range tw.indexes {
		tw.old.reset()
		tw.new.reset()
		if old != nil {
			if err := tw.indexKeys(i, key, old[st.head:], &tw.old); err != nil {
				return err
			}
		}
		if value != nil {
			if err := tw.indexKeys(i, key, value, &tw.new); err != nil {
				return err
			}
		}
		for n := range tw.old.len() {
			if ik := tw.old.at(n); !tw.new.has(ik) {
				if err := tw.indexes[i].Delete(indexEntry(ik, key)); err != nil {
					return err
				}
			}
		}
		for n := range tw.new.len() {
			if ik := tw.new.at(n); !tw.old.has(ik) {
				if err := tw.indexes[i].Put(indexEntry(ik, key), indexValue(key)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// indexKeys gathers the keys of index i for a row.
func (tw *tableWriter) indexKeys(i int, key, value []byte, into *keyList) (err error) {
	defer foreignPanic(&err)
	tw.state.table.Indexes[i].Keys(key, value, into.add)
	return nil
}

// foreignPanic is deferred around a function of a table's declaration. Its panic is an error of its own; but when it
// faulted on the row it was given, the file is to blame, and the panic goes on.
func foreignPanic(err *error) {
	if r := recover(); r != nil {
		if isFault(r) {
			panic(r)
		}
		*err = fmt.Errorf("%w: %v", errDeclared, r)
	}
}

// indexRow adds the entries of index i for a row that has none there.
func (tw *tableWriter) indexRow(i int, key, value []byte) error {
	tw.new.reset()
	if err := tw.indexKeys(i, key, value, &tw.new); err != nil {
		return err
	}
	for n := range tw.new.len() {
		if err := tw.indexes[i].Put(indexEntry(tw.new.at(n), key), indexValue(key)); err != nil {
			return err
		}
	}
	return nil
}

// An index entry's key is the index key followed by the row's key; its value is the length of the latter.
func indexEntry(ik, key []byte) []byte { return slices.Concat(ik, key) }
func indexValue(key []byte) []byte     { return binary.BigEndian.AppendUint16(nil, uint16(len(key))) }

// An expiry entry's key is the second followed by the row's key.
func expiryEntry(at uint32, key []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(key)), at), key...)
}
