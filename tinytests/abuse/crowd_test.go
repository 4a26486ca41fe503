package abuse

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// A crowd of connections lives in a process of its own, this test's program started
// once more: with both ends in one process, ten thousand would need more descriptors
// than many systems permit.

// crowdEnv tells the program that it is the crowd: "address size".
const crowdEnv = "LINNET_ABUSE_CROWD"

func TestMain(m *testing.M) {
	if what := os.Getenv(crowdEnv); what != "" {
		if err := beCrowd(what); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// crowdSize is how many connections wait before the gate.
func crowdSize(t *testing.T) int {
	text := os.Getenv("LINNET_ABUSE")
	if text == "" {
		return 1000
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("LINNET_ABUSE: %v", err)
	}
	return size
}

// crowd is the process as its test sees it.
type crowd struct {
	t    *testing.T
	tell io.Writer
	hear *bufio.Scanner
}

// gather connects so many clients, a hundred from each of as many addresses as
// that takes. Every tenth goes as far as the features; none logs in.
func gather(t *testing.T, addr string, size int) *crowd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprint(crowdEnv, "=", addr, " ", size))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	c := &crowd{t, in, bufio.NewScanner(out)}
	c.done()
	return c
}

// leave has so many of the crowd, or all there are, close their connections.
func (c *crowd) leave(count int) {
	c.t.Helper()
	fmt.Fprintln(c.tell, count)
	c.done()
}

func (c *crowd) done() {
	c.t.Helper()
	if c.hear.Scan(); c.hear.Text() != "done" {
		c.t.Fatalf("the crowd says %q", c.hear.Text())
	}
}

// beCrowd is what the other process does.
func beCrowd(what string) error {
	var addr string
	var size int
	if _, err := fmt.Sscan(what, &addr, &size); err != nil {
		return err
	}
	var all []net.Conn
	for i := range size {
		from := net.IPv4(127, 0, byte(1+i/100/250), byte(1+i/100%250))
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from}}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			return err
		}
		if i%10 == 0 {
			io.WriteString(c, header)
			c.SetReadDeadline(time.Now().Add(patience))
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return err
			}
		}
		all = append(all, c)
	}
	fmt.Println("done")
	for count := 0; ; {
		if _, err := fmt.Scan(&count); err != nil {
			return nil // the test is over
		}
		count = min(count, len(all))
		for _, c := range all[:count] {
			c.Close()
		}
		all = all[count:]
		fmt.Println("done")
	}
}
