package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
	"testing"

	"linnet/appliance/journal"
)

// logged are the methods of a logger that write a line, with the place of the first key among their arguments.
var logged = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "Log": 2, "With": 0}

// TestLogKeys holds every line of the log to journal.Keys, and journal.Keys to what is written: whoever searches the
// log for one thing looks under one key.
func TestLogKeys(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range tree(t) {
		if below(p.Path, "tinytests") || p.Path == "netsvc/log" {
			continue
		}
		for _, f := range p.Files {
			if f.test {
				continue
			}
			for _, key := range logKeys(f.ast) {
				name, err := strconv.Unquote(key.Value)
				used[name] = true
				if err != nil || !slices.Contains(journal.Keys, name) {
					t.Errorf("%s: the log knows no key %s; see journal.Keys", fset.Position(key.Pos()), key.Value)
				}
			}
		}
	}
	for _, name := range journal.Keys {
		if !used[name] {
			t.Errorf("journal.Keys has %q, which nothing is logged under", name)
		}
	}
}

// logKeys finds the keys that a file gives to loggers. A logger is told by its name, log, Log or Log().
func logKeys(f *ast.File) (keys []*ast.BasicLit) {
	// The audit gathers its attributes in a slice before it logs them.
	gathered := func(args []ast.Expr) {
		for i := 0; i+1 < len(args); i += 2 {
			if key, ok := args[i].(*ast.BasicLit); ok {
				keys = append(keys, key)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if method, ok := n.Fun.(*ast.SelectorExpr); ok {
				first, writes := logged[method.Sel.Name]
				if writes && isLogger(method.X) && len(n.Args) > first {
					gathered(n.Args[first:])
				}
			}
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "append" && len(n.Args) > 0 && named(n.Args[0]) == "attrs" {
				gathered(n.Args[1:])
			}
		case *ast.AssignStmt:
			if list, ok := n.Rhs[0].(*ast.CompositeLit); ok && named(n.Lhs[0]) == "attrs" {
				gathered(list.Elts)
			}
		}
		return true
	})
	return keys
}

func isLogger(x ast.Expr) bool {
	if call, ok := x.(*ast.CallExpr); ok {
		x = call.Fun
	}
	return strings.EqualFold(named(x), "log")
}

// named returns the last word of a name: Log of o.Log.
func named(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
