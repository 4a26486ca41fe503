package jid

import (
	"testing"
	"unicode/utf8"
)

// FuzzParse holds every accepted address to what the type promises.
func FuzzParse(f *testing.F) {
	f.Add("juliet@example.com/foo bar")
	f.Add("A\uff20\u03a3@xn--bcher-kva.\u3002/\u00a0")
	f.Add("[::ffff:1.2.3.4]/[")
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		if err != nil {
			if j != (JID{}) {
				t.Fatalf("%q: an error and an address: %q", s, j)
			}
			return
		}
		if !utf8.ValidString(j.String()) {
			t.Fatalf("%q: %q is not UTF-8", s, j)
		}
		for _, part := range []string{j.Local(), j.Domain(), j.Resource()} {
			if len(part) > MaxPart {
				t.Fatalf("%q: a part has %d bytes", s, len(part))
			}
		}
		again, err := Parse(j.String())
		if err != nil || again != j {
			t.Fatalf("%q: %q became %q, %v", s, j, again, err)
		}
		parts, err := New(j.Local(), j.Domain(), j.Resource())
		if err != nil || parts != j {
			t.Fatalf("%q: %q from parts is %q, %v", s, j, parts, err)
		}
		var c Cache
		for range 2 {
			if cached, err := c.Get([]byte(s)); err != nil || cached != j {
				t.Fatalf("%q: cached as %q, %v", s, cached, err)
			}
		}
	})
}

// comparePaths holds the paths for ASCII against the tables.
func comparePaths(t *testing.T, s string) {
	t.Helper()
	check := func(part, fast, slow string, fastErr, slowErr error) {
		if fast != slow || (fastErr == nil) != (slowErr == nil) {
			t.Errorf("%s %q: fast %q, %v; slow %q, %v", part, s, fast, fastErr, slow, slowErr)
		}
	}
	fast, fastErr := prepareLocal(s)
	slow, slowErr := enforceLocal(s)
	check("local", fast, slow, fastErr, slowErr)
	fast, fastErr = prepareResource(s)
	slow, slowErr = enforceResource(s)
	check("resource", fast, slow, fastErr, slowErr)
	if s[0] == '[' {
		return // an address goes by neither
	}
	fast, fastErr = prepareDomain(s)
	slow, slowErr = enforceDomain(s)
	check("domain", fast, slow, fastErr, slowErr)
}

// Every pair of ASCII characters, alone and inside a name.
func TestFastPath(t *testing.T) {
	for a := range rune(0x80) {
		for b := range rune(0x80) {
			comparePaths(t, string(a)+string(b))
			comparePaths(t, "a"+string(a)+string(b)+"z")
		}
	}
}

func FuzzFastPath(f *testing.F) {
	f.Add("Juliet.Example_1.")
	f.Add("a-b--c")
	f.Add("xn--bcher-kva")
	f.Add("~!#$%()*+,;=?[]^`{|}")
	f.Fuzz(func(t *testing.T, s string) {
		if s != "" && len(s) <= MaxPart && isASCII(s) {
			comparePaths(t, s)
		}
	})
}
