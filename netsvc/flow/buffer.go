package flow

import "errors"

// DefaultBufferMax is how many unread bytes a Buffer holds unless SetMax said
// otherwise: the largest stanza admitted by default.
const DefaultBufferMax = 256 << 10

// ErrBufferFull is returned by Fill when the Buffer holds its maximum and the
// reader has not discarded any of it.
var ErrBufferFull = errors.New("flow: buffer full")

// Buffer holds the bytes read from a connection and not used yet. Its memory
// is borrowed from the pool when bytes arrive and given back as soon as all
// are discarded. The zero value is ready. One goroutine owns it.
type Buffer struct {
	pool *Pool
	mem  []byte
	r, w int
	max  int
}

// SetMax bounds the unread bytes; 0 means DefaultBufferMax.
func (b *Buffer) SetMax(n int) { b.max = n }

// Bytes returns what is unread. It is valid until the next Discard, Release
// or Fill; the caller may change the bytes in place.
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
	if b.mem != nil {
		b.pool.Put(b.mem)
	}
	b.mem, b.r, b.w = nil, 0, 0
}

// room returns free space behind the unread bytes, at least one byte of it,
// or nil when the maximum is reached.
func (b *Buffer) room(pool *Pool, want int) []byte {
	max := b.max
	if max == 0 {
		max = DefaultBufferMax
	}
	n := b.Len()
	if n >= max {
		return nil
	}
	if b.mem == nil {
		b.pool = pool
		b.mem = pool.Get(want)
	}
	if b.r > 0 && len(b.mem)-b.w < want {
		copy(b.mem, b.mem[b.r:b.w])
		b.r, b.w = 0, n
	}
	if b.w == len(b.mem) {
		next := b.pool.Get(2 * n)
		copy(next, b.mem[b.r:b.w])
		b.pool.Put(b.mem)
		b.mem, b.r, b.w = next, 0, n
	}
	return b.mem[b.w:min(len(b.mem), b.r+max)]
}
