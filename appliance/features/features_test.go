package features

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"linnet/appliance"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/xmpp"
)

// Every row has its file, with its tag and its import and nothing else; every file has its row.
func TestTableMatchesFiles(t *testing.T) {
	if !slices.IsSortedFunc(Table, func(a, b Feature) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted by name")
	}
	var files []string
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".go")
		if name != e.Name() && !strings.HasSuffix(name, "_test") && !slices.Contains([]string{"features", "table", "always"}, name) {
			files = append(files, name)
		}
	}
	for _, f := range Table {
		if f.Summary == "" || f.Section == "" {
			t.Errorf("%s: summary or section is missing", f.Name)
		}
		if !slices.Contains(files, f.Name) {
			t.Errorf("%s.go is missing", f.Name)
			continue
		}
		text, err := os.ReadFile(f.Name + ".go")
		if err != nil {
			t.Fatal(err)
		}
		if want := "//go:build !omit_" + f.Name + "\n\npackage features\n\nimport _ \"" + f.Package + "\"\n"; string(text) != want {
			t.Errorf("%s.go is\n%s\nwant\n%s", f.Name, text, want)
		}
	}
	for _, name := range files {
		if _, ok := find(name); !ok {
			t.Errorf("%s.go has no row in the table", name)
		}
	}
}

// Every extension that there is can be left out, and is reachable by its name.
func TestTableIsComplete(t *testing.T) {
	const mod = "../../netsvc/xmpp/mod"
	entries, err := os.ReadDir(mod)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || !registers(t, filepath.Join(mod, e.Name())) {
			continue
		}
		f, ok := find(e.Name())
		if !ok {
			t.Errorf("netsvc/xmpp/mod/%s has no row in the table: run this test after adding %s.go and the row", e.Name(), e.Name())
			continue
		}
		if f.Section != "xmpp."+e.Name() || f.Package != "linnet/netsvc/xmpp/mod/"+e.Name() {
			t.Errorf("%+v does not fit netsvc/xmpp/mod/%s", f, e.Name())
		}
	}
}

// registers tells whether a folder holds an extension: one that is only begun may have no code yet.
func registers(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), file, text, parser.PackageClauseOnly); err == nil && strings.Contains(string(text), "xmpp.Register(") {
			return true
		}
	}
	return false
}

func TestLinked(t *testing.T) {
	for _, f := range Table {
		feature, absent := Absent(f.Section)
		if absent == f.Linked() || absent && feature != f.Name {
			t.Errorf("%s: linked %v, absent %v (%s)", f.Name, f.Linked(), absent, feature)
		}
		below, absentBelow := Absent(f.Section + ".part")
		if absentBelow != absent || below != feature {
			t.Errorf("a section below [%s] belongs to %q", f.Section, below)
		}
	}
	if _, absent := Absent("xmpp.nonsense"); absent {
		t.Error("a section of nothing belongs to a feature")
	}
	for _, info := range xmpp.All() {
		if _, ok := find(info.Name); !ok {
			t.Errorf("the extension %s is linked and not in the table", info.Name)
		}
	}
}

// find returns the feature of that name.
func find(name string) (Feature, bool) {
	i := slices.IndexFunc(Table, func(f Feature) bool { return f.Name == name })
	if i < 0 {
		return Feature{}, false
	}
	return Table[i], true
}

// Commands say what to do, not what they do: "Make an account.", as `linnet help` has it.
func TestHelpIsImperative(t *testing.T) {
	declared, err := module.Declare(module.All(), config.NewSchema(), metric.NewSet().NewGeneration(), module.NewStill())
	if err != nil {
		t.Fatal(err)
	}
	a, err := appliance.New(appliance.Options{Data: t.TempDir(), Set: []string{"domain=localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	help := map[string]string{}
	for _, c := range a.Commands().All() { // those of the appliance are among them
		help[c.Name] = c.Help
	}
	for _, s := range declared.Services {
		for _, c := range s.Commands {
			help[c.Name] = c.Help
		}
	}
	if help["restart"] == "" || help["user add"] == "" && Table[slices.IndexFunc(Table, func(f Feature) bool { return f.Name == "admin" })].Linked() {
		t.Errorf("there are only %d commands", len(help))
	}
	for name, text := range help {
		first, _, _ := strings.Cut(text, "\n\n")
		verb, _, _ := strings.Cut(first, " ")
		if third := strings.HasSuffix(verb, "s") && !strings.HasSuffix(verb, "ss"); third || verb == "" || !strings.HasSuffix(first, ".") || strings.ToUpper(verb[:1]) != verb[:1] {
			t.Errorf("%s: %q is no sentence that begins with the verb, as in \"Make an account.\"", name, first)
		}
	}
}
