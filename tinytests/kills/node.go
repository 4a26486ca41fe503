package kills

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"linnet/store/storetest"
	"linnet/tinytests/loopback"
)

// node is the program on its files; it is started and ended again and again.
type node struct {
	binary string
	dir    string // of the configuration and the data
	addr   string // of the port without TLS

	cmd   *exec.Cmd
	gone  chan struct{} // closed when the process has ended
	state error         // of that end
	log   *tail
}

// domain is what the nodes serve.
const domain = "verona.lit"

// settings is the configuration of a node. The times are short, so that a run of a tenth of a second meets all that
// depends on them.
const settings = `domain = "` + domain + `"
services = []
[c2s]
listen = []
direct_tls = []
plain = ["%s"]
rate = 0
[account]
iterations = 4096
[xmpp]
settle_after = "100ms"
[store]
commit_every = "%s"
snapshot_every = "0s"
`

func newNode(binary, dir string) (*node, error) {
	addr, err := loopback.Free(1)
	if err != nil {
		return nil, err
	}
	return &node{binary: binary, dir: dir, addr: addr[0]}, nil
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }
func (n *node) file() string { return filepath.Join(n.data(), "linnet.db") }

// start starts the program and waits until it accepts connections. ok is false when it ended before, which a kill or
// an error at a system call of its start explains.
func (n *node) start(commitEvery time.Duration, in storetest.Injection) (ok bool, err error) {
	config := filepath.Join(n.dir, "linnet.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, settings, n.addr, commitEvery), 0o600); err != nil {
		return false, err
	}
	argv := []string{n.binary, "run", "-quiet", "-config", config, "-data", n.data()}
	if in.Call != "" {
		what := "signal=SIGKILL"
		if in.Error != "" {
			what = "error=" + in.Error
		}
		argv = append([]string{"strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=" + in.Call,
			"-e", fmt.Sprintf("inject=%s:%s:when=%s", in.Call, what, in.When)}, argv...)
	}
	n.log = &tail{}
	n.cmd = exec.Command(argv[0], argv[1:]...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return false, err
	}
	cmd, gone := n.cmd, make(chan struct{})
	n.gone = gone
	go func() {
		n.state = cmd.Wait()
		close(gone)
	}()
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(2 * time.Millisecond) {
		if !n.running() {
			return false, nil
		}
		if conn, err := net.DialTimeout("tcp", n.addr, time.Second); err == nil {
			conn.Close()
			return true, nil
		}
	}
	n.kill()
	return false, fmt.Errorf("the program does not accept connections:\n%s", n.log)
}

func (n *node) running() bool {
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// signal sends to strace's child too.
func (n *node) signal(s syscall.Signal) { syscall.Kill(-n.cmd.Process.Pid, s) }

// kill ends the program at once, if that has not happened yet.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.gone
}

// stopTime is how long an orderly end may take.
const stopTime = 5 * time.Second

// stop asks the program to end and waits for it.
func (n *node) stop() error {
	begin := time.Now()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.gone:
	case <-time.After(2 * stopTime):
		n.signal(syscall.SIGABRT) // for the goroutines
		<-n.gone
		return fmt.Errorf("the program did not end:\n%s", n.log)
	}
	var exit *exec.ExitError
	switch took := time.Since(begin); {
	case errors.As(n.state, &exit):
		return fmt.Errorf("the program ended with %v:\n%s", exit, n.log)
	case took > stopTime:
		return fmt.Errorf("the program took %v to end:\n%s", took, n.log)
	}
	return n.state
}

// mistakes returns what the program has said of its own mistakes.
func (n *node) mistakes() error {
	for _, sign := range []string{"panic", "goroutine ", "damaged", "second answer"} {
		if text := n.log.String(); strings.Contains(text, sign) {
			return fmt.Errorf("the program says:\n%s", text)
		}
	}
	return nil
}

// ctl runs a command on the program.
func (n *node) ctl(input string, args ...string) error {
	cmd := exec.Command(n.binary, append([]string{"ctl", "-data", n.data()}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}

// tail keeps the end of what a process writes.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() > 64<<10 {
		t.b.Next(32 << 10)
	}
	return t.b.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
