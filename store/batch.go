package store

import (
	"math"
	"sync"
	"time"

	"linnet/store/table"
)

// Limits of one row. A key has to hold an XMPP address, which may have 3071 bytes (RFC 7622 section 3.1). bbolt allows
// longer keys; a key over a quarter page only makes the tree deep.
const (
	MaxKey   = 4096
	MaxValue = 16 << 20
)

// Batch is an ordered list of changes and preconditions on declared tables: data, never a closure, so that it can be
// grouped, counted, replayed and carried elsewhere. All preconditions are evaluated first, against the state that all
// earlier batches left; if one fails nothing of the batch is done. Then the changes are made in their order.
//
// Keys and values are copied as they are added. Submit takes the contents and leaves the batch empty, ready for use
// again; the zero value is ready too. A Batch belongs to one goroutine.
type Batch struct {
	p *payload
}

type opKind uint8

const (
	opPut opKind = iota
	opDelete
	opDeleteRange
	opAbsent
	opPresent
	opEquals
)

// op is one entry of a batch. Key and value lie one after another in the payload's arena.
type op struct {
	table  *table.Table
	aux    uint64 // opEquals: the version; opPut: expiry in seconds since 1970, 0 for never
	off    uint32
	klen   uint32
	vlen   uint32 // opDeleteRange: length of the end key
	kind   opKind
	openTo bool // opDeleteRange: the range has no end
}

// payload is what a batch carries and the queue keeps. It is pooled: its buffers serve one batch after another.
type payload struct {
	ops     []op
	arena   []byte
	bad     error       // a mistake made while the batch was built
	err     error       // what came of it
	done    func(error) // told once
	barrier func()      // set instead of ops
	job     func()      // runs on the writer between two commits; set instead of ops
	size    int64       // bytes counted as in flight
	ask     uint8       // askMark …
	pre     bool        // has preconditions
}

func (p *payload) key(o *op) []byte { return p.arena[o.off : o.off+o.klen : o.off+o.klen] }
func (p *payload) value(o *op) []byte {
	return p.arena[o.off+o.klen : o.off+o.klen+o.vlen : o.off+o.klen+o.vlen]
}

var payloads = sync.Pool{New: func() any { return new(payload) }}

// release empties p and gives it back, unless it grew so large that keeping it would pin memory.
func (p *payload) release() {
	if cap(p.arena) > 64<<10 || cap(p.ops) > 1024 {
		return
	}
	clear(p.ops)
	*p = payload{ops: p.ops[:0], arena: p.arena[:0]}
	payloads.Put(p)
}

func (b *Batch) add(kind opKind, t *table.Table, key, value []byte, aux uint64) *op {
	if b.p == nil {
		b.p = payloads.Get().(*payload)
	}
	p := b.p
	// A range may begin at the empty key; a row may not have one.
	if (len(key) == 0 && kind != opDeleteRange) || len(key) > MaxKey || len(value) > MaxValue ||
		int64(len(p.arena))+int64(len(key))+int64(len(value)) > math.MaxInt32 {
		p.bad = ErrKey
		key, value = nil, nil
	}
	p.ops = append(p.ops, op{kind: kind, table: t, aux: aux, off: uint32(len(p.arena)), klen: uint32(len(key)), vlen: uint32(len(value))})
	p.arena = append(append(p.arena, key...), value...)
	return &p.ops[len(p.ops)-1]
}

// Put sets the row at key. A row with the same key is replaced; an expiry it had is gone.
func (b *Batch) Put(t *table.Table, key, value []byte) { b.add(opPut, t, key, value, 0) }

// PutUntil is Put with an expiry, in whole seconds. The table must be declared with Expires.
// The zero time means never.
func (b *Batch) PutUntil(t *table.Table, key, value []byte, expires time.Time) {
	o := b.add(opPut, t, key, value, expirySeconds(expires))
	if !o.table.Expires {
		b.p.bad = ErrTable
	}
}

// Delete removes the row at key; that there is none is no error.
func (b *Batch) Delete(t *table.Table, key []byte) { b.add(opDelete, t, key, nil, 0) }

// DeleteRange removes all rows in [from, to); to nil means the end of the table. However many there are, they are gone
// together: no View sees a part of the range removed.
func (b *Batch) DeleteRange(t *table.Table, from, to []byte) {
	o := b.add(opDeleteRange, t, from, to, 0)
	o.openTo = to == nil
}

// Absent makes the batch depend on there being no row at key.
func (b *Batch) Absent(t *table.Table, key []byte) { b.add(opAbsent, t, key, nil, 0); b.p.pre = true }

// Present makes the batch depend on there being a row at key.
func (b *Batch) Present(t *table.Table, key []byte) { b.add(opPresent, t, key, nil, 0); b.p.pre = true }

// Equals makes the batch depend on the row at key having the version, as Tx.GetVersion returned it; 0 means no row.
// The table must be declared with Versioned.
func (b *Batch) Equals(t *table.Table, key []byte, version uint64) {
	b.add(opEquals, t, key, nil, version)
	b.p.pre = true
	if !t.Versioned {
		b.p.bad = ErrTable
	}
}

// Len returns the number of changes and preconditions.
func (b *Batch) Len() int {
	if b.p == nil {
		return 0
	}
	return len(b.p.ops)
}

// Size returns the bytes of all keys and values.
func (b *Batch) Size() int {
	if b.p == nil {
		return 0
	}
	return len(b.p.arena)
}

// Reset empties the batch.
func (b *Batch) Reset() {
	if b.p != nil {
		p := b.p
		b.p = nil
		p.release()
	}
}

// expirySeconds rounds up, so that a row never goes early.
func expirySeconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return uint64(min(max(s, 1), math.MaxUint32))
}
