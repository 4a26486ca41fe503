package table

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrRow reports a value that Reader could not take apart.
var ErrRow = errors.New("table: malformed row")

// Writer makes the value of a row that is a list of fields: numbers as varints, texts with their length in front. What
// the fields are the reader knows; a byte before them says by which version of the list. Rows whose order or size
// matters are better off with the encoders of keys.
type Writer []byte

// NewWriter begins a row.
func NewWriter(version byte) Writer { return Writer{version} }

// Number adds a number that is never negative.
func (w *Writer) Number(v uint64) { *w = binary.AppendUvarint(*w, v) }

// Int adds any number.
func (w *Writer) Int(v int64) { *w = binary.AppendVarint(*w, v) }

// Text adds a text.
func (w *Writer) Text(s string) {
	w.Number(uint64(len(s)))
	*w = append(*w, s...)
}

// Bytes adds bytes.
func (w *Writer) Bytes(b []byte) {
	w.Number(uint64(len(b)))
	*w = append(*w, b...)
}

// Time adds a moment, to the second; the zero Time stays what it is.
func (w *Writer) Time(t time.Time) {
	if t.IsZero() {
		w.Number(0)
		return
	}
	w.Number(1)
	w.Int(t.Unix())
}

// Reader takes a row apart in the order it was written. After the first mistake, which Err tells, it reads zeros.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader begins to read a row of that version of the list.
func NewReader(version byte, v []byte) *Reader {
	if len(v) == 0 || v[0] != version {
		return &Reader{bad: true}
	}
	return &Reader{rest: v[1:]}
}

// Fail makes the row a bad one: for who finds that a field holds nonsense.
func (r *Reader) Fail() { r.rest, r.bad = nil, true }

// Err returns ErrRow if anything was wrong so far.
func (r *Reader) Err() error {
	if r.bad {
		return ErrRow
	}
	return nil
}

// Number reads what Writer.Number wrote.
func (r *Reader) Number() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

// Int reads what Writer.Int wrote.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

// skip goes on behind a number; n is what package binary says of it.
func (r *Reader) skip(n int) {
	if n <= 0 {
		r.Fail()
		return
	}
	r.rest = r.rest[n:]
}

// Bytes reads what Writer.Bytes wrote: a part of the row itself.
func (r *Reader) Bytes() []byte {
	n := r.Number()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Text reads what Writer.Text wrote.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Time reads what Writer.Time wrote, in UTC.
func (r *Reader) Time() time.Time {
	if r.Number() == 0 {
		return time.Time{}
	}
	v := r.Int()
	if r.bad {
		return time.Time{}
	}
	return time.Unix(v, 0).UTC()
}
