package flow

import "errors"

// DefaultBufferMax is how many unread bytes a Buffer holds unless SetMax said
// otherwise: the largest stanza admitted by default.
const DefaultBufferMax = 256 << 10

// ErrBufferFull is what a reader gets whose Buffer holds its maximum of unread
// bytes; it is final.
var ErrBufferFull = errors.New("flow: buffer full")

// Buffer holds the bytes read from a connection and not used yet. Its memory
// is borrowed from a pool when bytes arrive and given back as soon as all are
// discarded. The zero value is ready. One goroutine owns it at a time: the one
// that calls Fill, or the Turn it is passed to.
type Buffer struct {
	pool *Pool
	mem  []byte
	r, w int  // the unread bytes are mem[r:w]
	max  int  // 0: DefaultBufferMax
	lent bool // mem is a leader's, for the time of one Turn
}

// SetMax bounds the unread bytes; 0 means DefaultBufferMax.
func (b *Buffer) SetMax(n int) { b.max = n }

// Bytes returns what is unread. It is valid until the next Discard, Release or
// Fill and until the Turn ends; the caller may change the bytes in place.
func (b *Buffer) Bytes() []byte { return b.mem[b.r:b.w] }

// Len returns the number of unread bytes.
func (b *Buffer) Len() int { return b.w - b.r }

// Discard drops the first n unread bytes; n beyond Len panics.
func (b *Buffer) Discard(n int) {
	if n < 0 || n > b.Len() {
		panic("flow: discard beyond the buffer's end")
	}
	b.r += n
	if b.r == b.w {
		b.Release()
	}
}

// Release drops all bytes and gives the memory back.
func (b *Buffer) Release() {
	if b.mem != nil && !b.lent {
		b.pool.Put(b.mem)
	}
	b.mem, b.r, b.w, b.lent = nil, 0, 0, false
}

// lend makes scratch the buffer's memory until settle, unless much is unread.
func (b *Buffer) lend(pool *Pool, scratch []byte) {
	n := b.Len()
	if scratch == nil || n > len(scratch)/4 {
		return
	}
	copy(scratch, b.Bytes())
	b.Release()
	b.pool, b.mem, b.w, b.lent = pool, scratch, n, true
}

// settle is called when the buffer is about to wait: what is unread moves to
// memory of its own that is no larger than need be, or none.
func (b *Buffer) settle() {
	n := b.Len()
	if n == 0 {
		b.Release()
		return
	}
	if !b.lent && classOf(n) == classOf(len(b.mem)) {
		return
	}
	b.move(n)
}

// room returns free space behind the unread bytes, at least least bytes unless
// the maximum is in the way, or nil when that is reached. A buffer without
// memory gets want bytes of it.
func (b *Buffer) room(pool *Pool, want, least int) []byte {
	limit := b.max
	if limit == 0 {
		limit = DefaultBufferMax
	}
	n := b.Len()
	if n >= limit {
		return nil
	}
	switch {
	case b.mem == nil:
		b.pool = pool
		b.mem = pool.Get(want)
	case len(b.mem)-b.w >= least:
	case b.r >= len(b.mem)/2 && len(b.mem)-n >= least:
		// At least half is free in front: what is unread moves there,
		// which costs less than half of what was read since.
		copy(b.mem, b.mem[b.r:b.w])
		b.r, b.w = 0, n
	default:
		b.move(min(max(2*len(b.mem), n+least), max(limit, classes[0])))
	}
	return b.mem[b.w:min(len(b.mem), b.r+limit)]
}

// move puts the unread bytes into another chunk, of at least size bytes.
func (b *Buffer) move(size int) {
	next := b.pool.Get(size)
	n := copy(next, b.mem[b.r:b.w])
	pool := b.pool
	b.Release()
	b.pool, b.mem, b.w = pool, next, n
}
