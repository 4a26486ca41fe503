package watch

import (
	"os"
	"runtime"
	"runtime/metrics"
	"syscall"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/store"
)

type rows = func(value int64, labels ...string)

// metrics declares what is known about the process, the data, the machine and the events.
func (p *service) metrics(m *metric.Section) {
	gauges := func(name, unit, help, label string, read func(rows)) { // said once, for the size
		m.GaugesFunc(metric.Desc{Name: name, Unit: unit, Help: help, Labels: []string{label}}, read)
	}
	counters := func(name, unit, help, label string, read func(rows)) {
		m.CountersFunc(metric.Desc{Name: name, Unit: unit, Help: help, Labels: []string{label}}, read)
	}
	m.GaugesFunc(metric.Desc{Name: "rates", Help: "How much counters grew in the last second, minute, hour.",
		Labels: []string{"metric", "direction", "over"}, MaxRows: 256}, p.look.show)

	gauges("memoryClass", metric.Bytes, "Memory by what it is for.", "class", memoryClasses)
	m.GaugeFunc(metric.Desc{Name: "goroutines", Help: "Goroutines."}, func() int64 { return int64(runtime.NumGoroutine()) })
	m.TimerFunc(metric.Desc{Name: "gcPause", Help: "Pauses of the program for the collector, as exact as the runtime tells."}, pauses)
	counters("cpuTime", metric.Milliseconds, "Time of processors that the program used.", "mode", cpu)
	m.GaugeFunc(metric.Desc{Name: "descriptors", Help: "Files and sockets that are open."}, descriptors)

	p.storeMetrics(m)
	gauges("disk", metric.Bytes, "The file system with the data.", "part", func(row rows) {
		if size, free := p.look.disk(p.host.Site().Data); size > 0 {
			row(int64(size), "size")
			row(int64(free), "free")
		}
	})

	gauges("machineMemory", metric.Bytes, "Memory of the machine.", "part", func(row rows) {
		if m, err := p.look.board.Memory(); err == nil {
			row(int64(m.Total), "total")
			row(int64(m.Available), "available")
		}
	})
	gauges("machineLoad", "", "Tasks that ran or waited for the disk, in hundredths, on average.", "minutes", func(row rows) {
		if l, err := p.look.board.Load(); err == nil {
			for i, minutes := range [...]string{"1", "5", "15"} {
				row(int64(l.Average[i]), minutes)
			}
		}
	})
	gauges("temperature", "celsius", "Temperature at a sensor.", "sensor", func(row rows) {
		for _, s := range temperatures(p.look.board) {
			row(s.Value/1000, s.Name)
		}
	})
	gauges("flashUsed", metric.Percent, "Life of a flash chip that is gone, by its own account.", "device", func(row rows) {
		for _, w := range p.look.board.Wear() {
			if w.Used >= 0 {
				row(int64(w.Used), w.Device)
			}
		}
	})

	counters("events", "", "Times that an event was raised.", "event", func(row rows) {
		event.Of(p.host).Counts(func(name string, raised uint64, _ int) { row(int64(raised), name) })
	})
	gauges("eventsNow", "", "States of an event that are raised now.", "event", func(row rows) {
		event.Of(p.host).Counts(func(name string, _ uint64, now int) { row(int64(now), name) })
	})
}

func (p *service) storeMetrics(m *metric.Section) {
	stats := func() (s store.FileStats) {
		if db := p.host.Store(); db != nil {
			s = db.Stats().Main
		}
		return s
	}
	m.GaugeFunc(metric.Desc{Name: "storeCacheSize", Unit: metric.Bytes, Help: "Size of the file of what can be lost."}, func() int64 {
		if db := p.host.Store(); db != nil {
			return db.Stats().Cache.Size
		}
		return 0
	})
	m.CounterFunc(metric.Desc{Name: "storeBatches", Help: "Groups of changes that the durable file was asked for."}, func() uint64 { return stats().Batches })
	m.TimerFunc(metric.Desc{Name: "storeWriteTime", Help: "Writing of commits to the durable file, syncs included."}, func() (uint64, time.Duration, time.Duration) {
		s := stats()
		return s.Commits, s.WriteTime, s.WriteMax
	})
	m.GaugeFunc(metric.Desc{Name: "storeFree", Unit: metric.Bytes, Help: "Bytes in the durable file that hold nothing."}, func() int64 {
		s := stats()
		return int64(s.FreePages) * int64(s.PageSize)
	})
}

// classes are what the runtime tells of memory, in the order of memoryClasses.
var classes = [...]string{
	"/memory/classes/heap/objects:bytes",
	"/memory/classes/heap/unused:bytes",
	"/memory/classes/heap/free:bytes",
	"/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
	"/memory/classes/metadata/mcache/free:bytes",
	"/memory/classes/metadata/mspan/free:bytes",
}

// memoryClasses splits the memory of the program: for objects, and for all else (stacks, the runtime), each with what
// is in use and what is taken from the system.
func memoryClasses(row rows) {
	samples := make([]metrics.Sample, len(classes)) // an array would bring code to compare it
	for i := range samples {
		samples[i].Name = classes[i]
	}
	metrics.Read(samples)
	var v [len(classes)]int64
	for i := range samples {
		if samples[i].Value.Kind() == metrics.KindUint64 { // a later Go may drop a name
			v[i] = int64(samples[i].Value.Uint64())
		}
	}
	heap := v[0] + v[1] + v[2]
	rest := v[3] - v[4] - heap
	row(v[0], "heapUsed")
	row(heap, "heapTotal")
	row(rest-v[5]-v[6], "otherUsed")
	row(rest, "otherTotal")
}

// pauses reads the runtime's histogram: the sum counts each pause as the least of its class, the longest is the
// least of the highest class. (debug.ReadGCStats knows better and brings 11 KB of code.)
func pauses() (count uint64, sum, longest time.Duration) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0, 0, 0
	}
	h := sample[0].Value.Float64Histogram()
	for i, n := range h.Counts {
		if n > 0 {
			longest = time.Duration(max(h.Buckets[i], 0) * 1e9) // the lowest bound is minus infinity
			count += n
			sum += time.Duration(n) * longest
		}
	}
	return count, sum, longest
}

func cpu(row rows) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		row(int64(u.Utime.Nano()/int64(time.Millisecond)), "user")
		row(int64(u.Stime.Nano()/int64(time.Millisecond)), "system")
	}
}

// descriptors counts what is open: since Linux 6.2 the kernel tells, before that they are listed.
func descriptors() int64 {
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return info.Size()
	}
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return int64(max(len(names)-1, 0)) // without d
}
