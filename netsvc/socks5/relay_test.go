package socks5

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// wire is a connection over the kernel, both ends.
func wire(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// pipes counts the pipes that this process has open: splice needs one.
func pipes() (n int) {
	files, _ := filepath.Glob("/proc/self/fd/*")
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// Bytes stay in the kernel: a piece that cannot be delivered waits in a pipe, of which
// each transfer has one.
func TestSplice(t *testing.T) {
	const transfers = 8
	l := newLab(t, nil)
	l.eventually("the pipes of other tests are closed", func() bool { runtime.GC(); return pipes() < transfers })
	for i := range transfers {
		from, _ := l.begin("s" + string(rune('A'+i)))
		go func() {
			for {
				if _, err := from.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}()
	}
	l.eventually("a pipe each", func() bool { return pipes() >= 2*transfers })
}

func TestSource(t *testing.T) {
	a, b := wire(t)
	s, err := newSource(b, 100)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.wait(20 * time.Millisecond); n != 0 || !os.IsTimeout(err) {
		t.Errorf("nothing was sent: %d, %v", n, err)
	}
	a.Write([]byte("hello"))
	for range 2 { // looking takes nothing
		if n, err := s.wait(patience); n != 5 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	a.Write(make([]byte, 500))
	for n := int64(0); n < 100; {
		if n, err = s.wait(patience); n > 100 || err != nil {
			t.Fatalf("more than a piece: %d, %v", n, err)
		}
	}
	a.CloseWrite()
	got := 0
	for {
		n, err := s.wait(patience)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := io.ReadFull(b, make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		got += m
	}
	if got != 505 {
		t.Errorf("%d bytes", got)
	}
	b.Close()
	if _, err := s.wait(patience); err == nil {
		t.Error("a closed connection is waited for")
	}
}

// A receiver may take longer for a piece than a sender may be silent.
func TestSlowPiece(t *testing.T) {
	a, b := wire(t)
	c, d := wire(t)
	a.Write([]byte("hello"))
	s, err := newSource(b, 100)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for n < 5 {
		n, _ = s.wait(10 * time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // as if the receiver's window had been closed meanwhile
	if n, err := s.carry(c, 5); n != 0 || err != nil {
		t.Fatalf("the wait for the sender is over: %d, %v", n, err)
	}
	if n, err := s.wait(patience); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err := s.carry(c, 5); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := io.ReadFull(d, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

// Who receives slowly is not idle: the kernel sees bytes that this program does not.
func TestSlowIsNotIdle(t *testing.T) {
	a, b := wire(t)
	c, d := wire(t)
	m := &moving{begin: time.Now().Add(-time.Hour), opts: &limits{idle: time.Minute}, sides: [2]*party{{conn: a}, {conn: c}}}
	b.Write([]byte("1"))
	io.ReadFull(a, make([]byte, 1))
	s := &source{}
	if m.idle(s) {
		t.Error("bytes came, and it counts as idle")
	}
	if !m.idle(s) {
		t.Error("nothing more came, and it does not count as idle")
	}
	d.Write([]byte("22"))
	io.ReadFull(c, make([]byte, 2))
	if m.idle(s) {
		t.Error("bytes came at the other side")
	}
	m.last.Store(int64(time.Since(m.begin)))
	if m.idle(s) {
		t.Error("bytes were moved just now")
	}
}
