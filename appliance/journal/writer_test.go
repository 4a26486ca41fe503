package journal

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// held is an output that takes nothing while it is held.
type held struct {
	mu     sync.Mutex
	change sync.Cond
	stuck  bool
	got    strings.Builder
}

func hold() *held {
	h := &held{stuck: true}
	h.change.L = &h.mu
	return h
}

func (h *held) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.stuck {
		h.change.Wait()
	}
	return h.got.Write(b)
}

func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stuck = false
	h.change.Broadcast()
}

// lines are those that were written, without their times.
func (h *held) lines() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.Lines(h.got.String()) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all = append(all, rest)
	}
	return all
}

// Who logs to an output that is held goes on; what he said comes later, in its order.
func TestHeldOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hold()
		j := New(out)
		began := time.Now()
		for i := range 100 {
			j.Log().Info("line", "count", i)
		}
		if time.Since(began) > 0 {
			t.Error("it waits")
		}
		j.Log().Error("grave")
		if took := time.Since(began); took != patience {
			t.Errorf("something grave waits %v", took)
		}
		j.Log().Error("graver") // once is enough
		j.Flush(time.Second)
		if took := time.Since(began); took != patience+time.Second {
			t.Errorf("all took %v", took)
		}
		out.release()
		j.Flush(time.Second)
		lines := out.lines()
		if len(lines) != 102 || lines[101] != "level=ERROR msg=graver" || j.Dropped() != 0 {
			t.Fatalf("%d lines, to %q", len(lines), lines[len(lines)-1])
		}
		for i, line := range lines[:100] {
			if line != fmt.Sprint("level=INFO msg=line count=", i) {
				t.Fatalf("line %d is %q", i, line)
			}
		}
		if took := time.Since(began); took != patience+time.Second {
			t.Errorf("an output that was released is waited for until %v", took)
		}
	})
}

// What is too much is dropped, and said at the place where it is missing; the ring
// has it.
func TestTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hold()
		j := New(out)
		j.Log().Info("first") // under way
		synctest.Wait()
		const size = 1000
		for i := range 100 {
			j.Log().Info(strings.Repeat("x", size), "count", i)
		}
		j.Log().Info("short") // there would be room, but not behind what was dropped
		kept := 0
		for n := 0; n+size < queueBytes; n += size + len("time=2000-01-01T00:00:00.000Z level=INFO msg= count=NN\n") {
			kept++
		}
		if dropped := j.Dropped(); dropped < 101-uint64(kept)-1 || dropped > 101-uint64(kept)+1 {
			t.Errorf("%d lines are dropped where %d have room", dropped, kept)
		}
		if last := j.Last(1); !strings.Contains(last[0].Text, "short") {
			t.Errorf("the ring has %v", last)
		}
		dropped := j.Dropped()
		out.release()
		synctest.Wait()
		j.Log().Info("again")
		j.Flush(time.Second)
		lines := out.lines()
		if n := len(lines); n != int(101-dropped)+3 || lines[0] != "level=INFO msg=first" || lines[n-1] != "level=INFO msg=again" ||
			lines[n-2] != fmt.Sprintf("level=WARN msg=\"log lines were lost, their reader is too slow\" count=%d", dropped) {
			t.Errorf("%d lines, the last two %q", len(lines), lines[len(lines)-2:])
		}
		if j.Dropped() != dropped {
			t.Error("the count went on")
		}
	})
}

// A line larger than the queue is written all the same.
func TestLargeLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hold()
		out.release()
		j := New(out)
		j.Log().Info(strings.Repeat("x", 2*queueBytes))
		j.Flush(time.Second)
		if lines := out.lines(); len(lines) != 1 || len(lines[0]) < 2*queueBytes || j.Dropped() != 0 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

// Something grave is written when the call returns, and what came before it.
func TestGraveLinesAreWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		j := New(&out)
		j.Log().Info("before")
		j.Log().Warn("grave")
		if got := out.String(); strings.Count(got, "\n") != 2 || !strings.HasSuffix(got, "msg=grave\n") {
			t.Errorf("written is %q", got)
		}
	})
}

// However many log at a time, every line is written whole, in the order of the ring.
func TestOrder(t *testing.T) {
	out := hold()
	out.release()
	j := New(out)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 50 {
				j.Log().Info("line", "count", 1000*i+k)
			}
		})
	}
	wg.Wait()
	j.Flush(time.Minute)
	written, kept := out.lines(), j.Last(1000)
	if len(written) != 200 || len(kept) != 200 {
		t.Fatalf("%d lines written, %d kept", len(written), len(kept))
	}
	for i, line := range written {
		if !strings.HasSuffix(kept[i].Text, line) {
			t.Fatalf("line %d is %q here and %q there", i, line, kept[i].Text)
		}
	}
}
