package flow

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	type step struct {
		enter string // an address, or
		leave string // one that entered
		ok    bool
	}
	tests := []struct {
		name           string
		total, perAddr int
		steps          []step
	}{
		{name: "no limits", steps: []step{{enter: "192.0.2.1", ok: true}, {enter: "192.0.2.1", ok: true}}},
		{name: "total", total: 2, steps: []step{
			{enter: "192.0.2.1", ok: true}, {enter: "192.0.2.2", ok: true}, {enter: "192.0.2.3"},
			{leave: "192.0.2.1"}, {enter: "192.0.2.3", ok: true}, {enter: "192.0.2.1"},
		}},
		{name: "each IPv4 address", perAddr: 2, steps: []step{
			{enter: "192.0.2.1", ok: true}, {enter: "::ffff:192.0.2.1", ok: true}, {enter: "192.0.2.1"},
			{enter: "192.0.2.2", ok: true}, {leave: "192.0.2.1"}, {enter: "192.0.2.1", ok: true},
		}},
		{name: "each IPv6 network", perAddr: 1, steps: []step{
			{enter: "2001:db8::1", ok: true}, {enter: "2001:db8::ffff:2"}, {enter: "2001:db8:0:1::1", ok: true},
			{enter: "fe80::1%eth0", ok: true}, {enter: "fe80::2%eth1"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := NewGate(test.total, test.perAddr)
			inside := make(map[netip.Addr][]*ticket)
			for i, s := range test.steps {
				if s.leave != "" {
					a := netip.MustParseAddr(s.leave)
					inside[a][0].leave()
					inside[a] = inside[a][1:]
					continue
				}
				a := netip.MustParseAddr(s.enter)
				k := g.enter(a)
				if (k != nil) != s.ok {
					t.Fatalf("step %d: %s entered %v", i, s.enter, k != nil)
				}
				if k != nil {
					inside[a] = append(inside[a], k)
				}
			}
			for _, tickets := range inside {
				for _, k := range tickets {
					k.leave()
				}
			}
			if n, _ := g.Count(); n != 0 || len(g.byAddr) != 0 {
				t.Fatalf("%d inside, %d addresses known", n, len(g.byAddr))
			}
		})
	}
}

// listen starts l on a port of its own.
func listen(t *testing.T, l *Listener) (address string) {
	t.Helper()
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, ended); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestListenerCountsUnauthenticated(t *testing.T) {
	gate := NewGate(10, 2)
	conns := make(chan *Conn, 10)
	address := listen(t, &Listener{Pump: newPump(t), Gate: gate, Handle: func(c *Conn) { conns <- c }})
	connect := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	refused := func() {
		t.Helper()
		if _, err := connect().Read(make([]byte, 1)); err == nil {
			t.Fatal("a third one was let in")
		}
	}
	connect()
	connect()
	first, second := receive(t, conns), receive(t, conns)
	refused()
	first.Admitted()
	first.Admitted()
	connect()
	third := receive(t, conns)
	refused()
	second.Close()
	first.Close()
	connect()
	receive(t, conns)
	refused()
	third.Close()
	if inside, refused := gate.Count(); inside != 1 || refused != 3 {
		t.Fatalf("%d inside, %d refused", inside, refused)
	}
}

func TestListenerDirectTLS(t *testing.T) {
	gate := NewGate(10, 0)
	conns := make(chan *Conn, 10)
	failed := make(chan error, 10)
	address := listen(t, &Listener{
		Pump: newPump(t), Gate: gate, TLS: serverConfig(0), Handshake: 50 * time.Millisecond,
		Handle: func(c *Conn) { conns <- c },
		Failed: func(_ net.Addr, err error) { failed <- err },
	})
	peer, err := tls.Dial("tcp", address, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c := receive(t, conns)
	if p := c.TLS().NegotiatedProtocol; p != "xmpp-client" {
		t.Fatalf("protocol %q", p)
	}
	if c.RemoteAddr().String() != peer.LocalAddr().String() || c.LocalAddr().String() != address {
		t.Fatalf("%v to %v", c.RemoteAddr(), c.LocalAddr())
	}
	c.Serve(new(Buffer), echo{})
	peer.Write([]byte("hello"))
	if got := readAll(t, peer, 5); string(got) != "hello" {
		t.Fatalf("got %q", got)
	}

	silent, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := receive(t, failed); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a silent peer: %v", err)
	}
	if _, err := io.ReadAll(silent); err != nil {
		t.Fatalf("the silent peer saw %v", err)
	}
	silent.Close()
	eventually(t, "its place is free", func() bool { n, _ := gate.Count(); return n == 1 })
}

// exhausted is a listener in a process without descriptors to spare.
type exhausted struct {
	net.Listener
	tries chan time.Time
	done  chan struct{}
}

func (l *exhausted) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	case l.tries <- time.Now():
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
}

func (l *exhausted) Close() error { close(l.done); return nil }

func TestListenerBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &exhausted{tries: make(chan time.Time), done: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		failures := 0
		l := &Listener{Failed: func(_ net.Addr, err error) {
			if errors.Is(err, syscall.EMFILE) {
				failures++
			}
		}}
		go func() { ended <- l.Serve(ctx, fake) }()
		last := <-fake.tries
		for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
			now := <-fake.tries
			if pause := now.Sub(last); pause != want*time.Millisecond {
				t.Fatalf("tried again after %v, want %v ms", pause, int(want))
			}
			last = now
		}
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil || time.Since(last) != 0 {
			t.Fatalf("ended with %v after %v", err, time.Since(last))
		}
		if failures != 11 {
			t.Fatalf("%d failures told", failures)
		}
	})
}
