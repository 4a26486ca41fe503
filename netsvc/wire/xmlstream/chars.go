package xmlstream

import "unicode/utf8"

// What a byte may be without a closer look. Bytes from 0x80 on belong to no class: they start or continue a character that has to
// be decoded.
const (
	inText   = 1 << iota // stands for itself in character data; '>' is looked at because of "]]>"
	inCDATA              // the same within a CDATA section
	inSingle             // stands for itself within '…'
	inDouble             // stands for itself within "…"
	inName               // goes on with a name
	inStart              // starts a name
	isSpace              // white space, XML 1.0 production 3
	inRef                // may stand between & and ;
)

var class = makeClasses()

func makeClasses() (t [256]uint8) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = inText | inCDATA | inSingle | inDouble
	}
	for _, c := range "\t\n\r" {
		t[c] = inText | inCDATA | isSpace // within attributes each becomes a space: not for itself
	}
	t[' '] |= isSpace
	t['<'] &^= inText | inSingle | inDouble
	t['&'] &^= inText | inSingle | inDouble
	t['>'] &^= inText | inCDATA
	t['\''] &^= inSingle
	t['"'] &^= inDouble
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= inName | inStart | inRef
		t[c-0x20] |= inName | inStart | inRef
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= inName | inRef
	}
	t['_'] |= inName | inStart
	t['-'] |= inName
	t['.'] |= inName
	t['#'] |= inRef
	return t
}

// What [character] says instead of a size.
const (
	cutOff    = 0  // the bytes end within the character
	notUTF8   = -1 // no UTF-8
	forbidden = -2 // UTF-8, but no character of XML
)

// character decodes the character at the front of b, which is not ASCII.
func character(b []byte) (r rune, size int) {
	r, size = utf8.DecodeRune(b)
	switch {
	case size <= 1:
		if !utf8.FullRune(b) {
			return 0, cutOff
		}
		return 0, notUTF8
	case r == 0xFFFE || r == 0xFFFF:
		return r, forbidden
	}
	return r, size
}

// isChar is production 2 of XML 1.0.
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r <= 0x10FFFF && r != 0xFFFE && r != 0xFFFF
}

// nameRune reports whether r, which is not ASCII, may stand in a name or, with start, begin one.
func nameRune(r rune, start bool) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	case r >= 0x3041 && r <= 0x3094, r >= 0x4E00 && r <= 0x9FA5, r >= 0xAC00 && r <= 0xD7A3:
		return true
	}
	return false
}
