package flow

import (
	"sync"
	"sync/atomic"
)

// classes are the sizes of pooled chunks in bytes. A stanza fits the first,
// a busy reader uses the third, the last holds the largest stanza we admit.
var classes = [...]int{2 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}

// Pool keeps byte chunks of a few sizes for reuse. What it keeps is bounded:
// a chunk given back beyond the bound is left to the collector. All methods
// may be called concurrently, and on a nil Pool, which never keeps anything.
type Pool struct {
	keep    atomic.Int64 // most bytes kept, over all classes
	kept    atomic.Int64
	out     atomic.Int64 // bytes borrowed and not yet given back
	misses  atomic.Uint64
	borrows atomic.Uint64
	class   [len(classes)]struct {
		mu   sync.Mutex
		free [][]byte
	}
}

// PoolStats is a reading of a Pool's counters. Byte figures are momentary.
type PoolStats struct {
	Borrows, Misses uint64 // chunks handed out, and those of them newly made
	Out, Kept       int64  // bytes in use, bytes waiting for reuse
}

// NewPool returns a pool that keeps at most keep bytes for reuse.
func NewPool(keep int64) *Pool {
	p := new(Pool)
	p.keep.Store(keep)
	return p
}

// Get returns a chunk of at least n bytes, of length equal to its capacity.
// Larger than the largest class is made to measure and never kept.
func (p *Pool) Get(n int) []byte {
	k := classOf(n)
	if k < 0 {
		return make([]byte, n)
	}
	if p == nil {
		return make([]byte, classes[k])
	}
	p.borrows.Add(1)
	p.out.Add(int64(classes[k]))
	c := &p.class[k]
	c.mu.Lock()
	if i := len(c.free) - 1; i >= 0 {
		b := c.free[i]
		c.free[i] = nil
		c.free = c.free[:i]
		c.mu.Unlock()
		p.kept.Add(-int64(len(b)))
		return b
	}
	c.mu.Unlock()
	p.misses.Add(1)
	return make([]byte, classes[k])
}

// Put gives back a chunk that Get returned. The caller keeps no reference.
func (p *Pool) Put(b []byte) {
	b = b[:cap(b)]
	k := classOf(len(b))
	if p == nil || k < 0 || classes[k] != len(b) {
		return
	}
	p.out.Add(-int64(len(b)))
	if p.kept.Add(int64(len(b))) > p.keep.Load() {
		p.kept.Add(-int64(len(b)))
		return
	}
	c := &p.class[k]
	c.mu.Lock()
	c.free = append(c.free, b)
	c.mu.Unlock()
}

// SetKeep changes how many bytes may wait for reuse and drops what is too
// much; the memory guard halves it when the board runs short.
func (p *Pool) SetKeep(keep int64) {
	p.keep.Store(keep)
	for k := len(classes) - 1; k >= 0 && p.kept.Load() > keep; k-- {
		c := &p.class[k]
		c.mu.Lock()
		for i := len(c.free) - 1; i >= 0 && p.kept.Load() > keep; i-- {
			p.kept.Add(-int64(len(c.free[i])))
			c.free[i] = nil
			c.free = c.free[:i]
		}
		c.mu.Unlock()
	}
}

// Stats reads the counters.
func (p *Pool) Stats() PoolStats {
	if p == nil {
		return PoolStats{}
	}
	return PoolStats{Borrows: p.borrows.Load(), Misses: p.misses.Load(), Out: p.out.Load(), Kept: p.kept.Load()}
}

// classOf returns the smallest class that holds n bytes, or -1.
func classOf(n int) int {
	for k, size := range classes {
		if n <= size {
			return k
		}
	}
	return -1
}
