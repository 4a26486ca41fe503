package archtest

import (
	"strings"
	"testing"
)

// floorOf finds the row that covers a package: the longest prefix.
func floorOf(path string) (floor, bool) {
	var best floor
	found := false
	for _, f := range floors {
		if below(path, f.prefix) && (!found || len(f.prefix) > len(best.prefix)) {
			best, found = f, true
		}
	}
	return best, found
}

// sibling names the removable unit a package of a separate floor belongs to: "netsvc/xmpp/mod/carbons" for
// everything at and below that folder.
func sibling(path string, f floor) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, f.prefix), "/")
	first, _, _ := strings.Cut(rest, "/")
	return f.prefix + "/" + first
}

// arrow says what is wrong with one import, "" when nothing is.
func arrow(from, to string) string {
	if _, ok := upward[from+" -> "+to]; ok {
		return ""
	}
	f, ok := floorOf(from)
	if !ok {
		return from + ": no floor in rules_test.go covers it"
	}
	g, ok := floorOf(to)
	if !ok {
		return to + ": no floor in rules_test.go covers it"
	}
	switch {
	case g.level > f.level:
		return from + " imports " + to + ": the import points up"
	case f.separate && g.separate && f.prefix == g.prefix && sibling(from, f) != sibling(to, g):
		return from + " imports " + to + ": one removable part must not know another"
	}
	return ""
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range tree(t) {
		if _, ok := floorOf(p.Path); !ok {
			t.Errorf("%s: no floor in rules_test.go covers it", p.Path)
			continue
		}
		seen := map[string]bool{}
		for _, path := range p.Imports {
			to, ok := inside(path)
			if !ok || seen[to] {
				continue
			}
			seen[to] = true
			if fault := arrow(p.Path, to); fault != "" {
				t.Error(fault)
			}
		}
	}
}

// Tests may look upward into fakes made for them, but a test of an extension that starts a whole server is a
// scenario and belongs into tinytests.
func TestTestsStayOnTheirFloor(t *testing.T) {
	for _, p := range tree(t) {
		f, ok := floorOf(p.Path)
		if !ok {
			continue
		}
		for _, file := range p.Files {
			if !file.test {
				continue
			}
			for _, spec := range file.ast.Imports {
				to, ok := inside(strings.Trim(spec.Path.Value, `"`))
				if !ok || strings.HasSuffix(to, "test") {
					continue
				}
				if g, ok := floorOf(to); ok && g.level > f.level {
					t.Errorf("%s imports %s, which stands above it", fset.Position(spec.Pos()), to)
				}
			}
		}
	}
}

func TestArrow(t *testing.T) {
	for _, tc := range []struct {
		name, from, to string
		fault          bool
	}{
		{name: "down", from: "netsvc/xmpp/server", to: "netsvc/wire/jid"},
		{name: "same floor", from: "netsvc/wire/stanza", to: "netsvc/wire/jid"},
		{name: "up", from: "store", to: "netsvc/xmpp", fault: true},
		{name: "wire upward", from: "netsvc/wire/jid", to: "store", fault: true},
		{name: "extension and server", from: "netsvc/xmpp/mod/carbons", to: "netsvc/xmpp/server", fault: true},
		{name: "two extensions", from: "netsvc/xmpp/mod/carbons", to: "netsvc/xmpp/mod/archive", fault: true},
		{name: "inside one extension", from: "netsvc/xmpp/mod/muc", to: "netsvc/xmpp/mod/muc/room"},
		{name: "extension and contracts", from: "netsvc/xmpp/mod/muc", to: "netsvc/xmpp"},
		{name: "two services", from: "netsvc/turn", to: "netsvc/socks5", fault: true},
		{name: "two edges", from: "netsvc/xmpp/edge/c2s", to: "netsvc/xmpp/edge/s2s", fault: true},
		{name: "edge and server", from: "netsvc/xmpp/edge/c2s", to: "netsvc/xmpp/server"},
		{name: "device and service", from: "appliance", to: "netsvc/turn"},
		{name: "service and device", from: "netsvc/turn", to: "appliance", fault: true},
		{name: "test tree", from: "tinytests/scenario", to: "cmd/linnet"},
		{name: "product and tests", from: "cmd/linnet", to: "tinytests/scenario", fault: true},
		{name: "unknown", from: "netsvc/turn", to: "elsewhere/x", fault: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := arrow(tc.from, tc.to); (got != "") != tc.fault {
				t.Errorf("arrow(%s, %s) = %q, fault wanted: %v", tc.from, tc.to, got, tc.fault)
			}
		})
	}
}

// An exception that nothing needs any more is a hole left open.
func TestExceptionsAreInUse(t *testing.T) {
	used := map[string]bool{}
	for _, p := range tree(t) {
		for _, path := range p.Imports {
			if to, ok := inside(path); ok {
				used[p.Path+" -> "+to] = true
			}
			used[p.Path+" "+path] = true
		}
		for _, v := range packageVars(p) {
			used[p.Path+"."+v.name.Name] = true
		}
	}
	for _, table := range []map[string]string{upward, impureAllowed, stateAllowed} {
		for key, reason := range table {
			if reason == "" {
				t.Errorf("exception %q has no reason", key)
			}
			if !used[key] && exists(t, key) {
				t.Errorf("exception %q is not needed any more", key)
			}
		}
	}
}

// exists reports whether the package an exception talks about is in this tree at all.
func exists(t *testing.T, key string) bool {
	path, _, _ := strings.Cut(key, " ")
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		path = path[:i]
	}
	for _, p := range tree(t) {
		if p.Path == path {
			return true
		}
	}
	return false
}
