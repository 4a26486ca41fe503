package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"linnet/appliance/features"
)

// asLinnet makes the test binary be the program.
const asLinnet = "LINNET_TEST_IS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asLinnet) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program prepares a run of the program with these words.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = append(os.Environ(), asLinnet+"=1", "LINNET_DATA="+filepath.Join(t.TempDir(), "default"))
	return c
}

// linnet runs the program to its end.
func linnet(t *testing.T, stdin string, args ...string) (code int, out, err string) {
	t.Helper()
	c := program(t, args...)
	var o, e bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &o, &e
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParts(t *testing.T) {
	bad := write(t, "bad.toml", "[c2s]\nlistne = []\n[nothing]\n")
	torn, number := write(t, "torn.toml", "[c2s\n"), write(t, "number.toml", "\ndata = 1\n")
	good := write(t, "good.toml", "domain = 'example.org'\n[c2s]\nlisten = []\n")
	for _, tc := range []struct {
		name string
		args string
		code int
		out  string // parts, "" for nothing
		err  string
	}{
		{"nothing", "", 2, "", "usage: linnet PART"},
		{"help", "help", 0, "The first steps:", ""},
		{"-h", "-h", 0, "usage: linnet PART", ""},
		{"help about a part", "help check", 0, "usage: linnet check", ""},
		{"help about what has none", "help version", 0, "usage: linnet PART", ""},
		{"unknown", "rum", 2, "", `there is no part "rum"; did you mean "run"?`},
		{"version", "version", 0, "linnet development", ""},
		{"--version", "--version", 0, "linnet development", ""},
		{"help of run", "run -h", 0, "-domain domain", ""},
		{"bad flag", "run -nonsense", 2, "", "flag provided but not defined"},
		{"a word too many", "check x", 2, "", "expected 0 words"},
		{"check", "check -config " + good, 0, "is good", ""},
		{"check of nothing", "check -data /nonexistent", 0, "the defaults are good", ""},
		{"check of mistakes", "check -config " + bad, 2, "", bad + ":2: [c2s] listne: no such option; did you mean \"listen\"?\n" + bad + ":3: [nothing] no such section\n2 mistakes\n"},
		{"check of a missing file", "check -config /nonexistent", 2, "", "/nonexistent: there is no such file"},
		{"run with mistakes", "run -config " + bad, 2, "", "did you mean"},
		{"run with a bad flag layer", "run -set nothing=1", 2, "", "nothing: no such option"},
		{"sample", "sample", 0, "#domain = \"\"", ""},
		{"ctl without words", "ctl", 2, "", "usage: linnet ctl"},
		{"ctl help flag", "ctl -h", 0, "-watch 2s", ""},
		{"ctl without server", "ctl -data /nonexistent status", 3, "", "linnet does not run with the data directory /nonexistent"},
		{"ctl with a bad flag", "ctl -dta x status", 2, "", "did you mean -data?"},
		{"ctl with a configuration that is not there", "ctl -config /nonexistent status", 2, "", "name the data directory with -data"},
		{"ctl with a configuration that cannot be read", "ctl -config " + torn + " status", 2, "", torn + ":1: "},
		{"ctl with data that are none", "ctl -config " + number + " status", 2, "", number + ":2: data is no text"},
		{"ctl with a configuration of mistakes", "ctl -config " + bad + " status", 3, "", "linnet does not run"},
		{"restore with a configuration that is not there", "restore -config /nonexistent x", 2, "", "name the data directory with -data"},
		{"restore with options", "restore -set data=x y", 2, "", "flag provided but not defined: -set"},
		{"restore of nothing", "restore", 2, "", "expected 1 words"},
		{"restore of a missing file", "restore -data " + t.TempDir() + " /nonexistent", 1, "", "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, err := linnet(t, "", strings.Fields(tc.args)...)
			if code != tc.code || !strings.Contains(out, tc.out) || (tc.out == "") != (out == "") || !strings.Contains(err, tc.err) || (tc.err == "") != (err == "") {
				t.Errorf("exit %d, want %d\nout %s\nerr %s", code, tc.code, out, err)
			}
		})
	}
}

// A link named like a part is that part.
func TestMultiCall(t *testing.T) {
	c := program(t, "-h")
	link := filepath.Join(t.TempDir(), "linnetctl")
	if err := os.Symlink(c.Path, link); err != nil {
		t.Fatal(err)
	}
	c.Path, c.Args[0] = link, link
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "usage: linnet ctl") {
		t.Errorf("%v: %s", err, out)
	}
}

// server is a running program.
type server struct {
	*exec.Cmd
	out  *bufio.Reader
	err  bytes.Buffer
	data string
}

func serve(t *testing.T, data string) *server {
	t.Helper()
	s := prepare(t, data)
	s.start(t)
	return s
}

func prepare(t *testing.T, data string) *server {
	t.Helper()
	c := program(t, "run", "-data", data, "-domain", "example.org", "-set", "c2s.listen=127.0.0.1:0", "-set", "c2s.direct_tls=", "-set", "services=", "-set", "account.iterations=4096")
	s := &server{Cmd: c, data: data}
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out, c.Stderr = bufio.NewReader(pipe), &s.err
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

// welcome reads what a start says.
func (s *server) welcome(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for !strings.Contains(text.String(), "say hello") { // its last line
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %s%s", err, text.String(), s.err.String())
		}
		text.WriteString(line)
	}
	return text.String()
}

func (s *server) end(t *testing.T) {
	t.Helper()
	_, _ = io.Copy(io.Discard, s.out)
	if err := s.Wait(); err != nil {
		t.Errorf("%v\n%s", err, s.err.String())
	}
}

// Connections leave descriptors to the operator.
func TestServeWithFewDescriptors(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := prepare(t, data)
	s.Args = append([]string{"sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\"", s.Path}, s.Args[1:]...)
	s.Path = "/bin/sh"
	s.start(t)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(s.welcome(t))
	refused := make(chan bool, 64)
	for range 64 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			_, _ = c.Read(make([]byte, 1))
			refused <- true
		}()
	}
	<-refused
	if code, out, err := linnet(t, "", "ctl", "-data", data, "backup", filepath.Join(t.TempDir(), "copy")); code != 0 {
		t.Errorf("exit %d: %s%s", code, out, err)
	}
	if code, out, err := linnet(t, "", "ctl", "-data", data, "log", "show"); !strings.Contains(out, "ulimit -n") {
		t.Errorf("exit %d: %s%s", code, out, err)
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.end(t)
}

// Whoever reads the log may end; the server does not end with him.
func TestServeWithoutReaders(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	read, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := program(t, "run", "-data", data, "-domain", "example.org", "-set", "c2s.listen=", "-set", "c2s.direct_tls=", "-set", "services=")
	c.Stdout, c.Stderr = written, written
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	written.Close()
	if _, err := bufio.NewReader(read).ReadString('\n'); err != nil { // it says who it is: it runs
		t.Fatal(err)
	}
	read.Close()
	for range 2 { // each writes a line
		if code, out, err := linnet(t, "", "ctl", "-data", data, "reload"); code != 0 {
			t.Fatalf("exit %d: %s%s", code, out, err)
		}
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// Whoever reads the log may hold it; the server goes on and comes to its end.
func TestServeWithHeldReader(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	read, written, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	fd := int(written.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for size := 4096; size > 0; size /= 2 { // to the last byte
		for err = nil; err == nil; {
			_, err = syscall.Write(fd, make([]byte, size))
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	c := program(t, "run", "-quiet", "-data", data, "-domain", "example.org", "-set", "c2s.listen=", "-set", "c2s.direct_tls=", "-set", "services=")
	c.Stderr = written
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	written.Close()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until it runs
		code, out, err := linnet(t, "", "ctl", "-data", data, "reload") // which is logged
		if code == 0 {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("exit %d: %s%s", code, out, err)
		}
	}
	if code, out, err := linnet(t, "", "ctl", "-data", data, "log", "show"); code != 0 || !strings.Contains(out, "configuration reloaded") {
		t.Errorf("exit %d: %s%s", code, out, err)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// The whole way: a first start, control, reload, backup, restart, the end, and the backup put back.
func TestServe(t *testing.T) {
	for _, f := range features.Table {
		if f.Name == "admin" && !f.Linked() {
			t.Skip("this build leaves out the feature admin, and with it the commands that this life is made of")
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data)
	if text := s.welcome(t); !strings.Contains(text, "password ") || !strings.Contains(text, "127.0.0.1:") {
		t.Errorf("the first start says %s", text)
	}
	ctl := func(stdin string, args ...string) (int, string) {
		code, out, err := linnet(t, stdin, append([]string{"ctl", "-data", data}, args...)...)
		return code, out + err
	}
	copied := filepath.Join(t.TempDir(), "copy")
	for _, step := range []struct {
		name  string
		stdin string
		args  string
		code  int
		want  string
	}{
		{"status", "", "status -json", 0, `"domains":["example.org"]`},
		{"add", "hush hush hush\n", "user add alice@example.org", 0, ""},
		{"list", "", "user list registered", 0, "alice@example.org"},
		{"again", "hush hush hush\n", "user add alice@example.org", 6, "linnet ctl: "},
		{"backup", "", "backup " + copied, 0, "size"},
		{"delete", "", "user delete alice@example.org -yes", 0, ""},
		{"delete again", "", "user delete alice@example.org -yes", 5, "linnet ctl: "},
		{"reload", "", "reload", 0, "in force"},
	} {
		if code, out := ctl(step.stdin, strings.Fields(step.args)...); code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("%s: exit %d, want %d: %s", step.name, code, step.code, out)
		}
	}
	if code, out, err := linnet(t, "", "restore", "-data", data, copied); code != 1 {
		t.Errorf("restore under a running server: exit %d, %s%s", code, out, err)
	}
	if code, out := ctl("", "restart", "-yes"); code != 0 {
		t.Errorf("restart: exit %d, %s", code, out)
	}
	if text := s.welcome(t); !strings.Contains(text, "forgot the password?") {
		t.Errorf("after the restart it says %s", text)
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.end(t)
	if log := s.err.String(); strings.Contains(log, "hush") || strings.Count(log, "msg=stopped") != 2 {
		t.Errorf("the log is\n%s", log)
	}

	code, out, err := linnet(t, "", "restore", "-data", data, copied)
	if code != 0 {
		t.Fatalf("restore: exit %d, %s%s", code, out, err)
	}
	if there, _ := filepath.Glob(filepath.Join(data, "linnet.db.replaced-*")); len(there) != 1 || !strings.Contains(out, there[0]+"\n") {
		t.Errorf("set aside is %v, restore says %s", there, out)
	}
	s = serve(t, data)
	s.welcome(t)
	if code, out := ctl("", "user", "list", "registered", "-json"); code != 0 || !strings.Contains(out, "alice@example.org") {
		t.Errorf("after the restore: exit %d, %s", code, out)
	}
	second := serve(t, data)
	_, _ = io.Copy(io.Discard, second.out)
	if err := second.Wait(); err == nil || !strings.Contains(second.err.String(), "linnet run: ") {
		t.Errorf("a second server on the same data: %v, %s", err, second.err.String())
	}
	if code, out := ctl("", "shutdown", "-yes"); code != 0 {
		t.Errorf("shutdown: exit %d, %s", code, out)
	}
	s.end(t)
}
