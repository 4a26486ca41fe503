package ber

import "math/bits"

// SizeLength returns how many bytes AppendLength writes for n, 0 ≤ n < 2^24.
func SizeLength(n int) int {
	switch {
	case n < 0x80:
		return 1
	case n < 0x100:
		return 2
	case n < 0x10000:
		return 3
	}
	return 4
}

// AppendLength appends the length of a content.
func AppendLength(dst []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n < 0x100:
		return append(dst, 0x81, byte(n))
	case n < 0x10000:
		return append(dst, 0x82, byte(n>>8), byte(n))
	}
	return append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
}

// SizeElement returns the size of an element with a content of n bytes.
func SizeElement(n int) int { return 1 + SizeLength(n) + n }

// AppendHeader appends the tag and the length of an element whose content, n bytes, follows.
func AppendHeader(dst []byte, tag byte, n int) []byte { return AppendLength(append(dst, tag), n) }

// AppendString appends an element with this content.
func AppendString[T string | []byte](dst []byte, tag byte, content T) []byte {
	return append(AppendHeader(dst, tag, len(content)), content...)
}

// SizeInt returns the size of the content of a signed number.
func SizeInt(n int64) int {
	if n < 0 {
		n = ^n
	}
	return bits.Len64(uint64(n))/8 + 1 // a bit is for the sign
}

// AppendInt appends an element with a signed number.
func AppendInt(dst []byte, tag byte, n int64) []byte {
	size := SizeInt(n)
	dst = append(dst, tag, byte(size))
	for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst
}

// SizeUint returns the size of the content of an unsigned number: of 64 bits with the highest one set, 9.
func SizeUint(n uint64) int { return bits.Len64(n)/8 + 1 }

// AppendUint appends an element with an unsigned number.
func AppendUint(dst []byte, tag byte, n uint64) []byte {
	size := SizeUint(n)
	dst = append(dst, tag, byte(size))
	if size == 9 {
		dst = append(dst, 0)
		size = 8
	}
	for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst
}

func sizePart(n uint32) int {
	if n < 0x80 {
		return 1
	}
	return (bits.Len32(n) + 6) / 7
}

func appendPart(dst []byte, n uint32) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	for shift := 7 * (sizePart(n) - 1); shift > 0; shift -= 7 {
		dst = append(dst, byte(n>>shift)|0x80)
	}
	return append(dst, byte(n)&0x7f)
}

// first joins the first two parts of an object identifier. One of fewer parts than two cannot be written; it
// becomes 0.0, which is what the standards use for none.
func first(parts []uint32) (uint32, []uint32) {
	if len(parts) < 2 {
		return 0, nil
	}
	return 40*parts[0] + parts[1], parts[2:]
}

// SizeParts returns the size of the content of an OBJECT IDENTIFIER.
func SizeParts(parts []uint32) int {
	n, parts := first(parts)
	size := sizePart(n)
	for _, n := range parts {
		if n < 0x80 {
			size++
		} else {
			size += sizePart(n)
		}
	}
	return size
}

// AppendPartsContent appends the content of an OBJECT IDENTIFIER, without tag and length.
func AppendPartsContent(dst []byte, parts []uint32) []byte {
	n, parts := first(parts)
	dst = appendPart(dst, n)
	for _, n := range parts {
		dst = appendPart(dst, n)
	}
	return dst
}

// AppendOID appends an OBJECT IDENTIFIER.
func AppendOID(dst []byte, parts []uint32) []byte {
	return AppendPartsContent(AppendHeader(dst, ObjectID, SizeParts(parts)), parts)
}

// Prepend writes an element's tag and length in front of b[at:end], where its content is, and returns where the
// element begins. The room for it must be there: at ≥ 5.
func Prepend(b []byte, at, end int, tag byte) int {
	n := end - at
	at -= 1 + SizeLength(n)
	AppendHeader(b[at:at], tag, n)
	return at
}

// PrependInt writes a number in front of b[at:] and returns where it begins.
func PrependInt(b []byte, at int, n int64) int {
	at -= 2 + SizeInt(n)
	AppendInt(b[at:at], Integer, n)
	return at
}

// PrependString writes an OCTET STRING in front of b[at:] and returns where it begins.
func PrependString[T string | []byte](b []byte, at int, content T) int {
	at -= SizeElement(len(content))
	AppendString(b[at:at], OctetString, content)
	return at
}
