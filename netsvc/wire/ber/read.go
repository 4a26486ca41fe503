package ber

import "errors"

// Tags of the universal class that SNMP uses.
const (
	Integer     = 0x02
	OctetString = 0x04
	Null        = 0x05
	ObjectID    = 0x06
	Sequence    = 0x30
)

// ErrMalformed is the one error of reading: who sent it knows what was sent, and nobody else gains by detail.
var ErrMalformed = errors.New("ber: malformed")

// MaxParts is how many parts an object identifier may have (RFC 3416 section 4.1, RFC 2578 section 7.1.3).
const MaxParts = 128

// Next takes one element off b.
func Next(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, ErrMalformed
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 4 || len(b) < 2+size {
			return 0, nil, nil, ErrMalformed
		}
		var long uint32
		for _, c := range b[2 : 2+size] {
			long = long<<8 | uint32(c)
		}
		at += size
		if long > uint32(len(b)-at) {
			return 0, nil, nil, ErrMalformed
		}
		n = int(long)
	}
	if n > len(b)-at {
		return 0, nil, nil, ErrMalformed
	}
	return b[0], b[at : at+n : at+n], b[at+n:], nil
}

// Expect takes one element with that tag off b.
func Expect(b []byte, tag byte) (content, rest []byte, err error) {
	got, content, rest, err := Next(b)
	if err == nil && got != tag {
		err = ErrMalformed
	}
	return content, rest, err
}

// Int32 takes an INTEGER of 32 bits off b.
func Int32(b []byte) (n int32, rest []byte, err error) {
	content, rest, err := Expect(b, Integer)
	if err != nil {
		return 0, nil, err
	}
	n, err = ParseInt32(content)
	return n, rest, err
}

// ParseInt32 reads the content of an INTEGER.
func ParseInt32(content []byte) (int32, error) {
	if len(content) == 0 || len(content) > 4 {
		return 0, ErrMalformed
	}
	n := int32(int8(content[0]))
	for _, c := range content[1:] {
		n = n<<8 | int32(c)
	}
	return n, nil
}

// ParseUint reads the content of an unsigned number of at most bits bits, which is 32 or 64. One byte more than
// they fill is right when it is zero.
func ParseUint(content []byte, bits int) (uint64, error) {
	size := bits / 8
	if len(content) == size+1 && content[0] == 0 {
		content = content[1:]
	} else if len(content) > 0 && content[0]&0x80 != 0 && len(content) < size {
		return 0, ErrMalformed // a negative number
	}
	if len(content) == 0 || len(content) > size {
		return 0, ErrMalformed
	}
	var n uint64
	for _, c := range content {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// AppendParts appends the parts of an OBJECT IDENTIFIER to dst, at most MaxParts.
func AppendParts(dst []uint32, content []byte) ([]uint32, error) {
	if len(content) == 0 {
		return dst, ErrMalformed
	}
	start := len(dst)
	for len(content) > 0 {
		var n uint32
		if content[0] == 0x80 {
			return dst[:start], ErrMalformed // overlong
		}
		i := 0
		for {
			c := content[i]
			if n>>25 != 0 {
				return dst[:start], ErrMalformed // beyond 32 bits
			}
			n = n<<7 | uint32(c&0x7f)
			if i++; c < 0x80 {
				break
			}
			if i == len(content) {
				return dst[:start], ErrMalformed // unfinished
			}
		}
		content = content[i:]
		if len(dst) == start { // the first two parts are one number
			first := min(n/40, 2)
			dst = append(dst, first, n-40*first)
		} else if len(dst)-start == MaxParts {
			return dst[:start], ErrMalformed
		} else {
			dst = append(dst, n)
		}
	}
	return dst, nil
}
