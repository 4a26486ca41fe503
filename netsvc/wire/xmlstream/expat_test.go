package xmlstream

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// xmlwf runs expat over documents, and gives each in canonical form: references resolved,
// attributes normalised.
func xmlwf(t *testing.T, documents []string) (canonical []string) {
	t.Helper()
	program, err := exec.LookPath("xmlwf")
	if err != nil {
		t.Skip("xmlwf, expat's command, is not installed: ", err)
	}
	in, out := t.TempDir(), t.TempDir()
	var files []string
	for n, d := range documents {
		name := filepath.Join(in, strconv.Itoa(n))
		if err := os.WriteFile(name, []byte(d), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	// With namespaces for the verdict; without for the canonical form, which would show no
	// prefixes otherwise.
	for _, options := range [][]string{{"-n"}, {"-d", out}} {
		if report, err := exec.Command(program, append(options, files...)...).CombinedOutput(); err != nil || len(report) > 0 {
			t.Fatalf("xmlwf %s: %v\n%s", options[0], err, report)
		}
	}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(out, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		// The canonical form has white space as references, which may not stand between elements
		// of a stream.
		canonical = append(canonical, strings.NewReplacer("&#10;", "\n", "&#9;", "\t").Replace(string(b)))
	}
	return canonical
}

// TestExpat: what ours accepts, expat reads to the same tokens. Most clients and servers are
// built on it.
func TestExpat(t *testing.T) {
	var documents []string
	for _, in := range vectors(t) {
		var s Scanner
		if found, condition := items(&s, in, atOnce); condition == "" && slices.Contains(found, "footer") {
			documents = append(documents, in)
		}
	}
	if len(documents) < len(accepted) {
		t.Fatal("too few documents")
	}
	for n, c := range xmlwf(t, documents) {
		want, err := ourTokens(documents[n])
		if err != nil {
			t.Fatal(err)
		}
		got, err := ourTokens(c)
		if err != nil {
			t.Fatalf("%q: %v", c, err)
		}
		sortAttrs(got) // the canonical form has them in its own order
		sortAttrs(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q\nis       %q\nby expat %q", documents[n], want, got)
		}
	}
}

// sortAttrs sorts each run of attributes.
func sortAttrs(tokens []string) {
	from := 0
	for n, token := range tokens {
		if !strings.HasPrefix(token, "{") {
			slices.Sort(tokens[from:n])
			from = n + 1
		}
	}
}

// TestExpatNames: expat takes every name that ours does.
func TestExpatNames(t *testing.T) {
	var b strings.Builder
	b.WriteString("<a>")
	for r := rune(0x80); r < 0x10000; r++ {
		if nameRune(r, true) {
			b.WriteString("<" + string(r) + "/>")
		}
		if nameRune(r, false) {
			b.WriteString("<a" + string(r) + "/>")
		}
	}
	b.WriteString("</a>")
	xmlwf(t, []string{b.String()})
}
