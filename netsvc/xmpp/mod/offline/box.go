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

	// Rows are handed out by one goroutine at a time, and no more of them than a
	// client can be expected to take at once.
	handing bool
	paused  bool // of handing: until the client has settled some
	hand    int  // bytes of rows handed out and not settled
}

type row struct {
	order  uint64
	size   int32
	flying bool // a client has it in hand, or its commit is under way
	taken  bool // to be handed out: it counts in box.hand until that is settled
}

// window is how many bytes of rows a client may have in hand: its outbox and its
// queue of unacknowledged stanzas hold more than that.
const window = 48 << 10

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

// add adds a row of that size, in flight, and returns its order key. ok is false,
// and nothing was added, when there is no room for it within the limits.
func (b *box) add(s *store.Store, size, messages int, bytes int64) (order uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) >= messages || b.bytes+int64(size) > bytes {
		return 0, false
	}
	order = s.Order() // under the lock: rows stay sorted
	b.rows = append(b.rows, row{order: order, size: int32(size), flying: true})
	b.bytes += int64(size)
	return order, true
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

// remove takes a row out that nobody will get any more. on reports whether somebody
// should go on for one who paused.
func (b *box) remove(order uint64) (on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.find(order)
	if !ok {
		return false
	}
	on = b.settle(&b.rows[i])
	b.bytes -= int64(b.rows[i].size)
	if i == 0 { // nearly always
		b.rows = b.rows[1:]
	} else {
		b.rows = slices.Delete(b.rows, i, i+1)
	}
	return on
}

// land says that nobody has the row in hand any more. on is that of remove.
func (b *box) land(order uint64) (on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.find(order)
	if !ok {
		return false
	}
	b.rows[i].flying = false
	return b.settle(&b.rows[i])
}

// skip is for a row that cannot be read: nobody gets it.
func (b *box) skip(order uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.find(order); ok {
		b.settle(&b.rows[i])
	}
}

// settle takes a row off the window. The caller holds mu.
func (b *box) settle(r *row) (on bool) {
	if !r.taken {
		return false
	}
	r.taken = false
	b.hand -= int(r.size)
	on = b.paused && b.hand <= window/2
	b.paused = b.paused && !on
	return on
}

// lift has a row fly that waits; false when there is none.
func (b *box) lift(order uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.find(order)
	if ok {
		b.rows[i].flying = true
	}
	return ok
}

// begin makes the caller the one who hands rows out: yes. first says that nobody
// was before; otherwise the caller goes on for one who paused.
func (b *box) begin() (first, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.handing {
		b.handing = slices.ContainsFunc(b.rows, waiting)
		return b.handing, b.handing
	}
	yes = b.paused
	b.paused = false
	return false, yes
}

func waiting(r row) bool { return !r.flying }

// take returns the next row that waits, in flight now. When there is none the caller
// has done: for good if left is false, until the client has settled some if it is
// true.
func (b *box) take() (order uint64, ok, left bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.rows, waiting) // not far: what flies is in front, and fits the window
	if i < 0 {
		b.handing = false
		return 0, false, false
	}
	r := &b.rows[i]
	if b.hand > 0 && b.hand+int(r.size) > window {
		b.paused = true
		return 0, false, true
	}
	r.flying, r.taken = true, true
	b.hand += int(r.size)
	return r.order, true, false
}

// stop is for who hands rows out and does not go on, although there may be some.
func (b *box) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handing = false
}

// oldest returns the oldest row if it waits.
func (b *box) oldest() (order uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) == 0 || b.rows[0].flying {
		return 0, false
	}
	return b.rows[0].order, true
}
