package flow

import (
	"math"
	"sync"
)

const (
	// shareMin is the size from which on a segment is kept by reference
	// instead of being copied next to its neighbours: below it a copy costs
	// less than one more entry of a gathering write.
	shareMin = 8 << 10
	// chunkMax is the largest chunk that copied segments are gathered in.
	chunkMax = 64 << 10
	// gatherMax is the most segments one system call writes.
	gatherMax = 16
)

// queue holds bytes in the order in which they are to be written, and the
// marks of those who want to know. It exists only while something waits; its
// owner is the connection's mutex.
type queue struct {
	segs  []segment // those before first are written and empty
	first int
	marks []mark // those before told are told
	told  int
}

// segment is a run of bytes: mem[r:w] is not written yet.
type segment struct {
	mem  []byte
	r, w int
	own  bool // a chunk of the pool, which takes more bytes behind w
}

// mark stands behind an Item's last byte.
type mark struct {
	end  uint64 // position in the stream of bytes added
	done Done
}

// never is the position of what will not be written.
const never = math.MaxUint64

// queues recycles the two slices of a queue together.
type queues struct{ free sync.Pool }

func (q *queues) get() *queue {
	if q != nil {
		if v, ok := q.free.Get().(*queue); ok {
			return v
		}
	}
	return new(queue)
}

// put takes back an empty queue. One that grew large is left to the collector.
func (q *queues) put(v *queue) {
	if q == nil || cap(v.segs) > 64 || cap(v.marks) > 64 {
		return
	}
	clear(v.segs)
	clear(v.marks)
	*v = queue{segs: v.segs[:0], marks: v.marks[:0]}
	q.free.Put(v)
}

// add appends p, which it copies, or keeps when that costs less.
func (q *queue) add(pool *Pool, p []byte) {
	if len(p) >= shareMin {
		q.segs = append(q.segs, segment{mem: p, w: len(p)})
		return
	}
	size := 0
	if last := len(q.segs) - 1; last >= q.first {
		if s := &q.segs[last]; s.own {
			n := copy(s.mem[s.w:], p)
			s.w += n
			p = p[n:]
			size = 2 * len(s.mem)
		}
	}
	if len(p) == 0 {
		return
	}
	chunk := pool.Get(min(max(size, len(p)), chunkMax))
	q.segs = append(q.segs, segment{mem: chunk, w: copy(chunk, p), own: true})
}

// peek appends to dst, up to its capacity, what comes next, of at most limit
// bytes. The bytes stay valid until they are dropped; adding does not move them.
func (q *queue) peek(dst [][]byte, limit int) [][]byte {
	for i := q.first; i < len(q.segs) && len(dst) < cap(dst) && limit > 0; i++ {
		s := &q.segs[i]
		b := s.mem[s.r:s.w]
		if len(b) > limit {
			b = b[:limit]
		}
		limit -= len(b)
		dst = append(dst, b)
	}
	return dst
}

// drop removes the first n bytes, which were written.
func (q *queue) drop(pool *Pool, n int) {
	for n > 0 {
		s := &q.segs[q.first]
		k := min(n, s.w-s.r)
		s.r += k
		n -= k
		if s.r < s.w {
			return
		}
		if s.own {
			pool.Put(s.mem)
		}
		*s = segment{}
		q.first++
	}
	if q.first == len(q.segs) {
		q.segs, q.first = q.segs[:0], 0
	} else if q.first >= gatherMax && q.first > len(q.segs)/2 {
		// Something always waits here: move it to the front, or the
		// slice would grow for ever.
		n := copy(q.segs, q.segs[q.first:])
		clear(q.segs[n:])
		q.segs, q.first = q.segs[:n], 0
	}
}

// empty says whether no bytes wait.
func (q *queue) empty() bool { return q == nil || q.first == len(q.segs) }

// due removes and appends to dst, up to its capacity, the marks that end at or
// before position end.
func (q *queue) due(dst []Done, end uint64) []Done {
	for q.told < len(q.marks) && len(dst) < cap(dst) && q.marks[q.told].end <= end {
		dst = append(dst, q.marks[q.told].done)
		q.marks[q.told] = mark{}
		q.told++
	}
	if q.told == len(q.marks) {
		q.marks, q.told = q.marks[:0], 0
	} else if q.told >= 64 && q.told > len(q.marks)/2 {
		n := copy(q.marks, q.marks[q.told:])
		clear(q.marks[n:])
		q.marks, q.told = q.marks[:n], 0
	}
	return dst
}

// discard drops all bytes and leaves the marks.
func (q *queue) discard(pool *Pool) {
	for i := q.first; i < len(q.segs); i++ {
		if q.segs[i].own {
			pool.Put(q.segs[i].mem)
		}
	}
	clear(q.segs)
	q.segs, q.first = q.segs[:0], 0
}
