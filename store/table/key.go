package table

import (
	"encoding/binary"
	"errors"
)

// ErrKey reports a key that none of the encoders of this package wrote.
var ErrKey = errors.New("table: malformed key")

// AppendUint64 appends v in eight bytes whose order is the order of v.
func AppendUint64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }

// AppendUint32 appends v in four bytes whose order is the order of v.
func AppendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// AppendInt64 appends v in eight bytes whose order is the order of v, negative numbers first.
func AppendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

// AppendString appends s so that no encoded string is a prefix of another and byte order is the order of the strings:
// a zero byte becomes 00 FF, and 00 01 ends the string. It takes len(s)+2 bytes when s has no zero byte.
func AppendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(dst, 0, 0xff)
			continue
		}
		dst = append(dst, s[i])
	}
	return append(dst, 0, 1)
}

// AppendBytes is AppendString for a byte slice.
func AppendBytes(dst, b []byte) []byte {
	for _, c := range b {
		if c == 0 {
			dst = append(dst, 0, 0xff)
			continue
		}
		dst = append(dst, c)
	}
	return append(dst, 0, 1)
}

// ReadUint64 reads what AppendUint64 wrote and returns the rest of the key.
func ReadUint64(key []byte) (v uint64, rest []byte, err error) {
	if len(key) < 8 {
		return 0, nil, ErrKey
	}
	return binary.BigEndian.Uint64(key), key[8:], nil
}

// ReadUint32 reads what AppendUint32 wrote and returns the rest of the key.
func ReadUint32(key []byte) (v uint32, rest []byte, err error) {
	if len(key) < 4 {
		return 0, nil, ErrKey
	}
	return binary.BigEndian.Uint32(key), key[4:], nil
}

// ReadInt64 reads what AppendInt64 wrote and returns the rest of the key.
func ReadInt64(key []byte) (v int64, rest []byte, err error) {
	u, rest, err := ReadUint64(key)
	return int64(u ^ 1<<63), rest, err
}

// ReadString reads what AppendString or AppendBytes wrote and returns the rest of the key.
func ReadString(key []byte) (s string, rest []byte, err error) {
	var buf []byte // only needed once an escape is seen
	escaped := false
	for i := 0; i+1 < len(key); i++ {
		if key[i] != 0 {
			if escaped {
				buf = append(buf, key[i])
			}
			continue
		}
		switch key[i+1] {
		case 1:
			if escaped {
				return string(buf), key[i+2:], nil
			}
			return string(key[:i]), key[i+2:], nil
		case 0xff:
			if !escaped {
				escaped, buf = true, append(buf, key[:i]...)
			}
			buf = append(buf, 0)
			i++
		default:
			return "", nil, ErrKey
		}
	}
	return "", nil, ErrKey
}

// PrefixEnd returns the first key after all keys that begin with prefix, for the end of a range; nil, which means the
// end of the table, when there is none.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
