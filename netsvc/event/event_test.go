package event_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/log"
	"linnet/netsvc/module"
)

// host is a Host whose live state and log are real; nothing else of it is asked for.
type host struct {
	module.Host
	still *module.Still
	lines bytes.Buffer
}

func newHost() *host { return &host{still: module.NewStill()} }

func (h *host) Live(name string, make func() any) any { return h.still.Live(name, make) }
func (h *host) Log() *log.Logger                      { return log.To(&h.lines, log.LevelDebug) }

// ear notes what a subscriber is told.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (r *ear) tell(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := e.Text()
	if e.Missed > 0 {
		text += fmt.Sprintf(" (missed %d)", e.Missed)
	}
	r.heard = append(r.heard, text)
}

// want waits until everything is told and compares.
func (r *ear) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.heard, want) {
		t.Errorf("heard\n%s\nwant\n%s", strings.Join(r.heard, "\n"), strings.Join(want, "\n"))
	}
	r.heard = nil
}

var full = event.Desc{Name: "diskFull", Severity: event.Warning, Help: "The disk is full.",
	Fields: []event.Field{{Name: "path"}, {Name: "left", Kind: event.Number}, {Name: "who", Kind: event.Person}}}

func test(t *testing.T, f func(*testing.T, *host, *ear)) {
	synctest.Test(t, func(t *testing.T) {
		h, r := newHost(), new(ear)
		event.Of(h).Watch(r.tell)
		f(t, h, r)
	})
}

func TestState(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, full)
		k.Clear("/data")
		r.want(t)
		k.Raise("/data", 5, "romeo@example.org")
		r.want(t, "The disk is full. path=/data left=5 who=romeo@example.org")
		begin := time.Now()
		time.Sleep(time.Minute)
		k.Raise("/data", int64(4))
		k.Raise("/boot")
		r.want(t, "The disk is full. path=/boot")
		now := event.Of(h).Now()
		if len(now) != 2 || now[0].Values[1] != "4" || !now[0].Since.Equal(begin) || now[1].Values[0] != "/boot" {
			t.Errorf("raised: %+v", now)
		}
		if got := k.Raised(); !slices.Equal(got, []string{"/data", "/boot"}) {
			t.Errorf("raised: %q", got)
		}
		k.Clear("/data", 90)
		k.Clear("/data")
		r.want(t, "Over: The disk is full. path=/data left=90")
		event.Of(h).Counts(func(name string, raised uint64, now int) {
			if name != "diskFull" || raised != 2 || now != 1 {
				t.Errorf("%s: %d, %d", name, raised, now)
			}
		})
		past := event.Of(h).Past()
		if len(past) != 3 || past[2].Raised || past[2].Number != 3 || past[2].At.Sub(past[2].Since) != time.Minute {
			t.Errorf("past: %+v", past)
		}
		lines := strings.Split(strings.TrimSpace(h.lines.String()), "\n")
		for i, want := range []string{
			`level=WARN msg=event name=diskFull outcome=raised args="path=/data left=5" count=1`,
			`level=WARN msg=event name=diskFull outcome=raised args="path=/boot" count=1`,
			`level=INFO msg=event name=diskFull outcome=over args="path=/data left=90" count=1`,
		} {
			if i >= len(lines) || !strings.HasSuffix(lines[i], want) {
				t.Errorf("line %d of the log: %q, want %s", i, lines, want)
			}
		}
	})
}

// A first field that is a number is not what the event is about: there is one state.
func TestOneState(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, event.Desc{Name: "hot", Severity: event.Warning, Help: "It is hot.", Fields: []event.Field{{Name: "degrees", Kind: event.Number}}})
		for _, level := range []int{89, 90, 95, 86, 85} {
			k.Judge(int64(level), 90, 85, level)
		}
		r.want(t, "It is hot. degrees=90", "Over: It is hot. degrees=85")
	})
}

func TestMoment(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, event.Desc{Name: "knock", Severity: event.Notice, Help: "Somebody knocked.", Moment: true})
		k.Raise()
		k.Raise("surplus")
		k.Clear()
		r.want(t, "Somebody knocked.", "Somebody knocked.")
		if len(event.Of(h).Now()) != 0 {
			t.Error("a moment stays")
		}
	})
}

// A level that trembles around its limit is told once, and at once.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		name         string
		raise, clear int64
		levels       []int64
		want         []string
	}{
		{"high", 90, 80, []int64{0, 89, 90, 85, 91, 81, 95, 80, 89, 90}, []string{"90", "80", "90"}},
		{"low", 10, 20, []int64{99, 11, 10, 15, 9, 19, 20, 11, 10}, []string{"10", "20", "10"}},
		{"a switch", 1, 0, []int64{0, 1, 2, 1, 0}, []string{"1", "0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			test(t, func(t *testing.T, h *host, r *ear) {
				k := event.Declare(h, full)
				for _, level := range tc.levels {
					k.Judge(level, tc.raise, tc.clear, "/", level)
				}
				var want []string
				for i, level := range tc.want {
					want = append(want, [2]string{"", "Over: "}[i%2]+"The disk is full. path=/ left="+level)
				}
				r.want(t, want...)
			})
		})
	}
}

// What flaps is told ten times, then once in six seconds, and its last state in any case.
func TestRate(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, event.Desc{Name: "flap", Severity: event.Warning, Help: "Flap.", Fields: []event.Field{{Name: "link"}}})
		for range 20 {
			k.Raise("a")
			k.Clear("a")
		}
		synctest.Wait()
		if len(r.heard) != 10 {
			t.Errorf("told %d times", len(r.heard))
		}
		r.heard = nil
		k.Raise("a")
		r.want(t)
		time.Sleep(6 * time.Second)
		r.want(t, "Flap. link=a (missed 30)")
		k.Clear("a")
		r.want(t)
		time.Sleep(6 * time.Second)
		r.want(t, "Over: Flap. link=a")
		time.Sleep(time.Hour)
		for range 11 {
			k.Raise("a")
			k.Clear("a")
		}
		synctest.Wait()
		if len(r.heard) != 10 {
			t.Errorf("told %d times an hour later", len(r.heard))
		}
		if got := k.Raised(); len(got) != 0 {
			t.Errorf("raised: %q", got)
		}
	})
}

func TestMomentRate(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, event.Desc{Name: "knock", Severity: event.Notice, Help: "Knock.", Moment: true})
		for range 15 {
			k.Raise()
		}
		synctest.Wait()
		r.heard = nil
		time.Sleep(time.Minute)
		r.want(t)
		k.Raise()
		r.want(t, "Knock. (missed 5)")
	})
}

// There are never more states than the limit: what is beyond is told and not kept.
func TestManyStates(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, full)
		for i := range 70 {
			k.Raise(fmt.Sprint(i))
			time.Sleep(7 * time.Second)
		}
		if got := len(k.Raised()); got != 64 {
			t.Errorf("%d states", got)
		}
		synctest.Wait()
		if len(r.heard) != 70 || len(event.Of(h).Past()) != 32 {
			t.Errorf("told %d, remembered %d", len(r.heard), len(event.Of(h).Past()))
		}
	})
}

// A reload declares again and finds what is raised.
func TestDeclareAgain(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		event.Declare(h, full).Raise("/")
		d := full
		d.Help = "Full."
		k := event.Declare(h, d)
		k.Raise("/")
		k.Clear("/")
		r.want(t, "The disk is full. path=/", "Over: Full. path=/")
		event.Declare(h, event.Desc{Name: "able", Severity: event.Notice, Help: "h"})
		descs := event.Of(h).Descs()
		if len(descs) != 2 || descs[0].Name != "able" || descs[1].Name != "diskFull" {
			t.Errorf("declared: %v", descs)
		}
	})
}

// A subscriber that blocks or panics does not stop the others from being told in the end, nor who raises.
func TestSubscribers(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		k := event.Declare(h, event.Desc{Name: "knock", Severity: event.Critical, Help: "Knock.", Moment: true})
		hold := make(chan struct{})
		stop := event.Of(h).Watch(func(event.Event) {
			<-hold
			panic("mistake")
		})
		k.Raise()
		k.Raise()
		r.want(t, "Knock.")
		close(hold)
		r.want(t, "Knock.")
		if !strings.Contains(h.lines.String(), "mistake") || !strings.Contains(h.lines.String(), "level=ERROR msg=event") {
			t.Error(h.lines.String())
		}
		stop()
		k.Raise()
		r.want(t, "Knock.")
	})
}

func TestQueueIsBounded(t *testing.T) {
	test(t, func(t *testing.T, h *host, r *ear) {
		hold := make(chan struct{})
		event.Of(h).Watch(func(event.Event) { <-hold })
		for i := range 20 {
			k := event.Declare(h, event.Desc{Name: fmt.Sprintf("knock%d", i), Severity: event.Notice, Help: "Knock.", Moment: true})
			for range 10 {
				k.Raise()
			}
		}
		close(hold)
		synctest.Wait()
		if len(r.heard) > 70 || len(r.heard) < 64 || !strings.Contains(h.lines.String(), `msg="events lost"`) {
			t.Errorf("told %d:\n%s", len(r.heard), h.lines.String())
		}
	})
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name string
		desc event.Desc
		want string
	}{
		{"good", full, ""},
		{"no name", event.Desc{Severity: event.Notice, Help: "h"}, "camelCase"},
		{"upper case", event.Desc{Name: "Full", Severity: event.Notice, Help: "h"}, "camelCase"},
		{"33 letters", event.Desc{Name: strings.Repeat("a", 33), Severity: event.Notice, Help: "h"}, "camelCase"},
		{"no severity", event.Desc{Name: "a", Help: "h"}, "severity"},
		{"no help", event.Desc{Name: "a", Severity: event.Notice}, "help"},
		{"seven fields", event.Desc{Name: "a", Severity: event.Notice, Help: "h", Fields: make([]event.Field, 7)}, "more than 6"},
		{"bad field", event.Desc{Name: "a", Severity: event.Notice, Help: "h", Fields: []event.Field{{Name: "a b"}}}, "field 0"},
	} {
		err := tc.desc.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
