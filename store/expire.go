package store

import (
	"encoding/binary"
	"time"
)

// Expired rows are absent for readers and preconditions from the second they expire. Taking them out of the file is not
// urgent: every commit takes a few along, and a timer asks for a commit when there is none. Nothing expires while the
// clock is unset.

const (
	sweepAlong = 64               // expired rows a commit takes along
	sweepStep  = 2000             // expired rows taken out when the timer asked for it
	sweepEvery = 10 * time.Minute // between two rounds of the timer
)

// sweep removes up to limit expired rows and reports whether there may be more.
func (w *writeTx) sweep(limit int) (more bool, err error) {
	if w.now == 0 {
		return false, nil
	}
	for _, st := range w.file.tables {
		if st.expiry == nil {
			continue
		}
		b := w.tx.Bucket(st.expiry)
		var keys keyList
		c := b.Cursor()
		for k, _ := c.First(); len(k) > 4 && binary.BigEndian.Uint32(k) <= w.now; k, _ = c.Next() {
			if keys.len() == limit {
				more = true
				break
			}
			keys.add(k[4:])
		}
		limit -= keys.len()
		for i := range keys.len() {
			if err := w.table(st.table).delete(keys.at(i)); err != nil {
				return false, err
			}
		}
		if more {
			return true, nil
		}
	}
	return false, nil
}

// startSweeps runs the timer of expiring rows.
func (f *file) startSweeps() {
	for _, st := range f.tables {
		if st.table.Expires {
			f.sweeper = time.AfterFunc(sweepEvery, f.requestSweep)
			return
		}
	}
}

// requestSweep looks, as a reader, whether anything has expired and asks the writer if so.
func (f *file) requestSweep() {
	due := false
	now := f.store.now()
	if now != 0 {
		f.store.View(func(tx *Tx) error {
			tx.busy = true // what follows reads the file
			for _, st := range f.tables {
				if st.expiry == nil {
					continue
				}
				if b, _ := tx.bucket(st, st.expiry); b != nil {
					k, _ := b.Cursor().First()
					due = due || len(k) > 4 && binary.BigEndian.Uint32(k) <= now
				}
			}
			tx.busy = false
			return nil
		})
	}
	if due {
		p := payloads.Get().(*payload)
		p.ask = askSweep
		f.submit(p)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closing {
		f.sweeper.Reset(sweepEvery)
	}
}
