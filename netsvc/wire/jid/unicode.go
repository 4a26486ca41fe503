package jid

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"linnet/netsvc/wire/precis"
)

// maxRounds is how often a rule may be applied until its output is stable.
// RFC 8264 section 7 orders the steps so that one round is nearly always
// enough; RFC 8266 section 2.1 names this number for the rest.
const maxRounds = 4

// stable applies rule until its output does not change any more, which makes
// preparation idempotent for every input, whatever the Unicode version.
func stable(s string, rule func(string) (string, error)) (string, bool) {
	if !utf8.ValidString(s) {
		// The tables would read U+FFFD, which a resource may hold.
		return "", false
	}
	for range maxRounds {
		next, err := rule(s)
		if err != nil {
			return "", false
		}
		if next == s {
			return s, true
		}
		s = next
	}
	return "", false
}

func enforceLocal(s string) (string, error) {
	s, ok := stable(s, precis.Username)
	switch {
	case !ok:
		return "", ErrLocalInvalid
	case s == "":
		return "", ErrLocalEmpty
	case len(s) > MaxPart:
		return "", ErrLocalLong
	}
	// After the mapping: a fullwidth commercial at is an @ by now.
	for i := 0; i < len(s); i++ {
		if excluded(s[i]) {
			return "", ErrLocalInvalid
		}
	}
	return s, nil
}

func enforceResource(s string) (string, error) {
	s, ok := stable(s, precis.Opaque)
	switch {
	case !ok:
		return "", ErrResourceInvalid
	case s == "":
		return "", ErrResourceEmpty
	case len(s) > MaxPart:
		return "", ErrResourceLong
	}
	return s, nil
}

func enforceDomain(s string) (string, error) {
	s, ok := stable(s, mapDomain)
	switch {
	case !ok:
		return "", ErrDomainInvalid
	case len(s) > MaxPart:
		return "", ErrDomainLong
	}
	return s, nil
}

// mapDomain maps case and width, decodes A-labels and checks each label.
func mapDomain(s string) (string, error) {
	// The mapping is that of UTS 46, as RFC 5895 allows; without the STD3
	// rules, because those would refuse the underscore. What they guard
	// against is checked below.
	profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.CheckJoiners(true), idna.CheckHyphens(true), idna.StrictDomainName(false))
	s, err := profile.ToUnicode(s)
	if err != nil {
		return "", err
	}
	s = strings.TrimSuffix(s, ".")
	for label := range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	return s, nil
}

func checkLabel(label string) error {
	if isASCII(label) {
		for i := 0; i < len(label); i++ {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return ErrDomainInvalid
			}
		}
		if !isHostLabel(label) {
			return ErrDomainInvalid
		}
		return nil
	}
	for i := 0; i < len(label); i++ {
		switch c := label[i]; {
		case c >= 0x80, 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		default:
			return ErrDomainInvalid
		}
	}
	// UTS 46 lets symbols through that IDNA 2008 does not. The identifier
	// class of PRECIS is derived by the same rules as the latter.
	if out, err := precis.Username(label); err != nil || out != label {
		return ErrDomainInvalid
	}
	encoded, err := idna.Punycode.ToASCII(label)
	if err != nil || len(encoded) > maxLabel {
		return ErrDomainInvalid
	}
	return nil
}

// enforceAddress reads an IPv6 address in brackets.
func enforceAddress(s string) (string, error) {
	if len(s) < 2 || s[len(s)-1] != ']' {
		return "", ErrDomainInvalid
	}
	address, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !address.Is6() || address.Zone() != "" {
		return "", ErrDomainInvalid
	}
	return "[" + address.String() + "]", nil
}
