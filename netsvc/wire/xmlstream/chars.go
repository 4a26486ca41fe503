package xmlstream

import "unicode/utf8"

// What a byte may be without a closer look. Bytes from 0x80 on belong to no class: they begin or
// continue a character that has to be decoded.
const (
	plainText  = 1 << iota // stands for itself in character data, and cannot end "]]>"
	plainValue             // stands for itself in an attribute value and is no quote
	whiteSpace             // XML 1.0, production 3
	nameStart              // begins a name without a prefix
	nameByte               // goes on with one
	inRefName              // stands between '&' and ';'
)

// class is never changed.
var class = func() (t [256]uint8) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = plainText | plainValue
	}
	for _, c := range spaces {
		t[c] = plainText | whiteSpace
	}
	t[' '] |= plainValue // the others become spaces
	for _, c := range "<>&" {
		t[c] = 0
	}
	for _, c := range `'"` {
		t[c] &^= plainValue
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= nameStart | nameByte | inRefName
		t[c-'a'+'A'] |= nameStart | nameByte | inRefName
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= nameByte | inRefName
	}
	t['_'] |= nameStart | nameByte
	t['-'] |= nameByte
	t['.'] |= nameByte
	t['#'] |= inRefName
	return t
}()

const spaces = " \t\r\n"

// What [character] gives instead of a size.
const (
	cutOff    = 0  // the bytes end within the character
	notUTF8   = -1 // no UTF-8
	forbidden = -2 // UTF-8, but no character of XML
)

// character decodes the character at the front of b, which is not ASCII.
func character(b []byte) (r rune, size int) {
	r, size = utf8.DecodeRune(b)
	switch {
	case size <= 1 && !utf8.FullRune(b):
		return r, cutOff
	case size <= 1:
		return r, notUTF8
	case !isChar(r):
		return r, forbidden
	}
	return r, size
}

// isChar is XML 1.0, production 2.
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000: // surrogates
		return false
	}
	return r <= utf8.MaxRune && r != 0xFFFE && r != 0xFFFF
}
