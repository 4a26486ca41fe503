package precis

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"testing"
	"unicode"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/width"
)

var update = flag.Bool("update", false, "write tables.go")

// eachRune calls f for each code point that a string can have.
func eachRune(f func(r rune)) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r < 0xd800 || r > 0xdfff {
			f(r)
		}
	}
}

var (
	identifier = precis.NewIdentifier()
	freeform   = precis.NewFreeform()
)

// derive asks the oracle about a code point, through strings that are allowed only if it has a property.
func derive(r rune) (c class) {
	fine := func(format string) bool {
		_, err := freeform.String(fmt.Sprintf(format, r))
		return err == nil
	}
	const beh = "\u0628" // Joining_Type D
	switch {
	case identifier.Allowed().Contains(r):
		c = valid
	case freeform.Allowed().Contains(r):
		c = free
	default:
		if !contextual(r) {
			return 0
		}
	}
	switch {
	case fine("%c\u200d"):
		c |= virama
	case fine("%c\u200c" + beh):
		c |= starts
	}
	switch {
	case fine(beh + "\u200c%c"):
		c |= ends
	case fine(beh + "\u200c%c" + beh):
		c |= through
	}
	switch {
	case fine("\u0375%cα"):
		c |= greek
	case fine("א%c\u05f3"):
		c |= hebrew
	case fine("\u30fb%c"):
		c |= japanese
	}
	return c
}

// The tables say what the oracle says. With -update they are written.
func TestTables(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("// Written by go test -run Tables -update. DO NOT EDIT.\n\npackage precis\n\n")
	b.WriteString("// ranges has the first code point of each class, shifted by 8, and the class: Unicode " + precis.UnicodeVersion + ".\n")
	b.WriteString("var ranges = [...]uint32{")
	n, last := 0, -1
	eachRune(func(r rune) {
		c := derive(r)
		if int(c) == last {
			return
		}
		if n%12 == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%#x,", uint32(r)<<8|uint32(c))
		n, last = n+1, int(c)
	})
	b.WriteString("\n}\n\n")

	// Halfwidth forms and a few fullwidth signs beyond ASCII.
	first, end := rune(0), rune(0)
	eachRune(func(r rune) {
		if r > 0xff5e && fold(r) != r {
			if first == 0 {
				first = r
			}
			end = r
		}
	})
	fmt.Fprintf(&b, "const firstNarrow = %#x\n\n// narrow has the usual forms of what begins at firstNarrow, 0 for none.\nvar narrow = [...]uint16{", first)
	for r := first; r <= end; r++ {
		if (r-first)%16 == 0 {
			b.WriteString("\n")
		}
		to := fold(r)
		if to == r {
			to = 0
		}
		fmt.Fprintf(&b, "%#x,", to)
	}
	b.WriteString("\n}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("tables.go", text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile("tables.go"); err != nil || !bytes.Equal(have, text) {
		t.Fatalf("tables.go is not what Unicode %s has; go test -run Tables -update writes it (%v)", precis.UnicodeVersion, err)
	}
}

func fold(r rune) rune {
	s := []rune(width.Fold.String(string(r)))
	if len(s) != 1 {
		panic("a width that folds to several characters")
	}
	return s[0]
}
