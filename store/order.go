package store

import (
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"
)

// orderAhead is how far past the last key given out the file reserves order keys, in microseconds. A commit then needs
// to raise the mark only now and then.
const orderAhead = 60_000_000

// counter is a named sequence; last and saved are guarded by Store.counterMu.
type counter struct{ last, saved uint64 }

// Order returns a key greater than every one before it: the time in microseconds, or the last key + 1 when the clock
// stands still or went back, even over a restart. It never blocks.
//
// A commit reserves the keys up to a minute past the last one. So a key is never given out again once a batch submitted
// after it was committed, and a store that was not closed cleanly begins a minute ahead.
func (s *Store) Order() uint64 {
	now := uint64(max(time.Now().UnixMicro(), 0))
	for {
		last := s.order.Load()
		next := max(now, last+1)
		if s.order.CompareAndSwap(last, next) {
			return next
		}
	}
}

// Next returns the next number of the named sequence, beginning with 1. The number is kept by the next commit of
// linnet.db: if the batch that uses it is in the file, so is the number, and it is never given out again.
func (s *Store) Next(name string) uint64 {
	s.counterMu.Lock()
	defer s.counterMu.Unlock()
	c := s.counters[name]
	if c == nil {
		c = new(counter)
		s.counters[name] = c
	}
	c.last++
	return c.last
}

// loadMarks reads the order mark and the counters.
func (s *Store) loadMarks(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		n := binary.BigEndian.Uint64(v)
		if string(k) == string(keyOrder) {
			s.order.Store(n)
			s.mark.Store(n)
			return nil
		}
		s.counters[string(k[1:])] = &counter{last: n, saved: n}
		return nil
	})
}

// saveMarks writes what moved since the last commit. The caller calls saved once the commit succeeded.
func (s *Store) saveMarks(tx *bbolt.Tx) (saved func(), err error) {
	var mark uint64
	b := tx.Bucket(bucketMarks)
	if last := s.order.Load(); last > s.mark.Load() {
		mark = last + orderAhead
		if err := b.Put(keyOrder, binary.BigEndian.AppendUint64(nil, mark)); err != nil {
			return nil, err
		}
	}
	s.counterMu.Lock()
	defer s.counterMu.Unlock()
	var moved []*counter
	var values []uint64
	for name, c := range s.counters {
		if c.last != c.saved {
			if err := b.Put([]byte("#"+name), binary.BigEndian.AppendUint64(nil, c.last)); err != nil {
				return nil, err
			}
			moved, values = append(moved, c), append(values, c.last)
		}
	}
	return func() {
		if mark != 0 {
			s.mark.Store(mark)
		}
		if len(moved) > 0 {
			s.counterMu.Lock()
			for i, c := range moved {
				c.saved = values[i]
			}
			s.counterMu.Unlock()
		}
	}, nil
}
