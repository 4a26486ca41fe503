package flow

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The benchmarks of this file compare ways of serving by what they cost the
// server, a process of its own: CPU time per message, and private memory per
// idle connection. Run them alone on the machine:
//
//	go test ./netsvc/flow -run '^$' -bench Pairs -benchtime 3s
//	go test ./netsvc/flow -run '^$' -bench Idle -benchtime 1x
//
// The modes are
//
//	floor   the least a Go program can do: a goroutine for each connection
//	        that copies what it reads to the socket of whom it is for
//	serve   a Pump and Turns: the way to use this package
//	fill    a Pump, and a goroutine for each connection that calls Fill
//	bare    no Pump: a goroutine for each reader and, on demand, each outbox

// serverMode, in the environment, makes the test binary a server.
const serverMode = "FLOW_BENCH_SERVER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(serverMode); mode != "" {
		benchServer(mode)
		return
	}
	os.Exit(m.Run())
}

const (
	messageSize = 200
	addressAt   = len("<message to='u")
	addressSize = 6
)

// message returns a chat message of messageSize bytes for user n.
func message(n int) []byte {
	const tail = "</body></message>"
	b := fmt.Appendf(nil, "<message to='u%06d@example.org' type='chat' id='abcdefgh'><body>", n)
	b = append(b, bytes.Repeat([]byte("x"), messageSize-len(b)-len(tail))...)
	return append(b, tail...)
}

// number reads the decimal number that b begins with.
func number(b []byte) (n int) {
	for _, d := range b[:addressSize] {
		n = n*10 + int(d-'0')
	}
	return n
}

// benchUser is a client as the server sees it. Its first line is its number.
type benchUser struct {
	conn   *Conn
	known  bool
	buffer Buffer
}

var benchUsers [100_000]atomic.Pointer[benchUser]

func (u *benchUser) Turn(c *Conn, b *Buffer, err error) Next {
	if err != nil {
		c.Close()
		return More
	}
	for b.Len() > addressSize {
		p := b.Bytes()
		if !u.known {
			benchUsers[number(p)].Store(u)
			u.known = true
			b.Discard(addressSize + 1)
			c.Outbox().AddBytes([]byte("\n"))
			continue
		}
		if len(p) < messageSize {
			break
		}
		if to := benchUsers[number(p[addressAt:])].Load(); to != nil {
			// Bytes so few are copied, see shareMin.
			to.conn.Outbox().AddBytes(p[:messageSize])
		}
		b.Discard(messageSize)
	}
	return More
}

// floorServe copies from c to whom the first message of each read is for.
func floorServe(c net.Conn, users *sync.Map) {
	b := make([]byte, 4096)
	if _, err := io.ReadFull(c, b[:addressSize+1]); err != nil {
		return
	}
	users.Store(number(b), c)
	c.Write([]byte("\n"))
	for {
		n, err := c.Read(b)
		if err != nil {
			c.Close()
			return
		}
		if n < messageSize {
			continue
		}
		if to, ok := users.Load(number(b[addressAt:])); ok {
			to.(net.Conn).Write(b[:n])
		}
	}
}

// benchServer serves until it is killed. It prints its address, and then, for
// each line it reads, its private memory in KB; "gc" collects first.
func benchServer(mode string) {
	mode, secured := strings.CutSuffix(mode, "+tls")
	config := &tls.Config{
		Certificates:                []tls.Certificate{certificate()},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
	ctx := context.Background()
	ln, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(ln.Addr())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if lines.Text() == "gc" {
				for range 3 {
					runtime.GC()
				}
				debug.FreeOSMemory()
			}
			fmt.Println(privateMemory())
		}
	}()
	if mode == "floor" {
		users := new(sync.Map)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				if secured {
					t := tls.Server(c, config)
					if t.Handshake() != nil {
						return
					}
					go floorServe(t, users)
					return
				}
				floorServe(c, users)
			}()
		}
	}
	var pump *Pump
	if mode != "bare" {
		pump = NewPump(Options{})
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			c := pump.NewConn(nc)
			if secured && c.StartTLS(ctx, config) != nil {
				return
			}
			u := &benchUser{conn: c}
			if mode == "serve" {
				c.Serve(&u.buffer, u)
				return
			}
			go func() { // not on the stack that did the handshake
				for {
					err := c.Fill(&u.buffer)
					if u.Turn(c, &u.buffer, err); err != nil {
						return
					}
				}
			}()
		}()
	}
}

// privateMemory returns the process's RssAnon in KB.
func privateMemory() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n
}

// benchChild is a server under measurement.
type benchChild struct {
	cmd     *exec.Cmd
	in      io.Writer
	out     *bufio.Scanner
	address string
	tls     bool
}

// startServer starts a server, on the first processor if taskset is there.
func startServer(b *testing.B, mode string) *benchChild {
	b.Helper()
	args := []string{os.Args[0]}
	if path, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{path, "-c", "0"}, args...)
	}
	s := &benchChild{cmd: exec.Command(args[0], args[1:]...), tls: strings.HasSuffix(mode, "+tls")}
	s.cmd.Env = append(os.Environ(), serverMode+"="+mode)
	s.cmd.Stderr = os.Stderr
	s.in, _ = s.cmd.StdinPipe()
	out, _ := s.cmd.StdoutPipe()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	s.address = s.ask(b, "")
	b.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	return s
}

func (s *benchChild) ask(b *testing.B, line string) string {
	if line != "" {
		fmt.Fprintln(s.in, line)
	}
	if !s.out.Scan() {
		b.Fatal("the server is gone")
	}
	return s.out.Text()
}

// cpu returns the server's CPU time so far.
func (s *benchChild) cpu() time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// login connects user n.
func (s *benchChild) login(b *testing.B, n int) net.Conn {
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		b.Fatal(err)
	}
	if s.tls {
		c = tls.Client(c, clientConfig())
	}
	fmt.Fprintf(c, "%06d\n", n)
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkPairs has 200 pairs of users with four messages of 200 bytes in
// flight each: a receiver's every message makes its sender send the next. It
// reports messages per second of the server's CPU time.
func BenchmarkPairs(b *testing.B) {
	for _, mode := range []string{"floor", "serve", "fill", "bare", "floor+tls", "serve+tls", "fill+tls", "bare+tls"} {
		b.Run(mode, func(b *testing.B) { benchPairs(b, startServer(b, mode)) })
	}
}

func benchPairs(b *testing.B, s *benchChild) {
	const pairs, window = 200, 4
	senders, receivers := make([]net.Conn, pairs), make([]net.Conn, pairs)
	for i := range pairs {
		senders[i], receivers[i] = s.login(b, 2*i), s.login(b, 2*i+1)
	}
	// The load is one thread on the other processor, without goroutine
	// switches, so that the server is what is measured.
	var wanted atomic.Int64
	wanted.Store(int64(b.N))
	messages := make([][]byte, pairs)
	for i := range messages {
		messages[i] = message(2*i + 1)
	}
	before := s.cpu()
	b.ResetTimer()
	if s.tls {
		pumpGoroutines(b, senders, receivers, messages, window, &wanted)
	} else {
		pumpEpoll(b, senders, receivers, messages, window, &wanted)
	}
	b.StopTimer()
	used := s.cpu() - before
	b.ReportMetric(float64(b.N)/max(used.Seconds(), 0.01), "msg/cpu-s")
	b.ReportMetric(0, "ns/op")
	for i := range pairs {
		senders[i].Close()
		receivers[i].Close()
	}
}

// pumpEpoll drives plain connections from one locked thread.
func pumpEpoll(b *testing.B, senders, receivers []net.Conn, messages [][]byte, window int, wanted *atomic.Int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set unix.CPUSet
	set.Set(1)
	unix.SchedSetaffinity(0, &set) // as well as it goes
	epoll, err := unix.EpollCreate1(0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(epoll)
	descriptor := func(c net.Conn) (fd int) {
		raw, _ := c.(*net.TCPConn).SyscallConn()
		raw.Control(func(p uintptr) { fd = int(p) })
		return fd
	}
	type end struct{ in, out, left int }
	ends := make([]end, len(senders))
	for i := range senders {
		ends[i] = end{in: descriptor(receivers[i]), out: descriptor(senders[i])}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, ends[i].in, &event)
		for range window {
			unix.Write(ends[i].out, messages[i])
		}
	}
	buffer := make([]byte, 64<<10)
	events := make([]unix.EpollEvent, 128)
	for wanted.Load() > 0 {
		n, _ := unix.EpollWait(epoll, events, 1000)
		for _, event := range events[:max(n, 0)] {
			e := &ends[event.Fd]
			k, err := unix.Read(e.in, buffer)
			if err != nil {
				continue
			}
			e.left += k
			for ; e.left >= messageSize; e.left -= messageSize {
				wanted.Add(-1)
				unix.Write(e.out, messages[event.Fd])
			}
		}
	}
}

// pumpGoroutines drives any connections.
func pumpGoroutines(b *testing.B, senders, receivers []net.Conn, messages [][]byte, window int, wanted *atomic.Int64) {
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			for range window {
				senders[i].Write(messages[i])
			}
			buffer := make([]byte, 16<<10)
			left := 0
			for wanted.Load() > 0 {
				n, err := receivers[i].Read(buffer)
				if err != nil {
					b.Error(err)
					return
				}
				for left += n; left >= messageSize; left -= messageSize {
					wanted.Add(-1)
					senders[i].Write(messages[i])
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkIdle reports the server's private memory for each of 2,000 idle
// connections, in bytes: ten seconds after the last login, and after a forced
// collection, which a real server reaches within minutes.
func BenchmarkIdle(b *testing.B) {
	const conns = 2000
	for _, mode := range []string{"floor", "serve", "fill", "bare", "floor+tls", "serve+tls", "fill+tls", "bare+tls"} {
		b.Run(mode, func(b *testing.B) {
			for range b.N {
				s := startServer(b, mode)
				fresh, _ := strconv.Atoi(s.ask(b, "gc"))
				open := make([]net.Conn, conns)
				for i := range open {
					open[i] = s.login(b, i)
				}
				time.Sleep(10 * time.Second)
				settled, _ := strconv.Atoi(s.ask(b, "now"))
				collected, _ := strconv.Atoi(s.ask(b, "gc"))
				b.ReportMetric(float64(settled-fresh)*1024/conns, "B/conn")
				b.ReportMetric(float64(collected-fresh)*1024/conns, "B/conn-gc")
				b.ReportMetric(0, "ns/op")
				for _, c := range open {
					c.Close()
				}
			}
		})
	}
}
