package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// self is this test's own process, as one that is measured.
func self() *process {
	return &process{name: "self", cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
}

// TestCPU reads the clock of a process by its id between two readings of the process's own: it must lie between them.
func TestCPU(t *testing.T) {
	for range 3 {
		before := ownCPU()
		got, err := self().cpu()
		after := ownCPU()
		if err != nil {
			t.Fatal(err)
		}
		if got < before || got > after {
			t.Errorf("%v of CPU time, want between %v and %v", got, before, after)
		}
	}
}

func TestRSS(t *testing.T) {
	before, err := self().rss()
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	block := make([]byte, size)
	for i := 0; i < len(block); i += 1024 {
		block[i] = 1
	}
	after, err := self().rss()
	if err != nil || after-before < size*9/10 || block[0] != 1 {
		t.Errorf("%d bytes more after touching %d, %v", after-before, size, err)
	}
}

func TestKibibytes(t *testing.T) {
	text := []byte("55ab-7ffd ---p 00000000 00:00 0   [rollup]\nRss:                1234 kB\nPss:                 900 kB\n")
	if n, ok := kibibytes(text, "Pss:"); n != 900 || !ok {
		t.Errorf("Pss = %d, %v", n, ok)
	}
	if _, ok := kibibytes(text, "Swap:"); ok {
		t.Error("a field that is not there was found")
	}
}

// TestChatThroughFloor runs a small load against the floor program, plain and with TLS: what is sent arrives, and is timed.
func TestChatThroughFloor(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a program")
	}
	place := t.TempDir()
	if err := makeCertificate(place); err != nil {
		t.Fatal(err)
	}
	s := &floor{}
	if _, err := s.find(place); err != nil {
		t.Fatal(err)
	}
	cmd, at, err := s.command(place, place, false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(s.name(), cmd, at, filepath.Join(place, "log"), allowedCores()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			l, err := newLoop()
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			if err := l.connectAll(login{server: at, tls: secure, presence: true, ring: &keyring{}}, 6); err != nil {
				t.Fatal(err)
			}
			ch := newChat(l)
			ch.timed = true
			if err := ch.saturate(); err != nil {
				t.Fatal(err)
			}
			enough := func() bool { return ch.got >= 3000 }
			if err := l.until(time.Time{}, enough); err != nil {
				t.Fatal(err)
			}
			if err := ch.drain(); err != nil {
				t.Fatal(err)
			}
			if ch.got != ch.sent || len(ch.sortedLatency()) != int(ch.got) || len(ch.pairs) != 3 {
				t.Errorf("%d pairs sent %d, got %d, timed %d", len(ch.pairs), ch.sent, ch.got, len(ch.latency))
			}
		})
	}
}
