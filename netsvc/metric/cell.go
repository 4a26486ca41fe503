package metric

import (
	"sync/atomic"
	"time"
)

// Counter counts events. It only grows. Safe for concurrent use; the zero value is ready, so a test may
// use one without a Set.
type Counter struct{ n atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Next adds one and returns the new value: for who looks more closely at every so many-th event.
func (c *Counter) Next() uint64 { return c.n.Add(1) }

// Value returns what was counted so far.
func (c *Counter) Value() uint64 { return c.n.Load() }

// Gauge is a level that goes up and down. Safe for concurrent use; the zero value is ready.
type Gauge struct{ n atomic.Int64 }

// Set makes the level n.
func (g *Gauge) Set(n int64) { g.n.Store(n) }

// Add changes the level by n, which may be negative.
func (g *Gauge) Add(n int64) { g.n.Add(n) }

// Value returns the level.
func (g *Gauge) Value() int64 { return g.n.Load() }

// Timer gathers durations: how many, their sum, and the longest one. Safe for concurrent use; the zero
// value is ready. The three are not read as one unit: a reader may see a sum that is one event ahead.
type Timer struct {
	count, sum, max atomic.Uint64 // sum and max in nanoseconds: the sum wraps after 584 years
}

// Observe adds one duration; a negative one (the clock was set back) counts as zero.
func (t *Timer) Observe(d time.Duration) {
	n := uint64(max(d, 0))
	t.count.Add(1)
	t.sum.Add(n)
	for {
		old := t.max.Load()
		if n <= old || t.max.CompareAndSwap(old, n) {
			return
		}
	}
}

// Since adds the time that went by since start.
func (t *Timer) Since(start time.Time) { t.Observe(time.Since(start)) }

// Count returns how many durations were observed.
func (t *Timer) Count() uint64 { return t.count.Load() }

// Sum returns the sum of the durations, Max the longest one.
func (t *Timer) Sum() time.Duration { return time.Duration(t.sum.Load()) }

// Max returns the longest duration.
func (t *Timer) Max() time.Duration { return time.Duration(t.max.Load()) }
