package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrEncoding reports bytes that AppendBinary did not write.
var ErrEncoding = errors.New("store: malformed batch")

// AppendBinary appends the batch in a form that ReadBatch reads, here or on another machine: that is how a replicated log
// carries batches. The batch stays as it is. Tables go by name.
//
// Format: the number of entries, then for each the kind, the table's name, the number that goes with the kind, the key
// and the value, lengths and numbers as uvarints.
func (b *Batch) AppendBinary(dst []byte) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(b.Len()))
	if b.p == nil {
		return dst, nil
	}
	if b.p.bad != nil {
		return nil, b.p.bad
	}
	for i := range b.p.ops {
		o := &b.p.ops[i]
		kind := byte(o.kind)
		if o.openTo {
			kind |= openToBit
		}
		dst = append(dst, kind)
		dst = appendBytes(dst, o.table.Name)
		dst = binary.AppendUvarint(dst, o.aux)
		dst = appendBytes(dst, b.p.key(o))
		dst = appendBytes(dst, b.p.value(o))
	}
	return dst, nil
}

const openToBit = 0x80

func appendBytes[T string | []byte](dst []byte, v T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

// ReadBatch adds to b the entries that AppendBinary wrote. It returns an error for a table that the store does not have,
// and for bytes that are no batch; b is then to be thrown away.
func (s *Store) ReadBatch(b *Batch, data []byte) error {
	r := reader{data: data}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		kind := r.byte()
		name, aux := r.bytes(), r.uvarint()
		key, value := r.bytes(), r.bytes()
		if r.err != nil {
			break
		}
		st := s.tables[string(name)]
		if st == nil {
			return fmt.Errorf("%w: %q", ErrTable, name)
		}
		open := kind&openToBit != 0
		k := opKind(kind &^ openToBit)
		if k > opEquals || open && (k != opDeleteRange || len(value) > 0) || aux != 0 && k != opEquals && k != opPut {
			return ErrEncoding
		}
		if k == opPut && (aux > 1<<32-1 || aux > 0 && !st.table.Expires) || k == opEquals && !st.table.Versioned {
			return ErrEncoding
		}
		b.add(k, st.table, key, value, aux).openTo = open
		b.p.pre = b.p.pre || k > opDeleteRange
	}
	if r.err == nil && len(r.data) > 0 {
		r.err = ErrEncoding
	}
	if r.err == nil && b.p != nil {
		r.err = b.p.bad
	}
	return r.err
}

// reader takes apart what AppendBinary wrote; after the first error it returns nothing more.
type reader struct {
	data []byte
	err  error
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data, r.err = nil, ErrEncoding
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.data, r.err = nil, ErrEncoding
		return nil
	}
	v := r.data[:n]
	r.data = r.data[n:]
	return v
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}
