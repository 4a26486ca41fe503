package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/metric"
)

// door is a Set with a log and metrics that a test can look at.
type door struct {
	*Set
	log     bytes.Buffer
	metrics *metric.Set
}

func newDoor(level log.Level, commands ...Command) *door {
	d := &door{metrics: metric.NewSet()}
	g := d.metrics.NewGeneration()
	d.Set = NewSet(log.To(&d.log, level), g.Section("command"))
	for _, c := range commands {
		d.Add(c)
	}
	d.metrics.Use(g)
	return d
}

func (d *door) runs(command, outcome string) (n int64) {
	d.metrics.Walk(func(s metric.Sample) bool {
		if len(s.Labels) == 2 && s.Labels[0] == command && s.Labels[1] == outcome {
			n = s.Value
		}
		return true
	})
	return n
}

// echo answers with its arguments as it got them.
func echo(_ context.Context, c *Call) (*Result, error) {
	r := &Result{}
	for _, a := range c.Command.Args {
		if c.Has(a.Name) {
			r.Set(a.Name, "", c.Lines(a.Name)...)
		}
	}
	return r, nil
}

var everything = Command{
	Name: "try all", Node: "http://example.org/try", Effect: Change, Role: Operator, Help: "Try.", Run: echo,
	Args: []Arg{
		{Name: "jid", Kind: JID, Required: true, Help: "h"},
		{Name: "jids", Kind: JIDs, Help: "h"},
		{Name: "text", Kind: Text, Help: "h"},
		{Name: "lines", Kind: Lines, Help: "h"},
		{Name: "password", Kind: Password, Help: "h"},
		{Name: "bool", Kind: Bool, Help: "h"},
		{Name: "int", Kind: Int, Default: "7", Help: "h"},
		{Name: "enum", Kind: Enum, Choices: []string{"a", "b"}, Help: "h"},
		{Name: "duration", Kind: Duration, Help: "h"},
	},
}

var operator = Caller{Name: "op", Role: Operator, Via: "test"}

func TestArguments(t *testing.T) {
	long := strings.Repeat("x", maxText)
	for _, tc := range []struct {
		name string
		args Values
		arg  string // the argument that is wrong; "" when all are right
		text string
	}{
		{"least", Values{"jid": {"a@example.org"}}, "", ""},
		{"all", Values{"jid": {"a@example.org"}, "jids": {"a@b", "c@d"}, "text": {""}, "lines": {"1", "2"}, "password": {"p"},
			"bool": {"1"}, "int": {"-3"}, "enum": {"b"}, "duration": {"90"}}, "", ""},
		{"missing", Values{}, "jid", "is required"},
		{"empty", Values{"jid": {""}}, "jid", "is required"},
		{"no address", Values{"jid": {"@@"}}, "jid", "is not an address"},
		{"no account beside a password", Values{"jid": {"example.org"}}, "jid", "is not an address of an account"},
		{"one of several no address", Values{"jid": {"a@b"}, "jids": {"a@b", "@"}}, "jids", "is not an address"},
		{"two where one", Values{"jid": {"a@b", "c@d"}}, "jid", "takes one value, not 2"},
		{"unknown", Values{"jid": {"a@b"}, "jdi": {"x"}}, "jdi", "takes no such argument"},
		{"bool", Values{"jid": {"a@b"}, "bool": {"perhaps"}}, "bool", "neither true nor false"},
		{"int", Values{"jid": {"a@b"}, "int": {"1.5"}}, "int", "not a whole number"},
		{"enum", Values{"jid": {"a@b"}, "enum": {"c"}}, "enum", "none of a, b"},
		{"duration", Values{"jid": {"a@b"}, "duration": {"-1s"}}, "duration", "not a duration"},
		{"longest", Values{"jid": {"a@b"}, "text": {long}}, "", ""},
		{"too long", Values{"jid": {"a@b"}, "text": {long + "x"}}, "text", "longer than"},
		{"most", Values{"jid": {"a@b"}, "lines": make([]string, maxMany)}, "", ""},
		{"too many", Values{"jid": {"a@b"}, "lines": make([]string, maxMany+1)}, "lines", "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDoor(log.LevelInfo, everything)
			_, err := d.Run(t.Context(), operator, "try all", tc.args)
			if tc.arg == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Reason != BadArgument || e.Arg != tc.arg || !strings.Contains(e.Text, tc.text) {
				t.Errorf("error %v, want one of %s about %q", err, tc.arg, tc.text)
			}
			if d.runs("try all", "bad-argument") != 1 {
				t.Error("a refused run is not counted")
			}
		})
	}
}

func TestCallValues(t *testing.T) {
	var got *Call
	c := everything
	c.Run = func(_ context.Context, call *Call) (*Result, error) { got = call; return nil, nil }
	d := newDoor(log.LevelInfo, c)
	r, err := d.Run(t.Context(), operator, "http://example.org/try", Values{"jid": {"A@Example.org"}, "jids": {"b@c", "d@e"}, "bool": {"true"}, "duration": {"1m30s"}, "lines": {"x", "y"}})
	if err != nil || r == nil || !r.IsEmpty() {
		t.Fatalf("%v, %v", r, err)
	}
	switch {
	case got.JID("jid").String() != "a@example.org":
		t.Error("JID", got.JID("jid"))
	case len(got.JIDs("jids")) != 2 || got.JIDs("jids")[1].String() != "d@e":
		t.Error("JIDs", got.JIDs("jids"))
	case !got.Bool("bool") || got.Int("int") != 7 || got.Duration("duration") != 90*time.Second:
		t.Error("values", got.Bool("bool"), got.Int("int"), got.Duration("duration"))
	case got.Has("text") || got.String("text") != "" || !got.JID("nothing").IsZero() || len(got.Lines("lines")) != 2:
		t.Error("what was not given is there")
	}
}

// A text may be empty and is given all the same; anything else that is empty is not.
func TestEmptyValues(t *testing.T) {
	var got *Call
	c := everything
	c.Run = func(_ context.Context, call *Call) (*Result, error) { got = call; return nil, nil }
	_, err := newDoor(log.LevelInfo, c).Run(t.Context(), operator, "try all", Values{"jid": {"a@b"}, "text": {""}, "password": {""}, "int": {""}, "enum": {""}})
	if err != nil || !got.Has("text") || got.Has("password") || got.Int("int") != 7 || got.Has("enum") {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestDoor(t *testing.T) {
	say := func(context.Context, *Call) (*Result, error) { return Say("done"), nil }
	commands := []Command{
		{Name: "mine", Effect: Read, Role: User, Help: "h", Run: say},
		{Name: "look", Effect: Read, Role: Operator, Help: "h", Run: say},
		{Name: "change", Effect: Change, Role: Admin, Help: "h", Run: say},
		{Name: "file", Effect: Change, Role: Admin, Help: "h", Local: true, Run: say},
		{Name: "far", Effect: Change, Role: Admin, Help: "h", Remote: true, Run: say},
		{Name: "lost", Effect: Change, Role: User, Help: "h", Run: func(context.Context, *Call) (*Result, error) {
			return nil, Fail(NotFound, "%s is not there", "it")
		}},
		{Name: "broken", Effect: Change, Role: User, Help: "h", Run: func(context.Context, *Call) (*Result, error) {
			return nil, errors.New("the disk is on fire")
		}},
		{Name: "panics", Effect: Change, Role: User, Help: "h", Run: func(context.Context, *Call) (*Result, error) {
			panic("oh")
		}},
	}
	admin := Caller{Name: "adm", Role: Admin, Via: "test"}
	local := Caller{Name: "root", Role: Admin, Via: "test", Local: true}
	for _, tc := range []struct {
		name    string
		caller  Caller
		command string
		want    Reason
		ok      bool
		logged  string // a part of the line; "" for no line at info
	}{
		{"nobody", Caller{Via: "test"}, "mine", Forbidden, false, "outcome=forbidden"},
		{"user", Caller{Role: User}, "mine", 0, true, ""},
		{"user looks", Caller{Role: User}, "look", Forbidden, false, "outcome=forbidden"},
		{"operator looks", operator, "look", 0, true, ""},
		{"operator changes", operator, "change", Forbidden, false, "who=op"},
		{"admin changes", admin, "change", 0, true, "who=adm via=test command=change args=\"\" outcome=ok"},
		{"admin from afar", admin, "file", Forbidden, false, "outcome=forbidden"},
		{"admin here", local, "file", 0, true, "command=file"},
		{"what is for afar", admin, "far", 0, true, "command=far"},
		{"what is for afar, here", local, "far", Forbidden, false, "outcome=forbidden"},
		{"unknown", admin, "no such", Unknown, false, ""},
		{"not found", admin, "lost", NotFound, false, "outcome=not-found"},
		{"internal", admin, "broken", Internal, false, "level=ERROR msg=command who=adm via=test command=broken args=\"\" outcome=internal"},
		{"panic", admin, "panics", Internal, false, "command panicked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDoor(log.LevelInfo, commands...)
			r, err := d.Run(t.Context(), tc.caller, tc.command, nil)
			if (err == nil) != tc.ok || err != nil && ReasonOf(err) != tc.want {
				t.Errorf("error %v, reason %v", err, ReasonOf(err))
			}
			if tc.ok && r.Text != "done" {
				t.Errorf("result %+v", r)
			}
			log := d.log.String()
			if tc.logged == "" && log != "" || !strings.Contains(log, tc.logged) {
				t.Errorf("log %q, want a part %q", log, tc.logged)
			}
			label, outcome := tc.command, "ok"
			if err != nil {
				outcome = ReasonOf(err).String()
			}
			if tc.want == Unknown {
				label = "none"
			}
			if d.runs(label, outcome) != 1 {
				t.Errorf("%s %s is not counted", label, outcome)
			}
		})
	}
	d := newDoor(log.LevelInfo, commands...)
	if n := len(d.For(Caller{Role: User})); n != 4 {
		t.Errorf("a user is offered %d commands", n)
	}
	if n := len(d.For(local)); n != 7 {
		t.Errorf("root is offered %d commands", n)
	}
}

// Nothing of a password may reach the log, nor what was given under a name that the command does not know.
func TestAuditHidesSecrets(t *testing.T) {
	for _, args := range []Values{
		{"jid": {"a@b"}, "password": {"hush"}},
		{"jid": {"a@b"}, "pasword": {"hush"}},
		{"password": {"hush", "hush"}, "jid": {"a@b"}},
	} {
		d := newDoor(log.LevelDebug, everything)
		_, err := d.Run(t.Context(), operator, "try all", args)
		if strings.Contains(d.log.String(), "hush") || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("a password shows: %v\n%s", err, d.log.String())
		}
		if !strings.Contains(d.log.String(), "jid=a@b") {
			t.Errorf("the audit lacks the rest: %s", d.log.String())
		}
	}
	d := newDoor(log.LevelDebug, everything)
	if _, err := d.Run(t.Context(), operator, "try all", Values{"jid": {"a@b"}, "text": {strings.Repeat("é", 101)}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(d.log.String(), strings.Repeat("é", 101)) {
		t.Error("a long argument is in the log whole")
	}
}

func TestStream(t *testing.T) {
	c := Command{Name: "count", Effect: Read, Role: User, Help: "h", Run: func(_ context.Context, c *Call) (*Result, error) {
		for _, n := range []string{"1", "2"} {
			if err := c.Emit(Table(Column{Name: "n", Kind: Int}).Row(n)); err != nil {
				return nil, err
			}
		}
		return Table(Column{Name: "n", Kind: Int}).Row("3"), nil
	}}
	d := newDoor(log.LevelInfo, c)
	r, err := d.Run(t.Context(), operator, "count", nil)
	if err != nil || string(r.AppendJSON(nil)) != `[{"n":1},{"n":2},{"n":3}]` {
		t.Errorf("Run gathers %s, %v", r.AppendJSON(nil), err)
	}
	gone := errors.New("gone")
	if _, err := d.Stream(t.Context(), operator, "count", nil, func(*Result) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("the command is not told that nobody looks: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	good := func() Command { c := everything; c.Args = nil; return c }
	arg := func(a Arg) func(*Command) { return func(c *Command) { c.Args = []Arg{a} } }
	for _, tc := range []struct {
		name   string
		change func(*Command)
	}{
		{"no name", func(c *Command) { c.Name = "" }},
		{"four words", func(c *Command) { c.Name = "a b c d" }},
		{"capitals", func(c *Command) { c.Name = "User add" }},
		{"two blanks", func(c *Command) { c.Name = "user  add" }},
		{"no help", func(c *Command) { c.Help = "" }},
		{"no run", func(c *Command) { c.Run = nil }},
		{"no effect", func(c *Command) { c.Effect = 0 }},
		{"no role", func(c *Command) { c.Role = 0 }},
		{"argument without help", arg(Arg{Name: "a", Kind: Text})},
		{"argument without kind", arg(Arg{Name: "a", Help: "h"})},
		{"argument of a result's kind", arg(Arg{Name: "a", Kind: Time, Help: "h"})},
		{"argument with blank", arg(Arg{Name: "a b", Kind: Text, Help: "h"})},
		{"reserved argument", arg(Arg{Name: "json", Kind: Text, Help: "h"})},
		{"enum without choices", arg(Arg{Name: "a", Kind: Enum, Help: "h"})},
		{"file from afar", arg(Arg{Name: "a", Kind: Path, Help: "h"})},
		{"argument twice", func(c *Command) {
			c.Args = []Arg{{Name: "a", Kind: Text, Help: "h"}, {Name: "a", Kind: Text, Help: "h"}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good()
			tc.change(&c)
			d := newDoor(log.LevelInfo, c)
			if d.Err() == nil || len(d.All()) != 0 {
				t.Errorf("Err() = %v with %d commands", d.Err(), len(d.All()))
			}
		})
	}
	if d := newDoor(log.LevelInfo, good(), good()); d.Err() == nil {
		t.Error("a command declared twice is no mistake")
	}
	if d := newDoor(log.LevelInfo, good()); d.Err() != nil {
		t.Error(d.Err())
	}
}

func sample() *Result {
	r := Say("Two users.")
	r.Set("domain", "", "example.org").SetInt("count", "users", 2).Set("admins", "", "a", "b")
	r.Add("size", "", Bytes, "1536").Add("up", "", Bool, "true").Add("seen", "", Time, "")
	r.Columns = []Column{{Name: "jid", Label: "address", Kind: JID}, {Name: "messages", Kind: Int}, {Name: "bytes", Kind: Bytes}}
	return r.Row("alice@example.org", "5", "10").Row("böb@example.org", "1200", "3145728").Row("short")
}

func TestTable(t *testing.T) {
	want := `Two users.
domain  example.org
users   2
admins  a, b
size    1.5 KB
up      true
seen

ADDRESS            MESSAGES   BYTES
alice@example.org         5      10
böb@example.org        1200  3.0 MB
short
`
	if got := string(sample().AppendTable(nil, "", "")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	bold := string(sample().AppendTable(nil, "<", ">"))
	if !strings.Contains(bold, "\n<ADDRESS            MESSAGES   BYTES>\n") {
		t.Errorf("heading is not bold:\n%s", bold)
	}
	evil := Table(Column{Name: "a"}).Row("\x1b[2Jx\x07\u009b")
	evil.Text = "a\x1b]0;x\nb"
	if got := string(evil.AppendTable(nil, "", "")); strings.ContainsAny(got, "\x1b\x07\u009b") {
		t.Errorf("control characters reach the terminal: %q", got)
	}
}

func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    *Result
		want string
	}{
		{"all", sample(), `{"text":"Two users.","domain":"example.org","count":2,"admins":["a","b"],"size":1536,"up":true,"seen":"",` +
			`"rows":[{"jid":"alice@example.org","messages":5,"bytes":10},{"jid":"böb@example.org","messages":1200,"bytes":3145728},{"jid":"short"}]}`},
		{"empty", &Result{}, `{}`},
		{"table", Table(Column{Name: "a"}), `[]`},
		{"text", Say("a\nb\t\"\\\x7f"), `{"text":"a\nb\u0009\"\\\u007f"}`},
		{"no numbers", Table(Column{Name: "a", Kind: Int}).Row("").Row("x").Row("007").Row("-1"), `[{"a":null},{"a":"x"},{"a":7},{"a":-1}]`},
		{"several", (&Result{}).Add("a", "", Lines, "x"), `{"a":["x"]}`},
		{"none", (&Result{}).Add("a", "", Text), `{"a":[]}`},
		{"bad text", Say("\xff"), "{\"text\":\"\uFFFD\"}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := string(tc.r.AppendJSON(nil))
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("it is not JSON")
			}
		})
	}
}

func FuzzJSONString(f *testing.F) {
	f.Add("a\"\\\n\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendJSONString(nil, s)
		var back string
		if err := json.Unmarshal(b, &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") && !strings.Contains(back, "\uFFFD") {
			t.Errorf("%q becomes %s becomes %q: %v", s, b, back, err)
		}
	})
}
