package flow

import "sync"

// classes are the sizes of pooled chunks in bytes. A stanza fits the first,
// a leader reads with the fourth, the last holds the largest stanza admitted.
var classes = [...]int{2 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}

// DefaultKeep is how many bytes a Pool keeps for reuse unless told otherwise.
const DefaultKeep = 2 << 20

// Pool lends byte chunks of a few sizes. What it keeps for reuse is bounded:
// a chunk given back beyond the bound is left to the collector. All methods
// may be called concurrently, and on a nil Pool, which never keeps anything.
type Pool struct {
	class [len(classes)]class

	mu   sync.Mutex // guards keep and, with the class's own lock, each share
	keep int64
}

// class is the free list of one size.
type class struct {
	mu              sync.Mutex
	share           int // most chunks kept
	free            [][]byte
	borrows, misses uint64
	out             int64 // chunks
}

// PoolStats is a reading of a Pool's counters. The byte figures are momentary.
type PoolStats struct {
	Borrows uint64 // chunks lent since the start
	Misses  uint64 // those of them that had to be made
	Out     int64  // bytes lent now
	Kept    int64  // bytes waiting for reuse
	Keep    int64  // most bytes that may wait
}

// NewPool returns a pool that keeps at most keep bytes for reuse.
func NewPool(keep int64) *Pool {
	p := new(Pool)
	p.SetKeep(keep)
	return p
}

// SetKeep changes how many bytes may wait for reuse and drops what is too
// much. The memory guard halves it when the board runs short.
func (p *Pool) SetKeep(keep int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep = keep
	for k := range p.class {
		c := &p.class[k]
		c.mu.Lock()
		// Each class has an equal share, so that a burst of one size
		// cannot leave the others without.
		c.share = int(keep / int64(len(classes)) / int64(classes[k]))
		if keep > 0 && classes[k] <= layerSize {
			// Reading needs these: without one to reuse, each Turn
			// would make garbage.
			c.share = max(c.share, 1)
		}
		for len(c.free) > c.share {
			c.free[len(c.free)-1] = nil
			c.free = c.free[:len(c.free)-1]
		}
		c.mu.Unlock()
	}
}

// Get returns a chunk of at least n bytes, of length equal to its capacity.
// What is larger than the largest class is made to measure and never kept.
func (p *Pool) Get(n int) []byte {
	k := classOf(n)
	if k < 0 {
		return make([]byte, n)
	}
	if p == nil {
		return make([]byte, classes[k])
	}
	c := &p.class[k]
	c.mu.Lock()
	c.borrows++
	c.out++
	if i := len(c.free) - 1; i >= 0 {
		b := c.free[i]
		c.free[i] = nil
		c.free = c.free[:i]
		c.mu.Unlock()
		return b
	}
	c.misses++
	c.mu.Unlock()
	return make([]byte, classes[k])
}

// Put gives back a chunk that Get returned. The caller keeps no reference.
func (p *Pool) Put(b []byte) {
	b = b[:cap(b)]
	k := classOf(len(b))
	if p == nil || k < 0 || classes[k] != len(b) {
		return
	}
	c := &p.class[k]
	c.mu.Lock()
	c.out--
	if len(c.free) < c.share {
		c.free = append(c.free, b)
	}
	c.mu.Unlock()
}

// forget takes note that a chunk will not come back.
func (p *Pool) forget(b []byte) {
	k := classOf(cap(b))
	if p == nil || k < 0 {
		return
	}
	c := &p.class[k]
	c.mu.Lock()
	c.out--
	c.mu.Unlock()
}

// Stats reads the counters.
func (p *Pool) Stats() PoolStats {
	var s PoolStats
	if p == nil {
		return s
	}
	p.mu.Lock()
	s.Keep = p.keep
	p.mu.Unlock()
	for k := range p.class {
		c := &p.class[k]
		c.mu.Lock()
		s.Borrows += c.borrows
		s.Misses += c.misses
		s.Out += c.out * int64(classes[k])
		s.Kept += int64(len(c.free)) * int64(classes[k])
		c.mu.Unlock()
	}
	return s
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
