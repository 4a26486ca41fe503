package scenario

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

	"linnet/tinytests/loopback"
)

// Program is bin/linnet as a process of its own: what a user starts, and the only kind of server that can be killed.
type Program struct {
	binary   string
	config   string
	dir      string
	file     string
	starttls string // addresses, kept over restarts
	direct   string
	cmd      *exec.Cmd
	gone     chan struct{} // closed when the process has ended
	log      lockedBuffer
}

// StartProgram starts the binary with its data in dir. config is the text of its configuration file.
func StartProgram(binary, dir, config string) (*Program, error) {
	p := &Program{binary: binary, dir: dir, file: filepath.Join(dir, "linnet.toml"), config: config}
	if err := os.WriteFile(p.file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	addr, err := loopback.Free(2)
	if err != nil {
		return nil, err
	}
	p.starttls, p.direct = addr[0], addr[1]
	return p, p.start()
}

func (p *Program) data() string { return filepath.Join(p.dir, "data") }

func (p *Program) start() error {
	args := []string{"run", "-quiet", "-config", p.file, "-data", p.data()}
	for _, s := range settings(p.config, p.starttls, p.direct) {
		args = append(args, "-set", s)
	}
	cmd := exec.Command(p.binary, args...)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	p.cmd, p.gone = cmd, gone
	go func() {
		cmd.Wait()
		close(gone)
	}()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-gone:
			return fmt.Errorf("the program ended at once:\n%s", p.log.String())
		default:
		}
		if conn, err := net.DialTimeout("tcp", p.starttls, time.Second); err == nil {
			conn.Close()
			if _, err := p.Ctl("status"); err == nil {
				return nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("the program does not accept connections:\n%s", p.log.String())
}

func (p *Program) stop(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.gone:
		return nil
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		return fmt.Errorf("the program did not end within 10 s of %v:\n%s", s, p.log.String())
	}
}

// Close ends the program in order.
func (p *Program) Close() error { return p.stop(syscall.SIGTERM) }

// Log is what the program has written.
func (p *Program) Log() string { return p.log.String() }

// Domain implements Server.
func (p *Program) Domain() string { return "localhost" }

// Dial implements Server.
func (p *Program) Dial(over string) (net.Conn, error) {
	addr := p.starttls
	if over == "tls" {
		addr = p.direct
	}
	return net.DialTimeout("tcp", addr, 5*time.Second)
}

// AddAccount implements Server.
func (p *Program) AddAccount(local, password string) error {
	out, err := p.Ctl("user", "add", local+"@localhost", "-password", password)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// RemoveAccount implements Server. The data goes with the test's directory.
func (p *Program) RemoveAccount(local, password string) error { return nil }

// Ctl implements Server.
func (p *Program) Ctl(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(p.binary, append([]string{"ctl", "-data", p.data()}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Restart implements Server.
func (p *Program) Restart() error {
	if err := p.stop(syscall.SIGTERM); err != nil {
		return err
	}
	return p.start()
}

// Kill implements Server.
func (p *Program) Kill() error {
	if err := p.stop(syscall.SIGKILL); err != nil {
		return err
	}
	return p.start()
}

// Wait implements Server.
func (p *Program) Wait(d time.Duration) error {
	if d > 3*time.Second {
		return errCannot
	}
	time.Sleep(d)
	return nil
}

// Patience implements Server.
func (p *Program) Patience() time.Duration { return 5 * time.Second }

// Quiet implements Server.
func (p *Program) Quiet() time.Duration { return 150 * time.Millisecond }

// lockedBuffer is written by the process's output and read by failing tests.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
