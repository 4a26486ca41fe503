package xmlstream

import (
	"encoding/xml"
	"strings"
	"testing"
)

// TestNameRunes compares the tables with those of encoding/xml, which are of the fourth edition,
// too.
func TestNameRunes(t *testing.T) {
	ok := func(tag string) bool {
		_, err := xml.NewDecoder(strings.NewReader(tag)).RawToken()
		return err == nil
	}
	for r := rune(0x80); r < 0x11000; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		if got, want := nameRune(r, true), ok("<"+string(r)+"/>"); got != want {
			t.Errorf("%U at the start: %v, want %v", r, got, want)
		}
		if got, want := nameRune(r, false), ok("<a"+string(r)+"/>"); got != want {
			t.Errorf("%U further on: %v, want %v", r, got, want)
		}
	}
}

// TestCharacters compares what may stand in text, and what may be referred to.
func TestCharacters(t *testing.T) {
	for r := rune(0); r <= 0x10FFFF; r++ {
		if r == 0x3000 {
			r = 0xD700 // nothing happens between
		}
		if r == 0x20000 {
			r = 0x10FF00
		}
		// XML 1.0, production 2, as it stands there.
		want := r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if isChar(r) != want {
			t.Errorf("%U: %v", r, !want)
		}
		if r < 0x80 || r >= 0xD800 && r < 0xE000 {
			continue
		}
		s := Scanner{}
		s.ResetBare(Limits{}, "")
		if _, _, err := s.Scan([]byte("<a>" + string(r) + "</a>")); (err == nil) != want {
			t.Errorf("%U in text: %v", r, err)
		}
	}
}

// TestASCII tries each byte in each place that has a class of its own.
func TestASCII(t *testing.T) {
	const names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	legal := func(c byte) bool { return c >= ' ' || c == '\t' || c == '\n' || c == '\r' }
	for n := range 0x80 {
		c := byte(n)
		for _, test := range []struct {
			place, before, after string
			want                 bool
		}{
			{"text", "<a>", "</a>", legal(c) && c != '<' && c != '&'},
			{"CDATA section", "<a><![CDATA[", "]]></a>", legal(c)},
			{"value in single quotes", "<a b='", "'/>", legal(c) && c != '<' && c != '&' && c != '\''},
			{"value in double quotes", `<a b="`, `"/>`, legal(c) && c != '<' && c != '&' && c != '"'},
			{"start of a name", "<", "a/>", strings.IndexByte(names, c) >= 0},
			{"name", "<a", "a/>", strings.IndexByte(names+"0123456789-.", c) >= 0},
			{"start of an attribute's name", "<a ", "b='c'/>", strings.IndexByte(names+" \t\r\n", c) >= 0},
			{"start of a name behind its prefix", "<x:", "a xmlns:x='u'/>", strings.IndexByte(names, c) >= 0},
			{"between attributes", "<a b='c'", "d='e'/>", strings.IndexByte(" \t\r\n", c) >= 0},
		} {
			var s Scanner
			s.ResetBare(Limits{}, "")
			in := test.before + string(rune(c)) + test.after
			ev, size, err := s.Scan([]byte(in))
			if got := ev == EventElement && size == len(in) && err == nil; got != test.want {
				t.Errorf("%s: %q: %v", test.place, in, err)
			}
		}
	}
}
