package metric

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/metric/metrictest"
)

var update = flag.Bool("update", false, "rewrite golden files")

// show renders what Walk shows, a line each.
func show(s *Set) string {
	var b strings.Builder
	s.Walk(func(m Sample) bool {
		fmt.Fprintf(&b, "%s %s %v", m.Section, m.Desc.Name, m.Labels)
		switch m.Desc.Kind {
		case KindTime:
			fmt.Fprintf(&b, " %d %s %s", m.Count, m.Sum, m.Max)
		case KindInfo:
			fmt.Fprintf(&b, " %q", m.Text)
		default:
			fmt.Fprintf(&b, " %d", m.Value)
		}
		b.WriteByte('\n')
		return true
	})
	return b.String()
}

func declareAll(g *Generation) (*Counter, *Gauge, *Timer, *Counters) {
	x := g.Section("xmpp")
	c := x.Counter(Desc{Name: "stanzas", Help: "Stanzas."})
	l := x.Gauge(Desc{Name: "sessions", Help: "Sessions."})
	t := x.Timer(Desc{Name: "commitTime", Help: "Time of a commit."})
	r := x.Counters(Desc{Name: "errors", Help: "Errors.", Labels: []string{"kind"}, MaxRows: 2})
	a := g.Section("appliance")
	a.Info(Desc{Name: "version", Help: "Version."}, func() string { return `1 "x"` })
	a.GaugeFunc(Desc{Name: "memory", Unit: Bytes, Help: "Memory."}, func() int64 { return 42 })
	a.GaugesFunc(Desc{Name: "queue", Unit: Bytes, Help: "Queues.", Labels: []string{"a", "b"}, MaxRows: 2}, func(row func(int64, ...string)) {
		row(1, "x", "1")
		row(2, "x", "2")
		row(3, "x", "3")
	})
	a.CountersFunc(Desc{Name: "worn", Help: "Wear.", Labels: []string{"disk"}}, func(row func(int64, ...string)) {})
	a.TimerFunc(Desc{Name: "pause", Help: "Pauses."}, func() (uint64, time.Duration, time.Duration) { return 3, time.Minute, time.Second })
	return c, l, t, r
}

func TestWalk(t *testing.T) {
	s := NewSet()
	g := s.NewGeneration()
	c, l, tm, r := declareAll(g)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	s.Use(g)
	c.Add(3)
	c.Inc()
	l.Set(5)
	l.Add(-7)
	tm.Observe(2 * time.Second)
	tm.Observe(time.Second)
	tm.Observe(-time.Second)
	for _, kind := range []string{"b", "a", "c", "d"} {
		r.With(kind).Inc()
	}
	want := `appliance memory [] 42
appliance pause [] 3 1m0s 1s
appliance queue [x 1] 1
appliance queue [x 2] 2
appliance version [] "1 \"x\""
xmpp commitTime [] 3 3s 2s
xmpp errors [a] 1
xmpp errors [b] 1
xmpp errors [other] 2
xmpp sessions [] -2
xmpp stanzas [] 4
`
	if got := show(s); got != want {
		t.Errorf("Walk shows\n%s, want\n%s", got, want)
	}
	var some []string
	s.Walk(func(m Sample) bool { some = append(some, m.Desc.Name+strings.Join(m.Labels, "")); return true }, "errors", "memory", "nothing")
	if got := strings.Join(some, " "); got != "memory errorsa errorsb errorsother" {
		t.Errorf("Walk with names shows %s", got)
	}
	r.Remove("a")
	r.With("c").Inc()
	if got := show(s); !strings.Contains(got, "errors [c] 1\n") || strings.Contains(got, "errors [a]") {
		t.Errorf("a removed row did not make room:\n%s", got)
	}
	n := 0
	s.Walk(func(Sample) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("Walk went on after emit said no: %d", n)
	}
}

// A reload declares everything again: cells go on, functions are the new ones, what is gone is not shown.
func TestGenerations(t *testing.T) {
	s := NewSet()
	first := s.NewGeneration()
	c := first.Section("a").Counter(Desc{Name: "kept", Help: "h"})
	first.Section("a").Counter(Desc{Name: "gone", Help: "h"}).Inc()
	first.Section("a").GaugeFunc(Desc{Name: "read", Help: "h"}, func() int64 { return 1 })
	s.Use(first)
	c.Inc()

	second := s.NewGeneration()
	again := second.Section("a").Counter(Desc{Name: "kept", Help: "another help"})
	second.Section("a").GaugeFunc(Desc{Name: "read", Help: "h"}, func() int64 { return 2 })
	if got := show(s); !strings.Contains(got, "read [] 1") || !strings.Contains(got, "gone [] 1") {
		t.Errorf("a generation shows before it is used:\n%s", got)
	}
	s.Use(second)
	again.Inc()
	if again != c {
		t.Error("the cell is another one")
	}
	if got, want := show(s), "a kept [] 2\na read [] 2\n"; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	third := s.NewGeneration()
	if back := third.Section("a").Counter(Desc{Name: "gone", Help: "h"}); back.Value() != 1 {
		t.Error("a metric that came back lost its count")
	}
}

func TestMistakes(t *testing.T) {
	labels := []string{"x"}
	for _, tc := range []struct {
		name    string
		declare func(*Section)
		want    string
	}{
		{"rate of a gauge", func(s *Section) { s.Gauge(Desc{Name: "n", Help: "h", Rate: true}) }, "rate"},
		{"upper case", func(s *Section) { s.Counter(Desc{Name: "Stanzas", Help: "h"}) }, "camelCase"},
		{"snake case", func(s *Section) { s.Counter(Desc{Name: "in_bytes", Help: "h"}) }, "camelCase"},
		{"empty", func(s *Section) { s.Counter(Desc{Help: "h"}) }, "camelCase"},
		{"33 letters", func(s *Section) { s.Counter(Desc{Name: strings.Repeat("a", 33), Help: "h"}) }, "camelCase"},
		{"no help", func(s *Section) { s.Counter(Desc{Name: "n"}) }, "help"},
		{"bad label", func(s *Section) { s.Counters(Desc{Name: "n", Help: "h", Labels: []string{"a b"}}) }, "label"},
		{"five labels", func(s *Section) {
			s.Counters(Desc{Name: "n", Help: "h", Labels: []string{"a", "b", "c", "d", "e"}})
		}, "more than 4"},
		{"rows without labels", func(s *Section) { s.Counter(Desc{Name: "n", Help: "h", MaxRows: 1}) }, "MaxRows"},
		{"too many rows", func(s *Section) { s.Counters(Desc{Name: "n", Help: "h", Labels: labels, MaxRows: 5000}) }, "MaxRows"},
		{"single with labels", func(s *Section) { s.Gauge(Desc{Name: "n", Help: "h", Labels: labels}) }, "single value"},
		{"table without labels", func(s *Section) { s.Timers(Desc{Name: "n", Help: "h"}) }, "needs labels"},
		{"read table without labels", func(s *Section) { s.GaugesFunc(Desc{Name: "n", Help: "h"}, nil) }, "needs labels"},
		{"twice", func(s *Section) {
			s.Counter(Desc{Name: "n", Help: "h"})
			s.Counter(Desc{Name: "n", Help: "h"})
		}, "twice"},
		{"another shape", func(s *Section) { s.Gauge(Desc{Name: "taken", Help: "h"}) }, "another shape"},
		{"another unit", func(s *Section) { s.Counter(Desc{Name: "taken", Unit: Bytes, Help: "h"}) }, "another shape"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := NewSet()
			set.NewGeneration().Section("x").Counter(Desc{Name: "taken", Help: "h"})
			g := set.NewGeneration()
			tc.declare(g.Section("test"))
			if err := g.Err(); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "test: ") {
				t.Errorf("Err() = %v, want something about %q", err, tc.want)
			}
		})
	}
	g := NewSet().NewGeneration()
	if c := g.Section("x").Counter(Desc{Name: "BAD"}); c == nil {
		t.Error("a bad declaration yields no counter to work with")
	} else {
		c.Inc()
	}
	if g := NewSet().NewGeneration(); g.Section("x").Counter(Desc{Name: strings.Repeat("a", 32), Help: "h"}) == nil || g.Err() != nil {
		t.Error("32 letters are refused")
	}
}

func TestMaxRows(t *testing.T) {
	for _, tc := range []struct {
		name      string
		max, rows int
		over      bool
	}{
		{"n", 3, 3, false},
		{"n and one", 3, 4, true},
		{"default", 0, 64, false},
		{"default and one", 0, 65, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSet()
			g := s.NewGeneration()
			c := g.Section("x").Gauges(Desc{Name: "n", Help: "h", Labels: []string{"a"}, MaxRows: tc.max})
			s.Use(g)
			for i := range tc.rows {
				c.With(fmt.Sprint(i)).Set(1)
			}
			if got := strings.Contains(show(s), "[other]"); got != tc.over {
				t.Errorf("other row: %v, want %v", got, tc.over)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	g := NewSet().NewGeneration()
	c, l, tm, _ := declareAll(g)
	if n := testing.AllocsPerRun(100, func() {
		c.Inc()
		l.Add(1)
		tm.Observe(1)
	}); n != 0 {
		t.Errorf("changing metrics allocates %v times", n)
	}
}

// Counting, making rows and walking at once; it is the race detector that judges.
func TestConcurrent(t *testing.T) {
	s := NewSet()
	g := s.NewGeneration()
	c, _, tm, r := declareAll(g)
	s.Use(g)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 200 {
				c.Inc()
				tm.Observe(time.Duration(n))
				r.With(fmt.Sprint(i)).Inc()
				if n%50 == 0 {
					show(s)
				}
			}
		})
	}
	wg.Wait()
	if c.Value() != 800 || tm.Count() != 800 || tm.Max() != 199 {
		t.Errorf("counted %d, %d, longest %d", c.Value(), tm.Count(), tm.Max())
	}
}

func TestOpenMetrics(t *testing.T) {
	s := NewSet()
	g := s.NewGeneration()
	c, l, tm, r := declareAll(g)
	s.Use(g)
	c.Add(math.MaxUint32 + 1)
	l.Set(-3)
	tm.Observe(1500 * time.Millisecond)
	r.With("a\"b\\c\nd").Inc()
	got := string(s.AppendOpenMetrics(nil))
	path := filepath.Join("testdata", "openmetrics.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant (rewritten by -update)\n%s", got, want)
	}
	for _, fault := range metrictest.OpenMetrics(got) {
		t.Error(fault)
	}
}

func BenchmarkCounter(b *testing.B) {
	b.ReportAllocs()
	var c Counter
	for b.Loop() {
		c.Inc()
	}
}
