package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/log"
)

// all is one option of each kind.
type all struct {
	s      *Section
	text   string
	on     bool
	n      int
	d      time.Duration
	size   int64
	list   []string
	addrs  []string
	local  []string
	word   string
	secret Secret
}

func newAll() *all {
	a := &all{s: NewSchema().Section("test")}
	a.s.String(&a.text, "text", "x", "h")
	a.s.Bool(&a.on, "on", true, "h")
	a.s.Int(&a.n, "n", 5, "h").Range(1, 10)
	a.s.Duration(&a.d, "d", time.Minute, "h").Between(time.Second, time.Hour)
	a.s.Bytes(&a.size, "size", 64<<10, "h").Range(1024, 1<<30)
	a.s.Strings(&a.list, "list", []string{"a"}, "h")
	a.s.Addrs(&a.addrs, "addrs", []string{"[::]:5222"}, "h")
	a.s.Addrs(&a.local, "local", nil, "h").LoopbackOnly()
	a.s.Enum(&a.word, "word", "closed", []string{"closed", "invite", "open"}, "h")
	a.s.Secret(&a.secret, "secret", "h")
	return a
}

func TestAssign(t *testing.T) {
	for _, tc := range []struct {
		name, option string
		value        any
		want         string // what Value shows
		err          string // what the error is about; "" for none
	}{
		{"text", "text", "é\"\\\n", `"é\"\\\u000A"`, ""},
		{"text gets number", "text", int64(1), "", "1 is a number, expected a text"},
		{"bool", "on", false, "false", ""},
		{"bool gets text", "on", "yes", "", `"yes" is a text, expected true or false`},
		{"int", "n", int64(1), "1", ""},
		{"int at the end", "n", int64(10), "10", ""},
		{"int beyond", "n", int64(11), "", "11 is out of range: 1 to 10"},
		{"int below", "n", int64(0), "", "out of range"},
		{"int gets fraction", "n", 1.5, "", "1.5 is a fraction, expected a whole number"},
		{"duration", "d", "1m30s", `"1m30s"`, ""},
		{"duration gets number", "d", int64(60), "", "expected a duration in quotes"},
		{"duration beyond", "d", "61m", "", "1h1m is out of range: 1s to 1h"},
		{"duration bad", "d", "60", "", `"60" is not a duration`},
		{"size", "size", "16MB", `"16MB"`, ""},
		{"size as number", "size", int64(2000), `"2000"`, ""},
		{"size beyond", "size", "1025MB", "", "1025MB is out of range: 1KB to 1GB"},
		{"size negative", "size", int64(-1), "", "negative"},
		{"size gets list", "size", []any{}, "", "this is a list, expected a size"},
		{"list", "list", []any{"b", "c"}, `["b", "c"]`, ""},
		{"list of one", "list", "b", `["b"]`, ""},
		{"empty list", "list", []any{}, `[]`, ""},
		{"list of numbers", "list", []any{int64(1)}, "", "1 is a number"},
		{"list gets bool", "list", true, "", "expected a list"},
		{"addresses", "addrs", []any{"127.0.0.1:0", "[::1]:65535", ":5222", "localhost:1"}, `["127.0.0.1:0", "[::1]:65535", "[::]:5222", "localhost:1"]`, ""},
		{"address without port", "addrs", "127.0.0.1", "", "is not an address"},
		{"address with port 65536", "addrs", "127.0.0.1:65536", "", "the port must be 0 to 65535"},
		{"address with blank", "addrs", "a b:1", "", "neither an IP address nor a name"},
		{"loopback", "local", []any{"127.0.0.1:1", "[::1]:1", "127.9.9.9:1"}, `["127.0.0.1:1", "[::1]:1", "127.9.9.9:1"]`, ""},
		{"loopback gets all", "local", ":1", "", "not a loopback address"},
		{"loopback gets lan", "local", "192.168.1.1:1", "", "not a loopback address"},
		{"word", "word", "open", `"open"`, ""},
		{"word misspelt", "word", "opne", "", `"opne" is none of closed, invite, open; did you mean "open"?`},
		{"secret", "secret", "hush", `"********"`, ""},
		{"date", "text", time.Now(), "", "this is a date"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newAll().s.Option(tc.option)
			before := o.Value()
			err := o.Assign(tc.value, LayerFile, "f.toml", 7)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one about %q", err, tc.err)
				}
				if o.Value() != before || o.Layer != LayerDefault {
					t.Errorf("a refused value was taken: %s from %s", o.Value(), o.Layer)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o.Value() != tc.want || o.Layer != LayerFile || o.File != "f.toml" || o.Line != 7 {
				t.Errorf("value %s from %s %s:%d, want %s", o.Value(), o.Layer, o.File, o.Line, tc.want)
			}
		})
	}
}

func TestAssignText(t *testing.T) {
	for _, tc := range []struct {
		option, text, want string
		fails              bool
	}{
		{option: "on", text: "false", want: "false"},
		{option: "on", text: "maybe", fails: true},
		{option: "n", text: "3", want: "3"},
		{option: "n", text: "three", fails: true},
		{option: "d", text: "2m", want: `"2m"`},
		{option: "list", text: "a, b,", want: `["a", "b"]`},
		{option: "addrs", text: "", want: `[]`},
		{option: "word", text: "open", want: `"open"`},
	} {
		o := newAll().s.Option(tc.option)
		err := o.AssignText(tc.text, LayerFlag)
		if (err != nil) != tc.fails || !tc.fails && (o.Value() != tc.want || o.Layer != LayerFlag) {
			t.Errorf("%s=%q: %s from %s, %v", tc.option, tc.text, o.Value(), o.Layer, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for _, tc := range []struct {
		text  string
		want  time.Duration
		shown string
		fails bool
	}{
		{text: "0", want: 0, shown: "0s"},
		{text: "90s", want: 90 * time.Second, shown: "1m30s"},
		{text: "60m", want: time.Hour, shown: "1h"},
		{text: "1h0m5s", want: time.Hour + 5*time.Second, shown: "1h0m5s"},
		{text: "24h", want: 24 * time.Hour, shown: "24h"},
		{text: "14d", want: 14 * 24 * time.Hour, shown: "14d"},
		{text: "1d12h", want: 36 * time.Hour, shown: "36h"},
		{text: "1.5s", want: 1500 * time.Millisecond, shown: "1.5s"},
		{text: "65535d", want: 65535 * 24 * time.Hour, shown: "65535d"},
		{text: "65536d", fails: true},
		{text: "65535d2000000h", fails: true}, // more than 64 bits of nanoseconds
		{text: "-1s", fails: true},
		{text: "1d-1h", fails: true},
		{text: "d", fails: true},
		{text: "", fails: true},
		{text: "1 s", fails: true},
	} {
		got, err := ParseDuration(tc.text)
		if (err != nil) != tc.fails || got != tc.want {
			t.Errorf("ParseDuration(%q) = %v, %v", tc.text, got, err)
		}
		if !tc.fails {
			if shown := FormatDuration(got); shown != tc.shown {
				t.Errorf("FormatDuration(%v) = %q, want %q", got, shown, tc.shown)
			} else if again, err := ParseDuration(shown); again != got || err != nil {
				t.Errorf("%q does not come back: %v, %v", shown, again, err)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, tc := range []struct {
		text  string
		want  int64
		shown string
		fails bool
	}{
		{text: "0", want: 0, shown: "0"},
		{text: "1000", want: 1000, shown: "1000"},
		{text: "64KB", want: 64 << 10, shown: "64KB"},
		{text: "64kib", want: 64 << 10, shown: "64KB"},
		{text: "1.5 MB", want: 3 << 19, shown: "1536KB"},
		{text: "2GB", want: 2 << 30, shown: "2GB"},
		{text: "8388607TB", want: 8388607 << 40, shown: "8388607TB"},
		{text: "8388608TB", fails: true},
		{text: "9223372036854775808", fails: true},
		{text: "1.5", fails: true},
		{text: "1.5e3KB", fails: true},
		{text: "-1KB", fails: true},
		{text: "MB", fails: true},
		{text: "12XB", fails: true},
	} {
		got, err := ParseBytes(tc.text)
		if (err != nil) != tc.fails || got != tc.want {
			t.Errorf("ParseBytes(%q) = %v, %v", tc.text, got, err)
		}
		if !tc.fails && FormatBytes(got) != tc.shown {
			t.Errorf("FormatBytes(%v) = %q, want %q", got, FormatBytes(got), tc.shown)
		}
	}
}

func TestSecret(t *testing.T) {
	s := Secret{"hush"}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%+v", struct{ S Secret }{s})} {
		if strings.Contains(shown, "hush") || strings.Contains(shown, "68757368") {
			t.Errorf("a secret shows: %s", shown)
		}
	}
	var b strings.Builder
	log.To(&b, log.LevelInfo).Info("x", "secret", s)
	if strings.Contains(b.String(), "hush") {
		t.Errorf("a secret is logged: %s", b.String())
	}
	if s.Reveal() != "hush" || s.IsZero() || !(Secret{}).IsZero() {
		t.Error("a secret does not hold its text")
	}
}

func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		name, text, want string
		fails            bool
	}{
		{name: "first line", text: "file:" + write("a", "hush\r\nsecond\n"), want: "hush"},
		{name: "no line feed", text: "file:" + write("b", "hush"), want: "hush"},
		{name: "largest", text: "file:" + write("c", strings.Repeat("x", 64<<10)), want: strings.Repeat("x", 64<<10)},
		{name: "too large", text: "file:" + write("d", strings.Repeat("x", 64<<10+1)), fails: true},
		{name: "empty", text: "file:" + write("e", "\nx"), fails: true},
		{name: "missing", text: "file:" + dir + "/missing", fails: true},
		{name: "no file", text: "plain", want: "plain"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAll()
			err := a.s.Option("secret").Assign(tc.text, LayerFile, "", 0)
			if (err != nil) != tc.fails || a.secret.Reveal() != tc.want {
				t.Errorf("error %v, %d bytes", err, len(a.secret.Reveal()))
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "direct_tls", "plain", "interval", "c2s", "s2s", "tls"}
	for _, tc := range []struct{ name, want string }{
		{"listne", "listen"},
		{"Listen", "listen"},
		{"intervall", "interval"},
		{"direct-tls", "direct_tls"},
		{"pain", "plain"},
		{"c2", "c2s"},
		{"x2s", "c2s"},
		{"zzzzzz", ""},
		{"certificate", ""},
		{"", ""},
	} {
		if got := Nearest(tc.name, known); got != tc.want {
			t.Errorf("Nearest(%q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	var text string
	for _, tc := range []struct {
		name    string
		declare func(*Schema)
		want    string
	}{
		{"section in capitals", func(s *Schema) { s.Section("C2S") }, "section"},
		{"option with dash", func(s *Schema) { s.Section("a").String(&text, "a-b", "", "h") }, "small letters"},
		{"no help", func(s *Schema) { s.Section("a").String(&text, "a", "", "") }, "help"},
		{"twice", func(s *Schema) {
			s.Section("a").String(&text, "a", "", "h")
			s.Section("a").String(&text, "a", "", "h")
		}, "twice"},
		{"default none of the choices", func(s *Schema) { s.Section("a").Enum(&text, "a", "x", []string{"y"}, "h") }, "none of the choices"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSchema()
			tc.declare(s)
			if err := s.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Err() = %v, want something about %q", err, tc.want)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	s := NewSchema()
	var n, m int
	b := s.Section("b").About("The second.")
	b.Int(&n, "n", 1, "h").NeedsRestart()
	s.Section("a").Int(&m, "m", 1, "h")
	s.Section("empty")
	s.Section("")
	if s.Section("b") != b || s.Find("c") != nil || b.Summary() != "The second." {
		t.Error("sections are not found again")
	}
	var names []string
	for _, section := range s.Sections() {
		names = append(names, section.Name())
	}
	if got := strings.Join(names, " "); got != "a b" {
		t.Errorf("sections %q", got)
	}
	b.Check(func() error {
		if n > m {
			return Bad("n", "%d is more than m", n)
		}
		return nil
	})
	s.Section("a").Check(func() error { return errors.Join(errors.New("something else"), nil, Bad("m", "and m")) })
	if err := b.Option("n").Assign(int64(9), LayerFile, "f", 3); err != nil {
		t.Fatal(err)
	}
	p := Problems(s.Validate())
	p.Sort()
	if got, want := p.Error(), "[a] something else\n[a] m: and m\nf:3: [b] n: 9 is more than m"; got != want {
		t.Errorf("problems\n%s\nwant\n%s", got, want)
	}
}

func TestChanged(t *testing.T) {
	before, now := newAll(), newAll()
	assign := func(a *all, name string, v any) {
		t.Helper()
		if err := a.s.Option(name).Assign(v, LayerFile, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	assign(before, "secret", "one")
	assign(now, "secret", "two")
	assign(now, "n", int64(6))
	assign(now, "text", "x") // the default, spelled out
	var extra, still int
	now.s.schema.Section("new").Int(&extra, "extra", 1, "h")
	now.s.schema.Section("new").Int(&still, "still", 1, "h")
	if err := now.s.schema.Section("new").Option("extra").Assign(int64(2), LayerFile, "", 0); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range Changed(before.s.schema, now.s.schema) {
		names = append(names, o.Section+"."+o.Name)
	}
	if got := strings.Join(names, " "); got != "new.extra test.n test.secret" {
		t.Errorf("changed %q", got)
	}
}

func TestLimits(t *testing.T) {
	s := NewSchema().Section("a")
	var n int
	var d time.Duration
	var l []string
	var word string
	for _, tc := range []struct {
		o    *Option
		want string
	}{
		{s.Int(&n, "a", 1, "h"), ""},
		{s.Int(&n, "b", 1, "h").Range(1, 65535), "1 to 65535"},
		{s.Int(&n, "c", 1, "h").Range(1, math.MaxInt64), "at least 1"},
		{s.Duration(&d, "d", 0, "h").Between(0, 2*time.Hour), "0s to 2h"},
		{s.Addrs(&l, "e", nil, "h").LoopbackOnly(), "loopback only"},
		{s.Enum(&word, "f", "x", []string{"x", "y"}, "h"), "x, y"},
	} {
		if got := tc.o.Limits(); got != tc.want {
			t.Errorf("%s: limits %q, want %q", tc.o.Name, got, tc.want)
		}
	}
}

// Whatever an operator writes is read or refused, and what was read is written back the same.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"1d2h", "90s", "64KB", "1.5MB", "[::]:5222", ":0", "d", "KB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil {
			if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
				t.Errorf("duration %q: %v becomes %v, %v", text, d, again, err)
			}
		}
		if n, err := ParseBytes(text); err == nil {
			if again, err := ParseBytes(FormatBytes(n)); err != nil || again != n || n < 0 {
				t.Errorf("size %q: %d becomes %d, %v", text, n, again, err)
			}
		}
		if a, err := address(text, false); err == nil {
			if again, err := address(a, false); err != nil || again != a {
				t.Errorf("address %q: %q becomes %q, %v", text, a, again, err)
			}
		}
	})
}
