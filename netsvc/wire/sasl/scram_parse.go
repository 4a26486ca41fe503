package sasl

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// clientFirst is a client-first-message (RFC 5802 section 7).
type clientFirst struct {
	header      string // gs2-header, with its last comma
	bare        string // what follows it
	flag        byte   // n, y or p
	bindingType string // with p
	authzid     string
	user        string
	nonce       string
}

// clientFinal is a client-final-message.
type clientFinal struct {
	binding      []byte
	nonce        string
	proof        []byte
	withoutProof string
}

// parseClientFirst reads
//
//	("n" / "y" / "p=" type) "," ["a=" authzid] "," "n=" user ",r=" nonce ["," extensions]
//
// A mandatory extension ("m=") before the user name is refused, as RFC 5802
// demands of who does not know it; there is none yet.
func parseClientFirst(message string) (clientFirst, error) {
	malformed := fail(MalformedRequest, "")
	if !utf8.ValidString(message) {
		return clientFirst{}, malformed
	}
	flag, rest, ok := strings.Cut(message, ",")
	authzid, bare, ok2 := strings.Cut(rest, ",")
	if !ok || !ok2 {
		return clientFirst{}, malformed
	}
	first := clientFirst{header: message[:len(message)-len(bare)], bare: bare}
	switch bindingType, bound := strings.CutPrefix(flag, "p="); {
	case bound && isBindingType(bindingType):
		first.flag, first.bindingType = 'p', bindingType
	case flag == "n" || flag == "y":
		first.flag = flag[0]
	default:
		return clientFirst{}, malformed
	}
	if authzid != "" {
		name, ok := strings.CutPrefix(authzid, "a=")
		if first.authzid, ok2 = unescapeName(name); !ok || !ok2 {
			return clientFirst{}, malformed
		}
	}
	user, rest, ok := strings.Cut(bare, ",")
	user, ok2 = strings.CutPrefix(user, "n=")
	if !ok || !ok2 {
		return clientFirst{}, malformed
	}
	if first.user, ok = unescapeName(user); !ok {
		return clientFirst{}, malformed
	}
	nonce, extensions, more := strings.Cut(rest, ",")
	if first.nonce, ok = strings.CutPrefix(nonce, "r="); !ok || !isNonce(first.nonce) {
		return clientFirst{}, malformed
	}
	if more && !areExtensions(extensions) {
		return clientFirst{}, malformed
	}
	return first, nil
}

// parseClientFinal reads "c=" binding ",r=" nonce ["," extensions] ",p=" proof.
func parseClientFinal(message string) (clientFinal, error) {
	malformed := fail(MalformedRequest, "")
	if !utf8.ValidString(message) {
		return clientFinal{}, malformed
	}
	at := strings.LastIndexByte(message, ',')
	if at < 0 {
		return clientFinal{}, malformed
	}
	final := clientFinal{withoutProof: message[:at]}
	proof, ok := strings.CutPrefix(message[at+1:], "p=")
	binding, rest, ok2 := strings.Cut(final.withoutProof, ",")
	if !ok || !ok2 {
		return clientFinal{}, malformed
	}
	nonce, extensions, more := strings.Cut(rest, ",")
	binding, ok = strings.CutPrefix(binding, "c=")
	final.nonce, ok2 = strings.CutPrefix(nonce, "r=")
	if !ok || !ok2 || !isNonce(final.nonce) || more && !areExtensions(extensions) {
		return clientFinal{}, malformed
	}
	var err error
	if final.binding, err = base64.StdEncoding.Strict().DecodeString(binding); err != nil || !oneLine(binding) {
		return clientFinal{}, malformed
	}
	if final.proof, err = base64.StdEncoding.Strict().DecodeString(proof); err != nil || !oneLine(proof) {
		return clientFinal{}, malformed
	}
	return final, nil
}

// oneLine says no to the line breaks that encoding/base64 skips.
func oneLine(s string) bool { return !strings.ContainsAny(s, "\r\n") }

// unescapeName reads a saslname: not empty, no zero byte, "=2C" for a comma
// and "=3D" for an equals sign, which has no other use.
func unescapeName(s string) (string, bool) {
	if s == "" || strings.IndexByte(s, 0) >= 0 {
		return "", false
	}
	var name strings.Builder
	for {
		before, after, found := strings.Cut(s, "=")
		name.WriteString(before)
		if !found {
			return name.String(), true
		}
		switch {
		case strings.HasPrefix(after, "2C"):
			name.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			name.WriteByte('=')
		default:
			return "", false
		}
		s = after[2:]
	}
}

// isNonce checks for printable ASCII. The comma cannot occur any more.
func isNonce(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// isBindingType checks the grammar of a cb-name.
func isBindingType(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// areExtensions checks the form of attributes that we ignore: a letter, an
// equals sign and a value that is not empty, with commas between.
func areExtensions(s string) bool {
	for attribute := range strings.SplitSeq(s, ",") {
		if len(attribute) < 3 || attribute[1] != '=' || strings.IndexByte(attribute, 0) >= 0 {
			return false
		}
		if letter := attribute[0] | 0x20; letter < 'a' || letter > 'z' {
			return false
		}
	}
	return true
}
