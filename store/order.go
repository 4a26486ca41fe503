package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// orderAhead is how far past the last key given out the file reserves order keys, in microseconds. So a commit has to
// raise the mark only now and then.
const orderAhead = 60_000_000

// orderGrace is how long a key beyond the mark may wait for a commit that happens anyway.
const orderGrace = time.Second

// counterAhead is by how much a restore moves every counter on: numbers given out after the snapshot was made are not
// given out again.
const counterAhead = 1 << 16

// counter is a named sequence; last and saved are guarded by Store.counterMu.
type counter struct{ last, saved uint64 }

// Order returns a key greater than every one before it: the time in microseconds, or the last key + 1 when the clock
// stands still or went back, even over a restart. It never blocks.
//
// No key needs a commit of its own: a commit reserves the keys of the next minute, and a store that was not closed in
// order begins a further minute ahead. So a key is never given out again once a batch submitted after it was committed,
// or a second has passed; before that it could be only if the process dies and the clock has gone back as well.
func (s *Store) Order() uint64 {
	now := uint64(max(time.Now().UnixMicro(), 0))
	for {
		last := s.order.Load()
		next := max(now, last+1)
		if s.order.CompareAndSwap(last, next) {
			if next > s.mark.Load() && s.marking.CompareAndSwap(false, true) {
				time.AfterFunc(orderGrace, s.raiseMark)
			}
			return next
		}
	}
}

// raiseMark asks for a commit if none has raised the mark meanwhile.
func (s *Store) raiseMark() {
	s.marking.Store(false)
	if s.order.Load() > s.mark.Load() && !s.closed.Load() {
		p := payloads.Get().(*payload)
		p.ask = askMark
		s.main.submit(p)
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
	s.countersMoved.Store(true)
	return c.last
}

// loadMarks reads the order mark and the counters as the file is opened.
func (s *Store) loadMarks(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if len(v) != 8 || len(k) == 0 {
			return fmt.Errorf("%w: mark %q", ErrDamaged, k)
		}
		n := binary.BigEndian.Uint64(v)
		if string(k) == string(keyOrder) {
			s.mark.Store(n)
			if s.report.Unclean {
				n += orderAhead
			}
			s.order.Store(n)
			return nil
		}
		s.counters[string(k[1:])] = &counter{last: n, saved: n}
		return nil
	})
}

// saveMarks writes the marks that moved; what it returns is called after the commit. Only linnet.db has marks.
func (f *file) saveMarks(tx *bbolt.Tx) (saved func(), err error) {
	if !f.durable {
		return nil, nil
	}
	s := f.store
	last, mark := s.order.Load(), s.mark.Load()
	if last > mark {
		mark = last + orderAhead
	}
	return s.writeMarks(tx, mark)
}

// finalMarks is saveMarks when the store is closed in order: then the last key is known.
func (f *file) finalMarks(tx *bbolt.Tx) (saved func(), err error) {
	if !f.durable {
		return nil, nil
	}
	return f.store.writeMarks(tx, f.store.order.Load())
}

func (s *Store) writeMarks(tx *bbolt.Tx, mark uint64) (saved func(), err error) {
	// Cleared before the counters are read: a number drawn meanwhile sets it again.
	moved := s.countersMoved.Swap(false)
	if mark == s.mark.Load() && !moved {
		return nil, nil
	}
	b := tx.Bucket(bucketMarks)
	defer func() {
		if err != nil && moved {
			s.countersMoved.Store(true)
		}
	}()
	if err := b.Put(keyOrder, binary.BigEndian.AppendUint64(nil, mark)); err != nil {
		return nil, err
	}
	values := make(map[*counter]uint64)
	s.counterMu.Lock()
	defer s.counterMu.Unlock()
	for name, c := range s.counters {
		if c.last != c.saved {
			if err := b.Put([]byte("#"+name), binary.BigEndian.AppendUint64(nil, c.last)); err != nil {
				return nil, err
			}
			values[c] = c.last
		}
	}
	return func() {
		s.mark.Store(mark)
		s.counterMu.Lock()
		defer s.counterMu.Unlock()
		for c, v := range values {
			c.saved = v
		}
	}, nil
}
