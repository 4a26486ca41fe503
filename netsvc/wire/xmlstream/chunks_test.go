package xmlstream

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vectors gives whole streams, legal and not.
func vectors(t testing.TB) []string {
	files, err := filepath.Glob("testdata/rfc/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatal("no streams of the RFCs", err)
	}
	var all []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	for _, test := range accepted {
		all = append(all, stream(test.in))
	}
	for _, test := range refused {
		if test.whole {
			all = append(all, test.in)
		} else {
			all = append(all, stream(test.in))
		}
	}
	return all
}

// TestChunks: what is found does not depend on the pieces in which the bytes come.
func TestChunks(t *testing.T) {
	for _, in := range vectors(t) {
		var s Scanner
		want, wantCondition := items(&s, in, atOnce)
		for _, step := range []int{1, 2, 3, 5, 7, 64} {
			s.Reset(Limits{})
			got, condition := items(&s, in, func(have int) int { return have + step })
			if condition != wantCondition || !slices.Equal(got, want) {
				t.Errorf("%q in pieces of %d:\n%q %q\nat once:\n%q %q", in, step, got, condition, want, wantCondition)
			}
		}
	}
}

// TestLooksOnce: bytes that were looked at and are no name may be spoilt without the scanner
// noticing. A sender of single bytes costs as many looks as one of large pieces.
func TestLooksOnce(t *testing.T) {
	const unfinished = 3 // bytes of a character, which are looked at again
	for _, test := range []struct{ name, before, long, after string }{
		{"text", "<a>", "x>y \u00E9\u4E00]", "</a>"},
		{"CDATA section", "<a><![CDATA[", "x>y \u00E9\u4E00<&", "]]></a>"},
		{"attribute", "<a b='", "x>y \u00E9\u4E00\"", "'/>"},
		{"reference", "<a>&#x", "0", "41;</a>"},
		{"white space in a tag", "<a", " \t\n", "/>"},
		{"white space in an end tag", "<a></a", "\n ", ">"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := []byte(test.before + strings.Repeat(test.long, 50) + test.after)
			s, _ := scanElement(t, headerTag, "<x/>")
			for have := 1; have < len(in); have++ {
				if ev, _, err := s.Scan(in[:have]); ev != EventMore || err != nil {
					t.Fatalf("at %d: event %d, error %v", have, ev, err)
				}
				if test.name == "reference" {
					continue // its digits are read at its end
				}
				from, to := len(test.before), min(have-unfinished, len(in)-len(test.after)-2)
				for n := from; n < to; n++ {
					in[n] = 0
				}
			}
			if ev, n, err := s.Scan(in); ev != EventElement || n != len(in) || err != nil {
				t.Errorf("event %d, %d bytes, error %v", ev, n, err)
			}
		})
	}
}

func FuzzChunks(f *testing.F) {
	for n, in := range vectors(f) {
		f.Add([]byte(in), []byte{byte(n)})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		if len(cuts) == 0 {
			return
		}
		for _, whole := range []string{string(in), stream(string(in))} {
			limits := Limits{Bytes: 1 + 8*int(cuts[0]), Depth: 4, Attrs: 4, Kids: 4, Bindings: 6}
			var s Scanner
			s.Reset(limits)
			want, wantCondition := items(&s, whole, atOnce)
			s.Reset(limits)
			turn := 0
			got, condition := items(&s, whole, func(have int) int {
				turn++
				return have + int(cuts[turn%len(cuts)])
			})
			if condition != wantCondition || !slices.Equal(got, want) {
				t.Errorf("%q cut at %d:\n%q %q\nat once:\n%q %q", whole, cuts, got, condition, want, wantCondition)
			}
		}
	})
}
