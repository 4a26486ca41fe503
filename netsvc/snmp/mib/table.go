package mib

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const defaultKeep = time.Second

// Snapshot is one state of a table.
type Snapshot struct {
	table  *Table
	made   time.Time
	parts  []uint32 // of all indexes, one after the other
	ends   []uint32 // where each ends in parts
	values []Value  // row by row
	order  []uint32 // the rows by index, nil when they came in order
}

// Row adds a row: the parts of its index and a value for each column, None where the row has none. A second row
// of one index is ignored. It panics when the values are not those that the table declared, which is a mistake
// of the program.
func (s *Snapshot) Row(index OID, values ...Value) {
	if len(values) != len(s.table.Columns) {
		panic("mib: " + s.table.Name + ": a row with another number of values than columns")
	}
	for i, v := range values {
		if v.kind != 0 && v.kind != s.table.Columns[i].Kind {
			panic("mib: " + s.table.Columns[i].Name + " is not of its declared kind")
		}
	}
	s.parts = append(s.parts, index...)
	s.ends = append(s.ends, uint32(len(s.parts)))
	s.values = append(s.values, values...)
}

// Numbered adds the row whose index is a number, as Row does. What has none yet, which is 0, gets no row.
func (s *Snapshot) Numbered(n uint32, values ...Value) {
	if n != 0 {
		s.Row(OID{n}, values...)
	}
}

// Len returns how many rows were added.
func (s *Snapshot) Len() int { return len(s.ends) }

// index returns the index of the row that was added as number n.
func (s *Snapshot) index(n uint32) OID {
	start := uint32(0)
	if n > 0 {
		start = s.ends[n-1]
	}
	return s.parts[start:s.ends[n]:s.ends[n]]
}

// row returns the number of the i-th row in the order of indexes.
func (s *Snapshot) row(i int) uint32 {
	if s.order != nil {
		return s.order[i]
	}
	return uint32(i)
}

// rows returns how many rows there are, each index once.
func (s *Snapshot) rows() int {
	if s.order != nil {
		return len(s.order)
	}
	return len(s.ends)
}

// arrange sorts the rows when they did not come in order.
func (s *Snapshot) arrange() {
	sorted := true
	for i := 1; i < len(s.ends) && sorted; i++ {
		sorted = slices.Compare(s.index(uint32(i-1)), s.index(uint32(i))) < 0
	}
	if sorted {
		return
	}
	s.order = make([]uint32, len(s.ends))
	for i := range s.order {
		s.order[i] = uint32(i)
	}
	sort.Sort((*byIndex)(s))
	n := 0
	for i, row := range s.order {
		if i == 0 || slices.Compare(s.index(s.order[n-1]), s.index(row)) != 0 {
			s.order[n] = row
			n++
		}
	}
	s.order = s.order[:n]
}

// byIndex sorts the order of a snapshot; of one index, the row that was added first comes first.
type byIndex Snapshot

func (s *byIndex) Len() int      { return len(s.order) }
func (s *byIndex) Swap(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] }
func (s *byIndex) Less(i, j int) bool {
	a, b := s.order[i], s.order[j]
	c := slices.Compare((*Snapshot)(s).index(a), (*Snapshot)(s).index(b))
	return c < 0 || c == 0 && a < b
}

// find returns the place of the first row whose index is not before the one given, and whether it is that one.
func (s *Snapshot) find(index OID) (at int, found bool) {
	low, high := 0, s.rows()
	for low < high {
		middle := int(uint(low+high) >> 1)
		c := slices.Compare(s.index(s.row(middle)), index)
		if c == 0 {
			return middle, true
		}
		if c < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, false
}

// tableNode is a table in a tree. Its snapshot is replaced, never changed; the mutex is for filling.
type tableNode struct {
	*Table
	mu      sync.Mutex
	current atomic.Pointer[Snapshot]
}

func (t *tableNode) snapshot(now time.Time) *Snapshot {
	if s := t.current.Load(); s != nil && t.fresh(s, now) {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.current.Load()
	if s != nil && t.fresh(s, now) {
		return s // somebody else has just made it
	}
	next := &Snapshot{table: t.Table, made: now}
	if s != nil {
		next.parts = make([]uint32, 0, len(s.parts))
		next.ends = make([]uint32, 0, len(s.ends))
		next.values = make([]Value, 0, len(s.values))
	}
	t.Fill(next)
	next.arrange()
	t.current.Store(next)
	return next
}

func (t *tableNode) fresh(s *Snapshot, now time.Time) bool {
	keep := t.Keep
	if keep == 0 {
		keep = defaultKeep
	}
	return now.Sub(s.made) < keep
}

// column returns the place of the first column whose number is not below id, and whether it is that one.
func (t *tableNode) column(id uint32) (at int, found bool) {
	if at = int(id) - 1; uint(at) < uint(len(t.Columns)) && t.Columns[at].ID == id {
		return at, true // as most tables are numbered
	}
	for at = range t.Columns {
		if t.Columns[at].ID >= id {
			return at, t.Columns[at].ID == id
		}
	}
	return len(t.Columns), false
}

// Get implements Handler.
func (t *tableNode) Get(r *Request, rest OID) Value {
	if len(rest) == 0 {
		return Exceptional(NoSuchObject)
	}
	column, found := t.column(rest[0])
	if !found {
		return Exceptional(NoSuchObject)
	}
	s := t.snapshot(r.Now)
	if at, found := s.find(rest[1:]); found {
		if v := s.values[int(s.row(at))*len(t.Columns)+column]; !v.IsNone() {
			return v
		}
	}
	return Exceptional(NoSuchInstance)
}

// Next implements Handler.
func (t *tableNode) Next(r *Request, rest, dst OID) (OID, Value) {
	s := t.snapshot(r.Now)
	column, at := 0, 0
	if len(rest) > 0 {
		var found bool
		if column, found = t.column(rest[0]); found {
			if at, found = s.find(rest[1:]); found {
				at++
			}
		}
	}
	for rows := s.rows(); column < len(t.Columns); column, at = column+1, 0 {
		if r.V1 && t.Columns[column].Kind == Counter64 {
			continue
		}
		for ; at < rows; at++ {
			row := s.row(at)
			if v := s.values[int(row)*len(t.Columns)+column]; !v.IsNone() {
				return append(append(dst, t.Columns[column].ID), s.index(row)...), v
			}
		}
	}
	return dst, None
}

// Test implements Writer.
func (t *tableNode) Test(r *Request, rest OID, v Value) (Change, Status) {
	if t.Table.Set == nil || len(rest) == 0 {
		return Change{}, NotWritable
	}
	column, found := t.column(rest[0])
	if !found {
		return Change{}, NotWritable
	}
	if v.kind != t.Columns[column].Kind {
		return Change{}, WrongType
	}
	return t.Table.Set(r, rest[0], rest[1:], v)
}

// scalarNode is a scalar in a tree.
type scalarNode struct{ *Scalar }

// Get implements Handler.
func (s scalarNode) Get(r *Request, rest OID) Value {
	if len(rest) == 1 && rest[0] == 0 {
		if v := s.Scalar.Get(r); !v.IsNone() {
			return v
		}
	}
	return Exceptional(NoSuchInstance)
}

// Next implements Handler.
func (s scalarNode) Next(r *Request, rest, dst OID) (OID, Value) {
	if len(rest) > 0 || r.V1 && s.Kind == Counter64 {
		return dst, None
	}
	v := s.Scalar.Get(r)
	if v.IsNone() {
		return dst, None
	}
	return append(dst, 0), v
}

// Test implements Writer.
func (s scalarNode) Test(r *Request, rest OID, v Value) (Change, Status) {
	switch {
	case s.Scalar.Set == nil:
		return Change{}, NotWritable
	case len(rest) != 1 || rest[0] != 0:
		return Change{}, NoCreation
	case v.kind != s.Kind:
		return Change{}, WrongType
	}
	return s.Scalar.Set(r, v)
}
