package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

// model is what the tables should hold: the rows by key.
type model map[string]string

func (m model) keys(from, to []byte) []string {
	var in []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(from) && (to == nil || k < string(to)) {
			in = append(in, k)
		}
	}
	return in
}

// byColour indexes rows by the first byte of the value, and some rows by nothing or twice.
func byColour(_, v []byte, add func([]byte)) {
	if len(v) == 0 {
		return
	}
	add(table.AppendBytes(nil, v[:1]))
	if v[0] == 'c' {
		add(table.AppendString(nil, "extra"))
	}
}

// TestRandomBatchesGiveWhatTheModelGives runs random batches against a map: with indexes, versions, preconditions, small
// steps of removed ranges, several batches in a commit, and restarts.
func TestRandomBatchesGiveWhatTheModelGives(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			tables := []*table.Table{
				table.New("plain", table.None),
				table.New("full", table.None, table.Versioned(), table.Expires(), table.Append(), table.WithIndex("colour", 1, byColour)),
			}
			models := []model{{}, {}}
			s := storetest.Open(t, tables...)
			s.SetRangeStep(3)
			randomKey := func() []byte { return key(rnd.Uint64N(300))[6:] }
			for round := range 400 {
				for range rnd.IntN(4) + 1 {
					submitRandom(t, s, rnd, tables, models, randomKey)
				}
				if rnd.IntN(3) == 0 {
					compare(t, s, rnd, tables, models, randomKey)
				}
				if round%100 == 99 {
					s = storetest.Reopen(t, s)
					s.SetRangeStep(3)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// submitRandom submits one batch and applies it to the model as well.
func submitRandom(t *testing.T, s *store.Store, rnd *rand.Rand, tables []*table.Table, models []model, randomKey func() []byte) {
	var b store.Batch
	next := []model{maps.Clone(models[0]), maps.Clone(models[1])}
	fails := false
	for range rnd.IntN(5) {
		i := rnd.IntN(2)
		k := randomKey()
		_, there := models[i][string(k)]
		switch rnd.IntN(8) {
		case 0:
			b.Absent(tables[i], k)
			fails = fails || there
		case 1:
			b.Present(tables[i], k)
			fails = fails || !there
		case 2:
			from, to := randomKey(), randomKey()
			if rnd.IntN(10) == 0 {
				to = nil
			}
			b.DeleteRange(tables[i], from, to)
			for _, k := range next[i].keys(from, to) {
				delete(next[i], k)
			}
		case 3:
			b.Delete(tables[i], k)
			delete(next[i], string(k))
		default:
			v := fmt.Sprintf("%c%d", 'a'+rnd.IntN(5), rnd.IntN(1000))
			b.Put(tables[i], k, []byte(v))
			next[i][string(k)] = v
		}
	}
	if !fails {
		copy(models, next)
	}
	s.Submit(&b, func(err error) {
		if (err != nil) != fails {
			t.Errorf("batch: %v, the model's precondition fails: %v", err, fails)
		}
	})
}

func compare(t *testing.T, s *store.Store, rnd *rand.Rand, tables []*table.Table, models []model, randomKey func() []byte) {
	t.Helper()
	barrier(s)
	view(t, s, func(tx *store.Tx) {
		for i, tab := range tables {
			from, to := randomKey(), randomKey()
			if rnd.IntN(3) == 0 {
				from, to = nil, nil
			}
			want := models[i].keys(from, to)
			for _, reverse := range []bool{false, true} {
				var got []string
				tx.Scan(tab, from, to, reverse, func(k, v []byte) bool {
					got = append(got, string(k))
					if string(v) != models[i][string(k)] {
						t.Errorf("%s: row %x = %s, want %s", tab.Name, k, v, models[i][string(k)])
					}
					return true
				})
				if reverse {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: scan %x..%x reverse %v: %d rows, want %d", tab.Name, from, to, reverse, len(got), len(want))
				}
			}
			if n := tx.Count(tab, from, to, 0); n != len(want) {
				t.Errorf("%s: count %d, want %d", tab.Name, n, len(want))
			}
			k := randomKey()
			v, ok := tx.Get(tab, k)
			if want, there := models[i][string(k)]; ok != there || string(v) != want {
				t.Errorf("%s: get %x = %s %v, want %s %v", tab.Name, k, v, ok, want, there)
			}
		}
		compareIndex(t, tx, tables[1], models[1])
	})
}

func compareIndex(t *testing.T, tx *store.Tx, tab *table.Table, m model) {
	t.Helper()
	var want []string
	for k, v := range m {
		byColour([]byte(k), []byte(v), func(ik []byte) { want = append(want, string(ik)+"|"+k+"|"+v) })
	}
	slices.Sort(want)
	for _, reverse := range []bool{false, true} {
		var got []string
		tx.ScanIndex(tab, "colour", nil, nil, reverse, func(ik, k, v []byte) bool {
			got = append(got, string(ik)+"|"+string(k)+"|"+string(v))
			return true
		})
		if reverse {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("index (reverse %v) has %d entries, want %d", reverse, len(got), len(want))
		}
	}
}

func TestIndexScanOfOneValue(t *testing.T) {
	tab := table.New("full", table.None, table.WithIndex("colour", 1, byColour))
	s := storetest.Open(t, tab)
	for i, v := range []string{"a1", "b1", "a2", "b2", "a3"} {
		put(t, s, tab, uint64(i), v)
	}
	var got []string
	view(t, s, func(tx *store.Tx) {
		red := table.AppendString(nil, "a")
		tx.ScanIndex(tab, "colour", red, table.PrefixEnd(red), false, func(ik, k, v []byte) bool {
			if !bytes.Equal(ik, red) {
				t.Errorf("index key %x", ik)
			}
			got = append(got, string(v))
			return true
		})
		if err := tx.ScanIndex(tab, "nosuch", nil, nil, false, nil); err == nil {
			t.Error("an index that is not declared was scanned")
		}
	})
	if want := []string{"a1", "a2", "a3"}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestLongRangeIsGoneAtOnceAndTakenOutInSteps(t *testing.T) {
	tab := table.New("full", table.None, table.WithIndex("colour", 1, byColour))
	s := storetest.Open(t, tab)
	var b store.Batch
	for i := range uint64(1000) {
		b.Put(tab, key(i), []byte("a"))
	}
	apply(t, s, &b)
	s.SetRangeStep(10)
	before := s.Stats().Main.Commits
	b.DeleteRange(tab, key(100), key(900))
	b.Put(tab, key(500), []byte("b")) // after the removal, so it stays
	var atCommit int
	s.Submit(&b, func(err error) {
		if err != nil {
			t.Errorf("removal: %v", err)
		}
		s.View(func(tx *store.Tx) error { atCommit = tx.Count(tab, nil, nil, 0); return nil })
	})
	barrier(s)
	b.Absent(tab, key(600)) // sees the removal too
	b.Put(tab, key(601), []byte("c"))
	apply(t, s, &b)
	if atCommit != 201 {
		t.Errorf("%d rows are seen when the removal is told, want 201", atCommit)
	}
	view(t, s, func(tx *store.Tx) {
		if n := tx.Count(tab, nil, nil, 0); n != 202 {
			t.Errorf("%d rows, want 202", n)
		}
		if n := tx.Count(tab, key(100), key(900), 0); n != 2 {
			t.Errorf("%d rows in the range, want 2", n)
		}
	})
	s = waitRemoved(t, s)
	if rows, _ := s.RawRows("full"); rows != 202 {
		t.Errorf("%d rows in the file after the removal, want 202", rows)
	}
	if n := s.Stats().Main.Commits - before; n < 50 {
		t.Errorf("the range was taken out in %d commits", n)
	}
	view(t, s, func(tx *store.Tx) {
		n := 0
		tx.ScanIndex(tab, "colour", nil, nil, false, func(_, _, v []byte) bool { n++; return true })
		if n != 203 { // the row with 'c' has two entries
			t.Errorf("%d index entries, want 203", n)
		}
	})
}

// waitRemoved waits until no removed range is left, by giving the writer something to do.
func waitRemoved(t *testing.T, s *store.Store) *store.Store {
	t.Helper()
	for range 10_000 {
		if s.Stats().Main.Removing == 0 {
			return s
		}
		barrier(s)
	}
	t.Fatal("removed ranges are never finished")
	return nil
}

func TestRemovedRangeStaysRemovedAfterACrash(t *testing.T) {
	tab := table.New("rows", table.None)
	s := storetest.Open(t, tab)
	var b store.Batch
	for i := range uint64(1000) {
		b.Put(tab, key(i), []byte("a"))
	}
	apply(t, s, &b)
	s.SetRangeStep(10)
	b.DeleteRange(tab, key(0), nil)
	crashed := make(chan *store.Store)
	s.Submit(&b, func(error) { crashed <- storetest.Crash(t, s) }) // the rest is still in the file
	after := <-crashed
	view(t, after, func(tx *store.Tx) {
		if n := tx.Count(tab, nil, nil, 0); n != 0 {
			t.Errorf("%d rows came back", n)
		}
	})
	put(t, after, tab, 7, "new") // the next commit goes on with the rest
	waitRemoved(t, after)
	if rows, _ := after.RawRows("rows"); rows != 1 {
		t.Errorf("%d rows in the file", rows)
	}
}

func TestPanicOfAnIndexFunctionFailsItsCommitOnly(t *testing.T) {
	tab := table.New("rows", table.None, table.WithIndex("bad", 1, func(k, v []byte, add func([]byte)) {
		if len(v) == 0 {
			panic("index function")
		}
		add(v)
	}))
	s := storetest.Open(t, tab)
	var b store.Batch
	b.Put(tab, key(1), nil)
	if err := s.Apply(t.Context(), &b); err == nil {
		t.Error("the batch was committed")
	}
	put(t, s, tab, 2, "fine")
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
}
