package settings

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/config"
)

var update = flag.Bool("update", false, "rewrite golden files")

// options is a schema as services declare it.
type options struct {
	schema   *config.Schema
	domain   string
	admins   []string
	listen   []string
	plain    []string
	policy   string
	interval time.Duration
	secret   config.Secret
	size     int64
	burst    int
	on       bool
	people   []*person
}

type person struct {
	name  string
	level int
}

func newOptions() *options {
	o := &options{schema: config.NewSchema()}
	top := o.schema.Section("")
	top.String(&o.domain, "domain", "", "the domain that is served")
	top.Strings(&o.admins, "admins", nil, "addresses of administrators")
	c2s := o.schema.Section("c2s").About("Connections of clients.")
	c2s.Addrs(&o.listen, "listen", []string{"[::]:5222"}, "where clients connect")
	c2s.Addrs(&o.plain, "plain", nil, "where clients connect without TLS").LoopbackOnly()
	c2s.Bytes(&o.size, "stanza_size", 256<<10, "the largest stanza").Range(10000, 16<<20)
	register := o.schema.Section("register").About("Accounts that clients make.")
	register.Enum(&o.policy, "policy", "closed", []string{"closed", "invite", "lan", "open"}, "who may make an account")
	register.Int(&o.burst, "burst", 5, "how many at once").Range(1, 100)
	ping := o.schema.Section("xmpp.ping")
	ping.Duration(&o.interval, "interval", time.Minute, "how long a client may be silent before it is asked whether it is there, which wakes the radio of a phone").
		Between(time.Second, time.Hour).NeedsRestart()
	ping.Secret(&o.secret, "key", "a secret")
	ping.Bool(&o.on, "enabled", true, "ask at all.")
	ping.Family("person", "Somebody.", func(name string, s *config.Section) {
		p := &person{name: name}
		s.Int(&p.level, "level", 1, "how high").Range(1, 9)
		if name != "" {
			o.people = append(o.people, p)
		}
	})
	c2s.Check(func() error {
		if o.burst > 50 && o.policy == "open" {
			return config.Bad("listen", "too open")
		}
		return nil
	})
	return o
}

func absent(section string) (string, bool) {
	return "archive", section == "xmpp.archive"
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		name  string
		text  string
		flags []string
		want  string // all problems; "" for none
	}{
		{name: "nothing"},
		{name: "all is well", text: "domain = 'example.org'\nadmins = ['a@b']\n[c2s]\nlisten = [\n  '[::]:5222', # all\n  '127.0.0.1:5223',\n]\n[xmpp.ping]\ninterval = '30s'\n"},
		{name: "inline table", text: "c2s = { listen = [], stanza_size = '1MB' }"},
		{name: "dotted keys", text: "xmpp.ping.interval = '30s'\nxmpp.ping.enabled = false"},
		{name: "empty parent", text: "[xmpp]\n[xmpp.ping]"},
		{name: "several mistakes", text: "domian = 'x'\n\n[c2s]\nlistne = []\nstanza_size = '1B'\n\n[xmpp.pnig]\ninterval = '1s'\n[xmpp.ping]\ninterval = 60\n",
			want: `f.toml:1: domian: no such option; did you mean "domain"?
f.toml:4: [c2s] listne: no such option; did you mean "listen"?
f.toml:5: [c2s] stanza_size: 1 is out of range: 10000 to 16MB
f.toml:7: [xmpp.pnig] no such section; did you mean [xmpp.ping]?
f.toml:10: [xmpp.ping] interval: 60 is a number, expected a duration in quotes, such as "90s" or "14d"`},
		{name: "multi-line values before", text: "admins = [\n'a@b',\n\n]\ndomain = '''\nx\n'''\n[c2s]\n\nfoo = 1",
			want: `f.toml:10: [c2s] foo: no such option`},
		{name: "option of another section", text: "listen = []\n[register]\ninterval = '1s'",
			want: "f.toml:1: listen: no such option; it is an option of [c2s]\nf.toml:3: [register] interval: no such option; it is an option of [xmpp.ping]"},
		{name: "feature that is not built in", text: "[xmpp.archive]\ndays = 3\nmore = 4",
			want: "f.toml:1: [xmpp.archive] this program was built without the feature archive; remove the section or use a build that has it"},
		{name: "dotted key of an unknown section", text: "nothing.a = 1\nnothing.b = 2",
			want: "f.toml:1: [nothing] no such section"},
		{name: "section where an option is", text: "[domain]\nx = 1",
			want: "f.toml:1: [domain] no such section; domain is an option of the top of the file"},
		{name: "section below an option", text: "[c2s.listen]",
			want: "f.toml:1: [c2s.listen] no such section; listen is an option of [c2s]"},
		{name: "option where a section is", text: "c2s = 5222",
			want: "f.toml:1: [c2s] is a section; write it as [c2s], once"},
		{name: "array of tables", text: "[[c2s]]\nlisten = []\n[[c2s]]\nlisten = []",
			want: "f.toml:1: [c2s] is a section; write it as [c2s], once"},
		{name: "check", text: "[register]\npolicy = 'open'\nburst = 51\n[c2s]\nlisten = []",
			want: "f.toml:5: [c2s] listen: too open"},
		{name: "no check among other mistakes", text: "[register]\npolicy = 'open'\nburst = 51\nfoo = 1",
			want: "f.toml:4: [register] foo: no such option"},
		{name: "quoted names", text: "\"c2s\".\"stanza_size\" = true\n\"a b\" = 1",
			want: "f.toml:1: [c2s] stanza_size: true is true or false, expected a size in quotes, such as \"64KB\" or \"16MB\"\nf.toml:2: a b: no such option"},
		{name: "family", text: "[xmpp.ping]\nperson.ben.level = 3\n[xmpp.ping.person.ann]\nlevel = 2", flags: []string{"xmpp.ping.person.ann.level=4"}},
		{name: "family, inline", text: "[xmpp.ping.person]\nann = { level = 2 }"},
		{name: "mistakes in a family", text: "[xmpp.ping.person.ann]\nlevel = 10\nlevle = 1\n[xmpp.ping.persom.ben]\nlevel = 1\n[xmpp.ping.person.Ben]\nlevel = 1",
			want: `f.toml:2: [xmpp.ping.person.ann] level: 10 is out of range: 1 to 9
f.toml:3: [xmpp.ping.person.ann] levle: no such option; did you mean "level"?
f.toml:4: [xmpp.ping.persom.ben] no such section; did you mean [xmpp.ping.person.ann]?
f.toml:6: [xmpp.ping.person.Ben] no such section; what follows xmpp.ping.person. is a word of small letters, digits and _, a letter first, of which there may be 64`},
		{name: "mark of an editor", text: "\ufeffdomain = 1",
			want: "f.toml:1: domain: 1 is a number, expected a text in quotes"},
		{name: "flags win", text: "domain = 'a'", flags: []string{"domain=b", "c2s.listen=:1,:2", "xmpp.ping.interval=2s"}},
		{name: "bad flags", flags: []string{"domain", "domian=x", "xmpp.ping.intervall=2s", "xmpp.archive.days=1", "register.burst=many"},
			want: `"domain" is not section.option=value
domian: no such option; did you mean "domain"?
[xmpp.ping] intervall: no such option; did you mean "interval"?
[xmpp.archive] days: no such option; this program was built without the feature archive
[register] burst: "many" is not a number`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Read("f.toml", tc.text)
			if err != nil {
				t.Fatal(err)
			}
			o := newOptions()
			got := Apply(o.schema, Source{File: f, Flags: tc.flags, Absent: absent}).Error()
			if got != tc.want {
				t.Errorf("problems\n%s\nwant\n%s", got, tc.want)
			}
			if err := o.schema.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no value", "domain =\n", "f.toml:1:"},
		{"twice", "domain = 'a'\n[c2s]\n[c2s]\n", "f.toml:3:"},
		{"unfinished", "\n\n[c2s", "f.toml:3:"},
		{"no text", "a = \"\xff\"", "f.toml:1:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read("f.toml", tc.text)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want one at %q", err, tc.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.toml")
	if _, err := Load(path); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
	for size, fails := range map[int]bool{maxFile: false, maxFile + 1: true} {
		if err := os.WriteFile(path, []byte("#"+strings.Repeat("x", size-1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err != nil) != fails {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (rewritten by -update): got\n%s\nwant\n%s", name, got, want)
	}
}

// The sample is a file without mistakes, as it is and with every option uncommented, and changes nothing.
func TestSample(t *testing.T) {
	sample := Sample(newOptions().schema)
	golden(t, "sample.toml", sample)
	var all strings.Builder
	for line := range strings.Lines(sample) {
		if len(line) > 1 && line[0] == '#' && line[1] != '#' && line[1] != ' ' {
			line = line[1:]
		}
		all.WriteString(line)
	}
	for name, text := range map[string]string{"as it is": sample, "uncommented": all.String()} {
		f, err := Read("sample.toml", text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		o := newOptions()
		if p := Apply(o.schema, Source{File: f}); len(p) > 0 {
			t.Errorf("%s: %v", name, p)
		}
		if changed := config.Changed(newOptions().schema, o.schema); len(changed) > 0 {
			t.Errorf("%s: changes %s", name, changed[0].Name)
		}
		if n := len(f.Entries); name == "uncommented" && n != 10+3 {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}

func TestShow(t *testing.T) {
	o := newOptions()
	f, err := Read("f.toml", "domain = 'a'\n[xmpp.ping]\nkey = 'hush'\ninterval = '30s'\n")
	if err != nil {
		t.Fatal(err)
	}
	if p := Apply(o.schema, Source{File: f, Flags: []string{"register.policy=open"}}); len(p) > 0 {
		t.Fatal(p)
	}
	golden(t, "show.txt", string(Show(o.schema, "", false).AppendTable(nil, "", "")))
	golden(t, "changed.txt", string(Show(o.schema, "", true).AppendTable(nil, "", "")))
	if rows := Show(o.schema, "c2s", false).Rows; len(rows) != 3 {
		t.Errorf("one section has %d rows", len(rows))
	}
}

// Whatever is in the file, Read and Apply end, and every entry has its line.
func FuzzRead(f *testing.F) {
	f.Add("domain = 'example.org'\n[c2s]\nlisten = ['[::]:5222']\n[xmpp.ping]\ninterval = '60s'\n")
	f.Add("a.b.c = {d = [1, 2.5, {e = 1979-05-27}]}\n[[x]]\n[[x]]\ny=1\n")
	f.Add("\"\" = 1\n\"a.b\" = '''\n\n'''\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Read("f", text)
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, e := range file.Entries {
			if e.Line < 0 || e.Line > lines {
				t.Errorf("entry %q stands in line %d of %d", e.Path, e.Line, lines)
			}
		}
		_ = Apply(newOptions().schema, Source{File: file}).Error()
	})
}
