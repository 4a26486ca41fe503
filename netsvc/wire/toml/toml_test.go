package toml

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	oracle "github.com/BurntSushi/toml"
)

func TestParse(t *testing.T) {
	text := `# a comment
domain = "example.org" # behind
admins = [ "a@b", # first
  'c@d',
]
[c2s]
listen = ["[::]:5222"]
stanza = 0x10_00
"quoted name" = 1.5e3
limits = { rate = 1_000, burst.most = true }
[xmpp.ping]
interval = """
one\
   two"""
when = 1979-05-27 07:32:00Z
[[unused]]
x = 1
[xmpp]
y = '''a'b'''
`
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Path: []string{"domain"}, Line: 2, Value: "example.org"},
		{Path: []string{"admins"}, Line: 3, Value: []any{"a@b", "c@d"}},
		{Path: []string{"c2s"}, Line: 6, Table: true},
		{Path: []string{"c2s", "listen"}, Line: 7, Value: []any{"[::]:5222"}},
		{Path: []string{"c2s", "stanza"}, Line: 8, Value: int64(4096)},
		{Path: []string{"c2s", "quoted name"}, Line: 9, Value: 1500.0},
		{Path: []string{"c2s", "limits"}, Line: 10, Table: true},
		{Path: []string{"c2s", "limits", "rate"}, Line: 10, Value: int64(1000)},
		{Path: []string{"c2s", "limits", "burst", "most"}, Line: 10, Value: true},
		{Path: []string{"xmpp", "ping"}, Line: 11, Table: true},
		{Path: []string{"xmpp", "ping", "interval"}, Line: 12, Value: "onetwo"},
		{Path: []string{"xmpp", "ping", "when"}, Line: 15, Value: Date("1979-05-27T07:32:00Z")},
		{Path: []string{"unused"}, Line: 16, Value: Tables{}},
		{Path: []string{"xmpp"}, Line: 18, Table: true},
		{Path: []string{"xmpp", "y"}, Line: 19, Value: "a'b"},
	}
	if !reflect.DeepEqual(got, want) {
		for i := range max(len(got), len(want)) {
			t.Errorf("%d:\n got %+v\nwant %+v", i, at(got, i), at(want, i))
		}
	}
}

// Editors of some systems begin a file with a byte order mark.
func TestByteOrderMark(t *testing.T) {
	got, err := Parse("\ufeffa = 1\n")
	if err != nil || len(got) != 1 || got[0].Line != 1 || got[0].Path[0] != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Parse("a = 1\n\ufeffb = 2\n"); err == nil {
		t.Error("one in the midst of the text is accepted")
	}
}

func at(list []Entry, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func TestMistakes(t *testing.T) {
	for _, row := range []struct{ text, line, says string }{
		{"a = 1\na = 2", "2", "there already"},
		{"[a]\n[b]\n[a]", "3", "there already"},
		{"a = 1\n[a.b]", "2", "not a table"},
		{"[a]\nb.c = 1\n[a.b]", "3", "there already"},
		{"a = {b = 1}\na.c = 2", "2", "there already"},
		{"a = 1 b = 2", "1", "nothing more"},
		{"a = hello", "1", "quotes"},
		{"a = \"x", "1", "quote"},
		{"a = \"\\q\"", "1", "escape"},
		{"a = [1, 2", "1", "commas"},
		{"a = 01", "1", "no value"},
		{"a = 1__0", "1", "no value"},
		{"a = 0x_1", "1", "no value"},
		{"a = 1.", "1", "no value"},
		{"a = .5", "1", "no value"},
		{"a = 99999999999999999999", "1", "no value"},
		{"a =", "1", "value is expected"},
		{"= 1", "1", "name is expected"},
		{"[a", "1", "]"},
		{"[]", "1", "name is expected"},
		{"a = \"\x01\"", "1", "control"},
		{"a = '\xff'", "1", "UTF-8"},
		{"a = {b = 1\n}", "1", "one line"},
		{"\n\nx = \"\"\"\nno end", "4", "ends with"},
		{"a = " + strings.Repeat("[", 100), "1", "deep"},
	} {
		_, err := Parse(row.text)
		if err == nil {
			t.Errorf("%q was accepted", row.text)
		} else if !strings.HasPrefix(err.Error(), "line "+row.line+": ") || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%q: %v, want line %s and %q", row.text, err, row.line, row.says)
		}
	}
}

// FuzzParse: what is accepted, the oracle accepts and reads the same way.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a = 1", "[a.b]\nc = 'x'", "a = { b = [1, 2.5], c.d = \"\\u00e9\" }", "[[a]]\nb = 1\n[[a]]\n[a.c]",
		"a = 1979-05-27T07:32:00.5-07:00", "a = 07:32:00", "a = \"\"\"\n\\\n x\"\"\"\"\"", "a.b = 1\na.c = 2", "a = -0x1", "a = +1_0e+2", "\"\" = 1", "a = nan", "\ufeffa = 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			return
		}
		var root map[string]any
		if _, err := oracle.Decode(text, &root); err != nil {
			t.Fatalf("accepted, but the oracle says: %v", err)
		}
		for _, e := range got {
			v, ok := find(root, e.Path)
			if !ok {
				t.Fatalf("%q is not there for the oracle", e.Path)
			}
			if !same(e, v) {
				t.Fatalf("%q: got %#v, the oracle %#v", e.Path, e.Value, v)
			}
		}
	})
}

func find(v any, path []string) (any, bool) {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func same(e Entry, v any) bool {
	if e.Table {
		_, ok := v.(map[string]any)
		return ok
	}
	return sameValue(e.Value, v)
}

func sameValue(a, b any) bool {
	switch a := a.(type) {
	case Date:
		return strings.HasPrefix(fmt.Sprintf("%T", b), "time.")
	case Tables:
		return true
	case float64:
		f, ok := b.(float64)
		return ok && (f == a || math.IsNaN(a) && math.IsNaN(f))
	case []any:
		if list, ok := b.([]map[string]any); ok {
			return len(list) == len(a)
		}
		list, ok := b.([]any)
		if !ok || len(list) != len(a) {
			return false
		}
		for i := range a {
			if !sameValue(a[i], list[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
