package natlab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Lab is a set of namespaces that belong to one test. Its methods end the test when something fails.
type Lab struct {
	t      testing.TB
	prefix string
}

// Space is one network namespace: a host.
type Space struct {
	lab  *Lab
	name string
}

// NewLab returns an empty laboratory; what is built in it goes away with the test.
func NewLab(t testing.TB) *Lab {
	t.Helper()
	return &Lab{t: t, prefix: fmt.Sprintf("linnet-%x-", rand.Uint32())}
}

// Space makes a host without cables.
func (l *Lab) Space(name string) *Space {
	l.t.Helper()
	s := &Space{l, l.prefix + name}
	l.shell("ip netns add " + s.name)
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", s.name).Run() })
	l.shell("ip -n " + s.name + " link set lo up")
	return s
}

// Cable connects two hosts. An address is one with a prefix length, or "" for none.
func (l *Lab) Cable(a *Space, aName, aAddr string, b *Space, bName, bAddr string) {
	l.t.Helper()
	script := fmt.Sprintf("ip link add %s netns %s type veth peer name %s netns %s\n", aName, a.name, bName, b.name)
	for _, end := range []struct {
		s          *Space
		name, addr string
	}{{a, aName, aAddr}, {b, bName, bAddr}} {
		if end.addr != "" {
			script += fmt.Sprintf("ip -n %s addr add %s dev %s\n", end.s.name, end.addr, end.name)
		}
		script += fmt.Sprintf("ip -n %s link set %s up\n", end.s.name, end.name)
	}
	l.shell(script)
}

// shell runs lines of commands that must all succeed.
func (l *Lab) shell(script string) {
	l.t.Helper()
	if out, err := exec.Command("sh", "-e", "-c", script).CombinedOutput(); err != nil {
		l.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

// Command is a program on the host that is not started yet.
func (s *Space) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", s.name, name}, args...)...)
}

// Shell runs lines of commands on the host that must all succeed.
func (s *Space) Shell(script string) {
	s.lab.t.Helper()
	if out, err := s.Command("sh", "-e", "-c", script).CombinedOutput(); err != nil {
		s.lab.t.Fatalf("%s: %v\n%s\n%s", s.name, err, script, out)
	}
}

// Nft loads rules for the host's packets.
func (s *Space) Nft(rules string) {
	s.lab.t.Helper()
	c := s.Command("nft", "-f", "-")
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		s.lab.t.Fatalf("%s: nft: %v\n%s\n%s", s.name, err, rules, out)
	}
}

// Inside runs f on a thread of the host. A socket that f opens stays on the host and can be used anywhere.
func (s *Space) Inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, nobody else gets it
		fd, err := unix.Open("/run/netns/"+s.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// UDP opens a socket on the host.
func (s *Space) UDP(at netip.AddrPort) *net.UDPConn {
	s.lab.t.Helper()
	var c *net.UDPConn
	err := s.Inside(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		s.lab.t.Fatalf("%s: %v", s.name, err)
	}
	s.lab.t.Cleanup(func() { c.Close() })
	return c
}

// TCP opens a connection from the host, within a moment: what is open in a laboratory answers at once.
func (s *Space) TCP(to netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	err := s.Inside(func() (err error) {
		c, err = (&net.Dialer{Timeout: 3 * time.Second}).Dial("tcp4", to.String())
		return err
	})
	if err == nil {
		s.lab.t.Cleanup(func() { c.Close() })
	}
	return c, err
}
