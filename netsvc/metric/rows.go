package metric

import (
	"slices"
	"strings"
	"sync"
)

// other is the label value of the row that adds up what MaxRows left no room for.
const other = "other"

// table is a metric with labels: one cell per combination of label values. Its mutex guards the map
// only; the cells are atomics, and their users keep the pointer instead of asking again. It does not know the
// type of its cells: the same code three times would cost 4 KB of flash.
type table struct {
	fresh func() any
	width int
	max   int

	mu   sync.Mutex
	rows map[string]*row
	over *row // the row "other", made when it is first needed
}

type row struct {
	labels []string
	cell   any
}

func newTable(d *Desc, fresh func() any) *table {
	limit := d.MaxRows
	if limit == 0 {
		limit = defaultMax
	}
	return &table{fresh: fresh, width: len(d.Labels), max: limit, rows: make(map[string]*row)}
}

// with returns the cell for these label values: missing ones are empty, surplus ones ignored.
func (t *table) with(values []string) any {
	labels := make([]string, t.width)
	copy(labels, values)
	key := strings.Join(labels, "\x00")
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rows[key]; r != nil {
		return r.cell
	}
	if len(t.rows) < t.max {
		r := &row{labels, t.fresh()}
		t.rows[key] = r
		return r.cell
	}
	if t.over == nil {
		for i := range labels {
			labels[i] = other
		}
		t.over = &row{labels, t.fresh()}
	}
	return t.over.cell
}

// remove forgets a row, so that its place can be taken by another.
func (t *table) remove(values []string) {
	labels := make([]string, t.width)
	copy(labels, values)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, strings.Join(labels, "\x00"))
}

// list returns the rows as they are now, sorted by their labels, "other" last.
func (t *table) list() []*row {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([]string, 0, len(t.rows))
	for key := range t.rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	list := make([]*row, 0, len(keys)+1)
	for _, key := range keys {
		list = append(list, t.rows[key])
	}
	if t.over != nil {
		list = append(list, t.over)
	}
	return list
}

// Counters is a table of counters. Safe for concurrent use.
type Counters struct{ *table }

// With returns the counter for these label values, in the order of Desc.Labels. It takes a lock: keep
// the counter where it is used often.
func (c *Counters) With(values ...string) *Counter { return c.with(values).(*Counter) }

// Remove forgets the row of these label values; who still holds its counter counts for nobody.
func (c *Counters) Remove(values ...string) { c.remove(values) }

// Gauges is a table of gauges. Safe for concurrent use.
type Gauges struct{ *table }

// With returns the gauge for these label values; see Counters.With.
func (g *Gauges) With(values ...string) *Gauge { return g.with(values).(*Gauge) }

// Remove forgets the row of these label values.
func (g *Gauges) Remove(values ...string) { g.remove(values) }

// Timers is a table of timers. Safe for concurrent use.
type Timers struct{ *table }

// With returns the timer for these label values; see Counters.With.
func (t *Timers) With(values ...string) *Timer { return t.with(values).(*Timer) }

// Remove forgets the row of these label values.
func (t *Timers) Remove(values ...string) { t.remove(values) }
