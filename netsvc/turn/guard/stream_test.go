package guard

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v2"
)

// frames of RFC 8656 section 12.5 and RFC 8489 section 6.2.2, whole, in pieces and wrong.
func TestFrames(t *testing.T) {
	binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewSoftware("twelve bytes")).Raw
	padded := func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, -len(b)&3)...) }
	join := func(list ...[]byte) []byte { return bytes.Join(list, nil) }
	short, odd := channelData(0x4001, ""), channelData(0x4002, "12345")
	long := channelData(0x4001, strings.Repeat("x", 2044))
	for _, tc := range []struct {
		name string
		in   []byte
		out  [][]byte
		bad  bool // and then an error
	}{
		{"one", binding, [][]byte{binding}, false},
		{"two", join(binding, binding), [][]byte{binding, binding}, false},
		{"channel data, empty", short, [][]byte{short}, false},
		{"channel data, padded", padded(odd), [][]byte{odd}, false},
		{"mixed", join(padded(odd), binding, short, padded(odd)), [][]byte{odd, binding, short, odd}, false},
		{"larger than a buffer", join(padded(channelData(0x4001, strings.Repeat("x", 60000))), binding), [][]byte{binding}, false},
		{"one byte larger than a packet", join(padded(channelData(0x4001, strings.Repeat("x", mtu-3))), short), [][]byte{short}, false},
		{"the largest packet", long, [][]byte{long[:min(len(long), mtu)]}, true},
		{"the frame that turns pion's reader", endless(), nil, true},
		{"STUN as long as can be", join([]byte{0, 1, 0xff, 0xfc}, binding[4:]), nil, true},
		{"length not of four", join([]byte{0, 1, 0, 3}, binding[4:]), nil, true},
		{"no cookie", join(binding[:4], make([]byte, 20)), nil, true},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), nil, true},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), nil, true},
		{"zeros", make([]byte, 40), nil, true},
		{"reserved", []byte{0x80, 0, 0, 0, 0, 0}, nil, true},
	} {
		if tc.name == "the largest packet" {
			tc.in = channelData(0x4001, strings.Repeat("x", mtu-7)) // a multiple of four
			tc.out, tc.bad = [][]byte{tc.in}, false
		}
		for _, pieces := range []int{1, 3, 1000, 1 << 20} {
			s := Stream(&pieced{b: tc.in, n: pieces}, "tcp", romeo, server)
			p := make([]byte, mtu)
			var got [][]byte
			var err error
			for range len(tc.in) + 2 {
				var n int
				if n, _, err = s.Receive(p); err != nil {
					break
				}
				got = append(got, bytes.Clone(p[:n]))
			}
			if err == nil {
				t.Fatalf("%s: it does not end", tc.name)
			}
			if len(got) != len(tc.out) {
				t.Errorf("%s in pieces of %d: %d frames instead of %d", tc.name, pieces, len(got), len(tc.out))
				continue
			}
			for i := range got {
				if !bytes.Equal(got[i], tc.out[i]) {
					t.Errorf("%s in pieces of %d: frame %d is %x", tc.name, pieces, i, got[i])
				}
			}
			if wrong := errors.Is(err, errFrame); wrong && !tc.bad {
				t.Errorf("%s in pieces of %d: %v", tc.name, pieces, err)
			}
		}
	}
}

// pieced is a connection that gives n bytes at a time.
type pieced struct {
	drip
	b []byte
	n int
}

func (c *pieced) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}

// FuzzFrames reads any stream in any pieces: it ends, and pieces do not matter.
func FuzzFrames(f *testing.F) {
	f.Add(endless(), 3)
	f.Add(append(channelData(0x4001, "1234"), stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw...), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		read := func(n int) (all []byte, count int) {
			s := Stream(&pieced{b: b, n: n}, "tcp", romeo, server)
			p := make([]byte, mtu)
			for ; ; count++ {
				n, _, err := s.Receive(p)
				if err != nil {
					return all, count
				}
				if count > len(b) {
					t.Fatal("endless")
				}
				all = append(all, p[:n]...)
			}
		}
		a, i := read(1 << 20)
		c, j := read(max(1, n&0xffff))
		// Which error ends it may differ, and with it whether the last frame was looked at.
		if i == j && !bytes.Equal(a, c) {
			t.Fatalf("%x\n%x", a, c)
		}
	})
}

// The patience with a stream: silence, a frame that drips, a client that does not read, and what an allocation changes.
func TestPatience(t *testing.T) {
	binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	for _, tc := range []struct {
		name string
		act  func(net.Conn)
		most time.Duration
	}{
		{"silence", func(net.Conn) {}, idleStream},
		{"half a frame", func(c net.Conn) { c.Write(binding[:10]) }, frameTime},
		{"a frame that drips", func(c net.Conn) {
			for _, b := range channelData(0x4001, strings.Repeat("x", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, frameTime},
		{"a large frame that drips", func(c net.Conn) {
			for _, b := range channelData(0x4001, strings.Repeat("x", 10000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, frameTime},
		{"questions and silence", func(c net.Conn) {
			go func() {
				p := make([]byte, 1000)
				for {
					if _, err := c.Read(p); err != nil {
						return
					}
				}
			}()
			for range 3 {
				c.Write(binding)
				time.Sleep(idleStream - time.Second)
			}
		}, 4 * idleStream},
		{"a client that does not read", func(c net.Conn) {
			for {
				if _, err := c.Write(binding); err != nil {
					return
				}
			}
		}, writeStream},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				g := New(Stream(ours, "tcp", romeo, server), Options{House: &manor{}, Nonces: NewNonces(), Limiter: NewLimiter(1000, 1<<20), Count: NewCounters(), MaxCall: time.Hour, Permissions: 4, Channels: 4})
				begin := time.Now()
				acted := make(chan struct{})
				go func() { tc.act(theirs); close(acted) }()
				g.Serve()
				if d := time.Since(begin); d > tc.most || d < tc.most/2 {
					t.Errorf("it took %v instead of %v", d, tc.most)
				}
				theirs.Close()
				<-acted
			})
		})
	}
}

// A stream with an allocation may be silent as long as that lives, and ends with it... or begins another one.
func TestStreamWithAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		house := &manor{}
		nonces := NewNonces()
		g := New(Stream(ours, "tcp", romeo, server), Options{House: house, Nonces: nonces, Limiter: NewLimiter(1000, 1<<20), Count: NewCounters(), MaxCall: time.Hour, Permissions: 4, Channels: 4})
		done := make(chan struct{})
		go func() { g.Serve(); close(done) }()
		p := make([]byte, 2000)
		ask := func(method stun.Method, attrs ...stun.Setter) *stun.Message {
			m := stun.MustBuild(append(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...),
				stun.NewUsername("romeo"), stun.NewRealm(realm), raw{stun.AttrNonce, nonces.make(romeo)}, stun.MessageIntegrity(keyOf("romeo")))...)
			theirs.Write(m.Raw)
			n, err := theirs.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			a := &stun.Message{Raw: p[:n]}
			if err := a.Decode(); err != nil {
				t.Fatal(err)
			}
			return a
		}
		want(t, ask(stun.MethodAllocate, udp), 0, "romeo")
		time.Sleep(9 * time.Minute)
		want(t, ask(stun.MethodRefresh), 0, "romeo")
		want(t, ask(stun.MethodChannelBind, channelNumber(0x4000), peer(peerA)), 0, "romeo")
		house.relays[0].in.put([]byte("12345"), peerA)
		n, _ := theirs.Read(p)
		if !bytes.Equal(p[:n], append(channelData(0x4000, "12345"), 0, 0, 0)) {
			t.Errorf("channel data on a stream is padded: %x", p[:n])
		}
		want(t, ask(stun.MethodRefresh, seconds(0)), 0, "romeo")
		want(t, ask(stun.MethodAllocate, udp), 0, "romeo")
		time.Sleep(10*time.Minute - time.Second)
		select {
		case <-house.relays[1].gone:
			t.Error("gone too early")
		default:
		}
		time.Sleep(idleStream + 2*time.Second) // the allocation ends, and the patience with its connection
		<-done
		<-house.relays[1].gone
		theirs.Close()
	})
}

// The time for a frame is its own: one that was too large to be kept leaves nothing of its to the next.
func TestFrameAfterLargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := Stream(ours, "tcp", romeo, server)
		s.Settle(true)
		next := channelData(0x4001, "1234")
		written := make(chan struct{})
		go func() {
			defer close(written)
			theirs.Write(channelData(0x4001, strings.Repeat("x", 60000)))
			time.Sleep(2 * frameTime)
			theirs.Write(next[:3])
			time.Sleep(frameTime / 2)
			theirs.Write(next[3:])
		}()
		p := make([]byte, mtu)
		if n, _, err := s.Receive(p); err != nil || !bytes.Equal(p[:n], next) {
			t.Errorf("%x, %v", p[:n], err)
		}
		theirs.Close()
		<-written
	})
}
