package offline

import (
	"slices"
	"sync"

	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// box is what is known in memory of one account's rows: enough to hold the limits
// and to deliver none twice.
type box struct {
	mu    sync.Mutex
	rows  []row // oldest first
	bytes int64
}

type row struct {
	order  uint64
	size   int32
	flying bool // a client has it in hand, or its commit is under way
}

// box returns the account's box, read on first use.
func (m *module) box(a xmpp.Account) (*box, error) {
	if b := m.boxes.Of(a); b != nil {
		return b, nil
	}
	var b *box
	var err error
	a.Decide(func() {
		if b = m.boxes.Of(a); b != nil {
			return
		}
		b = new(box)
		prefix := table.AppendUint64(nil, uint64(a.ID()))
		err = m.host.Store().View(func(tx *store.Tx) error {
			return tx.Scan(m.table, prefix, table.PrefixEnd(prefix), false, func(k, v []byte) bool {
				if order, _, err := table.ReadUint64(k[len(prefix):]); err == nil {
					b.rows = append(b.rows, row{order: order, size: int32(len(v))})
					b.bytes += int64(len(v))
				}
				return true
			})
		})
		if err == nil {
			m.boxes.Set(a, b)
		}
	})
	return b, err
}

// next adds a row of that size, in flight, and returns its order key.
func (b *box) next(s *store.Store, size int) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	order := s.Order() // under the lock: rows stay sorted
	b.rows = append(b.rows, row{order, int32(size), true})
	b.bytes += int64(size)
	return order
}

func (b *box) find(order uint64) (int, bool) {
	return slices.BinarySearchFunc(b.rows, order, func(r row, o uint64) int {
		switch {
		case r.order < o:
			return -1
		case r.order > o:
			return 1
		}
		return 0
	})
}

func (b *box) remove(order uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.find(order); ok {
		b.bytes -= int64(b.rows[i].size)
		b.rows = slices.Delete(b.rows, i, i+1)
	}
}

// land says that nobody has the row in hand any more.
func (b *box) land(order uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.find(order); ok {
		b.rows[i].flying = false
	}
}

// take returns the rows that wait, and has them fly.
func (b *box) take() (list []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if !b.rows[i].flying {
			b.rows[i].flying = true
			list = append(list, b.rows[i].order)
		}
	}
	return list
}

func (b *box) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows) == 0
}

func (b *box) room(size, messages int, bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows) < messages && b.bytes+int64(size) <= bytes
}
