package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// TestDeviceImports reads what the linker would put on the device and names, for each package that has no place
// there, the shortest chain that leads to it.
func TestDeviceImports(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "cmd/linnet")); err != nil {
		t.Skip("no cmd/linnet in this tree")
	}
	imports := deps(t, "cmd/linnet", "")
	for _, path := range denied(imports) {
		t.Errorf("%s is in the program (%s)\n\t%s", path, denial(path), strings.Join(chain(imports, modulePath+"/cmd/linnet", path), "\n\t-> "))
	}
}

func denial(path string) string {
	if why, ok := offDevice[path]; ok {
		return why
	}
	for prefix, why := range offDevice {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return why
		}
	}
	return ""
}

func denied(imports map[string][]string) []string {
	var bad []string
	for path := range imports {
		if denial(path) != "" {
			bad = append(bad, path)
		}
	}
	sort.Strings(bad)
	return bad
}

// chain is a breadth-first walk from the program to the package.
func chain(imports map[string][]string, from, to string) []string {
	parent := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to {
			var path []string
			for ; at != ""; at = parent[at] {
				path = append(path, at)
			}
			slices.Reverse(path)
			return path
		}
		for _, next := range imports[at] {
			if _, seen := parent[next]; !seen {
				parent[next] = at
				queue = append(queue, next)
			}
		}
	}
	return []string{to}
}

func TestChain(t *testing.T) {
	imports := map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"regexp"}, "d": {"c"}}
	if got := strings.Join(chain(imports, "a", "regexp"), " "); got != "a c regexp" {
		t.Errorf("chain = %q", got)
	}
	if denial("go/parser") == "" || denial("golang.org/x/net") != "" || denial("net/http") == "" {
		t.Error("denial does not tell packages apart")
	}
}

// TestGoMod keeps go.mod readable: one Go version, no toolchain line (it would fetch another compiler), no
// replace by something outside of this tree (the module must build for anyone), and each direct dependency says why it is there.
func TestGoMod(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range goModFaults(string(b)) {
		t.Error("go.mod: " + fault)
	}
}

func goModFaults(mod string) []string {
	var faults []string
	version := false
	inBlock := false
	for _, line := range strings.Split(mod, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch {
		case words[0] == "go":
			version = len(words) == 2 && words[1] == goVersion
		case words[0] == "replace" && strings.Contains(line, "=> ./"): // a folder of this tree
		case words[0] == "toolchain", words[0] == "replace", words[0] == "exclude":
			faults = append(faults, "a "+words[0]+" line")
		case line == "require (":
			inBlock = true
		case words[0] == ")":
			inBlock = false
		case inBlock || words[0] == "require":
			_, comment, _ := strings.Cut(line, "//")
			if comment = strings.TrimSpace(comment); comment == "" {
				faults = append(faults, words[0]+" has no reason beside it")
			}
		}
	}
	if !version {
		faults = append(faults, "the go line is not "+goVersion)
	}
	return faults
}

func TestGoModFaults(t *testing.T) {
	for _, tc := range []struct {
		name, mod string
		faults    int
	}{
		{name: "good", mod: "module m\n\ngo 1.26.0\n\nrequire (\n\ta v1 // why\n\tb v1 // indirect\n)\n"},
		{name: "no reason", mod: "go 1.26.0\nrequire (\n\ta v1\n)\n", faults: 1},
		{name: "toolchain", mod: "go 1.26.0\ntoolchain go1.26.1\n", faults: 1},
		{name: "version", mod: "go 1.25\n", faults: 1},
		{name: "replace", mod: "go 1.26.0\nreplace a => ../a\n", faults: 1},
		{name: "replaced within the tree", mod: "go 1.26.0\nreplace a => ./a\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := goModFaults(tc.mod); len(got) != tc.faults {
				t.Errorf("faults = %q, want %d", got, tc.faults)
			}
		})
	}
}
