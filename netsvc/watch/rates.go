package watch

import (
	"slices"
	"strings"

	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// span is how many totals are remembered for each of the units: so that the oldest is a whole minute, or hour, old.
const span = 60

// guesses are the counters that tell of guessed passwords. Their rate is judged and not shown.
var guesses = [...]string{"authFailures", "authRefused"}

// rates are how fast counters grow. The zero value is ready.
type rates struct {
	names  []string // of the metrics that are looked at; nil: to be found out
	second int      // of the last look
	list   []*series
}

// series is one figure: all of a metric, or its part of one direction.
type series struct {
	metric, direction string

	total   uint64 // now
	seconds [span]uint64
	minutes [span + 1]uint64 // one more: that of the present minute is written when it has begun
}

// growing lists the counters whose rates are wanted.
func growing(h module.Host) []string {
	names := slices.Clone(guesses[:])
	h.ReadMetrics(func(s metric.Sample) bool {
		if s.Desc.Rate && !slices.Contains(names, s.Desc.Name) {
			names = append(names, s.Desc.Name)
		}
		return true
	})
	return names
}

// take reads the counters. second counts from the start on; the first look is at 1, and then everything that was
// counted since the start of the program is what came in the first second.
func (r *rates) take(h module.Host, second int) {
	for from := max(r.second, second-(span+1)*span); from < second; from++ { // for each second, also of those that were missed
		for _, s := range r.list {
			s.seconds[from%span] = s.total
			if from%span == 0 {
				s.minutes[from/span%(span+1)] = s.total
			}
		}
	}
	r.second = second
	for _, s := range r.list {
		s.total = 0
	}
	h.ReadMetrics(func(s metric.Sample) bool {
		direction := ""
		if i := slices.Index(s.Desc.Labels, "direction"); i >= 0 {
			direction = s.Labels[i]
		}
		r.of(s.Desc.Name, direction).total += uint64(s.Value)
		return true
	}, r.names...)
}

// of returns the series of that name, made if need be.
func (r *rates) of(name, direction string) *series {
	for _, s := range r.list {
		if s.metric == name && s.direction == direction {
			return s
		}
	}
	s := &series{metric: strings.Clone(name), direction: strings.Clone(direction)}
	r.list = append(r.list, s)
	return s
}

// last returns how much a series grew in the last second, minute, and hour, which is told to the minute. Before
// the node is as old as that, it is all that was counted.
func (r *rates) last(s *series) (second, minute, hour uint64) {
	at := r.second
	second, minute, hour = s.since(s.seconds[(at+span-1)%span]), s.total, s.total
	if at >= span {
		minute = s.since(s.seconds[at%span])
	}
	if m := at/span - span; m >= 0 {
		hour = s.since(s.minutes[m%(span+1)])
	}
	return second, minute, hour
}

// since returns how much was counted since the total was this; nothing for a metric that is gone after a reload.
func (s *series) since(total uint64) uint64 { return s.total - min(total, s.total) }

// show yields the rates as rows of a metric.
func (l *looker) show(row func(value int64, labels ...string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.rates.list {
		if slices.Contains(guesses[:], s.metric) {
			continue
		}
		second, minute, hour := l.rates.last(s)
		row(int64(second), s.metric, s.direction, "second")
		row(int64(minute), s.metric, s.direction, "minute")
		row(int64(hour), s.metric, s.direction, "hour")
	}
}

// guessed returns the failed logins of the last minute.
func (r *rates) guessed() (n int64) {
	for _, s := range r.list {
		if slices.Contains(guesses[:], s.metric) {
			_, minute, _ := r.last(s)
			n += int64(minute)
		}
	}
	return n
}
