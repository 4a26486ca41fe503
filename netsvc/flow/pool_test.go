package flow

import (
	"bytes"
	"testing"
)

func TestPoolClasses(t *testing.T) {
	p := NewPool(DefaultKeep)
	for _, test := range []struct{ ask, get int }{
		{0, 2048}, {1, 2048}, {2048, 2048}, {2049, 4096}, {4097, 16384},
		{16385, 65536}, {65537, 262144}, {262144, 262144}, {262145, 262145},
	} {
		b := p.Get(test.ask)
		if len(b) != test.get {
			t.Errorf("asked for %d, got %d", test.ask, len(b))
		}
		p.Put(b)
	}
}

func TestPoolKeepsLittle(t *testing.T) {
	const keep = 100 << 10 // ten chunks of the smallest class
	p := NewPool(keep)
	var out [][]byte
	for range 50 {
		out = append(out, p.Get(1))
	}
	if s := p.Stats(); s.Out != 50*2048 || s.Misses != 50 || s.Kept != 0 || s.Keep != keep {
		t.Fatalf("lent: %+v", s)
	}
	for _, b := range out {
		p.Put(b)
	}
	if s := p.Stats(); s.Out != 0 || s.Kept != 10*2048 {
		t.Fatalf("back: %+v", s)
	}
	p.Put(p.Get(1))
	if s := p.Stats(); s.Borrows != 51 || s.Misses != 50 {
		t.Fatalf("reused: %+v", s)
	}
	p.SetKeep(keep / 2)
	if s := p.Stats(); s.Kept != 5*2048 {
		t.Fatalf("halved: %+v", s)
	}
	p.SetKeep(0)
	p.Put(p.Get(1))
	if s := p.Stats(); s.Kept != 0 {
		t.Fatalf("keeps nothing: %+v", s)
	}
}

func TestNilPool(t *testing.T) {
	var p *Pool
	b := p.Get(100)
	p.Put(b)
	p.forget(b)
	p.SetKeep(1)
	if len(b) != 2048 || p.Stats() != (PoolStats{}) {
		t.Fatal("a nil pool is not an empty one")
	}
}

func TestBuffer(t *testing.T) {
	p := NewPool(DefaultKeep)
	var b Buffer
	fill := func(data string) {
		t.Helper()
		for len(data) > 0 {
			n := copy(b.room(p, 1, 1), data)
			b.w += n
			data = data[n:]
		}
	}
	fill("hello world")
	b.Discard(6)
	if string(b.Bytes()) != "world" || b.Len() != 5 {
		t.Fatalf("%q", b.Bytes())
	}
	long := string(bytes.Repeat([]byte("0123456789"), 10_000))
	fill(long)
	if string(b.Bytes()) != "world"+long {
		t.Fatal("growing changed bytes")
	}
	b.Discard(5 + len(long) - 3)
	b.settle()
	if out := p.Stats().Out; string(b.Bytes()) != "789" || out != 2048 {
		t.Fatalf("%q in %d bytes", b.Bytes(), out)
	}
	scratch := make([]byte, 1000)
	b.lend(p, scratch)
	if out := p.Stats().Out; string(b.Bytes()) != "789" || out != 0 || &scratch[0] != &b.mem[0] {
		t.Fatalf("%q, %d bytes of its own", b.Bytes(), out)
	}
	fill("more")
	b.settle()
	clear(scratch)
	if string(b.Bytes()) != "789more" {
		t.Fatalf("%q is still the lender's", b.Bytes())
	}
	b.Discard(7)
	if p.Stats().Out != 0 {
		t.Fatal("an empty buffer holds memory")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("discarded what is not there")
		}
	}()
	b.Discard(1)
}

// TestQueue holds a queue against a plain slice, with sizes around its limits.
func TestQueue(t *testing.T) {
	p := NewPool(DefaultKeep)
	q := new(queue)
	var want []byte
	sizes := []int{1, 100, 0, 2048, 3000, shareMin - 1, shareMin, 1, 70_000, 5, 5000}
	for round := range 200 {
		b := pattern(sizes[round%len(sizes)])
		q.add(p, b)
		want = append(want, b...)
		for range round % 3 {
			got := bytes.Join(q.peek(make([][]byte, 0, 3), 6000), nil)
			if len(got) > 6000 || !bytes.HasPrefix(want, got) {
				t.Fatalf("round %d: peeked at other bytes", round)
			}
			n := min(len(got), 1+round*37%6000)
			q.drop(p, n)
			want = want[n:]
		}
		if q.empty() != (len(want) == 0) {
			t.Fatalf("round %d: empty %v with %d bytes", round, q.empty(), len(want))
		}
	}
	if cap(q.segs) > 200 {
		t.Fatalf("%d segments were made", cap(q.segs))
	}
	q.discard(p)
	if out := p.Stats().Out; out != 0 {
		t.Fatalf("%d bytes are not back", out)
	}
}
