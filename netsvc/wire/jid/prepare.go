package jid

import "strings"

// Each part has a fast path for ASCII, which is nearly every address on the
// net, and hands anything else to the tables of PRECIS and IDNA (unicode.go).
// The paths agree: a fuzz target holds them against each other.

// maxLabel is the longest label of a domain in its ASCII form, in bytes.
const maxLabel = 63

// prepareLocal applies RFC 7622 section 3.3 to a local part that is not empty.
func prepareLocal(s string) (string, error) {
	if len(s) > MaxPart {
		// Width mapping shortens: three bytes of a fullwidth letter become
		// one. What is over the limit in ASCII stays over it.
		if isASCII(s) || len(s) > 3*MaxPart {
			return "", ErrLocalLong
		}
		return enforceLocal(s)
	}
	upper := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 0x80:
			return enforceLocal(s)
		case c <= ' ' || c == 0x7f || excluded(c):
			return "", ErrLocalInvalid
		case 'A' <= c && c <= 'Z':
			upper = true
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, nil
}

// excluded tells the characters that RFC 7622 section 3.3.1 takes from the
// local part beyond what PRECIS does: they delimit in addresses and in XML.
func excluded(c byte) bool {
	switch c {
	case '"', '&', '\'', '/', ':', '<', '>', '@':
		return true
	}
	return false
}

// prepareResource applies RFC 7622 section 3.4 to a resource that is not
// empty. Case and inner spaces stay.
func prepareResource(s string) (string, error) {
	if len(s) > 3*MaxPart {
		return "", ErrResourceLong
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80:
			return enforceResource(s)
		case c < ' ' || c == 0x7f:
			return "", ErrResourceInvalid
		}
	}
	if len(s) > MaxPart {
		return "", ErrResourceLong
	}
	return s, nil
}

// prepareDomain applies RFC 7622 section 3.2.
func prepareDomain(s string) (string, error) {
	switch {
	case s == "":
		return "", ErrDomainEmpty
	case len(s) > 6*MaxPart:
		// Long before this no spelling maps to a valid one: keeps the tables
		// from working on a megabyte.
		return "", ErrDomainLong
	case s[0] == '[':
		return enforceAddress(s)
	}
	upper, label := false, 0 // label is where the present one begins
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 0x80:
			return enforceDomain(s)
		case 'A' <= c && c <= 'Z':
			upper = true
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			if isALabel(s[label:i]) {
				return enforceDomain(s)
			}
			if !isHostLabel(s[label:i]) {
				return "", ErrDomainInvalid
			}
			label = i + 1
		default:
			return "", ErrDomainInvalid
		}
	}
	switch last := s[label:]; {
	case last == "" && label > 0:
		s = s[:label-1] // the trailing dot; the label before it was checked
	case isALabel(last):
		return enforceDomain(s)
	case !isHostLabel(last):
		return "", ErrDomainInvalid
	}
	if len(s) > MaxPart {
		return "", ErrDomainLong
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, nil
}

// isALabel reports whether an ASCII label claims to be an encoded U-label.
func isALabel(s string) bool {
	return len(s) >= 4 && s[0]|0x20 == 'x' && s[1]|0x20 == 'n' && s[2:4] == "--"
}

// isHostLabel checks length and hyphens of an ASCII label whose characters
// are known to be good: an NR-LDH label of RFC 5890, or one with underscores.
func isHostLabel(s string) bool {
	return s != "" && len(s) <= maxLabel &&
		s[0] != '-' && s[len(s)-1] != '-' &&
		!(len(s) >= 4 && s[2:4] == "--")
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
