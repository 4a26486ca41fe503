// Package guard keeps the program within the memory of its board.
//
// It reads how much memory there is, tells Go's collector how much of it to use, watches how much is really
// needed and says when that becomes scarce (module.Pressure), and gives memory that a burst left behind back
// to the system once the burst is over. It owns these decisions and their metrics; what is given up under
// pressure is each service's own affair.
//
// It has no goroutine: one timer looks every few seconds, and less often while nothing happens.
package guard

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// The policy in numbers.
const (
	busyEvery = 5 * time.Second  // between two looks
	idleEvery = 30 * time.Second // the same while nothing happens and nothing is left to give back

	yellowAt = 70 // percent of the limit that is in use
	redAt    = 88
	relief   = 5 // percent that use must fall below a mark before the state goes back

	quiet     = 128 << 10        // bytes a second allocated below which the load counts as low
	trimEvery = 30 * time.Second // least time between two trims
	trimLeast = 2 << 20          // bytes to be won for which a trim is worth its collection
)

// Memory is what the collector and the allocator tell, in bytes.
type Memory struct {
	Live      uint64 // heap found alive by the last collection, and stacks
	Mapped    uint64 // taken from the system and not given back
	Allocated uint64 // since the start of the program, only grows
}

// System is what the Guard measures and moves; a test brings another.
type System interface {
	Memory() Memory
	Limit(bytes int64) // SetMemoryLimit; math.MaxInt64 for none
	Percent(gogc int)  // SetGCPercent
	Trim()             // collects and gives back
}

// Guard watches one process. Safe for concurrent use.
type Guard struct {
	system System
	log    *log.Logger
	tell   func(module.Pressure)
	trims  atomic.Pointer[metric.Counter]

	pressure atomic.Uint32
	limit    atomic.Uint64
	last     struct{ live, mapped atomic.Uint64 } // of the last look, for the metrics

	mu      sync.Mutex // held during a look: looks never overlap
	ram     uint64
	timer   *time.Timer
	stopped bool
	seen    uint64 // Memory.Allocated at the last look
	looked  time.Time
	trimmed time.Time
	busy    bool // since the last trim the load was not low
}

// New returns a Guard that does nothing yet. tell is called, by one goroutine at a time, when the pressure
// changes. system is nil for the process itself.
func New(log *log.Logger, system System, tell func(module.Pressure)) *Guard {
	if system == nil {
		system = process{}
	}
	g := &Guard{system: system, log: log, tell: tell, busy: true}
	g.trims.Store(new(metric.Counter))
	return g
}

// Declare declares the metrics; it is called for each generation.
func (g *Guard) Declare(s *metric.Section) {
	s.GaugeFunc(metric.Desc{Name: "memoryLimit", Unit: metric.Bytes, Help: "Memory the program keeps within."},
		func() int64 { return int64(g.limit.Load()) })
	s.GaugeFunc(metric.Desc{Name: "memoryLive", Unit: metric.Bytes, Help: "Memory in use after the last collection, stacks included."},
		func() int64 { return int64(g.last.live.Load()) })
	s.GaugeFunc(metric.Desc{Name: "memoryMapped", Unit: metric.Bytes, Help: "Memory taken from the system."},
		func() int64 { return int64(g.last.mapped.Load()) })
	s.GaugeFunc(metric.Desc{Name: "memoryPressure", Help: "How scarce memory is: 0 green, 1 yellow, 2 red."},
		func() int64 { return int64(g.pressure.Load()) })
	g.trims.Store(s.Counter(metric.Desc{Name: "memoryTrims", Help: "Times that unused memory was given back to the system."}))
}

// Start sets the collector for a board with this much memory, in bytes, and begins to watch. limit is what the
// operator wants, 0 for what suits the board.
func (g *Guard) Start(ram, limit uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ram = ram
	g.setLimit(limit)
	// The variables of the Go runtime win: whoever sets them knows what he measures.
	if percent, _ := suit(ram); os.Getenv("GOGC") == "" {
		g.system.Percent(percent)
	}
	if g.timer == nil && !g.stopped {
		m := g.system.Memory()
		g.seen, g.looked = m.Allocated, time.Now()
		g.last.live.Store(m.Live)
		g.last.mapped.Store(m.Mapped)
		g.timer = time.AfterFunc(busyEvery, g.look)
	}
}

// Limit changes the limit, 0 for what suits the board.
func (g *Guard) Limit(limit uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setLimit(limit)
}

func (g *Guard) setLimit(limit uint64) {
	if limit == 0 {
		_, limit = suit(g.ram)
	}
	g.limit.Store(limit)
	if os.Getenv("GOMEMLIMIT") == "" {
		g.system.Limit(int64(limit))
	}
}

// Stop ends the watch.
func (g *Guard) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Pressure says how scarce memory is.
func (g *Guard) Pressure() module.Pressure { return module.Pressure(g.pressure.Load()) }

// suit chooses GOGC and the memory limit for a board with this much memory. A small board leaves the
// program less head room and so collects more often: memory is what it lacks, and its links are slow.
func suit(ram uint64) (percent int, limit uint64) {
	const mb = 1 << 20
	switch {
	case ram == 0: // not known: behave as on a large machine, without a limit to go by
		return 100, math.MaxInt64
	case ram <= 48*mb:
		return 40, ram * 55 / 100
	case ram <= 128*mb:
		return 50, ram * 60 / 100
	case ram <= 512*mb:
		return 75, ram * 65 / 100
	}
	return 100, ram * 70 / 100
}

// look is the timer's function.
func (g *Guard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	now, m := time.Now(), g.system.Memory()
	g.last.live.Store(m.Live)
	g.last.mapped.Store(m.Mapped)
	g.judge(m.Live)

	rate := float64(m.Allocated-g.seen) / max(now.Sub(g.looked).Seconds(), 0.001)
	g.seen, g.looked = m.Allocated, now
	next := busyEvery
	switch {
	case rate > quiet:
		g.busy = true
	case !g.busy:
		next = idleEvery
	case now.Sub(g.trimmed) >= trimEvery:
		g.trim(now, m)
	}
	g.timer.Reset(next)
}

// trim gives memory back when there is enough of it. It costs one collection, which is why it waits until
// the load is low and comes once for each burst.
func (g *Guard) trim(now time.Time, m Memory) {
	g.trimmed, g.busy = now, false
	if m.Mapped < m.Live+m.Live/8+trimLeast {
		return
	}
	g.system.Trim()
	g.trims.Load().Inc()
	after := g.system.Memory()
	g.last.live.Store(after.Live)
	g.last.mapped.Store(after.Mapped)
	g.log.Debug("memory given back", "bytes", m.Mapped-min(after.Mapped, m.Mapped))
}

// judge moves the pressure, with a little inertia so that it does not flap.
func (g *Guard) judge(live uint64) {
	limit := g.limit.Load()
	now := g.Pressure()
	state := module.Green
	used := uint64(0)
	if limit > 0 {
		used = uint64(float64(live) / float64(limit) * 100)
	}
	mark := func(p module.Pressure, at uint64) bool {
		if now >= p {
			at -= relief
		}
		return used >= at
	}
	switch {
	case mark(module.Red, redAt):
		state = module.Red
	case mark(module.Yellow, yellowAt):
		state = module.Yellow
	}
	if state == now {
		return
	}
	g.pressure.Store(uint32(state))
	level := log.LevelInfo
	if state > now {
		level = log.LevelWarn
	}
	g.log.Log(level, "memory pressure", "pressure", state.String(), "bytes", live, "limit", config.FormatBytes(int64(limit)))
	g.tell(state)
}

// process is the System of the running program.
type process struct{}

func (process) Limit(n int64)    { debug.SetMemoryLimit(n) }
func (process) Percent(gogc int) { debug.SetGCPercent(gogc) }
func (process) Trim()            { debug.FreeOSMemory() }
