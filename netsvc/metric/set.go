package metric

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Set holds the metrics of one node. Safe for concurrent use.
type Set struct {
	mu      sync.Mutex
	cells   map[string]*entry // everything ever declared with a cell, by name
	current atomic.Pointer[Generation]
}

// NewSet returns an empty Set, which shows nothing until a Generation is made current.
func NewSet() *Set { return &Set{cells: make(map[string]*entry)} }

// entry is one declared metric with the way to read it.
type entry struct {
	desc    Desc
	section string
	cell    any // *Counter, *Timers …; nil for what a function reads
	walk    func(emit func(Sample) bool, s Sample) bool
}

// Generation is what the services of one generation declared. It is filled by one goroutine while the
// services are set up and does not change after Use.
type Generation struct {
	set     *Set
	entries []*entry
	errs    []error
}

// NewGeneration returns an empty Generation to declare metrics in. Cells that an earlier one declared
// under the same name are shared with it.
func (s *Set) NewGeneration() *Generation { return &Generation{set: s} }

// Use makes g the generation that Walk shows.
func (s *Set) Use(g *Generation) {
	slices.SortFunc(g.entries, func(a, b *entry) int { // no two have one name
		return cmp.Or(strings.Compare(a.section, b.section), strings.Compare(a.desc.Name, b.desc.Name))
	})
	s.current.Store(g)
}

// Err returns what was wrong with the declarations, nil if nothing.
func (g *Generation) Err() error { return errors.Join(g.errs...) }

// Current returns the generation that Walk shows, nil if there is none yet.
func (s *Set) Current() *Generation { return s.current.Load() }

// Section returns the part of g in which the service of that name declares its metrics.
func (g *Generation) Section(name string) *Section { return &Section{g: g, name: name} }

// Descs lists what was declared, in the order of declaration (after Use: by section and name), for the
// reference and the MIB.
func (g *Generation) Descs() []Desc {
	list := make([]Desc, len(g.entries))
	for i, e := range g.entries {
		list[i] = e.desc
	}
	return list
}

// Sections lists the names of those who declared something.
func (g *Generation) Sections() (list []string) {
	for _, e := range g.entries {
		if !slices.Contains(list, e.section) {
			list = append(list, e.section)
		}
	}
	return list
}

// Section declares the metrics of one service. A bad declaration does not panic: it yields a cell that
// works and an error in Generation.Err, which keeps the program from starting.
type Section struct {
	g    *Generation
	name string
}

// Name returns the name of the service.
func (s *Section) Name() string { return s.name }

// Counter declares a metric that only grows.
func (s *Section) Counter(d Desc) *Counter {
	d.Kind = KindCounter
	return s.declare(d, false, func(*Desc) any { return new(Counter) }, walkCounter).(*Counter)
}

// Gauge declares a level that the service sets.
func (s *Section) Gauge(d Desc) *Gauge {
	d.Kind = KindGauge
	return s.declare(d, false, func(*Desc) any { return new(Gauge) }, walkGauge).(*Gauge)
}

// Timer declares a gathering of durations.
func (s *Section) Timer(d Desc) *Timer {
	d.Kind = KindTime
	return s.declare(d, false, func(*Desc) any { return new(Timer) }, walkTimer).(*Timer)
}

// Counters declares a table of counters; d.Labels must not be empty.
func (s *Section) Counters(d Desc) *Counters {
	d.Kind = KindCounter
	return s.declare(d, true, func(d *Desc) any { return &Counters{newTable(d, func() any { return new(Counter) })} }, walkCounters).(*Counters)
}

// Gauges declares a table of gauges; d.Labels must not be empty.
func (s *Section) Gauges(d Desc) *Gauges {
	d.Kind = KindGauge
	return s.declare(d, true, func(d *Desc) any { return &Gauges{newTable(d, func() any { return new(Gauge) })} }, walkGauges).(*Gauges)
}

// Timers declares a table of timers; d.Labels must not be empty.
func (s *Section) Timers(d Desc) *Timers {
	d.Kind = KindTime
	return s.declare(d, true, func(d *Desc) any { return &Timers{newTable(d, func() any { return new(Timer) })} }, walkTimers).(*Timers)
}

// CounterFunc declares a counter that read returns, for what is counted elsewhere already. read is
// called by any goroutine, may be called at any time after Start, and must be quick.
func (s *Section) CounterFunc(d Desc, read func() uint64) {
	d.Kind = KindCounter
	s.function(d, func(emit func(Sample) bool, sample Sample) bool {
		sample.Value = int64(read())
		return emit(sample)
	})
}

// GaugeFunc declares a level that read returns; see CounterFunc.
func (s *Section) GaugeFunc(d Desc, read func() int64) {
	d.Kind = KindGauge
	s.function(d, func(emit func(Sample) bool, sample Sample) bool {
		sample.Value = read()
		return emit(sample)
	})
}

// TimerFunc declares durations that are gathered elsewhere already; see CounterFunc.
func (s *Section) TimerFunc(d Desc, read func() (count uint64, sum, longest time.Duration)) {
	d.Kind = KindTime
	s.function(d, func(emit func(Sample) bool, sample Sample) bool {
		sample.Count, sample.Sum, sample.Max = read()
		return emit(sample)
	})
}

// GaugesFunc declares a table of levels that read yields row by row; rows beyond MaxRows are dropped.
func (s *Section) GaugesFunc(d Desc, read func(row func(value int64, labels ...string))) {
	d.Kind = KindGauge
	s.tableFunc(d, read)
}

// CountersFunc declares a table of counters that read yields row by row; rows beyond MaxRows are dropped.
func (s *Section) CountersFunc(d Desc, read func(row func(value int64, labels ...string))) {
	d.Kind = KindCounter
	s.tableFunc(d, read)
}

func (s *Section) tableFunc(d Desc, read func(row func(value int64, labels ...string))) {
	if len(d.Labels) == 0 {
		s.fail(fmt.Errorf("metric %s: a table needs labels", d.Name))
	}
	limit := cmp.Or(d.MaxRows, defaultMax)
	s.function(d, func(emit func(Sample) bool, sample Sample) bool {
		rows, more := 0, true
		read(func(value int64, labels ...string) {
			if rows++; rows > limit || !more {
				return
			}
			sample.Value, sample.Labels = value, labels
			more = emit(sample)
		})
		return more
	})
}

// Info declares a text that read returns.
func (s *Section) Info(d Desc, read func() string) {
	d.Kind = KindInfo
	s.function(d, func(emit func(Sample) bool, sample Sample) bool {
		sample.Text = read()
		return emit(sample)
	})
}

func (s *Section) fail(err error) { s.g.errs = append(s.g.errs, fmt.Errorf("%s: %w", s.name, err)) }

func (s *Section) function(d Desc, walk func(func(Sample) bool, Sample) bool) {
	s.add(&entry{desc: d, section: s.name, walk: walk})
}

// add notes a declaration and tells whether its name was free in this generation.
func (s *Section) add(e *entry) bool {
	if err := e.desc.check(); err != nil {
		s.fail(err)
		return false
	}
	for _, old := range s.g.entries {
		if old.desc.Name == e.desc.Name {
			s.fail(fmt.Errorf("metric %s is declared twice, first by %s", e.desc.Name, old.section))
			return false
		}
	}
	s.g.entries = append(s.g.entries, e)
	return true
}

// reader shows a cell, or the rows of one.
type reader func(cell any, emit func(Sample) bool, s Sample) bool

// declare finds the cell of that name from an earlier generation or makes it. What type it has follows from the
// kind of metric and from whether there are labels.
func (s *Section) declare(d Desc, labelled bool, fresh func(*Desc) any, walk reader) any {
	if labelled != (len(d.Labels) > 0) {
		s.fail(fmt.Errorf("metric %s: a table needs labels, a single value has none", d.Name))
		return fresh(&d)
	}
	e := &entry{desc: d, section: s.name}
	set := s.g.set
	set.mu.Lock()
	defer set.mu.Unlock()
	old := set.cells[d.Name]
	switch {
	case old == nil:
		e.cell = fresh(&d)
	case !old.desc.same(&d):
		s.fail(fmt.Errorf("metric %s was declared before with another shape", d.Name))
		return fresh(&d)
	default:
		e.cell = old.cell
	}
	e.walk = func(emit func(Sample) bool, sample Sample) bool { return walk(e.cell, emit, sample) }
	if s.add(e) && old == nil {
		set.cells[d.Name] = e
	}
	return e.cell
}

// Sample is one value that Walk shows: a metric without labels or one row of a table.
type Sample struct {
	Desc    *Desc // shared, not to be changed
	Section string
	Labels  []string // values, in the order of Desc.Labels; valid inside the call only
	Value   int64    // of a counter (never negative in practice: 2^63 events) or gauge
	Text    string   // of an info
	Count   uint64   // of a time, with Sum and Max
	Sum     time.Duration
	Max     time.Duration
}

// Walk shows every metric of the current generation, by section and name, rows of a table by their
// labels, until emit returns false. With names it reads only the metrics of these names. It takes no lock while
// it calls emit.
func (s *Set) Walk(emit func(Sample) bool, names ...string) {
	g := s.current.Load()
	if g == nil {
		return
	}
	for _, e := range g.entries {
		if len(names) > 0 && !slices.Contains(names, e.desc.Name) {
			continue
		}
		if !e.walk(emit, Sample{Desc: &e.desc, Section: e.section}) {
			return
		}
	}
}

func walkCounter(cell any, emit func(Sample) bool, s Sample) bool {
	s.Value = int64(cell.(*Counter).Value())
	return emit(s)
}

func walkGauge(cell any, emit func(Sample) bool, s Sample) bool {
	s.Value = cell.(*Gauge).Value()
	return emit(s)
}

func walkTimer(cell any, emit func(Sample) bool, s Sample) bool {
	t := cell.(*Timer)
	s.Count, s.Sum, s.Max = t.Count(), t.Sum(), t.Max()
	return emit(s)
}

func walkCounters(cell any, emit func(Sample) bool, s Sample) bool {
	return cell.(*Counters).walk(walkCounter, emit, s)
}

func walkGauges(cell any, emit func(Sample) bool, s Sample) bool {
	return cell.(*Gauges).walk(walkGauge, emit, s)
}

func walkTimers(cell any, emit func(Sample) bool, s Sample) bool {
	return cell.(*Timers).walk(walkTimer, emit, s)
}

func (t *table) walk(walk reader, emit func(Sample) bool, s Sample) bool {
	for _, r := range t.list() {
		s.Labels = r.labels
		if !walk(r.cell, emit, s) {
			return false
		}
	}
	return true
}
