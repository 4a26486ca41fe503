package precis

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// leftToRight is the oracle for strings that the bidi rule is not for: see the package comment.
var leftToRight = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

// profiles are what this package has, each with its oracle.
var profiles = []struct {
	name   string
	ours   func(string) (string, error)
	oracle func(string) (string, error)
}{
	{"Username", Username, func(s string) (string, error) {
		plain, err := leftToRight.String(s)
		if err == nil && bidirule.DirectionString(plain) == bidi.LeftToRight {
			return plain, nil
		}
		return precis.UsernameCaseMapped.String(s)
	}},
	{"Opaque", Opaque, precis.OpaqueString.String},
}

// Every code point, alone and between letters.
func TestEveryCodePoint(t *testing.T) {
	for _, p := range profiles {
		eachRune(func(r rune) {
			all := []string{"a" + string(r), string(r), "l" + string(r) + "l", "\u05d0" + string(r)}
			if testing.Short() { // an emulated processor takes long
				all = all[:1]
			}
			for _, s := range all {
				want, e := p.oracle(s)
				if got, err := p.ours(s); (err == nil) != (e == nil) || err == nil && got != want {
					t.Fatalf("%s of %U: %q, %v; want %q, %v", p.name, []rune(s), got, err, want, e)
				}
			}
		})
	}
}

// strange are characters that rules are about.
var strange = []rune("aAlzßİıσςΣ·͵βΒ׳״אבبتدٕ٠٩۰۹\u200c\u200d्क्ाー・カｶﾞァ漢ﾡﾂＡ１！　 \u00a0\u0301\u030a\u0345\u1e9e\u0958\u094d\u0b4d\u1714\u2d7f\u0bcd\u07fa\u0640\u200b\ufffd\u212b\u2126\u0390ǅⅧ①½¼€#/\"\u00ad\ue000\U0001d400\U00010400\U0001e900\U0001f600\u0000\u007f")

// Strings of strange characters by chance.
func TestOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(8264, 8265))
	n := 300_000
	if testing.Short() {
		n = 20_000
	}
	fine := 0
	for range n {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteRune(strange[random.IntN(len(strange))])
		}
		if compare(t, b.String()) {
			fine++
		}
	}
	if fine < n/100 {
		t.Errorf("only %d of %d strings are allowed at all: this tests nothing", fine, n)
	}
}

// compare holds both profiles of a string against their oracles, and reports whether one allows it.
func compare(t *testing.T, s string) (fine bool) {
	t.Helper()
	for _, p := range profiles {
		want, e := p.oracle(s)
		got, err := p.ours(s)
		if err == nil && !utf8.ValidString(got) {
			t.Fatalf("%s of %q is no UTF-8", p.name, s)
		}
		if (err == nil) != (e == nil) || err == nil && got != want {
			if err == nil && differs(got) {
				continue
			}
			t.Fatalf("%s of %q (%U): %q, %v; want %q, %v", p.name, s, []rune(s), got, err, want, e)
		}
		fine = fine || err == nil
	}
	return fine
}

// differs reports whether a string is one of those that the oracle refuses without need: see the package comment.
func differs(s string) bool {
	return strings.ContainsRune(s, zeroWidthNonJoiner) && strings.ContainsFunc(s, func(r rune) bool {
		c := look(r)
		return c&through != 0 && (c&virama != 0 || c&script != 0)
	})
}

// A run of joining letters goes on through a virama that is transparent.
func TestJoiningThroughVirama(t *testing.T) {
	const beh, virama, mark = "\u0628", "\U00010a3f", "\u0610"
	s := beh + virama + mark + "\u200c" + beh
	if c := look('\U00010a3f'); c&through == 0 {
		t.Fatalf("class %b", c)
	}
	if _, err := Opaque(s); err != nil {
		t.Error(err)
	}
	if _, err := precis.OpaqueString.String(s); err == nil {
		t.Error("the oracle allows it by now: the package comment says it does not")
	}
}

// The bidi rule is for right-to-left strings: RFC 8265 section 3.3.2.
func TestLeftToRightDigits(t *testing.T) {
	if got, err := Username("1é"); got != "1é" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := precis.UsernameCaseMapped.String("1é"); err == nil {
		t.Errorf("the oracle has %q by now: the package comment says it refuses it", got)
	}
	if got, err := Username("1א"); err == nil {
		t.Errorf("%q begins with a digit", got)
	}
}

func TestInvalidUTF8(t *testing.T) {
	for _, s := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		for _, p := range profiles {
			if got, err := p.ours(s); err == nil {
				t.Errorf("%s of %q is %q", p.name, s, got)
			}
		}
	}
}

func FuzzOracle(f *testing.F) {
	for _, s := range []string{"Ｒｏｍｅｏ", "l·l", "ب\u200cب", "ｶﾞ", "İ", "אב״ג", "٠۰"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) {
			compare(t, s)
		}
	})
}

func BenchmarkUsername(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Username("ромео")
	}
}
