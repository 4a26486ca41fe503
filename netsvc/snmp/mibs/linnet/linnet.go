// Package linnet is LINNET-MIB: every metric of the program, under the number that netsvc/metric/numbers fixed for
// it. The text of the MIB is written by cmd/mkmib from the same declarations and the same numbers; how an OID is
// built is said there, in the package comment of numbers.
//
// A metric that has no number yet is not shown. A row of a table is known by a small number that is kept for its
// labels (mibs.Book) and never given to others; the labels are columns.
package linnet

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

// Where things stand below mib.Enterprise.
const (
	Notifications = 0
	Metrics       = 1
	Fields        = 2
	Conformance   = 3
	Products      = 4
)

// maxText is the longest DisplayString.
const maxText = 255

// group is a Handler for everything below Metrics.
type group struct {
	env     *mib.Env
	machine *mibs.Machine

	mu      sync.Mutex
	current *snapshot
}

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env: env, machine: mibs.Of(env.Host)}
	return []mib.Group{{
		Name: "LINNET-MIB", ID: mib.Enterprise, About: "The metrics of linnet.",
		Subtrees: []mib.Subtree{{Name: "linnetMetrics", OID: mib.Enterprise.With(Metrics), Handler: g}},
	}}
}

// snapshot is everything at one moment, in the order of OIDs. The OIDs are those below Metrics, one after the other
// in parts.
type snapshot struct {
	made   time.Time
	kept   int // Book.Kept: with more of them there are more rows
	parts  []uint32
	ends   []uint32
	values []mib.Value
	order  []uint32
}

func (s *snapshot) name(n uint32) mib.OID {
	start := uint32(0)
	if n > 0 {
		start = s.ends[n-1]
	}
	return s.parts[start:s.ends[n]]
}

func (s *snapshot) add(v mib.Value, name ...uint32) {
	s.parts = append(s.parts, name...)
	s.ends = append(s.ends, uint32(len(s.parts)))
	s.order = append(s.order, uint32(len(s.values)))
	s.values = append(s.values, v)
}

func (s *snapshot) Len() int           { return len(s.order) }
func (s *snapshot) Swap(i, j int)      { s.order[i], s.order[j] = s.order[j], s.order[i] }
func (s *snapshot) Less(i, j int) bool { return s.name(s.order[i]).Compare(s.name(s.order[j])) < 0 }

// find returns the place of the first name that is not before the one given.
func (s *snapshot) find(name mib.OID) (at int, found bool) {
	return sort.Find(len(s.order), func(i int) int { return name.Compare(s.name(s.order[i])) })
}

// snapshot returns one that is at most a second old and has all rows whose numbers are kept by now.
func (g *group) snapshot(now time.Time) *snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.machine.Book.Kept()
	if g.current != nil && now.Sub(g.current.made) < time.Second && g.current.kept == kept {
		return g.current
	}
	s := &snapshot{made: now, kept: kept}
	if last := g.current; last != nil {
		s.parts, s.ends = make([]uint32, 0, len(last.parts)), make([]uint32, 0, len(last.ends))
		s.values, s.order = make([]mib.Value, 0, len(last.values)), make([]uint32, 0, len(last.order))
	}
	g.env.Host.ReadMetrics(func(m metric.Sample) bool {
		g.sample(s, m)
		return true
	})
	sort.Sort(s)
	if len(s.values) > 0 { // before the program runs there are no metrics
		g.current = s
	}
	return s
}

// sample adds the instances of one value or of one row.
func (g *group) sample(s *snapshot, m metric.Sample) {
	n, syntax := numbers.Metric(m.Desc.Name)
	if n == 0 {
		return
	}
	var values [3]mib.Value
	count := 1
	switch syntax {
	case numbers.Counter64, numbers.Gauge64:
		values[0] = mib.Count64(uint64(max(m.Value, 0)))
	case numbers.Gauge32:
		values[0] = mib.Gauge(m.Value)
	case numbers.Integer32:
		values[0] = mib.Int(m.Value)
	case numbers.Text:
		values[0] = mib.Text(cut(m.Text))
	case numbers.Time:
		count = 3
		values = [3]mib.Value{mib.Count64(m.Count), mib.Count64(uint64(m.Sum.Microseconds())), mib.Gauge(m.Max.Microseconds())}
	}
	if len(m.Desc.Labels) == 0 {
		for i, v := range values[:count] {
			if count == 1 {
				s.add(v, n, 0)
			} else {
				s.add(v, n, uint32(i)+1, 0)
			}
		}
		return
	}
	row := g.machine.Book.Number("metric."+m.Desc.Name, strings.Join(m.Labels, "\x00"), 0)
	if row == 0 {
		return
	}
	column := uint32(2) // the first is the row, which is not accessible
	for i := range m.Desc.Labels {
		label := ""
		if i < len(m.Labels) {
			label = m.Labels[i]
		}
		s.add(mib.Text(cut(label)), n, 1, column, row)
		column++
	}
	for i, v := range values[:count] {
		s.add(v, n, 1, column+uint32(i), row)
	}
}

// cut shortens a text to a DisplayString, which is of UTF-8 here.
func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// Get implements mib.Handler.
func (g *group) Get(r *mib.Request, rest mib.OID) mib.Value {
	s := g.snapshot(r.Now)
	if at, found := s.find(rest); found {
		return s.values[s.order[at]]
	}
	if len(rest) == 0 || rest[0] == 0 || rest[0] > uint32(len(numbers.Metrics)) {
		return mib.Exceptional(mib.NoSuchObject) // no metric of this program ever had the number
	}
	return mib.Exceptional(mib.NoSuchInstance)
}

// Next implements mib.Handler.
func (g *group) Next(r *mib.Request, rest, dst mib.OID) (mib.OID, mib.Value) {
	s := g.snapshot(r.Now)
	at, found := s.find(rest)
	if found {
		at++
	}
	for ; at < len(s.order); at++ {
		n := s.order[at]
		if v := s.values[n]; !r.V1 || v.Kind() != mib.Counter64 {
			return append(dst, s.name(n)...), v
		}
	}
	return dst, mib.None
}

// Objects implements mib.Lister: what there is a value of now.
func (g *group) Objects() []mib.Object {
	s := g.snapshot(time.Now())
	var list []mib.Object
	for _, n := range s.order {
		name := s.name(n)
		object := mib.Enterprise.With(Metrics).With(name[:len(name)-1]...)
		if last := len(list) - 1; last < 0 || !slices.Equal(list[last].OID, object) {
			list = append(list, mib.Object{Name: numbers.Metrics[name[0]-1].Name, OID: object, Kind: s.values[n].Kind()})
		}
	}
	return list
}
