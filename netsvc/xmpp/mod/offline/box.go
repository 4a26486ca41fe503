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
	turn sync.Mutex // held by a flush, so that none overtakes another

	mu    sync.Mutex
	rows  []row // oldest first
	bytes int64
	hand  int64 // bytes of rows that a flush sent and nobody has settled
}

type row struct {
	order  uint64
	size   int32
	flying bool // a client has it in hand, or its commit is under way
	sent   bool // by a flush: counted in box.hand
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
	b.rows = append(b.rows, row{order: order, size: int32(size), flying: true})
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
		b.settle(&b.rows[i])
		b.bytes -= int64(b.rows[i].size)
		b.rows = slices.Delete(b.rows, i, i+1)
	}
}

// settle notes that a row is in nobody's hand. The caller holds the lock.
func (b *box) settle(r *row) {
	if r.sent {
		b.hand -= int64(r.size)
	}
	r.flying, r.sent = false, false
}

// land says that nobody has the row in hand any more.
func (b *box) land(order uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.find(order); ok {
		b.settle(&b.rows[i])
	}
}

// shelve keeps a row that cannot be read from being tried again.
func (b *box) shelve(order uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.find(order); ok {
		b.settle(&b.rows[i])
		b.rows[i].flying = true
	}
}

// window is how many bytes a flush has in clients' hands at a time. It must fit
// into what a server lets wait for a client that reads, at its smallest setting:
// a box may be many times as large, and a client that got it at once would be
// disconnected for reading too slowly, at every login anew.
const window = 48 << 10

// take returns the oldest rows that wait, as many as the window has room for but
// one at least, and has them fly.
func (b *box) take() (list []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		r := &b.rows[i]
		switch {
		case r.flying:
			continue
		case b.hand > 0 && b.hand+int64(r.size) > window:
			return list
		}
		r.flying, r.sent = true, true
		b.hand += int64(r.size)
		list = append(list, r.order)
	}
	return list
}

// more reports whether the window has room again, and there are rows for it: half
// of it at a time, so that not every message is a transaction of its own.
func (b *box) more() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hand > window/2 {
		return false
	}
	return slices.ContainsFunc(b.rows, func(r row) bool { return !r.flying })
}

func (b *box) room(size, messages int, bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows) < messages && b.bytes+int64(size) <= bytes
}
