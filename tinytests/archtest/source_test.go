package archtest

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFilesEnd(t *testing.T) {
	for _, p := range tree(t) {
		for _, f := range p.Files {
			if f.test {
				continue
			}
			b, err := os.ReadFile(filepath.Join(root, f.path))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b, []byte("\n")); n > maxLines {
				t.Errorf("%s has %d lines, the end is at %d", f.path, n, maxLines)
			}
		}
	}
}

func TestTopLevelNames(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if inside, err := os.ReadDir(filepath.Join(root, e.Name())); err == nil && len(inside) == 0 {
			continue // an empty folder is nothing that a commit could hold
		}
		if !slices.ContainsFunc(topLevel, func(pattern string) bool {
			ok, _ := filepath.Match(pattern, e.Name())
			return ok
		}) {
			t.Errorf("%s: not one of the top-level names", e.Name())
		}
	}
}

func TestPackageNamesSayWhatTheyDo(t *testing.T) {
	for _, p := range tree(t) {
		if slices.Contains(vagueNames, filepath.Base(p.Path)) || slices.Contains(vagueNames, p.Name) {
			t.Errorf("%s: the name says nothing", p.Path)
		}
	}
}

// Packages of wire turn bytes into values: what they cannot reach they cannot depend on, so they run in fuzzers,
// in tools and in other programs as they are.
func TestWireIsPure(t *testing.T) {
	for _, p := range tree(t) {
		if !below(p.Path, "netsvc/wire") {
			continue
		}
		for _, path := range p.Imports {
			if why, bad := impure[path]; bad && impureAllowed[p.Path+" "+path] == "" {
				t.Errorf("%s imports %s: %s", p.Path, path, why)
			}
		}
		for _, f := range p.Files {
			if f.test {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a goroutine in a pure package", fset.Position(n.Pos()))
				case *ast.SelectorExpr:
					x, ok := n.X.(*ast.Ident)
					if ok && x.Name == "time" && x.Obj == nil && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s: time.%s in a pure package", fset.Position(n.Pos()), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestNoFmtOnTheStanzaPath(t *testing.T) {
	for _, p := range tree(t) {
		if !slices.ContainsFunc(noFmt, func(prefix string) bool { return below(p.Path, prefix) }) {
			continue
		}
		if slices.Contains(p.Imports, "fmt") {
			t.Errorf("%s imports fmt: it is on the way of every stanza", p.Path)
		}
	}
}

func TestComments(t *testing.T) {
	promised := interfaceMethods(tree(t))
	for _, p := range tree(t) {
		if p.Name == "" {
			continue // tests only
		}
		if !slices.ContainsFunc(p.Files, func(f file) bool { return !f.test && f.ast.Doc.Text() != "" }) {
			t.Errorf("%s: no package comment", p.Path)
		}
		if p.Name == "main" {
			continue // nobody can import it
		}
		for _, f := range p.Files {
			if !f.test {
				for _, id := range undocumented(f.ast, promised) {
					t.Errorf("%s: exported %s has no comment", fset.Position(id.Pos()), id.Name)
				}
			}
		}
	}
}

// undocumented lists the exported names of a file that have no comment of their own and, for grouped
// declarations, none on the group either. A method that some interface promises is described there.
func undocumented(f *ast.File, promised map[string]bool) []*ast.Ident {
	var bare []*ast.Ident
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc.Text() == "" && d.Name.IsExported() && (d.Recv == nil || !promised[d.Name.Name] && exportedReceiver(d)) {
				bare = append(bare, d.Name)
			}
		case *ast.GenDecl:
			if typedConstants(d) {
				continue
			}
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && s.Doc.Text() == "" && s.Comment.Text() == "" && d.Doc.Text() == "" {
						bare = append(bare, s.Name)
					}
				case *ast.ValueSpec:
					if s.Doc.Text() != "" || s.Comment.Text() != "" || d.Doc.Text() != "" {
						continue
					}
					for _, name := range s.Names {
						if name.IsExported() {
							bare = append(bare, name)
						}
					}
				}
			}
		}
	}
	return bare
}

// typedConstants reports whether a group of constants lists the values of a type, whose comment speaks for them.
func typedConstants(d *ast.GenDecl) bool {
	if d.Tok != token.CONST || len(d.Specs) == 0 {
		return false
	}
	_, named := d.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident)
	return named
}

// interfaceMethods collects the methods that interfaces describe: ours, and those of the standard library that
// everybody knows. A comment on each implementation would only repeat the promise.
func interfaceMethods(all []*pkg) map[string]bool {
	promised := map[string]bool{}
	for _, name := range []string{"Error", "String", "Unwrap", "Is", "As", "Len", "Less", "Swap", "Read", "Write", "Close",
		"MarshalText", "UnmarshalText", "LogValue"} {
		promised[name] = true
	}
	for _, p := range all {
		for _, f := range p.Files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if i, ok := n.(*ast.InterfaceType); ok {
					for _, m := range i.Methods.List {
						for _, name := range m.Names {
							promised[name.Name] = true
						}
					}
				}
				return true
			})
		}
	}
	return promised
}

func exportedReceiver(d *ast.FuncDecl) bool {
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// packageVar is one package-level variable and where it stands.
type packageVar struct {
	name  *ast.Ident
	value ast.Expr // nil when the declaration gives none
	typ   ast.Expr
	embed bool
}

func packageVars(p *pkg) []packageVar {
	var vars []packageVar
	for _, f := range p.Files {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				for i, name := range s.Names {
					if name.Name == "_" {
						continue
					}
					v := packageVar{name: name, typ: s.Type}
					if i < len(s.Values) {
						v.value = s.Values[i]
					} else if len(s.Values) == 1 {
						v.value = s.Values[0]
					}
					v.embed = strings.Contains(d.Doc.Text()+s.Doc.Text(), "go:embed") || hasEmbed(d.Doc) || hasEmbed(s.Doc)
					vars = append(vars, v)
				}
			}
		}
	}
	return vars
}

func hasEmbed(g *ast.CommentGroup) bool {
	return g != nil && slices.ContainsFunc(g.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

// Three nodes fit into one test process only as long as no package remembers anything. Tables and error values
// are fine; what is declared empty, guarded by a lock, or written to later is state.
func TestNoStateAtPackageLevel(t *testing.T) {
	for _, p := range tree(t) {
		if below(p.Path, "tinytests") || p.Name == "" {
			continue
		}
		vars := packageVars(p)
		for _, v := range vars {
			if stateAllowed[p.Path+"."+v.name.Name] != "" {
				continue
			}
			if why := holdsState(v); why != "" {
				t.Errorf("%s: %s %s", fset.Position(v.name.Pos()), v.name.Name, why)
			}
		}
		for _, w := range writes(p, vars) {
			if stateAllowed[p.Path+"."+w.Name] == "" {
				t.Errorf("%s: package variable %s is changed here", fset.Position(w.Pos()), w.Name)
			}
		}
	}
}

// holdsState judges a declaration alone. A sync.Pool is memory, not knowledge: nothing that is put into one can be
// asked for again.
func holdsState(v packageVar) string {
	if v.value == nil && !v.embed {
		if sel, ok := v.typ.(*ast.ArrayType); ok && sel.Len != nil {
			return "" // a table that init fills; writes elsewhere are found by writes
		}
		return "is declared empty, so something fills it later"
	}
	typ := v.typ
	if lit, ok := v.value.(*ast.CompositeLit); ok {
		typ = lit.Type
	}
	if sel, ok := typ.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") && sel.Sel.Name != "Pool" {
			return "is a " + x.Name + "." + sel.Sel.Name
		}
	}
	if call, ok := v.value.(*ast.CallExpr); ok {
		if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") {
			return "is made empty, so something fills it later"
		}
	}
	return ""
}

// writes finds assignments to package variables outside init. It goes by name and by the parser's own scopes,
// so a method that changes its receiver escapes it: best effort.
func writes(p *pkg, vars []packageVar) []*ast.Ident {
	names := map[string]bool{}
	for _, v := range vars {
		names[v.name.Name] = true
	}
	var found []*ast.Ident
	for _, f := range p.Files {
		if f.test {
			continue
		}
		unresolved := map[*ast.Ident]bool{}
		for _, id := range f.ast.Unresolved {
			unresolved[id] = true
		}
		isVar := func(e ast.Expr) *ast.Ident {
			for {
				switch x := e.(type) {
				case *ast.IndexExpr:
					e = x.X
				case *ast.SelectorExpr:
					e = x.X
				case *ast.ParenExpr:
					e = x.X
				case *ast.Ident:
					if !names[x.Name] {
						return nil
					}
					if unresolved[x] || x.Obj != nil && f.ast.Scope.Lookup(x.Name) == x.Obj {
						return x
					}
					return nil
				default:
					return nil
				}
			}
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil || fn.Recv == nil && fn.Name.Name == "init" {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok == token.DEFINE {
						return true
					}
					for _, lhs := range n.Lhs {
						if id := isVar(lhs); id != nil {
							found = append(found, id)
						}
					}
				case *ast.IncDecStmt:
					if id := isVar(n.X); id != nil {
						found = append(found, id)
					}
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
						if id := isVar(n.Args[0]); id != nil {
							found = append(found, id)
						}
					}
				}
				return true
			})
		}
	}
	return found
}

// Imports stand in groups: ours in one of their own, so that one look tells what of the
// program a file knows.
func TestImportGroups(t *testing.T) {
	for _, p := range tree(t) {
		for _, f := range p.Files {
			last, ours := -1, false
			for _, spec := range f.ast.Imports {
				line := fset.Position(spec.Pos()).Line
				_, in := inside(strings.Trim(spec.Path.Value, `"`))
				if line == last+1 && in != ours {
					t.Errorf("%s: imports of linnet and others in one group", fset.Position(spec.Pos()))
				}
				last, ours = line, in
			}
		}
	}
}
