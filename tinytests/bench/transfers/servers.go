package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/socks"
)

// relay is a server that is measured.
type relay interface {
	name() string
	start() error
	stop()
	cpu() time.Duration
	memory() int64 // bytes
	// connect makes one stream through it.
	connect() (from, to *net.TCPConn, err error)
}

// process is a running server with its children.
type process struct {
	cmd *exec.Cmd
	log string
}

// start runs a program on core 0, in a process group of its own, and waits until it listens.
func (p *process) start(log, address string, group *group, argv ...string) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	p.log = log
	p.cmd = exec.Command(argv[0], argv[1:]...)
	if group != nil { // it has to be in the group before it looks how much memory there is
		p.cmd = exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$0" && exec "$@"`, group.procs()}, argv...)...)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := startOn(p.cmd, 0); err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return nil
		}
		if time.Now().After(end) {
			p.stop()
			text, _ := os.ReadFile(log)
			return fmt.Errorf("%s does not listen: %s", argv[0], text)
		}
	}
}

func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.cmd.Wait()
	p.cmd = nil
}

// alive reports whether the server still runs.
func (p *process) alive() error {
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		return fmt.Errorf("the server is gone: %w", err)
	}
	return nil
}

// each calls f with the directory in /proc of every process of the group, and the fields of its stat behind the name.
func (p *process) each(f func(dir string, stat []string)) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if group, _ := strconv.Atoi(fields[2]); group == p.cmd.Process.Pid {
			f(filepath.Dir(file), fields)
		}
	}
}

// cpu is what all processes of the group have used, in the kernel's ticks.
func (p *process) cpu() (total time.Duration) {
	p.each(func(_ string, stat []string) {
		for _, field := range stat[11:13] { // utime and stime
			ticks, _ := strconv.ParseInt(field, 10, 64)
			total += time.Duration(ticks) * (time.Second / 100)
		}
	})
	return total
}

// memory is the proportional set size of all processes of the group.
func (p *process) memory() (total int64) {
	p.each(func(dir string, _ []string) {
		text, _ := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				total += kib << 10
			}
		}
	})
	return total
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// dial connects and asks a SOCKS server for an address.
func dial(server string, to socks.Address) (*net.TCPConn, error) {
	c, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	defer c.SetDeadline(time.Time{})
	c.Write(socks.AppendGreeting(nil, socks.NoAuth))
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	c.Write(socks.AppendRequest(nil, socks.Connect, to))
	reply := make([]byte, len(socks.AppendReply(nil, 0, to)))
	if _, err := io.ReadFull(c, reply); err != nil || reply[1] != 0 {
		return nil, fmt.Errorf("reply %d: %w", reply[1], err)
	}
	return c.(*net.TCPConn), nil
}

// dante is the SOCKS server of the distribution.
type dante struct {
	process
	place, address string
	sink           net.Listener
}

func findDante(place string) (*dante, error) {
	if _, err := exec.LookPath("danted"); err != nil {
		cmd := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "dante-server")
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("apt-get install dante-server: %w: %s", err, out)
		}
	}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	return &dante{place: place, sink: sink}, err
}

func (d *dante) name() string { return "dante" }

func (d *dante) start() (err error) {
	if d.address, err = freeAddress(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(d.address)
	config := filepath.Join(d.place, "danted.conf")
	text := `errorlog: stderr
internal: 127.0.0.1 port = ` + port + `
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect }
`
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	return d.process.start(filepath.Join(d.place, "dante.log"), d.address, nil, "danted", "-f", config)
}

func (d *dante) connect() (from, to *net.TCPConn, err error) {
	at := netip.MustParseAddrPort(d.sink.Addr().String())
	if from, err = dial(d.address, socks.Address{IP: at.Addr(), Port: at.Port()}); err != nil {
		return nil, nil, err
	}
	c, err := d.sink.Accept()
	if err != nil {
		return nil, nil, err
	}
	return from, c.(*net.TCPConn), nil
}

// linnet relays between two connections, after an activation by XMPP.
type linnet struct {
	process
	path, place, address string
	group                *group
	user                 *user
}

func (l *linnet) name() string { return "linnet" }

func (l *linnet) find() error {
	if l.path != "" {
		return nil
	}
	l.path = filepath.Join(l.place, "linnet")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", l.path, "linnet/cmd/linnet")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

func (l *linnet) start() error {
	xmpp, err := freeAddress()
	if err != nil {
		return err
	}
	if l.address, err = freeAddress(); err != nil {
		return err
	}
	data, err := os.MkdirTemp(l.place, "data")
	if err != nil {
		return err
	}
	config := filepath.Join(data, "linnet.toml")
	text := fmt.Sprintf("domain = \"bench.local\"\nservices = [\"socks5\"]\n[c2s]\nlisten = []\ndirect_tls = []\nplain = [%q]\n[socks5]\nlisten = [%q]\ntransfers_per_user = 1000\n", xmpp, l.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if err := l.process.start(filepath.Join(data, "log"), xmpp, l.group, l.path, "run", "-config", config, "-data", data); err != nil {
		return err
	}
	for _, name := range []string{"a", "b"} {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the control socket comes last
			out, err := exec.Command(l.path, "ctl", "-data", data, "user", "add", name+"@bench.local", "-password", "secret").CombinedOutput()
			if err == nil {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("user add: %w: %s", err, out)
			}
		}
	}
	l.user, err = login(xmpp, "a")
	return err
}

func (l *linnet) stop() {
	if l.user != nil {
		l.user.conn.Close()
		l.user = nil
	}
	l.process.stop()
}

func (l *linnet) connect() (from, to *net.TCPConn, err error) {
	sid := rand.Text()
	key := socks.Address{Name: transfer.Key(sid, l.user.jid, "b@bench.local/x")}
	if to, err = dial(l.address, key); err != nil {
		return nil, nil, err
	}
	if from, err = dial(l.address, key); err != nil {
		return nil, nil, err
	}
	return from, to, l.user.activate(sid, "b@bench.local/x")
}

// user is as little of an XMPP client as an activation needs.
type user struct {
	conn net.Conn
	jid  string
	rest []byte
}

const header = "<stream:stream to='bench.local' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

func login(address, name string) (*user, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	u := &user{conn: c}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00secret"))
	for _, step := range [][2]string{
		{header, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>", "</iq>"},
	} {
		if _, err := u.ask(step[0], step[1]); err != nil {
			return nil, err
		}
	}
	u.jid = name + "@bench.local/r"
	return u, nil
}

// ask sends a text and reads until the answer holds another.
func (u *user) ask(text, until string) (string, error) {
	u.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(u.conn, text); err != nil {
		return "", err
	}
	b := make([]byte, 4096)
	for {
		if i := bytes.Index(u.rest, []byte(until)); i >= 0 {
			answer := string(u.rest[:i+len(until)])
			u.rest = u.rest[i+len(until):]
			return answer, nil
		}
		n, err := u.conn.Read(b)
		u.rest = append(u.rest, b[:n]...)
		if err != nil {
			return "", fmt.Errorf("after %q: %w: %s", text, err, u.rest)
		}
	}
}

func (u *user) activate(sid, target string) error {
	answer, err := u.ask("<iq type='set' id='"+sid+"' to='proxy.bench.local'><query xmlns='http://jabber.org/protocol/bytestreams' sid='"+
		sid+"'><activate>"+target+"</activate></query></iq>", "id='"+sid+"'")
	if err == nil && (!strings.Contains(answer, "type='result'")) {
		// The attributes may stand in any order: the rest of the tag says it.
		tail, more := u.ask("", ">")
		if more != nil || !strings.Contains(tail, "type='result'") {
			return errors.Join(errors.New("activation failed: "+answer+tail), more)
		}
	}
	return err
}
