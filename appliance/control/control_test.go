package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/metric"
)

// world is a server with commands that behave like those of a real program.
type world struct {
	t      *testing.T
	dir    string
	server *Server
	set    *command.Set

	mu    sync.Mutex
	users map[string]string // passwords
	ended chan error        // how "wait" ended
}

func newWorld(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, users: map[string]string{"alice@example.org": "x"}, ended: make(chan error, maxClients)}
	w.declare()
	if err := w.set.Err(); err != nil {
		t.Fatal(err)
	}
	var err error
	w.server, err = Listen(dir, func() *command.Set { return w.set }, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) declare() {
	w.set = command.NewSet(nil, metric.NewSet().NewGeneration().Section("test"))
	address := command.Arg{Name: "jid", Kind: command.JID, Required: true, Help: "the address"}
	secret := command.Arg{Name: "password", Kind: command.Password, Required: true, Help: "New password"}
	for _, c := range []command.Command{
		{Name: "user add", Args: []command.Arg{address, secret, {Name: "admin", Kind: command.Bool, Help: "make it an administrator"}}, Effect: command.Change, Role: command.Admin, Help: "Make an account.", Run: w.add},
		{Name: "user delete", Args: []command.Arg{address}, Effect: command.Danger, Role: command.Admin, Help: "Delete an account.", Run: w.remove},
		{Name: "user list", Effect: command.Read, Role: command.Operator, Help: "List accounts.", Run: w.list},
		{Name: "say", Args: []command.Arg{
			{Name: "kind", Kind: command.Enum, Choices: []string{"chat", "headline"}, Default: "chat", Help: "what kind"},
			{Name: "file", Kind: command.Path, Help: "a file"},
			{Name: "text", Kind: command.Lines, Required: true, Help: "the text"},
		}, Effect: command.Read, Role: command.User, Help: "Say something.\n\nAnd more about it.", Local: true, Run: w.say},
		{Name: "wait", Effect: command.Read, Role: command.User, Help: "Wait.", Run: w.wait},
		{Name: "count", Effect: command.Read, Role: command.User, Help: "Count.", Run: w.count},
		{Name: "room count new", Effect: command.Read, Role: command.User, Help: "Count.", Run: w.count},
		{Name: "room count old", Effect: command.Read, Role: command.User, Help: "Count.", Run: w.count},
		{Name: "fail", Args: []command.Arg{{Name: "how", Kind: command.Text, Help: "how"}}, Effect: command.Read, Role: command.User, Help: "Fail.", Run: w.fail},
	} {
		w.set.Add(c)
	}
}

func (w *world) add(_ context.Context, c *command.Call) (*command.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := c.JID("jid").String()
	if w.users[name] != "" {
		return nil, command.Fail(command.Conflict, "%s is there already", name)
	}
	w.users[name] = c.String("password")
	return nil, nil
}

func (w *world) remove(_ context.Context, c *command.Call) (*command.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := c.JID("jid").String()
	if w.users[name] == "" {
		return nil, command.Fail(command.NotFound, "there is no %s", name)
	}
	delete(w.users, name)
	return nil, nil
}

func (w *world) list(context.Context, *command.Call) (*command.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return command.Table(command.Column{Name: "jid"}, command.Column{Name: "messages", Kind: command.Int}).Row("alice@example.org", "3"), nil
}

func (w *world) say(_ context.Context, c *command.Call) (*command.Result, error) {
	r := (&command.Result{}).Set("kind", "", c.String("kind")).Add("text", "", command.Lines, c.Lines("text")...)
	if c.Has("file") {
		r.Set("file", "", c.String("file"))
	}
	return r, nil
}

// wait goes on until the client is gone.
func (w *world) wait(ctx context.Context, c *command.Call) (*command.Result, error) {
	if err := c.Emit(command.Say("begun")); err != nil {
		return nil, err
	}
	<-ctx.Done()
	w.ended <- ctx.Err()
	return nil, nil
}

func (w *world) count(_ context.Context, c *command.Call) (*command.Result, error) {
	for _, n := range []string{"one", "two"} {
		if err := c.Emit(command.Say(n)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (w *world) fail(_ context.Context, c *command.Call) (*command.Result, error) {
	switch c.String("how") {
	case "not-allowed":
		return nil, command.Fail(command.NotAllowed, "never")
	case "unavailable":
		return nil, command.Fail(command.Unavailable, "not now")
	}
	return nil, errors.New("broken")
}

// person is a Prompt whose answers a test gives.
type person struct {
	answers []string
	asked   []string
}

func (p *person) Ask(question string) (string, error) {
	p.asked = append(p.asked, question)
	if len(p.answers) == 0 {
		return "", io.EOF
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer, nil
}

func (p *person) Secret(question string) (string, error) { return p.Ask("secret " + question) }

// ctl runs a client and returns what it wrote.
func (w *world) ctl(stdin string, who *person, argv ...string) (code int, out, err string) {
	w.t.Helper()
	var o, e bytes.Buffer
	c := Client{Dir: w.dir, In: strings.NewReader(stdin), Out: &o, Err: &e}
	if who != nil {
		c.Prompt = who
	}
	code = c.Run(argv)
	return code, o.String(), e.String()
}

func TestCtl(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		argv    string
		stdin   string
		answers []string // of a person; nil when there is none
		code    int
		out     string // "" for nothing
		err     string // a part
	}{
		{name: "table", argv: "user list", out: "JID                MESSAGES\nalice@example.org         3\n"},
		{name: "json", argv: "user list -json", out: `[{"jid":"alice@example.org","messages":3}]` + "\n"},
		{name: "json before", argv: "--json user list", out: `[{"jid":"alice@example.org","messages":3}]` + "\n"},
		{name: "password from a pipe", argv: "user add bob@example.org", stdin: "hush\nmore\n"},
		{name: "password from an empty pipe", argv: "user add bob@example.org", code: ExitFailed, err: "New password: standard input has none"},
		{name: "password as a flag", argv: "user add bob@example.org -password hush"},
		{name: "password by its place", argv: "user add bob@example.org hush", code: ExitUsage, err: `"hush" is one word too many for user add`},
		{name: "password asked for", argv: "user add bob@example.org", answers: []string{"hush", "hush"}},
		{name: "two different passwords", argv: "user add bob@example.org", answers: []string{"hush", "hash"}, code: ExitFailed, err: "two different ones"},
		{name: "bool flag", argv: "user add -admin bob@example.org -password=hush"},
		{name: "exists", argv: "user add alice@example.org -password x", code: ExitConflict, err: "is there already"},
		{name: "confirmed", argv: "user delete alice@example.org", answers: []string{"y"}},
		{name: "not confirmed", argv: "user delete alice@example.org", answers: []string{""}, code: ExitFailed, err: "nothing was done"},
		{name: "nobody to confirm", argv: "user delete alice@example.org", code: ExitFailed, err: "Use -yes"},
		{name: "confirmed beforehand", argv: "user delete alice@example.org -yes"},
		{name: "not found", argv: "user delete carol@example.org -yes", code: ExitNotFound, err: "there is no carol@example.org"},
		{name: "places and flags", argv: "say headline x.txt hello world", out: "kind  headline\ntext  hello, world\nfile  " + wd + "/x.txt\n"},
		{name: "flags take places", argv: "say -file=/x -kind chat hello", out: "kind  chat\ntext  hello\nfile  /x\n"},
		{name: "two dashes", argv: "say chat f -- -json", out: "kind  chat\ntext  -json\nfile  " + wd + "/f\n"},
		{name: "bad choice", argv: "say -kind=shout -text x", code: ExitUsage, err: `kind: "shout" is none of chat, headline`},
		{name: "bad flag", argv: "say -knid chat", code: ExitUsage, err: "say takes no -knid; did you mean -kind?"},
		{name: "flag without value", argv: "say -kind", code: ExitUsage, err: "-kind needs a value"},
		{name: "missing", argv: "say", code: ExitUsage, err: "text is missing: linnet ctl say [KIND] [FILE] TEXT…"},
		{name: "missing beside a password", argv: "user add", stdin: "hush\n", code: ExitUsage, err: "jid is missing: linnet ctl user add JID"},
		{name: "no address, before a password", argv: "user add bo:b@x@y", answers: []string{}, code: ExitUsage, err: `"bo:b@x@y" is not an address`},
		{name: "no account, before a password", argv: "user add bob", answers: []string{}, code: ExitUsage, err: `jid: "bob" is not an address of an account, such as alice@example.org`},
		{name: "two addresses, before a password", argv: "user add -jid a@x -jid b@x", answers: []string{}, code: ExitUsage, err: "takes one value, not 2"},
		{name: "an empty address, before a password", argv: "user add -jid=", answers: []string{}, code: ExitUsage, err: "jid: is required"},
		{name: "bad switch, before a password", argv: "user add bob@x -admin=perhaps", answers: []string{}, code: ExitUsage, err: "neither true nor false"},
		{name: "no address, before it is confirmed", argv: "user delete @", answers: []string{}, code: ExitUsage, err: `"@" is not an address`},
		{name: "a domain, without a password", argv: "user delete example.org -yes", code: ExitNotFound, err: "there is no example.org"},
		{name: "no command", argv: "", code: ExitUsage, err: "which command?"},
		{name: "half a command", argv: "user", code: ExitUsage, err: "user what? one of: add, delete, list"},
		{name: "misspelt", argv: "user lsit", code: ExitUsage, err: `there is no command "user lsit"; did you mean "user list"?`},
		{name: "misspelt, with a value", argv: "user dlete bob@example.org", code: ExitUsage, err: `did you mean "user delete"?`},
		{name: "not of the group", argv: "user frobnicate bob", code: ExitUsage, err: `there is no command "user frobnicate bob"; what begins with user: add, delete, list`},
		{name: "half a long command", argv: "room count", code: ExitUsage, err: "room count what? one of: new, old"},
		{name: "not of the longer group", argv: "room count foo", code: ExitUsage, err: "what begins with room count: new, old"},
		{name: "unknown", argv: "frobnicate", code: ExitUsage, err: "`linnet ctl help` lists them"},
		{name: "parts", argv: "count", out: "one\ntwo\n"},
		{name: "parts as json", argv: "count -json", out: `{"text":"one"}` + "\n" + `{"text":"two"}` + "\n"},
		{name: "internal", argv: "fail", code: ExitFailed, err: "linnet ctl: broken"},
		{name: "not allowed", argv: "fail not-allowed", code: ExitForbidden, err: "never"},
		{name: "not now", argv: "fail unavailable", code: ExitFailed, err: "not now"},
		{name: "watch what changes", argv: "user add x@y -password z -watch 1s", code: ExitUsage, err: "-watch is for commands that change nothing"},
		{name: "watch too often", argv: "user list -watch 99ms", code: ExitUsage, err: "is not an interval"},
		{name: "watch without interval", argv: "user list -watch", code: ExitUsage, err: "needs an interval"},
		{name: "help as json", argv: "help room count -json", out: `[{"command":"room count new","summary":"Count."},{"command":"room count old","summary":"Count."}]` + "\n"},
		{name: "json help", argv: "-json help wait", out: `{"text":"usage: linnet ctl wait\n\nWait.\n\nWith every command: -json for programs, -watch 2s to run it again and again, -yes to not be asked.\n"}` + "\n"},
		{name: "help of the unknown", argv: "help frobnicate", code: ExitUsage, err: "there is no command"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			var who *person
			if tc.answers != nil {
				who = &person{answers: tc.answers}
			}
			code, out, err := w.ctl(tc.stdin, who, strings.Fields(tc.argv)...)
			if code != tc.code || out != tc.out || (tc.err == "") != (err == "") || !strings.Contains(err, tc.err) {
				t.Errorf("exit %d, want %d\nout %q\nwant %q\nerr %q\nwant a part %q", code, tc.code, out, tc.out, err, tc.err)
			}
			if strings.HasPrefix(tc.argv, "user add bob") && code == ExitOK && w.users["bob@example.org"] != "hush" {
				t.Errorf("the password is %q", w.users["bob@example.org"])
			}
			if who != nil && len(tc.answers) == 0 && len(who.asked) > 0 {
				t.Errorf("asked %q before the words were looked at", who.asked)
			}
			if who != nil && len(tc.answers) > 0 && strings.HasPrefix(tc.argv, "user add") && !strings.HasPrefix(who.asked[0], "secret ") {
				t.Errorf("asked %q", who.asked)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	w := newWorld(t, t.TempDir())
	want := `usage: linnet ctl say [KIND] [FILE] TEXT…

Say something.

And more about it.

A value may be given by its place or by its name:
  -kind  what kind (one of chat, headline; default chat)
  -file  a file (file)
  -text  the text (texts; required)

With every command: -json for programs, -watch 2s to run it again and again, -yes to not be asked.
`
	for _, argv := range [][]string{{"say", "-help"}, {"say", "--help"}, {"-h", "say"}, {"help", "say"}, {"say", "-kind", "-h"}} {
		if code, out, err := w.ctl("", nil, argv...); code != ExitOK || out != want {
			t.Errorf("%v: exit %d, %s%s", argv, code, out, err)
		}
	}
	for _, argv := range [][]string{{"help"}, {"-help"}} {
		code, out, _ := w.ctl("", nil, argv...)
		if code != ExitOK || strings.Count(out, "\n") != 10 || !strings.Contains(out, "say             Say something.\n") {
			t.Errorf("%v: exit %d, %s", argv, code, out)
		}
	}
	if code, out, _ := w.ctl("", nil, "help", "user"); code != ExitOK || strings.Count(out, "user ") != 3 {
		t.Errorf("help of a group: exit %d, %s", code, out)
	}
	if code, out, _ := w.ctl("", nil, "user", "add", "-h"); code != ExitOK || !strings.Contains(out, "usage: linnet ctl user add JID [-password …] [-admin]\n") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// A command that goes on ends when its client goes, and when the server does.
func TestEnd(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			conn, err := net.Dial("unix", filepath.Join(w.dir, SocketName))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(appendObject(nil, field{key: "argv", list: []string{"wait"}})); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			if n, err := conn.Read(b); err != nil || string(b[:n]) != `{"out":"begun\n"}`+"\n" {
				t.Fatalf("%q, %v", b[:n], err)
			}
			if who == "client" {
				conn.Close()
			} else {
				w.server.Close()
			}
			if err := <-w.ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// A server that is closed while it waits for an answer does not wait for it.
func TestCloseWhileAsking(t *testing.T) {
	w := newWorld(t, t.TempDir())
	conn, err := net.Dial("unix", filepath.Join(w.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(appendObject(nil, field{key: "argv", list: []string{"user", "add", "x@y"}}, field{key: "answers", text: "true", flag: true})); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != `{"ask":"New password","secret":true}`+"\n" {
		t.Fatalf("%q, %v", b[:n], err)
	}
	w.server.Close()
	rest, _ := io.ReadAll(conn)
	if !strings.Contains(string(rest), "there was no answer") || !strings.Contains(string(rest), `{"exit":"1"}`) {
		t.Errorf("the client is told %q", rest)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t, t.TempDir())
	conn, err := net.Dial("unix", filepath.Join(w.dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(appendObject(nil, field{key: "argv", list: []string{"user", "list", "-watch", "100ms"}})); err != nil {
		t.Fatal(err)
	}
	var got string
	for b := make([]byte, 100); strings.Count(got, "alice") < 3; {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += string(b[:n])
	}
	if strings.Count(got, `{"clear":true}`) != 2 {
		t.Errorf("shown %q", got)
	}
}

func TestColor(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var out bytes.Buffer
	c := Client{Dir: w.dir, In: strings.NewReader(""), Out: &out, Err: &out, Color: true}
	if code := c.Run([]string{"user", "list"}); code != ExitOK || !strings.Contains(out.String(), "\x1b[1mJID") {
		t.Errorf("exit %d, %q", code, out.String())
	}
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t, dir: dir}
	if code, _, err := w.ctl("", nil, "x"); code != ExitNoServer || !strings.Contains(err, "linnet does not run with the data directory "+dir) {
		t.Errorf("exit %d, %s", code, err)
	}
	// A socket that a crash left behind is no server, and no hindrance for the next one.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if code, _, err := w.ctl("", nil, "x"); code != ExitNoServer || !strings.Contains(err, "does not run") {
		t.Errorf("exit %d, %s", code, err)
	}
	again := newWorld(t, dir)
	if code, _, err := again.ctl("", nil, "count"); code != ExitOK {
		t.Errorf("exit %d, %s", code, err)
	}
	again.server.Close()
	if _, err := os.Stat(filepath.Join(dir, SocketName)); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

// The path of a socket ends at 107 bytes; data directories do not.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir)
	if code, _, err := w.ctl("", nil, "count"); code != ExitOK {
		t.Errorf("exit %d, %s", code, err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestBadRequests(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		answer        string // a part; "" when the server just closes
	}{
		{"no JSON", "hello\n", ""},
		{"nothing", "\n", ""},
		{"no words", "{}\n", "which command?"},
		{"longest line", `{"argv":["` + strings.Repeat("x", maxLine-14) + `"]}` + "\n", "there is no command"},
		{"too long a line", `{"argv":["` + strings.Repeat("x", maxLine-13) + `"]}` + "\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			conn, err := net.Dial("unix", filepath.Join(w.dir, SocketName))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, tc.request) // the server may close before it has all
			answer, _ := io.ReadAll(conn)
			if (tc.answer == "") != (len(answer) == 0) || !strings.Contains(string(answer), tc.answer) {
				t.Errorf("answer %.100q, want a part %q", answer, tc.answer)
			}
		})
	}
}

func TestTooManyClients(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	begin := func() (string, error) {
		conn, err := net.Dial("unix", filepath.Join(w.dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_, _ = conn.Write(appendObject(nil, field{key: "argv", list: []string{"wait"}}))
		b := make([]byte, 100)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := conn.Read(b)
		return string(b[:n]), err
	}
	for range maxClients {
		if got, err := begin(); err != nil || !strings.Contains(got, "begun") {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if got, err := begin(); err == nil {
		t.Errorf("one client more is served: %q", got)
	}
}

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		argv         string
		data, config string
		rest         string
		fails        bool
	}{
		{argv: "-data /x user list -json", data: "/x", rest: "user list -json"},
		{argv: "--data=/x --config /y user", data: "/x", config: "/y", rest: "user"},
		{argv: "-json user list", rest: "-json user list"},
		{argv: "-dta /x", fails: true},
		{argv: "-data", fails: true},
		{argv: "", rest: ""},
	} {
		data, config, rest, err := Flags(strings.Fields(tc.argv))
		if (err != nil) != tc.fails || !tc.fails && (data != tc.data || config != tc.config || strings.Join(rest, " ") != tc.rest) {
			t.Errorf("%q: %q %q %q %v", tc.argv, data, config, rest, err)
		}
	}
}
