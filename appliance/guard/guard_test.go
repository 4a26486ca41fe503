package guard

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// board is a System whose memory a test sets; a trim gives back all that is not alive.
type board struct {
	mu      sync.Mutex
	memory  Memory
	limit   int64
	percent int
	trims   int
	looks   int
}

func (b *board) Memory() Memory {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	return b.memory
}

func (b *board) Limit(n int64) { b.limit = n }

func (b *board) Percent(n int) { b.percent = n }

func (b *board) Trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trims++
	b.memory.Mapped = b.memory.Live
}

// done returns how often memory was given back and looked at.
func (b *board) done() (trims, looks int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trims, b.looks
}

func (b *board) set(live, mapped uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.Live, b.memory.Mapped = live, mapped
}

func (b *board) allocate(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.Allocated += n
}

const mb = 1 << 20

func TestSuit(t *testing.T) {
	for _, tc := range []struct {
		name    string
		ram     uint64
		percent int
		limit   uint64
	}{
		{"32 MB router", 32 * mb, 40, 32 * mb * 55 / 100},
		{"64 MB router", 64 * mb, 50, 64 * mb * 60 / 100},
		{"512 MB board", 512 * mb, 75, 512 * mb * 65 / 100},
		{"16 GB", 16 << 30, 100, (16 << 30) * 70 / 100},
		{"not known", 0, 100, math.MaxInt64},
	} {
		if percent, limit := suit(tc.ram); percent != tc.percent || limit != tc.limit {
			t.Errorf("%s: %d, %d", tc.name, percent, limit)
		}
	}
}

func TestStart(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	b := &board{}
	g := New(nil, b, func(module.Pressure) {})
	g.Start(64*mb, 0)
	defer g.Stop()
	if b.limit != 64*mb*60/100 || b.percent != 50 {
		t.Errorf("limit %d, percent %d", b.limit, b.percent)
	}
	g.Limit(20 * mb)
	if b.limit != 20*mb {
		t.Errorf("limit %d after a change", b.limit)
	}
	g.Limit(0)
	if b.limit != 64*mb*60/100 {
		t.Errorf("limit %d, not the one that suits again", b.limit)
	}
}

// The variables of the Go runtime win over the board.
func TestEnvironmentWins(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("GOGC", "off")
	b := &board{}
	g := New(nil, b, func(module.Pressure) {})
	g.Start(64*mb, 0)
	defer g.Stop()
	if b.limit != 0 || b.percent != 0 {
		t.Errorf("limit %d, percent %d", b.limit, b.percent)
	}
}

func TestPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		var told []module.Pressure
		var lines bytes.Buffer
		g := New(log.To(&lines, log.LevelInfo), b, func(p module.Pressure) { told = append(told, p) })
		g.Start(0, 100*mb)
		defer g.Stop()
		for _, step := range []struct {
			live uint64 // percent of the limit
			want module.Pressure
		}{
			{69, module.Green}, {70, module.Yellow}, {66, module.Yellow}, {65, module.Yellow}, {64, module.Green},
			{88, module.Red}, {84, module.Red}, {82, module.Yellow}, {87, module.Yellow}, {88, module.Red}, {10, module.Green},
		} {
			b.set(step.live*mb, step.live*mb)
			b.allocate(10 * mb) // busy: no trims here
			time.Sleep(busyEvery)
			synctest.Wait()
			if got := g.Pressure(); got != step.want {
				t.Errorf("at %d%%: %v, want %v", step.live, got, step.want)
			}
		}
		want := []module.Pressure{module.Yellow, module.Green, module.Red, module.Yellow, module.Red, module.Green}
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		if n := strings.Count(lines.String(), "level=WARN"); n != 3 {
			t.Errorf("%d warnings, want 3:\n%s", n, lines.String())
		}
	})
}

func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		b.set(20*mb, 20*mb)
		metrics := metric.NewSet()
		gen := metrics.NewGeneration()
		g := New(nil, b, func(module.Pressure) {})
		g.Declare(gen.Section("memory"))
		metrics.Use(gen)
		begin := time.Now()
		g.Start(0, 1000*mb)
		defer g.Stop()
		time.Sleep(time.Second) // the storm does not fall together with the looks
		for range 4 {           // a storm of logins
			b.allocate(50 * mb)
			b.set(40*mb, 120*mb)
			time.Sleep(busyEvery)
		}
		synctest.Wait()
		trims, _ := b.done()
		if trims != 0 {
			t.Fatal("memory is given back while the load is high")
		}
		for trims == 0 && time.Since(begin) < time.Minute {
			time.Sleep(time.Second)
			synctest.Wait()
			trims, _ = b.done()
		}
		if after := time.Since(begin); after != 5*busyEvery {
			t.Errorf("given back %v after the start, want %v", after, 5*busyEvery)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		trims, looks := b.done()
		if trims != 1 {
			t.Errorf("trimmed %d times for one storm", trims)
		}
		if looks > 5+1+2+20 {
			t.Errorf("looked %d times while nothing happened", looks)
		}
		// A small storm leaves too little behind for a collection to be worth it.
		b.allocate(50 * mb)
		b.set(40*mb, 40*mb+40*mb/8+trimLeast-1)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if trims, _ = b.done(); trims != 1 {
			t.Error("trimmed for next to nothing")
		}
		b.allocate(50 * mb)
		b.set(40*mb, 40*mb+40*mb/8+trimLeast)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if trims, _ = b.done(); trims != 2 {
			t.Errorf("trimmed %d times after the next storm", trims)
		}
		seen := map[string]int64{}
		metrics.Walk(func(s metric.Sample) bool { seen[s.Desc.Name] = s.Value; return true })
		if seen["memoryTrims"] != 2 || seen["memoryLimit"] != 1000*mb || seen["memoryLive"] != 40*mb || seen["memoryMapped"] != 40*mb || seen["memoryPressure"] != 0 {
			t.Errorf("metrics %v", seen)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		g := New(nil, b, func(module.Pressure) {})
		g.Start(0, 0)
		g.Stop()
		_, before := b.done()
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, looks := b.done(); looks != before {
			t.Error("it looks on after the end")
		}
	})
}

func TestRAM(t *testing.T) {
	meminfo := &fstest.MapFile{Data: []byte("MemTotal:         249652 kB\nMemFree: 1 kB\n")}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, tc := range []struct {
		name string
		fs   fstest.MapFS
		want uint64
	}{
		{"machine", fstest.MapFS{"proc/meminfo": meminfo}, 249652 << 10},
		{"nothing", fstest.MapFS{}, 0},
		{"damaged", fstest.MapFS{"proc/meminfo": file("MemTotal: lots\n")}, 0},
		{"cgroup without limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n")}, 249652 << 10},
		{"cgroup", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("67108864\n")}, 64 * mb},
		{"cgroup above", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("33554432\n")}, 32 * mb},
		{"cgroup larger than machine", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("8589934592\n")}, 249652 << 10},
		{"cgroup alone", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("1048576\n")}, mb},
		{"version 1", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("3:cpu:/x\n2:hugetlb,memory:/docker/1\n"), "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("50331648\n")}, 48 * mb},
		{"version 1 without limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("2:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 249652 << 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := RAM(tc.fs); got != tc.want {
				t.Errorf("RAM() = %d, want %d", got, tc.want)
			}
		})
	}
}

// The names that the runtime's metrics have in this version of Go.
func TestProcessMemory(t *testing.T) {
	m := process{}.Memory()
	if m.Mapped == 0 || m.Allocated == 0 || m.Mapped < m.Live {
		t.Errorf("the runtime says %+v", m)
	}
}

func BenchmarkLook(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		process{}.Memory()
	}
}
