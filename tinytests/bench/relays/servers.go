package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Both ends of the cable between this program and the server, and the server's user.
const (
	ours, theirs   = "198.18.78.1", "198.18.78.2"
	turnPort       = "3478"
	user, password = "phone", "1234"
)

// space is the network namespace of the server.
type space struct{ name string }

func newSpace() (*space, error) {
	n := &space{fmt.Sprintf("relays%d", os.Getpid()%100000)}
	script := fmt.Sprintf(`ip netns add %[1]s
ip link add v%[1]s type veth peer name eth0 netns %[1]s
ip addr add %[2]s/24 dev v%[1]s
ip link set v%[1]s up
ip -n %[1]s link set lo up
ip -n %[1]s addr add %[3]s/24 dev eth0
ip -n %[1]s link set eth0 up`, n.name, ours, theirs)
	if out, err := exec.Command("sh", "-e", "-c", script).CombinedOutput(); err != nil {
		n.remove()
		return nil, fmt.Errorf("no network namespace: %w: %s", err, out)
	}
	return n, nil
}

func (n *space) remove() { _ = exec.Command("ip", "netns", "del", n.name).Run() }

// server is a program that is measured.
type server struct {
	name    string
	argv    []string
	place   string
	prepare func(*server) error // once it runs
	cmd     *exec.Cmd
}

func linnet(binary, place string) *server {
	data := filepath.Join(place, "data")
	s := &server{name: "linnet", place: place, argv: []string{binary, "run", "-quiet", "-data", data, "-domain", "localhost",
		"-set", "services=turn", "-set", "c2s.listen=", "-set", "c2s.direct_tls=",
		"-set", "turn.listen=" + net.JoinHostPort(theirs, turnPort), "-set", "turn.tls=", "-set", "turn.relay_addresses=" + theirs,
		"-set", "turn.relay_ports=40000-42000", "-set", "turn.user_allocations=2000", "-set", "turn.allocations=2000",
		"-set", "turn.answers=10000", "-set", "turn.answer_rate=100MB", "-set", "turn.allow_peers=198.18.78.0/24"}}
	s.prepare = func(*server) error {
		var out []byte
		var err error
		for range 200 {
			if out, err = exec.Command(binary, "ctl", "-data", data, "turn", "user", "set", user, "-password", password).CombinedOutput(); err == nil {
				return nil
			}
			time.Sleep(20 * time.Millisecond)
		}
		return fmt.Errorf("%w: %s", err, out)
	}
	return s
}

func findCoturn() error {
	if _, err := exec.LookPath("turnserver"); err == nil {
		return nil
	}
	cmd := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "coturn")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get install coturn: %w: %s", err, out)
	}
	return nil
}

func coturn(place string) *server {
	return &server{name: "coturn", place: place, prepare: func(*server) error { return nil }, argv: []string{"turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls",
		"-L", theirs, "-p", turnPort, "-E", theirs, "--min-port", "40000", "--max-port", "42000", "-a", "-u", user + ":" + password, "-r", "localhost",
		"--log-file", "/dev/null", "--pidfile", filepath.Join(place, "coturn.pid"), "--db", filepath.Join(place, "coturn.db"), "--no-stdout-log"}}
}

// start runs it on core 0 and waits until it answers.
func (s *server) start(n *space) error {
	out, err := os.Create(filepath.Join(s.place, s.name+".log"))
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command("ip", append([]string{"netns", "exec", n.name, "taskset", "-c", "0"}, s.argv...)...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := s.prepare(s); err != nil {
		s.stop()
		return err
	}
	for range 200 {
		if _, err := open(0); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, _ := os.ReadFile(out.Name())
	s.stop()
	return fmt.Errorf("it does not answer: %s", text)
}

func (s *server) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// cpu is what the server has used: ip and taskset have become it. The scheduler's own account is taken, which counts
// nanoseconds, where stat counts samples.
func (s *server) cpu() (total time.Duration) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	for _, file := range tasks {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		ran, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ran, 10, 64)
		total += time.Duration(n)
	}
	return total
}

// resident is the memory that it has.
func (s *server) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}
