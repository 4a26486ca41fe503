package scenario

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The language is an interface: files out of the tree are written in it. A verb that goes or changes shows here.
func TestVerbsGolden(t *testing.T) {
	var b bytes.Buffer
	for _, v := range Verbs() {
		fmt.Fprintf(&b, "%s %s\n\t%s\n", v.Name, v.Usage, v.Help)
	}
	golden := filepath.Join("testdata", "verbs.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the verbs differ from %s; if that is meant, run with -update:\n%s", golden, b.Bytes())
	}
}
