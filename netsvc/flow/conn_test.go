package flow

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func forWays(t *testing.T, test func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler))) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			forKinds(t, func(t *testing.T, k kind) { test(t, k, w.start) })
		})
	}
}

func TestReadsWhatArrives(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		c, peer := dial(t, newPump(t), k)
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		for _, size := range []int{1, 200, 5000, 70_000, 1 << 20} {
			sent := pattern(size)
			go peer.Write(sent)
			var got []byte
			for len(got) < size {
				got = append(got, receive(t, h.bytes)...)
			}
			if !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes arrived changed", size)
			}
		}
		for _, one := range []byte("one byte at a time") {
			peer.Write([]byte{one})
			if got := receive(t, h.bytes); !bytes.Equal(got, []byte{one}) {
				t.Fatalf("got %q, sent %q", got, one)
			}
		}
		peer.Close()
		if err := receive(t, h.ends); err != io.EOF {
			t.Fatalf("after the peer's end: %v, not io.EOF", err)
		}
	})
}

func TestEndBehindDataInOneSegment(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		if k.pipe {
			t.Skip("a pipe has no segments")
		}
		for range 10 {
			c, peer := dial(t, newPump(t), k)
			peer.Write([]byte("last words"))
			peer.Close()
			h := newTurns()
			var b Buffer
			start(c, &b, h)
			if got := receive(t, h.bytes); string(got) != "last words" {
				t.Fatalf("got %q", got)
			}
			if err := receive(t, h.ends); err != io.EOF {
				t.Fatalf("then %v, not io.EOF", err)
			}
		}
	})
}

func TestUnreadBytesStay(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		c, peer := dial(t, newPump(t), k)
		seen := make(chan string, 100)
		h := newTurns()
		h.next = func(c *Conn, b *Buffer) Next {
			// Takes whole words only.
			for {
				i := bytes.IndexByte(b.Bytes(), ' ')
				if i < 0 {
					return More
				}
				seen <- string(b.Bytes()[:i])
				b.Discard(i + 1)
			}
		}
		var b Buffer
		start(c, &b, h)
		long := string(bytes.Repeat([]byte("x"), 100_000))
		for _, part := range []string{"he", "llo wor", "ld ", long, " a b", " "} {
			peer.Write([]byte(part))
		}
		for _, want := range []string{"hello", "world", long, "a", "b"} {
			if got := receive(t, seen); got != want {
				t.Fatalf("got %.20q, want %.20q", got, want)
			}
		}
	})
}

func TestBufferMaximumEndsReading(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		c, peer := dial(t, newPump(t), k)
		h := newTurns()
		largest := 0
		h.next = func(c *Conn, b *Buffer) Next { largest = b.Len(); return More }
		var b Buffer
		b.SetMax(10_000)
		start(c, &b, h)
		go peer.Write(pattern(10_001))
		if err := receive(t, h.ends); err != ErrBufferFull {
			t.Fatal(err)
		}
		if largest != 10_000 {
			t.Fatalf("held %d bytes, the maximum is 10000", largest)
		}
	})
}

func TestKickAndDeadline(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		c, peer := dial(t, newPump(t), k)
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		for range 3 {
			c.Kick()
			if err := receive(t, h.ends); err != ErrKicked {
				t.Fatalf("after Kick: %v", err)
			}
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if err := receive(t, h.ends); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("after the deadline: %v", err)
			}
			c.SetReadDeadline(time.Now().Add(time.Hour))
			c.SetReadDeadline(time.Time{})
			peer.Write([]byte("x"))
			if got := receive(t, h.bytes); string(got) != "x" {
				t.Fatalf("then read %q", got)
			}
		}
		c.Close()
		if err := receive(t, h.ends); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
		if err := c.Fill(&b); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("Fill of a closed connection: %v", err)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		seen := make(chan string, 10)
		h := newTurns()
		h.next = func(c *Conn, b *Buffer) Next {
			// One byte each Turn, then pause with the rest unread.
			if b.Len() == 0 {
				return More
			}
			seen <- string(b.Bytes()[:1])
			b.Discard(1)
			if b.Len() == 0 {
				return More
			}
			c.ResumeAfter(time.Millisecond)
			return Pause
		}
		var b Buffer
		c.Serve(&b, h)
		peer.Write([]byte("abc"))
		for _, want := range []string{"a", "b", "c"} {
			if got := receive(t, seen); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		peer.Write([]byte("d"))
		if got := receive(t, seen); got != "d" {
			t.Fatalf("after the pauses: %q", got)
		}
	})
}

func TestCloseEndsPause(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		paused := make(chan bool, 1)
		h := newTurns()
		h.next = func(c *Conn, b *Buffer) Next { paused <- true; return Pause }
		var b Buffer
		c.Serve(&b, h)
		peer.Write([]byte("x"))
		receive(t, paused)
		c.Close()
		if err := receive(t, h.ends); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	})
}

// TestStartTLSWhileServed walks the way of a client: plain, STARTTLS, served.
func TestStartTLSWhileServed(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		if k.version != 0 {
			t.Skip("has a TLS layer already")
		}
		c, peer := dial(t, newPump(t), k)
		h := newTurns()
		failed := make(chan error, 1)
		var b Buffer
		h.next = func(c *Conn, b *Buffer) Next {
			b.Discard(b.Len())
			c.Outbox().AddBytes([]byte("proceed"))
			return c.Leave(func() {
				h.next = nil
				err := c.StartTLS(context.Background(), serverConfig(tls.VersionTLS13))
				c.Serve(b, h)
				failed <- err
			})
		}
		c.Serve(&b, h)
		peer.Write([]byte("starttls"))
		if got := readAll(t, peer, 7); string(got) != "proceed" {
			t.Fatalf("got %q", got)
		}
		secured := tls.Client(peer, clientConfig())
		secured.Write([]byte("hello"))
		if err := receive(t, failed); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, h.bytes); string(got) != "hello" {
			t.Fatalf("got %q", got)
		}
		c.Outbox().AddBytes([]byte("welcome"))
		if got := readAll(t, secured, 7); string(got) != "welcome" {
			t.Fatalf("got %q", got)
		}
		eventually(t, "what went out before and during the handshake is counted as written", func() bool { return c.Outbox().Waiting() == 0 })
		if c.TLS() == nil || c.TLS().NegotiatedProtocol != "xmpp-client" {
			t.Fatalf("TLS state: %+v", c.TLS())
		}
		secured.Close()
		if err := receive(t, h.ends); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// A Kick during a handshake is for the reader behind it.
func TestKickWaitsForTheHandshake(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		if k.version != 0 {
			t.Skip("has a TLS layer already")
		}
		c, peer := dial(t, newPump(t), k)
		c.Kick()
		go tlsClient(peer).Write([]byte("hello"))
		if err := c.StartTLS(context.Background(), serverConfig(tls.VersionTLS13)); err != nil {
			t.Fatal(err)
		}
		var b Buffer
		if err := c.Fill(&b); err != ErrKicked {
			t.Fatalf("got %v, %q", err, b.Bytes())
		}
		if err := c.Fill(&b); err != nil || string(b.Bytes()) != "hello" {
			t.Fatalf("got %v, %q", err, b.Bytes())
		}
		b.Release()
	})
}

func TestHandshakeFails(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		if k.version != 0 {
			t.Skip("has a TLS layer already")
		}
		t.Run("time", func(t *testing.T) {
			c, _ := dial(t, newPump(t), k)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer cancel()
			if err := c.StartTLS(ctx, serverConfig(0)); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("silent peer: %v", err)
			}
			var b Buffer
			if err := c.Fill(&b); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("afterwards: %v", err)
			}
		})
		t.Run("garbage", func(t *testing.T) {
			c, peer := dial(t, newPump(t), k)
			go peer.Write([]byte("<stream:stream xmlns='jabber:client'>"))
			go io.Copy(io.Discard, peer)
			var record tls.RecordHeaderError
			if err := c.StartTLS(context.Background(), serverConfig(0)); !errors.As(err, &record) {
				t.Fatalf("not TLS: %v", err)
			}
		})
		t.Run("alert arrives", func(t *testing.T) {
			c, peer := dial(t, newPump(t), k)
			failed := make(chan error, 1)
			go func() {
				failed <- tls.Client(peer, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake()
			}()
			if c.StartTLS(context.Background(), serverConfig(tls.VersionTLS13)) == nil {
				t.Fatal("TLS 1.2 passed for 1.3")
			}
			var alert *net.OpError
			if err := receive(t, failed); !errors.As(err, &alert) {
				t.Fatalf("the client saw %v, no alert", err)
			}
		})
	})
}

func TestBlockedTurnHoldsUpNobody(t *testing.T) {
	p := newPump(t)
	release := make(chan bool)
	blocked := make(chan bool, 10)
	stuck := newTurns()
	stuck.next = func(c *Conn, b *Buffer) Next {
		b.Discard(b.Len())
		blocked <- true
		<-release
		c.Outbox().AddBytes([]byte("late"))
		return More
	}
	var peers []net.Conn
	for range 3 {
		c, peer := dial(t, p, kind{})
		var b Buffer
		c.Serve(&b, stuck)
		peer.Write([]byte("x"))
		peers = append(peers, peer)
		receive(t, blocked)
	}
	c, peer := dial(t, p, kind{})
	h := newTurns()
	var b Buffer
	c.Serve(&b, h)
	for range 10 {
		peer.Write([]byte("ping"))
		receive(t, h.bytes)
		c.Outbox().AddBytes([]byte("pong"))
		readAll(t, peer, 4)
	}
	if n := p.Stats().Takeovers; n < 3 {
		t.Fatalf("%d leaders were replaced, three are stuck", n)
	}
	close(release)
	for _, peer := range peers {
		readAll(t, peer, 4)
		peer.Write([]byte("y")) // its Turns go on
		receive(t, blocked)
		readAll(t, peer, 4)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		p := newPump(t)
		c, peer := dial(t, p, k)
		h := newTurns()
		h.next = func(*Conn, *Buffer) Next { panic("bad stanza") }
		var b Buffer
		c.Serve(&b, h)
		peer.Write([]byte("x"))
		var panicked *PanicError
		if err := receive(t, h.ends); !errors.As(err, &panicked) || panicked.Value != "bad stanza" {
			t.Fatalf("final error: %v", err)
		}
		if _, err := io.ReadAll(peer); err != nil && !k.bare && k.version == 0 && !isReset(err) {
			t.Fatalf("the peer saw %v", err)
		}
		c, peer = dial(t, p, k)
		h = newTurns()
		c.Serve(new(Buffer), h)
		peer.Write([]byte("x"))
		receive(t, h.bytes)
	})
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func TestGoroutinesEnd(t *testing.T) {
	forWays(t, func(t *testing.T, k kind, start func(*Conn, *Buffer, Handler)) {
		before := runtime.NumGoroutine()
		p := NewPump(Options{Shards: 2})
		ends := make(chan error, 100)
		for range 20 {
			c, peer := dial(t, p, k)
			h := &turns{bytes: make(chan []byte, 10), ends: ends}
			start(c, new(Buffer), h)
			peer.Write([]byte("x"))
			receive(t, h.bytes)
			c.Outbox().AddBytes([]byte("y"))
			readAll(t, peer, 1)
			if k.bare || k.pipe {
				c.Close()
			}
		}
		p.Close()
		for range 20 {
			if err := receive(t, ends); !errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
		}
		eventually(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// TestServedConnectionsHaveNoGoroutine is the reason for Serve.
func TestServedConnectionsHaveNoGoroutine(t *testing.T) {
	p := newPump(t)
	before := runtime.NumGoroutine()
	for i := range 100 {
		c, peer := dial(t, p, kinds[i%3])
		h := newTurns()
		c.Serve(new(Buffer), h)
		peer.Write([]byte("x"))
		receive(t, h.bytes)
	}
	eventually(t, "one leader serves all", func() bool { return runtime.NumGoroutine() <= before+1 })
	eventually(t, "no memory is lent to idle connections", func() bool { return p.Stats().Pool.Out == 0 })
}

// TestDescriptorReuse opens and closes while others read and write, so that
// numbers of descriptors are reused under way: nobody may see another's bytes.
func TestDescriptorReuse(t *testing.T) {
	p := NewPump(Options{Shards: 2})
	defer p.Close()
	ended := make(chan error)
	var total atomic.Uint64
	for worker := range 8 {
		go func() {
			for i := range 100 {
				server, client := net.Conn(nil), net.Conn(nil)
				server, client = tcp(t)
				c := p.NewConn(server)
				c.Serve(new(Buffer), echo{})
				word := fmt.Sprintf("worker %d, round %d", worker, i)
				total.Add(uint64(len(word)))
				client.Write([]byte(word))
				got := make([]byte, len(word))
				if _, err := io.ReadFull(client, got); err != nil || string(got) != word {
					ended <- fmt.Errorf("sent %q, got %q, %v", word, got, err)
					return
				}
				if i%2 == 0 {
					client.Close()
				} else {
					c.Close()
					client.Close()
				}
			}
			ended <- nil
		}()
	}
	for range 8 {
		if err := receive(t, ended); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all connections are gone", func() bool { return p.Stats().Conns == 0 })
	eventually(t, "all bytes are counted", func() bool {
		s := p.Stats()
		return s.Received == total.Load() && s.Sent == total.Load() && s.Ready == 0 && s.Dirty == 0
	})
}

type echo struct{}

func (echo) Turn(c *Conn, b *Buffer, err error) Next {
	if err != nil {
		c.Close()
		return More
	}
	c.Outbox().AddBytes(bytes.Clone(b.Bytes()))
	b.Discard(b.Len())
	return More
}

// The count of connections wraps on a board that is never restarted, and is no
// negative number on the way there where an int has 32 bits.
func TestShardsAreDealtForEver(t *testing.T) {
	p := NewPump(Options{Shards: 3})
	for _, count := range []uint32{0, math.MaxInt32 - 1, math.MaxUint32 - 1} {
		p.next.Store(count)
		dealt := map[*shard]bool{}
		for range 6 {
			dealt[p.shard()] = true
		}
		if len(dealt) != len(p.shards) {
			t.Errorf("from %d on, %d of %d shards", count, len(dealt), len(p.shards))
		}
	}
}

func TestPipeInBubble(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, peer := net.Pipe()
				c := NewPump(Options{}).NewConn(a)
				h := newTurns()
				var b Buffer
				w.start(c, &b, h)
				go peer.Write([]byte("hello"))
				synctest.Wait()
				if got := <-h.bytes; string(got) != "hello" {
					t.Fatalf("got %q", got)
				}
				start := time.Now()
				c.SetReadDeadline(start.Add(time.Minute))
				if err := <-h.ends; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
					t.Fatalf("after %v: %v", time.Since(start), err)
				}
				c.Outbox().AddBytes([]byte("bye"))
				c.Outbox().Close(time.Minute, []byte("!"), nil)
				rest, err := io.ReadAll(peer)
				if string(rest) != "bye!" || err != nil {
					t.Fatalf("%q, %v", rest, err)
				}
				if err := <-h.ends; !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestNobodyStarves has one connection that always has more to read, and one
// that always has more to write, beside one that says little.
func TestNobodyStarves(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			p := newPump(t)
			reads, floods := dial(t, p, k)
			reads.Serve(new(Buffer), discard{})
			go func() {
				for b := make([]byte, 1<<20); ; {
					if _, err := floods.Write(b); err != nil {
						return
					}
				}
			}()
			writes, drinks := dial(t, p, k)
			go io.Copy(io.Discard, drinks)
			item := Item{Segs: [][]byte{make([]byte, 1000)}}
			item.Done = doneFunc(func(bool) { writes.Outbox().Add(item) })
			writes.Outbox().Add(item)

			c, peer := dial(t, p, k)
			c.Serve(new(Buffer), echo{})
			for range 100 {
				peer.Write([]byte("ping"))
				readAll(t, peer, 4)
			}
		})
	}
}

// discard is a Handler that is slower than any peer.
type discard struct{}

func (discard) Turn(c *Conn, b *Buffer, err error) Next {
	time.Sleep(10 * time.Microsecond)
	b.Discard(b.Len())
	return More
}
