package store

import (
	"bytes"
	"time"

	"go.etcd.io/bbolt"
)

// SetRangeStep makes removed ranges take more transactions.
func (s *Store) SetRangeStep(n int) {
	s.main.rangeStep, s.cache.rangeStep = n, n
}

// BreakMain makes the next write to linnet.db fail.
func (s *Store) BreakMain() { s.main.h.fd.Close() }

// RawRows counts the rows of a table that are in the file, removed or expired ones too, and its expiry entries.
func (s *Store) RawRows(name string) (rows, expiries int) {
	st := s.tables[name]
	st.file.h.db.View(func(tx *bbolt.Tx) error {
		rows = tx.Bucket(st.bucket).Stats().KeyN
		if st.expiry != nil {
			expiries = tx.Bucket(st.expiry).Stats().KeyN
		}
		return nil
	})
	return rows, expiries
}

// Idle reports whether the writers have ended.
func (s *Store) Idle() bool {
	for _, f := range []*file{s.main, s.cache} {
		f.mu.Lock()
		running := f.running
		f.mu.Unlock()
		if running {
			return false
		}
	}
	return true
}

// MainBuckets lists the buckets of linnet.db.
func (s *Store) MainBuckets() (names []string) {
	s.main.h.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			names = append(names, string(name))
			return nil
		})
	})
	return names
}

// MapSize is mapSize.
func MapSize(size int64, cache bool) int { return mapSize(size, cache) }

// SetFormat writes a format into linnet.db.
func (s *Store) SetFormat(v uint32) {
	s.main.h.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketStore).Put(keyFormat, versionBytes(v)) })
	s.main.dirty = true
}

// CheckBytes checks the bytes of a file.
func CheckBytes(b []byte) error { return checkPages(bytes.NewReader(b), int64(len(b)), nil) }

// FirstSnapshot is when the first snapshot after a start at now would be.
func (s *Store) FirstSnapshot(now time.Time) time.Duration { return s.firstSnapshot(now) }

// Closing is closed when Close begins.
func (s *Store) Closing() <-chan struct{} { return s.closing }

// SetAside sets a linnet.db aside as Restore does.
func SetAside(path string) (string, error) { return setAside(path, replacedSuffix) }
