package readme

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"linnet/tinytests/loopback"
)

const root = "../.."

// block is one fenced block.
type block struct {
	line     int
	language string
	note     string // the comment before it
	text     string
}

var comment = regexp.MustCompile(`^<!-- (.*) -->$`)

func blocks(t *testing.T) []block {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	note := ""
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case open != nil && line == "```":
			all = append(all, *open)
			open, note = nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &block{line: i + 1, language: strings.TrimPrefix(line, "```"), note: note}
		default:
			if m := comment.FindStringSubmatch(line); m != nil {
				note = m[1]
			} else if line != "" {
				note = ""
			}
		}
	}
	if open != nil {
		t.Fatalf("README.md:%d: the block has no end", open.line)
	}
	return all
}

// place is the directory that the README's commands run in: it has bin/linnet, and grows var/linnet.
type place struct {
	t      *testing.T
	dir    string
	addr   string // of the clients' port
	snmp   string // of the agent
	server *exec.Cmd
	gone   chan struct{}
	log    output
}

// output is written by processes and read by the test.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	build := exec.Command("go", "build", "-o", filepath.Join(p.dir, "bin", "linnet"), "linnet/cmd/linnet")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	free, err := loopback.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	p.addr, p.snmp = free[0], free[1]
	p.certificate("example.org")
	p.configure()
	t.Cleanup(p.stop)
	return p
}

// certificate makes the files that the README's configuration names.
func (p *place) certificate(domain string) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{domain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{
		"fullchain.pem": {Type: "CERTIFICATE", Bytes: cert},
		"privkey.pem":   {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// configure writes the configuration that the README's commands have before them: its blocks that are in force, in
// the place of no file at all.
func (p *place) configure() {
	p.t.Helper()
	var text strings.Builder
	for _, b := range blocks(p.t) {
		if b.language == "toml" && b.note == "in force" {
			text.WriteString(b.text)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "in-force.toml"), []byte(text.String()), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// localize puts what belongs to the machine into a text of the README.
func (p *place) localize(s string) string {
	s = strings.ReplaceAll(s, "/etc/linnet/", p.dir+"/")
	s = strings.ReplaceAll(s, "/var/lib/linnet", p.dir+"/var/lib/linnet")
	s = strings.ReplaceAll(s, "localhost:161", p.snmp)
	return strings.ReplaceAll(s, "127.0.0.1:5222", p.addr)
}

// start does what make run does, on free ports.
func (p *place) start() {
	p.t.Helper()
	started := strings.Count(p.log.String(), "msg=started")
	args := strings.Fields(makeRun(p.t))
	if args[0] != "bin/linnet" {
		p.t.Fatalf("make run runs %q", args)
	}
	args = append(args, "-config", "in-force.toml")
	for _, option := range []string{
		"c2s.listen=" + p.addr, "c2s.direct_tls=127.0.0.1:0", "services=snmp,socks5,turn,watch", "snmp.listen=" + p.snmp,
		"socks5.listen=127.0.0.1:0", "turn.listen=127.0.0.1:0", "turn.tls=127.0.0.1:0",
	} {
		args = append(args, "-set", option)
	}
	cmd := exec.Command(filepath.Join(p.dir, args[0]), args[1:]...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.server, p.gone = cmd, make(chan struct{})
	go func(gone chan struct{}) { cmd.Wait(); close(gone) }(p.gone)
	for range 200 {
		// It answers before it has said everything.
		out, _ := p.shell("bin/linnet ctl -data var/linnet status", time.Minute)
		if strings.Contains(out, p.addr) && strings.Count(p.log.String(), "msg=started") > started {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("the server does not answer:\n%s", p.log.String())
}

func (p *place) stop() {
	if p.server == nil {
		return
	}
	p.server.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(10 * time.Second):
		p.server.Process.Kill()
		p.t.Error("the server did not end within 10 s")
	}
	p.server = nil
}

// makeRun returns the command of make run, as make would run it.
func makeRun(t *testing.T) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(dryRun(t, "run")), "\n")
	return lines[len(lines)-1]
}

func dryRun(t *testing.T, target string) string {
	t.Helper()
	tool, err := exec.LookPath("make")
	if err != nil {
		t.Skip("make is not installed")
	}
	cmd := exec.Command(tool, "-n", "--no-print-directory", target)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "ARGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("make -n %s: %v\n%s", target, err, out)
	}
	return string(out)
}

func (p *place) shell(script string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", script)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// absent names the first program of a script that is not on this machine.
func absent(script string) string {
	for _, tool := range []string{"go-sendxmpp", "snmpwalk"} {
		if strings.Contains(script, tool) {
			if _, err := exec.LookPath(tool); err != nil {
				return tool
			}
		}
	}
	return ""
}

func TestCommands(t *testing.T) {
	p := newPlace(t)
	p.start()
	if !strings.Contains(p.log.String(), "first admin") {
		t.Errorf("the first start does not tell the administrator's password:\n%s", p.log.String())
	}
	var background output
	for _, b := range blocks(t) {
		if b.language != "sh" {
			continue
		}
		script := p.localize(b.text)
		if tool := absent(script); tool != "" {
			t.Logf("README.md:%d: not run, %s is not installed", b.line, tool)
			continue
		}
		if b.note == "background" {
			cmd := exec.Command("sh", "-ec", "exec env "+script)
			cmd.Dir = p.dir
			cmd.Stdout, cmd.Stderr = &background, &background
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			time.Sleep(2 * time.Second) // until it has logged in: nothing tells
			continue
		}
		if b.note == "stopped" {
			p.stop()
		}
		for line := range strings.Lines(script) {
			p.line(b.line, line)
		}
		if b.note == "stopped" {
			p.start()
		}
		if text, ok := strings.CutPrefix(b.note, "background prints: "); ok {
			deadline := time.Now().Add(10 * time.Second)
			for !strings.Contains(background.String(), text) {
				if time.Now().After(deadline) {
					t.Errorf("README.md:%d: nothing in the background printed %q:\n%s", b.line, text, background.String())
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

// line runs one command.
func (p *place) line(at int, line string) {
	p.t.Helper()
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || strings.HasPrefix(words[0], "#"):
	case words[0] == "make":
		dryRun(p.t, words[1])
	case words[0] == "go":
		for _, w := range words {
			if strings.HasPrefix(w, "./") {
				if _, err := os.Stat(filepath.Join(root, w)); err != nil {
					p.t.Errorf("README.md:%d: %v", at, err)
				}
			}
		}
	default:
		if out, err := p.shell(line, time.Minute); err != nil {
			p.t.Errorf("README.md:%d: %s: %v\n%s", at, strings.TrimSpace(line), err, out)
		}
	}
}

func TestConfiguration(t *testing.T) {
	p := newPlace(t)
	found := false
	for _, b := range blocks(t) {
		if b.language != "toml" {
			continue
		}
		found = true
		file := filepath.Join(p.dir, "readme.toml")
		if err := os.WriteFile(file, []byte(p.localize(b.text)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := p.shell("bin/linnet check -config readme.toml", time.Minute); err != nil {
			t.Errorf("README.md:%d: %v\n%s", b.line, err, out)
		}
	}
	if !found {
		t.Error("the README shows no configuration")
	}
}

var row = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
var code = regexp.MustCompile("`([^`]+)`")

func TestFolders(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := row.FindAllSubmatch(data, -1)
	if len(rows) == 0 {
		t.Error("the README has no map of the folders")
	}
	for _, r := range rows {
		for _, c := range code.FindAllSubmatch(r[1], -1) {
			if info, err := os.Stat(filepath.Join(root, string(c[1]))); err != nil || !info.IsDir() {
				t.Errorf("README.md: %s is no folder of this tree", c[1])
			}
		}
	}
}
