package flow

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWritesInOrder(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		out := limited(c, 8<<20)
		var want []byte
		f := new(fates)
		count := 0
		for _, size := range []int{0, 1, 200, shareMin - 1, shareMin, shareMin + 1, 70_000, 1 << 20, 3} {
			one, two := pattern(size), []byte("|")
			if !out.Add(Item{Segs: [][]byte{one, two, one}, Done: done{f, count}}) {
				t.Fatalf("%d bytes refused", size)
			}
			count++
			want = append(append(append(want, one...), two...), one...)
		}
		if got := readAll(t, peer, len(want)); !bytes.Equal(got, want) {
			t.Fatal("bytes changed on the way")
		}
		eventually(t, "all were told", func() bool { return len(f.all()) == count })
		for i, told := range f.all() {
			if told != (fate{i, true}) {
				t.Fatalf("fate %d is %+v", i, told)
			}
		}
		if n := out.Waiting(); n != 0 {
			t.Fatalf("%d bytes wait", n)
		}
	})
}

func TestManyCallersKeepTheirOrder(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		const callers, each = 20, 500
		c, peer := dial(t, newPump(t), k)
		out := limited(c, 8<<20)
		f := new(fates)
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for i := range each {
					b := binary.BigEndian.AppendUint32(nil, uint32(caller))
					b = binary.BigEndian.AppendUint32(b, uint32(i))
					if !out.Add(Item{Segs: [][]byte{b[:3], b[3:]}, Done: done{f, caller*each + i}}) {
						t.Error("refused")
					}
				}
			})
		}
		got := readAll(t, peer, callers*each*8)
		group.Wait()
		var next, nextTold [callers]int
		for ; len(got) > 0; got = got[8:] {
			caller, i := binary.BigEndian.Uint32(got), int(binary.BigEndian.Uint32(got[4:]))
			if next[caller] != i {
				t.Fatalf("caller %d: item %d came after %d", caller, i, next[caller]-1)
			}
			next[caller]++
		}
		eventually(t, "all were told", func() bool { return len(f.all()) == callers*each })
		for _, told := range f.all() {
			caller := told.item / each
			if told.item%each != nextTold[caller] || !told.ok {
				t.Fatalf("caller %d: told of %+v", caller, told)
			}
			nextTold[caller]++
		}
	})
}

func TestLimit(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		out := limited(c, 100)
		f := new(fates)
		if out.Add(Item{Segs: [][]byte{pattern(60), pattern(41)}, Done: done{f, 0}}) {
			t.Fatal("101 bytes passed a limit of 100")
		}
		if !out.Add(Item{Segs: [][]byte{pattern(60), pattern(40)}, Done: done{f, 1}}) {
			t.Fatal("100 bytes did not pass a limit of 100")
		}
		readAll(t, peer, 100)
		eventually(t, "told", func() bool { return len(f.all()) == 1 })
		if told := f.all()[0]; told != (fate{1, true}) {
			t.Fatalf("told %+v: the refused item has no fate", told)
		}
		if !k.pipe && !k.bare {
			c.pump.Squeeze(1)
			if out.AddBytes(pattern(51)) {
				t.Fatal("51 bytes passed a halved limit of 100")
			}
			c.pump.Squeeze(0)
		}
		out.SetLimit(300)
		if !out.AddBytes(pattern(300)) || out.AddBytes(pattern(1<<20)) {
			t.Fatal("a limit of 300 does not hold")
		}
		readAll(t, peer, 300)
	})
}

// TestSlowReader fills an outbox whose peer never reads, until nothing more
// fits, and then either reads all or gives up.
func TestSlowReader(t *testing.T) {
	for _, gives := range []string{"reads at last", "closes"} {
		t.Run(gives, func(t *testing.T) {
			forKinds(t, func(t *testing.T, k kind) {
				c, peer := dial(t, newPump(t), k)
				out := limited(c, 256<<10)
				h := newTurns()
				c.Serve(new(Buffer), h)
				f := new(fates)
				var want []byte
				added := 0
				// The kernel takes some megabytes first.
				full := func() bool {
					for {
						b := fmt.Appendf(nil, "%8d%s", added, pattern(added%5000))
						if !out.Add(Item{Segs: [][]byte{b}, Done: done{f, added}}) {
							return true
						}
						added++
						want = append(want, b...)
					}
				}
				waiting, same := -1, 0
				eventually(t, "full for good", func() bool {
					full()
					before := waiting
					waiting = out.Waiting()
					if same++; waiting != before {
						same = 0
					}
					time.Sleep(20 * time.Millisecond)
					return same == 20 && waiting > 250_000
				})
				var got []byte
				if gives == "closes" {
					peer.Close()
					if err := receive(t, h.ends); err == nil {
						t.Fatal("no final error")
					}
					c.Close()
				} else {
					got = readAll(t, peer, len(want))
					if !bytes.Equal(got, want) {
						t.Fatal("bytes changed on the way")
					}
				}
				eventually(t, "all were told", func() bool { return len(f.all()) == added })
				lost := 0
				for i, told := range f.all() {
					if told.item != i {
						t.Fatalf("told of item %d as number %d", told.item, i)
					}
					if !told.ok {
						lost++
					} else if lost > 0 {
						t.Fatal("a written item behind a lost one")
					}
				}
				if (lost > 0) != (gives == "closes") {
					t.Fatalf("%d items lost", lost)
				}
			})
		})
	}
}

func TestStallCloses(t *testing.T) {
	for _, pipe := range []bool{true, false} {
		t.Run(fmt.Sprint("pipe ", pipe), func(t *testing.T) {
			p := NewPump(Options{Shards: 1, Stall: 30 * time.Millisecond})
			defer p.Close()
			c, _ := dial(t, p, kind{pipe: pipe})
			if pipe {
				a, _ := net.Pipe()
				c = p.NewConn(a)
			}
			out := limited(c, 16<<20)
			f := new(fates)
			out.Add(Item{Segs: [][]byte{make([]byte, 16<<20)}, Done: done{f, 0}})
			h := newTurns()
			c.Serve(new(Buffer), h)
			receive(t, h.ends)
			eventually(t, "told", func() bool { return len(f.all()) == 1 })
			if f.all()[0].ok {
				t.Fatal("written to a peer that never read")
			}
			if out.AddBytes([]byte("x")) {
				t.Fatal("a closed outbox took more")
			}
		})
	}
}

func TestStallTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := net.Pipe()
		c := (*Pump)(nil).NewConn(a)
		start := time.Now()
		c.Outbox().AddBytes([]byte("x"))
		time.Sleep(DefaultStall - time.Second)
		readAll(t, peer, 1) // progress
		c.Outbox().AddBytes([]byte("y"))
		var b Buffer
		if err := c.Fill(&b); err == nil {
			t.Fatal("no error")
		}
		if took := time.Since(start); took != 2*DefaultStall-time.Second {
			t.Fatalf("closed after %v", took)
		}
	})
}

func TestCloseSaysFarewell(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		out := limited(c, 2<<20)
		h := newTurns()
		c.Serve(new(Buffer), h)
		f := new(fates)
		out.Add(Item{Segs: [][]byte{pattern(1 << 20)}, Done: done{f, 0}})
		out.Close(patience, []byte("</stream>"), nil)
		out.Close(patience, []byte("twice"), nil)
		if out.AddBytes([]byte("x")) {
			t.Fatal("added behind the farewell")
		}
		got := readAll(t, peer, 1<<20+9)
		if !bytes.Equal(got[:1<<20], pattern(1<<20)) || string(got[1<<20:]) != "</stream>" {
			t.Fatal("bytes changed on the way")
		}
		if !k.pipe {
			// Only our direction is shut: the peer may still speak.
			if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Fatalf("behind the farewell: %d bytes, %v", n, err)
			}
			peer.Write([]byte("</stream>"))
			if got := receive(t, h.bytes); string(got) != "</stream>" {
				t.Fatalf("got %q", got)
			}
			peer.Close()
			if err := receive(t, h.ends); err != io.EOF {
				t.Fatal(err)
			}
		}
		eventually(t, "closed", func() bool { return c.LocalAddr() == nil || k.pipe || k.bare })
		eventually(t, "told", func() bool { return len(f.all()) == 1 })
		if !f.all()[0].ok {
			t.Fatal("told that it was not written")
		}
	})
}

func TestGraceEnds(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, _ := dial(t, newPump(t), k)
		out := limited(c, 32<<20)
		h := newTurns()
		c.Serve(new(Buffer), h)
		f := new(fates)
		out.Add(Item{Segs: [][]byte{make([]byte, 32<<20)}, Done: done{f, 0}})
		out.Close(10*time.Millisecond, []byte("never read"), nil)
		if err := receive(t, h.ends); err == nil {
			t.Fatal("no final error")
		}
		eventually(t, "told", func() bool { return len(f.all()) == 1 })
		if f.all()[0].ok {
			t.Fatal("written to a peer that never read")
		}
	})
}

func TestHalfOpen(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		half, ok := (net.Conn)(nil), false
		c, peer := dial(t, newPump(t), k)
		h := newTurns()
		c.Serve(new(Buffer), h)
		if half, ok = peer.(interface {
			net.Conn
			CloseWrite() error
		}); !ok || k.pipe {
			t.Skip("this kind cannot be half open")
		}
		half.(interface{ CloseWrite() error }).CloseWrite()
		if err := receive(t, h.ends); err != io.EOF {
			t.Fatal(err)
		}
		c.Outbox().AddBytes([]byte("still here"))
		c.Outbox().Close(patience, []byte("."), nil)
		rest, err := io.ReadAll(half)
		if string(rest) != "still here." || err != nil {
			t.Fatalf("%q, %v", rest, err)
		}
	})
}

func TestDoneThatPanicsOrAdds(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		c, peer := dial(t, newPump(t), k)
		out := c.Outbox()
		h := newTurns()
		c.Serve(new(Buffer), h)
		out.Add(Item{Segs: [][]byte{[]byte("a")}, Done: doneFunc(func(bool) { out.AddBytes([]byte("b")) })})
		if got := readAll(t, peer, 2); string(got) != "ab" {
			t.Fatalf("got %q", got)
		}
		f := new(fates)
		out.Add(Item{Segs: [][]byte{[]byte("c")}, Done: doneFunc(func(bool) { panic("bad") })})
		readAll(t, peer, 1)
		if err := receive(t, h.ends); err == nil {
			t.Fatal("the connection lives on")
		}
		if out.Add(Item{Done: done{f, 0}}) {
			t.Fatal("a dead outbox took more")
		}
	})
}

type doneFunc func(bool)

func (f doneFunc) Written(ok bool) { f(ok) }

// TestAddWaitsForHandshake adds while a handshake is under way: nothing may
// leave unprotected, nor be lost.
func TestAddWaitsForHandshake(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		if k.version != 0 {
			t.Skip("has a TLS layer already")
		}
		c, peer := dial(t, newPump(t), k)
		failed := make(chan error, 1)
		go func() { failed <- c.StartTLS(context.Background(), serverConfig(0)) }()
		if !k.pipe && !k.bare {
			eventually(t, "held", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.handshaking })
			c.Outbox().AddBytes([]byte("<presence/>"))
		}
		secured := tlsClient(peer)
		if err := secured.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, failed); err != nil {
			t.Fatal(err)
		}
		if k.pipe || k.bare {
			c.Outbox().AddBytes([]byte("<presence/>"))
		}
		if got := readAll(t, secured, 11); string(got) != "<presence/>" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestAddAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool forgets on purpose under the race detector")
	}
	if testing.Short() {
		t.Skip("takes minutes on an emulated processor, where the answer is the same")
	}
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			c, peer := dial(t, newPump(t), k)
			go io.Copy(io.Discard, peer)
			// As a stanza keeps them: a literal in the call would escape.
			segs := [][]byte{pattern(80), pattern(100), pattern(20)}
			var one Done = doneFunc(func(bool) {})
			per := testing.AllocsPerRun(2000, func() {
				c.Outbox().Add(Item{Segs: segs, Done: one})
				c.Outbox().Add(Item{Segs: segs})
				for c.Outbox().Waiting() > 0 {
					time.Sleep(time.Microsecond)
				}
			})
			if per >= 1 {
				t.Fatalf("%v allocations for two Adds", per)
			}
		})
	}
}

// TestCloseTellsLast holds Close to telling its last Done after all others, and
// the truth about the farewell, in whatever state the connection is.
func TestCloseTellsLast(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		tests := []struct {
			name string
			do   func(out *Outbox, last Done)
			want []fate
		}{
			{"writes", func(out *Outbox, last Done) { out.Close(patience, []byte("!"), last) }, []fate{{0, true}, {1, true}}},
			{"twice", func(out *Outbox, last Done) {
				out.Close(patience, []byte("!"), nil)
				out.Close(patience, []byte("!"), last)
			}, []fate{{0, true}, {1, true}}},
			{"killed", func(out *Outbox, last Done) {
				out.Kill()
				out.Close(patience, []byte("!"), last)
			}, []fate{{0, true}, {1, false}}},
		}
		for _, test := range tests {
			c, peer := dial(t, newPump(t), k)
			f := new(fates)
			c.Outbox().Add(Item{Segs: [][]byte{[]byte("x")}, Done: done{f, 0}})
			readAll(t, peer, 1)
			eventually(t, "told of the first", func() bool { return len(f.all()) == 1 })
			go io.Copy(io.Discard, peer)
			test.do(c.Outbox(), done{f, 1})
			eventually(t, "told of the last", func() bool { return len(f.all()) == 2 })
			told := f.all()
			if test.name == "twice" {
				told[1].ok = true // by then the first farewell may have gone, and the connection with it
			}
			if told[0] != test.want[0] || told[1] != test.want[1] {
				t.Fatalf("%s: told %+v, want %+v", test.name, told, test.want)
			}
		}
	})
}
