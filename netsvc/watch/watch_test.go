package watch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/board"
	"linnet/board/boardtest"
	"linnet/netsvc/command"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
)

// world is the watch with a service beside it that has the metrics which are judged, under the test's control.
type world struct {
	*moduletest.Running
	service *service
	machine *boardtest.Machine
	parts   []module.Module

	mu     sync.Mutex
	levels map[string]int64
	stanza *metric.Counters
	fails  *metric.Counter
	heard  []string
}

func (w *world) level(name string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.levels[name]
}

func (w *world) set(name string, level int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.levels[name] = level
}

// Setup declares what is judged, and the watch.
func (w *world) Setup(h module.Host) error {
	m := h.Metrics()
	for _, name := range []string{"memoryLive", "memoryLimit"} {
		m.GaugeFunc(metric.Desc{Name: name, Help: "h"}, func() int64 { return w.level(name) })
	}
	rows := func(name string, labels ...string) {
		m.GaugesFunc(metric.Desc{Name: name, Help: "h", Labels: labels}, func(row func(int64, ...string)) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for key, level := range w.levels {
				if values := strings.Fields(key); values[0] == name {
					row(level, values[1:]...)
				}
			}
		})
	}
	rows("serviceUp", "service")
	rows("certTimeLeft", "domain", "issuer")
	w.fails = m.Counter(metric.Desc{Name: "authFailures", Help: "h"})
	w.stanza = m.Counters(metric.Desc{Name: "stanzas", Help: "h", Labels: []string{"host", "direction"}, Rate: true})
	first := w.service == nil
	w.service = new(service)
	err := w.service.Setup(h)
	if first {
		w.service.look.board = w.machine.Board()
		w.service.look.disk = func(string) (size, free uint64) { return 1000, uint64(1000 - w.level("disk")) }
	}
	return err
}

func (w *world) Start(ctx context.Context) error { return w.service.Start(ctx) }
func (w *world) Stop(ctx context.Context) error  { return w.service.Stop(ctx) }
func (w *world) Switch()                         { w.service.Switch() }

// want waits until the next look is over and compares what was told since the last time.
func (w *world) want(t *testing.T, want ...string) {
	t.Helper()
	w.wait(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.heard, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(w.heard, "\n"), strings.Join(want, "\n"))
	}
	w.heard = nil
}

// wait lets so many looks pass.
func (w *world) wait(looks int) {
	time.Sleep(time.Duration(looks) * every)
	synctest.Wait()
}

func run(t *testing.T, values map[string]string, f func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{levels: map[string]int64{"memoryLimit": 1000}, machine: boardtest.New("router")}
		info := module.Info{Name: "watch", New: func() module.Module { return w }}
		w.Running = moduletest.Start(t, info, moduletest.Options{Values: values})
		time.Sleep(every / 2) // between two looks
		event.Of(w.service.host).Watch(func(e event.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard = append(w.heard, strings.Replace(e.Text(), w.service.host.Site().Data, "DATA", 1))
		})
		f(t, w)
	})
}

func TestServiceDown(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.set("serviceUp turn", 0)
		w.set("serviceUp c2s", 1)
		w.want(t)
		w.set("serviceUp c2s", 0)
		w.want(t, "A service has stopped. service=c2s")
		w.want(t)
		w.set("serviceUp c2s", 1)
		w.set("serviceUp turn", 1)
		w.want(t, "Over: A service has stopped. service=c2s")
	})
}

func TestMemory(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.set("memoryLive", 840)
		w.want(t)
		w.set("memoryLive", 841) // of 1000: the 85th percent has begun
		w.want(t, "Memory is scarce. percent=85")
		w.set("memoryLive", 801)
		w.want(t)
		w.set("memoryLive", 800)
		w.want(t, "Over: Memory is scarce. percent=80")
		w.set("memoryLive", math.MaxInt64/2)
		w.set("memoryLimit", math.MaxInt64)
		w.want(t)
	})
}

func TestStorage(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.set("disk", 890)
		w.want(t)
		w.set("disk", 891)
		w.want(t, "The storage is nearly full. path=DATA percent=90")
		w.set("disk", 1000)
		w.want(t)
		w.set("disk", 850)
		w.want(t, "Over: The storage is nearly full. path=DATA percent=85")
		w.Again(map[string]string{"watch/storage": "50"})
		w.want(t, "The storage is nearly full. path=DATA percent=85")
	})
}

// The file system of a directory is read as df shows it.
func TestDisk(t *testing.T) {
	size, free := disk(t.TempDir())
	if size == 0 || free > size {
		t.Errorf("%d of %d", free, size)
	}
	if size, free := disk("/no/such/place"); size != 0 || free != 0 {
		t.Errorf("%d of %d", free, size)
	}
}

func TestFlashWorn(t *testing.T) {
	run(t, map[string]string{"watch/flash_worn": "30"}, func(t *testing.T, w *world) {
		w.service.look.mu.Lock()
		w.service.look.board = boardtest.New("arm").Board()
		w.service.look.mu.Unlock()
		w.want(t, "A flash chip comes to the end of its life. device=mmcblk0 percent=30")
		w.wait(3 * slow)
		w.want(t)
	})
}

func TestCertificates(t *testing.T) {
	run(t, map[string]string{"watch/certificate": "48h"}, func(t *testing.T, w *world) {
		w.set("certTimeLeft example.org file", 48*3600+1)
		w.set("certTimeLeft example.net local", 3600)
		w.wait(slow)
		w.want(t)
		w.set("certTimeLeft example.org file", 47*3600)
		w.wait(slow)
		w.want(t, "A certificate ends soon. domain=example.org hours=47")
		w.set("certTimeLeft example.org file", 1000*3600)
		w.wait(slow)
		w.want(t, "Over: A certificate ends soon. domain=example.org hours=1000")
		w.set("certTimeLeft example.net local", -7200)
		w.wait(slow)
		w.want(t, "A certificate ends soon. domain=example.net hours=-2")
	})
}

func TestBruteForce(t *testing.T) {
	run(t, map[string]string{"watch/failed_logins": "10"}, func(t *testing.T, w *world) {
		w.fails.Add(9)
		w.want(t)
		w.fails.Add(1)
		w.want(t, "Somebody tries to guess passwords. failures=10")
		w.fails.Add(5)
		w.wait(59)
		w.want(t, "Over: Somebody tries to guess passwords. failures=5")
	})
}

func TestFlash(t *testing.T) {
	run(t, map[string]string{"watch/flash_budget": "1KB"}, func(t *testing.T, w *world) {
		w.want(t)
		h := w.service.host
		w.service.rules.passed.Judge(5<<20, 1024, 1023, 5) // as if so much had been written
		w.want(t, "More was written today than the flash should bear. megabytes=5", "Over: More was written today than the flash should bear. megabytes=0")
		w.Again(map[string]string{"watch/flash_budget": "0"})
		w.service.rules.passed.Raise(1)
		w.want(t, "More was written today than the flash should bear. megabytes=1", "Over: More was written today than the flash should bear. megabytes=1")
		if h.Store() == nil {
			t.Error("there is no store to judge")
		}
	})
}

func TestRates(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		in, out := w.stanza.With("example.org", "in"), w.stanza.With("example.org", "out")
		w.wait(1)
		rate := func() string {
			var list []string
			w.Walk(func(s metric.Sample) bool {
				list = append(list, fmt.Sprint(strings.Join(s.Labels[:2], " "), " ", s.Value))
				return true
			}, "rates")
			return strings.Join(list, ", ")
		}
		want := func(want string) {
			t.Helper()
			if got := rate(); got != want {
				t.Errorf("after %d seconds: %s\nwant %s", w.service.look.rates.second, got, want)
			}
		}
		in.Add(5)
		w.stanza.With("example.net", "in").Add(2)
		out.Add(1)
		w.wait(1)
		want("stanzas in 7, stanzas in 7, stanzas in 7, stanzas out 1, stanzas out 1, stanzas out 1")
		in.Add(1)
		w.wait(1)
		want("stanzas in 1, stanzas in 8, stanzas in 8, stanzas out 0, stanzas out 1, stanzas out 1")
		w.wait(58)
		want("stanzas in 0, stanzas in 8, stanzas in 8, stanzas out 0, stanzas out 1, stanzas out 1")
		w.wait(1)
		want("stanzas in 0, stanzas in 1, stanzas in 8, stanzas out 0, stanzas out 0, stanzas out 1")
		in.Add(10)
		w.wait(1)
		want("stanzas in 10, stanzas in 10, stanzas in 18, stanzas out 0, stanzas out 0, stanzas out 1")
		w.Again(nil)
		w.wait(3500)
		want("stanzas in 0, stanzas in 0, stanzas in 18, stanzas out 0, stanzas out 0, stanzas out 1")
		w.wait(180)
		want("stanzas in 0, stanzas in 0, stanzas in 0, stanzas out 0, stanzas out 0, stanzas out 0")
	})
}

// A look that comes late fills in the seconds that were missed.
func TestLateLook(t *testing.T) {
	r := rates{names: []string{"a"}}
	h := counting{total: 10}
	r.take(&h, 1)
	h.total = 20
	r.take(&h, 100)
	if second, minute, hour := r.last(r.list[0]); second != 10 || minute != 10 || hour != 20 {
		t.Errorf("%d, %d, %d", second, minute, hour)
	}
	h.total = 5 // a counter that is gone in part
	r.take(&h, 101)
	if second, minute, hour := r.last(r.list[0]); second != 0 || minute != 0 || hour != 5 {
		t.Errorf("%d, %d, %d", second, minute, hour)
	}
	h.total = 30
	r.take(&h, 1<<20)
	if second, minute, hour := r.last(r.list[0]); second != 25 || minute != 25 || hour != 25 {
		t.Errorf("%d, %d, %d", second, minute, hour)
	}
}

type counting struct {
	module.Host
	total int64
}

func (h *counting) ReadMetrics(emit func(metric.Sample) bool, names ...string) {
	emit(metric.Sample{Desc: &metric.Desc{Name: "a"}, Value: h.total})
}

func TestStopEndsLooks(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.wait(1)
		if err := w.service.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := w.service.look.rates.second
		w.wait(10)
		if after := w.service.look.rates.second; after != before {
			t.Errorf("looks go on: %d, %d", before, after)
		}
		w.service.look.start() // for the end of the test
	})
}

func TestMetrics(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.wait(2)
		values := map[string]int64{}
		w.Walk(func(s metric.Sample) bool {
			values[strings.TrimSpace(s.Desc.Name+" "+strings.Join(s.Labels, " "))] = s.Value + int64(s.Count)
			return true
		})
		for _, name := range []string{"memoryClass heapUsed", "memoryClass heapTotal", "memoryClass otherUsed", "memoryClass otherTotal", "goroutines",
			"descriptors", "disk size", "disk free", "storeFree", "machineMemory total", "machineMemory available", "machineLoad 5"} {
			if values[name] <= 0 {
				t.Errorf("%s is %d", name, values[name])
			}
		}
		if values["memoryClass heapUsed"] > values["memoryClass heapTotal"] || values["disk free"] > values["disk size"] {
			t.Errorf("parts are larger than the whole: %v", values)
		}
		for _, name := range []string{"gcPause", "cpuTime user", "cpuTime system", "storeBatches", "storeWriteTime", "events serviceDown", "eventsNow bruteForce"} {
			if _, ok := values[name]; !ok {
				t.Errorf("%s is missing", name)
			}
		}
		for _, s := range w.machine.Board().Sensors() {
			if s.Quantity == board.Temperature && s.Working && values["temperature "+s.Name] != s.Value/1000 {
				t.Errorf("temperature %s: %d", s.Name, values["temperature "+s.Name])
			}
		}
	})
}

func TestList(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		show := func(args command.Values) string {
			r, err := w.Run("event list", args)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, row := range r.Rows {
				lines = append(lines, strings.Join(row[1:], "|"))
			}
			return strings.Join(lines, "\n")
		}
		if got := show(nil); got != "" {
			t.Error(got)
		}
		w.service.rules.down.Raise("turn")
		w.service.rules.down.Raise("c2s")
		w.service.rules.down.Clear("turn")
		if got := show(nil); got != "critical|serviceDown|raised|A service has stopped. service=c2s" {
			t.Error(got)
		}
		want := `critical|serviceDown|raised|A service has stopped. service=turn
critical|serviceDown|raised|A service has stopped. service=c2s
critical|serviceDown|over|Over: A service has stopped. service=turn`
		if got := show(command.Values{"past": {"true"}}); got != want {
			t.Error(got)
		}
	})
}

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		part, whole uint64
		want        int64
	}{{0, 100, 0}, {1, 1000, 1}, {899, 1000, 90}, {900, 1000, 90}, {901, 1000, 91}, {1000, 1000, 100}, {math.MaxInt64, math.MaxInt64, 100}} {
		if got := percent(tc.part, tc.whole); got != tc.want {
			t.Errorf("%d of %d: %d", tc.part, tc.whole, got)
		}
	}
}
