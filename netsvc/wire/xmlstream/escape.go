package xmlstream

import (
	"bytes"
	"unicode/utf8"
)

// AppendText appends s as character data. What XML cannot carry (control characters, bytes that
// are no UTF-8) becomes U+FFFD, so that what we send never ends the receiver's stream.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, plainText) }

// AppendAttr appends s as the value of an attribute, without quotes and for either kind of them.
// What XML cannot carry is replaced as in [AppendText].
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, plainValue) }

func appendEscaped(dst []byte, s string, plain uint8) []byte {
	done := 0 // what of s is in dst
	for i := 0; i < len(s); {
		c := s[i]
		if class[c]&plain != 0 && c != '\r' {
			i++
			continue
		}
		instead, size := "", 1
		if c < utf8.RuneSelf {
			instead = escapeOf(c)
		} else {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); size > 1 && isChar(r) {
				i += size
				continue
			}
			instead = "\uFFFD"
		}
		dst = append(append(dst, s[done:i]...), instead...)
		i += size
		done = i
	}
	return append(dst, s[done:]...)
}

func escapeOf(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\'':
		return "&apos;"
	case '"':
		return "&quot;"
	case '\t': // this and the next would be read as spaces in an attribute
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r': // would be read as a line feed anywhere
		return "&#13;"
	}
	return "\uFFFD"
}

// AppendUnescapedAttr appends the value that the raw bytes between an attribute's quotes stand
// for: references are resolved and each white space character is a space (XML 1.0, 3.3.3). raw
// must come from a [Scanner].
func AppendUnescapedAttr(dst, raw []byte) []byte { return appendUnescaped(dst, raw, true) }

// AppendUnescapedText appends the character data that raw stands for: references are resolved,
// line ends become line feeds (XML 1.0, 2.11). raw must come from a [Scanner] and hold no tag or
// CDATA section.
func AppendUnescapedText(dst, raw []byte) []byte { return appendUnescaped(dst, raw, false) }

func appendUnescaped(dst, raw []byte, attr bool) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '&':
			end := bytes.IndexByte(raw[i:], ';')
			if end < 0 {
				return append(dst, raw[i:]...) // cannot come from a Scanner
			}
			if r, ok := reference(raw[i+1 : i+end]); ok {
				dst = utf8.AppendRune(dst, r)
			}
			i += end + 1
			continue
		case c == '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			c = '\n'
		}
		if attr && (c == '\n' || c == '\t') {
			c = ' '
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// reference gives the character that the name between & and ; stands for. known is false for what
// is neither one of the predefined entities nor a reference to a character of XML.
func reference(name []byte) (r rune, known bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], rune(10)
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if len(digits) == 0 {
		return 0, false
	}
	for _, c := range digits {
		var d rune
		switch {
		case c >= '0' && c <= '9':
			d = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			d = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			d = rune(c-'A') + 10
		default:
			return 0, false
		}
		// Leading zeros are legal in any number; past the last character the value stays past it.
		if r = r*base + d; r > 0x10FFFF {
			r = 0x110000
		}
	}
	return r, isChar(r)
}
