package natlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Node is the program, running on a host.
type Node struct {
	lab     *Lab
	space   *Space
	program string
	args    []string
	dir     string
	cmd     *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// Start starts the program with options as `-set` takes them, and waits until it answers. It ends with the test.
func (s *Space) Start(program string, options ...string) *Node {
	s.lab.t.Helper()
	dir := s.lab.t.TempDir()
	args := []string{"run", "-quiet", "-data", filepath.Join(dir, "data"), "-domain", "example.org"}
	for _, o := range options {
		args = append(args, "-set", o)
	}
	n := &Node{lab: s.lab, space: s, program: program, args: args, dir: dir}
	var err error
	if n.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		s.lab.t.Fatal(err)
	}
	s.lab.t.Cleanup(func() {
		n.Stop()
		if s.lab.t.Failed() {
			s.lab.t.Logf("the log of the program:\n%s", n.Log())
		}
		n.log.Close()
	})
	n.begin()
	return n
}

// begin runs the program and waits until it answers.
func (n *Node) begin() {
	n.lab.t.Helper()
	cmd, ended := n.space.Command(n.program, n.args...), make(chan struct{})
	n.cmd, n.ended = cmd, ended
	cmd.Stdout, cmd.Stderr = n.log, n.log
	if err := cmd.Start(); err != nil {
		n.lab.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	n.lab.Wait("the program answers", func() bool {
		_, err := n.ctl("status")
		return err == nil
	})
}

// Crash kills the program, which hears nothing of it, and starts it again.
func (n *Node) Crash() {
	n.lab.t.Helper()
	_ = n.cmd.Process.Kill()
	<-n.ended
	n.begin()
}

// Stop ends the program in order.
func (n *Node) Stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(time.Minute):
		_ = n.cmd.Process.Kill()
		n.lab.t.Errorf("the program does not end")
	}
}

// Peak returns the most memory that the program has had, in kilobytes.
func (n *Node) Peak() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	peak := 0
	_, _ = fmt.Sscan(rest, &peak)
	return peak
}

// Log returns what the program has written so far.
func (n *Node) Log() []byte {
	b, _ := os.ReadFile(n.log.Name())
	return b
}

func (n *Node) ctl(args ...string) (string, error) {
	c := exec.Command(n.program, append([]string{"ctl", "-data", filepath.Join(n.dir, "data")}, args...)...)
	var out, fault bytes.Buffer
	c.Stdout, c.Stderr = &out, &fault
	err := c.Run()
	return out.String() + fault.String(), err
}

// Ctl runs a command of the program and returns what it says.
func (n *Node) Ctl(args ...string) string {
	n.lab.t.Helper()
	out, err := n.ctl(args...)
	if err != nil {
		n.lab.t.Fatalf("ctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Wait waits until something is so.
func (l *Lab) Wait(what string, so func() bool) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if so() {
			return
		}
	}
	l.t.Fatalf("waited in vain until %s", what)
}
