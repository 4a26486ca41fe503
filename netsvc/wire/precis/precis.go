package precis

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// ErrInvalid means that a string has no prepared form: a character that its class does not have, or not there.
var ErrInvalid = errors.New("precis: a character is not allowed")

// Username applies the profile UsernameCaseMapped (RFC 8265 section 3.3) once. The result may be empty only if s is.
// Safe for concurrent use.
func Username(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrInvalid
	}
	s = norm.NFC.String(strings.Map(foldWidthAndCase, expand(s)))
	if bidirule.DirectionString(s) != bidi.LeftToRight && !bidirule.ValidString(s) {
		return "", ErrInvalid
	}
	return s, check(s, valid)
}

// Opaque applies the profile OpaqueString (RFC 8265 section 4.2), for passwords and resources. An empty string is
// refused. Safe for concurrent use.
func Opaque(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrInvalid
	}
	s = norm.NFC.String(strings.Map(foldSpace, s))
	if s == "" {
		return "", ErrInvalid
	}
	return s, check(s, valid|free)
}

// foldSpace maps what Unicode has in its category Zs to a plain space.
func foldSpace(r rune) rune {
	switch {
	case r == 0xa0, r == 0x1680, 0x2000 <= r && r <= 0x200a, r == 0x202f, r == 0x205f, r == 0x3000:
		return ' '
	}
	return r
}

// expand maps the one letter whose lower case is two.
func expand(s string) string { return strings.ReplaceAll(s, "\u0130", "i\u0307") }

func foldWidthAndCase(r rune) rune { return unicode.ToLower(foldWidth(r)) }

// foldWidth maps fullwidth and halfwidth forms to their usual ones. All of them stand in one block and U+3000.
func foldWidth(r rune) rune {
	switch {
	case r == 0x3000:
		return ' '
	case 0xff01 <= r && r <= 0xff5e:
		return r - 0xff01 + '!'
	case firstNarrow <= r && int(r-firstNarrow) < len(narrow):
		if to := narrow[r-firstNarrow]; to != 0 {
			return rune(to)
		}
	}
	return r
}
