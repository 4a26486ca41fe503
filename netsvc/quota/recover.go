package quota

import (
	"context"
	"time"

	"linnet/store"
)

// recover charges what was open when the program died: all of each lease, since
// nobody knows how much of it flowed.
func (l *Ledger) recover(ctx context.Context) error {
	var settle []settlement
	err := l.store.View(func(tx *store.Tx) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		var found []lease
		var bad error
		err := tx.Scan(l.tables.leases, nil, nil, false, func(k, v []byte) bool {
			var row lease
			row, bad = decodeLease(k, v)
			found = append(found, row)
			return bad == nil
		})
		if err == nil {
			err = bad
		}
		for i := 0; i < len(found) && err == nil; i++ {
			var s settlement
			s, err = l.charge(tx, &found[i])
			settle = append(settle, s)
		}
		return err
	})
	if err != nil || len(settle) == 0 {
		return err
	}
	var b store.Batch
	now, sum := time.Now(), int64(0)
	l.mu.Lock()
	for i := range settle {
		l.batch(&b, &settle[i], now)
		sum += settle[i].entry.Out + settle[i].entry.In
	}
	l.mu.Unlock()
	if err := l.store.Apply(ctx, &b); err != nil {
		return err
	}
	l.log.Warn("flows were cut by a crash: their leases count as used", "count", len(settle), "bytes", sum)
	return nil
}

// charge settles one lease that nobody closed. The caller holds mu.
func (l *Ledger) charge(tx *store.Tx, row *lease) (s settlement, err error) {
	e := &row.entry
	if rest := row.granted - e.Out - e.In; rest > 0 {
		if e.In > e.Out {
			e.In += rest
		} else {
			e.Out += rest
		}
	}
	for _, c := range row.charges {
		if c.meter, err = l.meter(tx, c.key, ""); err != nil {
			return s, err
		}
		c.add([2]int64{Forward: e.Out, Back: e.In})
		s.charges = append(s.charges, c)
	}
	if row.purse.scope == Credit {
		if s.purse, err = l.meter(tx, row.purse, ""); err != nil {
			return s, err
		}
		s.purse.in -= e.Out + e.In
		e.Credit = e.Out + e.In
	}
	s.id, s.entry = e.Order, *e
	s.entry.Reason = "crash" // its End is when the lease was asked for
	s.entry.Order = l.store.Order()
	return s, nil
}
