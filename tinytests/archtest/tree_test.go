package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

// root is the top of the checkout, seen from this package.
const root = "../.."

// modulePath is what go.mod names the project.
const modulePath = "linnet"

// pkg is what the rules want to know of one package.
type pkg struct {
	Path    string // without the module's name: "netsvc/wire/jid", "" for the module itself
	Name    string
	Imports []string // full import paths, non-test files only
	Files   []file
}

type file struct {
	path string // from the top of the tree
	test bool
	ast  *ast.File
}

var (
	once     sync.Once
	packages []*pkg
	fset     = token.NewFileSet()
	loadErr  error
)

// tree parses every package of the module once. Files for other systems and tags are read too: a rule that holds
// on amd64 only is not a rule.
func tree(t *testing.T) []*pkg {
	t.Helper()
	once.Do(func() { packages, loadErr = load() })
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	return packages
}

func load() ([]*pkg, error) {
	byDir := map[string]*pkg{}
	var broken []error
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // somebody is at work in the tree
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			name := d.Name()
			if name == "testdata" || rel == "bin" || rel == "var" || (rel != "." && strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			broken = append(broken, err)
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		p := byDir[dir]
		if p == nil {
			p = &pkg{Path: dir}
			byDir[dir] = p
		}
		test := strings.HasSuffix(path, "_test.go")
		p.Files = append(p.Files, file{path: filepath.ToSlash(rel), test: test, ast: f})
		if test {
			return nil
		}
		p.Name = f.Name.Name
		for _, spec := range f.Imports {
			p.Imports = append(p.Imports, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err == nil {
		err = errors.Join(broken...)
	}
	var all []*pkg
	for _, p := range byDir {
		sort.Strings(p.Imports)
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all, err
}

// inside reports the path of a package of this module without the module's name.
func inside(path string) (string, bool) {
	return strings.CutPrefix(path, modulePath+"/")
}

// below reports whether path is prefix or stands under it.
func below(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// deps lists everything that is linked into a program, for the smallest board we build for.
func deps(t *testing.T, program string, tags string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "-tags", tags, "./"+program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mipsle", "GOMIPS=softfloat")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", program, err, stderr.Bytes())
	}
	imports := map[string][]string{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		imports[p.ImportPath] = p.Imports
	}
}
