package metric

import (
	"slices"
	"strings"
	"sync"
)

// other is the label value of the row that adds up what MaxRows left no room for.
const other = "other"

// table is a metric with labels: one cell per combination of label values. Its mutex guards the map
// only; the cells are atomics, and their users keep the pointer instead of asking again.
type table[T any] struct {
	mu    sync.Mutex
	width int
	max   int
	rows  map[string]*row[T]
	over  *row[T] // the row "other", made when it is first needed
}

type row[T any] struct {
	labels []string
	cell   T
}

func newTable[T any](d *Desc) *table[T] {
	limit := d.MaxRows
	if limit == 0 {
		limit = defaultMax
	}
	return &table[T]{width: len(d.Labels), max: limit, rows: make(map[string]*row[T])}
}

// with returns the cell for these label values: missing ones are empty, surplus ones ignored.
func (t *table[T]) with(values []string) *T {
	labels := make([]string, t.width)
	copy(labels, values)
	key := strings.Join(labels, "\x00")
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rows[key]; r != nil {
		return &r.cell
	}
	if len(t.rows) < t.max {
		r := &row[T]{labels: labels}
		t.rows[key] = r
		return &r.cell
	}
	if t.over == nil {
		for i := range labels {
			labels[i] = other
		}
		t.over = &row[T]{labels: labels}
	}
	return &t.over.cell
}

// remove forgets a row, so that its place can be taken by another.
func (t *table[T]) remove(values []string) {
	labels := make([]string, t.width)
	copy(labels, values)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, strings.Join(labels, "\x00"))
}

// list returns the rows as they are now, sorted by their labels, "other" last.
func (t *table[T]) list() []*row[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([]string, 0, len(t.rows)) // sorted as texts: a sort for each kind of row would cost 7 KB of flash
	for key := range t.rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	list := make([]*row[T], 0, len(keys)+1)
	for _, key := range keys {
		list = append(list, t.rows[key])
	}
	if t.over != nil {
		list = append(list, t.over)
	}
	return list
}

// Counters is a table of counters. Safe for concurrent use.
type Counters struct{ *table[Counter] }

// With returns the counter for these label values, in the order of Desc.Labels. It takes a lock: keep
// the counter where it is used often.
func (c *Counters) With(values ...string) *Counter { return c.with(values) }

// Remove forgets the row of these label values; who still holds its counter counts for nobody.
func (c *Counters) Remove(values ...string) { c.remove(values) }

// Gauges is a table of gauges. Safe for concurrent use.
type Gauges struct{ *table[Gauge] }

// With returns the gauge for these label values; see Counters.With.
func (g *Gauges) With(values ...string) *Gauge { return g.with(values) }

// Remove forgets the row of these label values.
func (g *Gauges) Remove(values ...string) { g.remove(values) }

// Timers is a table of timers. Safe for concurrent use.
type Timers struct{ *table[Timer] }

// With returns the timer for these label values; see Counters.With.
func (t *Timers) With(values ...string) *Timer { return t.with(values) }

// Remove forgets the row of these label values.
func (t *Timers) Remove(values ...string) { t.remove(values) }
