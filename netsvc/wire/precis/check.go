package precis

import "sort"

// class is what the table says about a code point.
type class uint8

// The string class that has a code point, and what the contextual rules ask about it.
const (
	valid   class = 1 << iota // in IdentifierClass, and so in FreeformClass
	free                      // in FreeformClass only
	starts                    // Joining_Type L or D
	ends                      // Joining_Type R or D
	through                   // Joining_Type T
	virama                    // Canonical_Combining_Class Virama

	script   = 3 << 6
	greek    = 1 << 6
	hebrew   = 2 << 6
	japanese = 3 << 6 // Hiragana, Katakana or Han
)

// look returns the class of a code point. Each of ranges is the first code point that has a class, shifted by 8, and that
// class.
func look(r rune) class {
	i := sort.Search(len(ranges), func(i int) bool { return rune(ranges[i]>>8) > r })
	return class(ranges[i-1])
}

// The characters that RFC 5892 appendix A allows in some places only.
const (
	middleDot          = '\u00b7'
	greekNumeralSign   = '\u0375'
	hebrewGeresh       = '\u05f3'
	hebrewGershayim    = '\u05f4'
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	katakanaMiddleDot  = '\u30fb'
)

func arabicDigit(r rune) bool         { return '\u0660' <= r && r <= '\u0669' }
func extendedArabicDigit(r rune) bool { return '\u06f0' <= r && r <= '\u06f9' }

func contextual(r rune) bool {
	switch r {
	case middleDot, greekNumeralSign, hebrewGeresh, hebrewGershayim, zeroWidthNonJoiner, zeroWidthJoiner, katakanaMiddleDot:
		return true
	}
	return arabicDigit(r) || extendedArabicDigit(r)
}

// check holds a valid UTF-8 string against a string class and the contextual rules.
func check(s string, allowed class) error {
	var context, japan, arabic, extended bool // whether there are such characters
	for _, r := range s {
		c := look(r)
		japan = japan || c&script == japanese
		arabic = arabic || arabicDigit(r)
		extended = extended || extendedArabicDigit(r)
		switch {
		case contextual(r):
			context = true
		case c&allowed == 0:
			return ErrInvalid
		}
	}
	if !context {
		return nil
	}
	if arabic && extended { // A.8, A.9
		return ErrInvalid
	}
	all := []rune(s)
	for i, r := range all {
		if r == katakanaMiddleDot && !japan || contextual(r) && !fits(all, i) { // A.7
			return ErrInvalid
		}
	}
	return nil
}

// fits applies those rules that look at the neighbours of the contextual character all[i].
func fits(all []rune, i int) bool {
	before := class(0)
	if i > 0 {
		before = look(all[i-1])
	}
	switch all[i] {
	case zeroWidthNonJoiner: // A.1
		return before&virama != 0 || joins(all, i)
	case zeroWidthJoiner: // A.2
		return before&virama != 0
	case middleDot: // A.3
		return i > 0 && all[i-1] == 'l' && i+1 < len(all) && all[i+1] == 'l'
	case greekNumeralSign: // A.4
		return i+1 < len(all) && look(all[i+1])&script == greek
	case hebrewGeresh, hebrewGershayim: // A.5, A.6
		return before&script == hebrew
	}
	return true
}

// joins reports whether the non-joiner all[i] stands between two letters that would join:
// (Joining_Type:{L,D})(Joining_Type:T)* U+200C (Joining_Type:T)*(Joining_Type:{R,D}).
func joins(all []rune, i int) bool {
	from, to := i-1, i+1
	for from >= 0 && look(all[from])&through != 0 {
		from--
	}
	for to < len(all) && look(all[to])&through != 0 {
		to++
	}
	return from >= 0 && look(all[from])&starts != 0 && to < len(all) && look(all[to])&ends != 0
}
