package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/log"
)

func TestRing(t *testing.T) {
	var out bytes.Buffer
	j := New(&out)
	j.Log().Debug("hidden")
	j.Log().Info("first", "count", 1)
	j.SetLevel(log.LevelDebug)
	j.Log().Debug("second")
	j.Flush(time.Minute)
	lines := j.Last(10)
	if len(lines) != 2 || lines[0].Number != 0 || lines[1].Number != 1 || j.Next() != 2 {
		t.Fatalf("lines %+v", lines)
	}
	if !strings.Contains(lines[0].Text, "level=INFO msg=first count=1") || strings.Contains(lines[0].Text, "\n") {
		t.Errorf("line %q", lines[0].Text)
	}
	if got := lines[0].Text + "\n" + lines[1].Text + "\n"; out.String() != got {
		t.Errorf("written %q, kept %q", out.String(), got)
	}
	if got := j.Last(1); len(got) != 1 || got[0].Number != 1 {
		t.Errorf("the last one is %+v", got)
	}
	if got := j.Last(0); len(got) != 0 {
		t.Errorf("none is %+v", got)
	}
}

func TestRingIsBounded(t *testing.T) {
	j := New(nil)
	for i := range 3000 {
		j.Log().Info(fmt.Sprintf("%050d", i))
	}
	lines, size := j.Last(1<<20), 0
	for _, l := range lines {
		size += len(l.Text)
	}
	if size > ringBytes || size < ringBytes-200 || lines[len(lines)-1].Number != 2999 {
		t.Errorf("%d bytes kept in %d lines to number %d", size, len(lines), lines[len(lines)-1].Number)
	}
	j.Log().Info(strings.Repeat("x", 2*maxLine))
	if last := j.Last(1)[0]; len(last.Text) != maxLine {
		t.Errorf("a line of %d bytes is kept", len(last.Text))
	}
}

func TestFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(nil)
		j.Log().Info("old")
		if lines, err := j.From(t.Context(), 0); err != nil || len(lines) != 1 {
			t.Fatalf("what is there: %v, %v", lines, err)
		}
		got := make(chan int)
		for range 2 { // two who follow
			go func() {
				lines, err := j.From(t.Context(), 1)
				if err != nil {
					t.Error(err)
				}
				got <- len(lines)
			}()
		}
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("it does not wait")
		default:
		}
		j.Log().Info("new")
		if a, b := <-got, <-got; a != 1 || b != 1 {
			t.Errorf("%d and %d lines", a, b)
		}
		for range 5000 { // the ring runs over: what is gone is gone
			j.Log().Info(strings.Repeat("x", 100))
		}
		lines, err := j.From(t.Context(), 2)
		if err != nil || lines[0].Number == 2 || lines[len(lines)-1].Number != 5001 {
			t.Errorf("%d lines, %v", len(lines), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := j.From(ctx, j.Next()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the end of the context: %v", err)
		}
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A log that cannot be written is no reason to stop.
func TestBrokenOutput(t *testing.T) {
	j := New(broken{})
	j.Log().Info("x")
	j.Log().Error("y")
	j.Log().Info("x")
	j.Flush(time.Minute)
	if len(j.Last(3)) != 3 {
		t.Error("a line is lost")
	}
}

func TestLevel(t *testing.T) {
	for _, name := range Levels {
		if got := Level(name).String(); !strings.EqualFold(got, name) {
			t.Errorf("%s is %s", name, got)
		}
	}
	if Level("nonsense") != log.LevelInfo {
		t.Error("an unknown level is not info")
	}
}

func TestConcurrent(t *testing.T) {
	j := New(nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				j.Log().Info("x")
				j.Last(5)
			}
		})
	}
	wg.Wait()
	if j.Next() != 800 {
		t.Errorf("%d lines", j.Next())
	}
}
