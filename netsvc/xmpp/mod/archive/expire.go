package archive

import (
	"context"
	"sync"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// trim is the one timer that ends rows, which goes on over reloads.
type trim struct {
	mu    sync.Mutex
	timer *time.Timer // nil: stopped
	turn  func()      // what it does, of the present generation
}

// after makes the next turn come in so long.
func (t *trim) after(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Reset(d)
	}
}

// trimEvery is how often archives are shortened: rows are kept up to so much
// longer than promised.
const trimEvery = 24 * time.Hour

// trimSoon is the time from a start or a reload to the next turn.
const trimSoon = time.Minute

func (m *extension) setupTrim(h xmpp.Host) {
	m.trim = module.Live(h, "archive.trim", func() *trim { return new(trim) })
}

// Start begins to look after the age of rows.
func (m *extension) Start(context.Context) error {
	t := m.trim
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn = m.shorten
	t.timer = time.AfterFunc(trimSoon, func() {
		t.mu.Lock()
		turn := t.turn
		t.mu.Unlock()
		turn()
		t.after(trimEvery)
	})
	return nil
}

// Switch gives the timer to this generation's options.
func (m *extension) Switch() {
	m.trim.mu.Lock()
	m.trim.turn = m.shorten
	m.trim.mu.Unlock()
	m.trim.after(trimSoon)
}

// Stop ends it, whatever is under way.
func (m *extension) Stop(context.Context) error {
	m.trim.mu.Lock()
	defer m.trim.mu.Unlock()
	m.trim.timer.Stop()
	m.trim.timer = nil
	return nil
}

// unset is longer than any clock runs that began in 1970 and was not set: an id of
// that time does not tell how old its row is.
const unset = 10 * 365 * 24 * time.Hour

// shorten deletes what is older than it should be: the ids carry the time, so it is
// one range for each account that has something so old. What was archived before the
// clock of a new board was set for the first time stays.
func (m *extension) shorten() {
	if m.keep == 0 || !stamp.IsSet(time.Now(), m.host.Store().Options().Built) {
		return
	}
	before := uint64(max(0, time.Now().Add(-m.keep).UnixMicro())) // a hundred years ago there was no such number
	var b store.Batch
	err := m.host.Store().View(func(tx *store.Tx) error {
		var next []byte
		for {
			var first []byte
			err := tx.Scan(m.rows, next, nil, false, func(k, _ []byte) bool {
				first = append(first, k...)
				return false
			})
			if err != nil || len(first) < 8 {
				return err
			}
			owner, old := first[:8:8], false
			from, to := table.AppendUint64(owner, uint64(unset.Microseconds())), table.AppendUint64(owner, before)
			err = tx.Scan(m.rows, from, to, false, func(_, _ []byte) bool {
				old = true
				return false
			})
			if err != nil {
				return err
			}
			if old {
				b.DeleteRange(m.rows, from, to)
			}
			if next = table.PrefixEnd(owner); next == nil {
				return nil
			}
		}
	})
	if err != nil {
		m.host.Log().Error("archives cannot be shortened", "cause", err)
		return
	}
	if b.Len() > 0 {
		m.host.Store().Submit(&b, nil)
	}
}
