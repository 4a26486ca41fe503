package store_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

// In a synctest bubble the clock begins on 2000-01-01, as a board's does in 1970.

func TestRowsExpireToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := table.New("spool", table.Account, table.Expires(), table.WithIndex("colour", 1, byColour))
		s := storetest.Open(t, tab)
		var b store.Batch
		b.PutUntil(tab, key(1), []byte("a"), time.Now().Add(time.Hour))
		b.PutUntil(tab, key(2), []byte("b"), time.Now().Add(2*time.Hour))
		b.PutUntil(tab, key(3), []byte("c"), time.Time{})
		b.PutUntil(tab, key(4), []byte("d"), time.Now().Add(time.Hour))
		apply(t, s, &b)
		put(t, s, tab, 4, "d") // a put without expiry takes it away
		seen := func() (n int) {
			view(t, s, func(tx *store.Tx) {
				n = tx.Count(tab, nil, nil, 0)
				m := 0
				tx.ScanIndex(tab, "colour", nil, nil, false, func(ik, k, v []byte) bool { m++; return true })
				if m != n && m != n+1 { // the row with 'c' has two entries
					t.Errorf("%d rows by key and %d by index", n, m)
				}
			})
			return n
		}
		time.Sleep(time.Hour - time.Second)
		if n := seen(); n != 4 {
			t.Errorf("%d rows a second before the expiry", n)
		}
		time.Sleep(time.Second)
		if n := seen(); n != 3 {
			t.Errorf("%d rows at the expiry", n)
		}
		b.Absent(tab, key(1))
		if err := s.Apply(t.Context(), &b); err != nil {
			t.Errorf("an expired row is present for a precondition: %v", err)
		}
		time.Sleep(3 * time.Hour) // the timer of expiring rows runs
		synctest.Wait()
		if rows, expiries := s.RawRows("spool"); rows != 2 || expiries != 0 {
			t.Errorf("%d rows and %d expiry entries are left in the file", rows, expiries)
		}
		if commits := s.Stats().Main.Commits; commits > 5 {
			t.Errorf("%d commits", commits)
		}
	})
}

func TestNothingExpiresWhileTheClockIsUnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := table.New("spool", table.Account, table.Expires())
		s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: []*table.Table{tab}, Built: time.Now().AddDate(1, 0, 0)})
		var b store.Batch
		b.PutUntil(tab, key(1), []byte("a"), time.Now().Add(time.Hour))
		apply(t, s, &b)
		time.Sleep(24 * time.Hour)
		if got := get(t, s, tab, 1); got != "a" {
			t.Errorf("the row expired: %s", got)
		}
		if rows, _ := s.RawRows("spool"); rows != 1 {
			t.Error("the row was taken out")
		}
		time.Sleep(366 * 24 * time.Hour) // now it is set
		if got := get(t, s, tab, 1); got != "(none)" {
			t.Errorf("the row did not expire: %s", got)
		}
	})
}

func TestOrderGrowsOverRestartsEvenIfTheClockDoesNot(t *testing.T) {
	tab := table.New("rows", table.None)
	o := store.Options{Dir: t.TempDir(), Tables: []*table.Table{tab}}
	var last uint64
	for run := range 4 {
		crashed := t.TempDir()
		// Each bubble begins in 2000 again.
		synctest.Test(t, func(t *testing.T) {
			s := storetest.OpenWith(t, o)
			for range 100 {
				next := s.Order()
				if next <= last {
					t.Fatalf("run %d: order %d after %d", run, next, last)
				}
				last = next
			}
			put(t, s, tab, 1, "x")
			time.Sleep(24 * time.Hour)
			if next := s.Order(); next < uint64(time.Now().UnixMicro()) {
				t.Errorf("order %d is behind the clock", next)
			} else {
				last = next
			}
			if run%2 == 0 {
				s.Close()
				return
			}
			// A crash: no batch follows, but the mark was raised by itself.
			time.Sleep(2 * time.Second)
			synctest.Wait()
			storetest.CopyDir(t, o.Dir, crashed)
			s.Close()
			o.Dir = crashed
		})
	}
}

func TestOrderNeedsNoCommitForEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := table.New("rows", table.None)
		s := storetest.Open(t, tab)
		for i := range uint64(600) { // ten minutes
			time.Sleep(time.Second)
			for range 100 {
				s.Order()
			}
			if i%2 == 0 {
				put(t, s, tab, i, "x")
			}
		}
		batches := s.Stats().Main.Commits
		if batches > 310 { // the mark may be raised a second before a batch would have done it
			t.Errorf("%d commits for 300 batches in ten minutes", batches)
		}
		for range 600 { // without batches: one commit a minute at most
			time.Sleep(time.Second)
			s.Order()
		}
		synctest.Wait()
		if n := s.Stats().Main.Commits - batches; n < 9 || n > 11 {
			t.Errorf("%d commits in ten minutes of keys alone", n)
		}
	})
}

func TestOrderIsUniqueAmongGoroutines(t *testing.T) {
	s := storetest.Open(t, table.New("rows", table.None))
	const each = 5000
	parts := make([][]uint64, 4)
	done := make(chan int)
	for i := range parts {
		go func() {
			for range each {
				parts[i] = append(parts[i], s.Order())
			}
			done <- i
		}()
	}
	for range parts {
		i := <-done
		if !slices.IsSorted(parts[i]) {
			t.Error("the keys one goroutine got do not grow")
		}
	}
	all := slices.Concat(parts...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 4*each {
		t.Errorf("%d different keys of %d", n, 4*each)
	}
}

func TestCounterIsNeverUsedAgainOnceItsBatchIsIn(t *testing.T) {
	tab := table.New("rows", table.None)
	s := storetest.Open(t, tab)
	for i := range uint64(5) {
		if n := s.Next("account"); n != i+1 {
			t.Errorf("number %d, want %d", n, i+1)
		}
	}
	put(t, s, tab, 1, "x")
	s = storetest.Crash(t, s)
	if n := s.Next("account"); n != 6 {
		t.Errorf("after a crash: number %d, want 6", n)
	}
	s = storetest.Reopen(t, s) // without a batch: closing keeps it too
	if n := s.Next("account"); n != 7 {
		t.Errorf("after a restart: number %d, want 7", n)
	}
	if n := s.Next("room"); n != 1 {
		t.Errorf("another sequence: number %d, want 1", n)
	}
}

func TestIncarnationStaysOverRestarts(t *testing.T) {
	s := storetest.Open(t, table.New("rows", table.None))
	first := s.Incarnation()
	if s = storetest.Reopen(t, s); s.Incarnation() != first || first == 0 {
		t.Errorf("incarnation %x, then %x", first, s.Incarnation())
	}
}

func TestWearIsCountedByTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := table.New("rows", table.None)
		s := storetest.Open(t, tab)
		put(t, s, tab, 1, "x")
		put(t, s, tab, 2, "x")
		st := s.Stats().Main
		if st.Today.Commits != 2 || st.Today.Written == 0 || st.Today.Written != st.Written {
			t.Errorf("today %+v of %d bytes", st.Today, st.Written)
		}
		first := st.Today
		time.Sleep(24 * time.Hour)
		put(t, s, tab, 3, "x")
		if st = s.Stats().Main; st.Today.Commits != 1 || st.Yesterday != first {
			t.Errorf("a day later: today %+v, yesterday %+v", st.Today, st.Yesterday)
		}
		time.Sleep(72 * time.Hour)
		if st = s.Stats().Main; st.Today.Commits != 0 || st.Yesterday.Commits != 0 {
			t.Errorf("three days later: today %+v, yesterday %+v", st.Today, st.Yesterday)
		}
	})
}
