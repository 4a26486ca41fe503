package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

func key(n uint64) []byte { return table.AppendUint64(nil, n) }

func put(t testing.TB, s *store.Store, tab *table.Table, n uint64, value string) {
	t.Helper()
	var b store.Batch
	b.Put(tab, key(n), []byte(value))
	apply(t, s, &b)
}

func apply(t testing.TB, s *store.Store, b *store.Batch) {
	t.Helper()
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func view(t testing.TB, s *store.Store, fn func(tx *store.Tx)) {
	t.Helper()
	if err := s.View(func(tx *store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func get(t testing.TB, s *store.Store, tab *table.Table, n uint64) string {
	t.Helper()
	got := "(none)"
	view(t, s, func(tx *store.Tx) {
		if v, ok := tx.Get(tab, key(n)); ok {
			got = string(v)
		}
	})
	return got
}

// barrier waits until all that was submitted is settled.
func barrier(s *store.Store) {
	done := make(chan struct{})
	s.Barrier(func() { close(done) })
	<-done
}

func size(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestRowsComeBackAfterReopen(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	for i := range uint64(100) {
		put(t, s, rows, i, fmt.Sprint("value", i))
	}
	s = storetest.Reopen(t, s)
	if got := get(t, s, rows, 42); got != "value42" {
		t.Errorf("row 42 = %s", got)
	}
	if r := s.Report(); r.Unclean || r.Damage != "" || r.CacheDropped {
		t.Errorf("a store closed in order reports %+v", r)
	}
}

func TestPreconditionsSeeEarlierBatchesOfTheSameGroup(t *testing.T) {
	rows := table.New("rows", table.None, table.Versioned())
	// All batches wait for one commit.
	s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: []*table.Table{rows}, CommitEvery: 50 * time.Millisecond})
	put(t, s, rows, 1, "first")
	var version uint64
	view(t, s, func(tx *store.Tx) { _, version, _ = tx.GetVersion(rows, key(1)) })

	steps := []struct {
		name string
		make func(b *store.Batch)
		ok   bool
	}{
		{"absent on a row that is there", func(b *store.Batch) { b.Absent(rows, key(1)); b.Put(rows, key(1), []byte("no")) }, false},
		{"present on a row that is there", func(b *store.Batch) { b.Present(rows, key(1)); b.Put(rows, key(2), []byte("two")) }, true},
		{"present on a row put just before", func(b *store.Batch) { b.Present(rows, key(2)); b.Put(rows, key(3), []byte("three")) }, true},
		{"the right version", func(b *store.Batch) { b.Equals(rows, key(1), version); b.Put(rows, key(1), []byte("second")) }, true},
		{"the version before", func(b *store.Batch) { b.Equals(rows, key(1), version); b.Put(rows, key(1), []byte("lost")) }, false},
		{"version 0 of a row that is not there", func(b *store.Batch) { b.Equals(rows, key(9), 0); b.Put(rows, key(9), []byte("nine")) }, true},
		{"version 0 of a row that is there", func(b *store.Batch) { b.Equals(rows, key(9), 0) }, false},
		{"deleted", func(b *store.Batch) { b.Delete(rows, key(2)) }, true},
		{"present on a row deleted just before", func(b *store.Batch) { b.Present(rows, key(2)) }, false},
		{"range deleted", func(b *store.Batch) { b.DeleteRange(rows, key(3), key(10)) }, true},
		{"absent within the range", func(b *store.Batch) { b.Absent(rows, key(9)); b.Put(rows, key(9), []byte("again")) }, true},
	}
	var mu sync.Mutex
	var order []int
	results := make([]error, len(steps))
	for i, st := range steps {
		var b store.Batch
		st.make(&b)
		s.Submit(&b, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			results[i] = err
			order = append(order, i)
		})
	}
	barrier(s)
	for i, st := range steps {
		if (results[i] == nil) != st.ok {
			t.Errorf("%s: %v", st.name, results[i])
		}
		if !st.ok && !errors.Is(results[i], store.ErrPrecondition) {
			t.Errorf("%s: %v is no precondition error", st.name, results[i])
		}
		if i < len(order) && order[i] != i {
			t.Errorf("done was called for %d in place of %d", order[i], i)
		}
	}
	var pe *store.PreconditionError
	if !errors.As(results[0], &pe) || pe.Table != "rows" || string(pe.Key) != string(key(1)) || pe.Want != "absent" {
		t.Errorf("the precondition is named as %+v", pe)
	}
	if got := get(t, s, rows, 1); got != "second" {
		t.Errorf("row 1 = %s", got)
	}
	if got := get(t, s, rows, 9); got != "again" {
		t.Errorf("row 9 = %s", got)
	}
	if st := s.Stats().Main; st.Preconditions != 4 || st.Commits != 2 {
		t.Errorf("%d preconditions failed in %d commits, want 4 in 2", st.Preconditions, st.Commits)
	}
}

func TestPreconditionsSeeTheStateBeforeTheirBatch(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	var b store.Batch
	b.Put(rows, key(1), []byte("x"))
	b.Absent(rows, key(1))
	if err := s.Apply(t.Context(), &b); err != nil {
		t.Errorf("absent was evaluated after the batch's own put: %v", err)
	}
}

func TestVersionsGrowAndAreNeverUsedAgain(t *testing.T) {
	rows := table.New("rows", table.None, table.Versioned())
	s := storetest.Open(t, rows)
	seen := map[uint64]bool{}
	last := uint64(0)
	for i := range 20 {
		put(t, s, rows, 1, "x")
		view(t, s, func(tx *store.Tx) {
			_, v, _ := tx.GetVersion(rows, key(1))
			if seen[v] || v <= last {
				t.Errorf("version %d after %d", v, last)
			}
			seen[v], last = true, v
		})
		var b store.Batch
		b.Delete(rows, key(1))
		apply(t, s, &b)
		if i%5 == 0 {
			s = storetest.Reopen(t, s)
		}
	}
}

func TestBadBatchesAreRefusedAlone(t *testing.T) {
	rows := table.New("rows", table.None)
	cached := table.New("cached", table.None, table.Cache())
	s := storetest.Open(t, rows, cached)
	long := make([]byte, store.MaxKey+1)
	tests := []struct {
		name string
		make func(b *store.Batch)
		want error
	}{
		{"longest key", func(b *store.Batch) { b.Put(rows, long[:store.MaxKey], nil) }, nil},
		{"too long a key", func(b *store.Batch) { b.Put(rows, long, nil) }, store.ErrKey},
		{"empty key", func(b *store.Batch) { b.Put(rows, nil, []byte("x")) }, store.ErrKey},
		{"empty value", func(b *store.Batch) { b.Put(rows, key(1), nil) }, nil},
		{"largest value", func(b *store.Batch) { b.Put(rows, key(1), make([]byte, store.MaxValue)) }, nil},
		{"too large a value", func(b *store.Batch) { b.Put(rows, key(1), make([]byte, store.MaxValue+1)) }, store.ErrKey},
		{"two files", func(b *store.Batch) { b.Put(rows, key(1), nil); b.Put(cached, key(1), nil) }, store.ErrTwoFiles},
		{"undeclared table", func(b *store.Batch) { b.Put(table.New("other", table.None), key(1), nil) }, store.ErrTable},
		{"expiry in a table without", func(b *store.Batch) { b.PutUntil(rows, key(1), nil, time.Now()) }, store.ErrTable},
		{"version in a table without", func(b *store.Batch) { b.Equals(rows, key(1), 7) }, store.ErrTable},
		{"nothing", func(b *store.Batch) {}, nil},
		{"all of a table", func(b *store.Batch) { b.DeleteRange(rows, nil, nil) }, nil},
	}
	for _, tt := range tests {
		var b store.Batch
		tt.make(&b)
		if err := s.Apply(t.Context(), &b); !errors.Is(err, tt.want) || (err != nil) != (tt.want != nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if b.Len() != 0 {
			t.Errorf("%s: the batch is not empty after Apply", tt.name)
		}
	}
}

// A table of the longest keys, which differ at their end, is a deep tree of large pages; all that is done to rows is done
// to these.
func TestLongestKeys(t *testing.T) {
	rows := table.New("rows", table.None, table.Expires(), table.WithIndex("turned", 1, func(k, v []byte, add func([]byte)) {
		add(table.AppendBytes(nil, v))
	}))
	s := storetest.Open(t, rows)
	s.SetRangeStep(30)
	long := func(n uint64) []byte { return append(bytes.Repeat([]byte("x"), store.MaxKey-8), key(n)...) }
	const count = 300
	var b store.Batch
	for i := range uint64(count) {
		n := i * 7919 % count
		b.Absent(rows, long(n))
		b.PutUntil(rows, long(n), long(count-n), time.Now().Add(time.Hour))
	}
	apply(t, s, &b)
	expect := func(from, to uint64) {
		t.Helper()
		view(t, s, func(tx *store.Tx) {
			next := from
			if err := tx.Scan(rows, nil, nil, false, func(k, v []byte) bool {
				if !bytes.Equal(k, long(next)) || !bytes.Equal(v, long(count-next)) {
					t.Fatalf("row %d is another", next)
				}
				next++
				return true
			}); err != nil || next != to {
				t.Errorf("%d rows, %v; want %d", next-from, err, to-from)
			}
			next = to
			if err := tx.ScanIndex(rows, "turned", nil, nil, false, func(_, k, _ []byte) bool {
				next--
				return bytes.Equal(k, long(next))
			}); err != nil || next != from {
				t.Errorf("by the index the rows end with %d, %v; want %d", next, err, from)
			}
		})
	}
	check := func() {
		t.Helper()
		if err := store.Check(mainPath(s.Options()), nil); err != nil {
			t.Error(err)
		}
	}
	expect(0, count)
	check()
	b.DeleteRange(rows, nil, long(120))
	b.Delete(rows, long(count-1))
	b.Present(rows, long(count-2))
	apply(t, s, &b)
	expect(120, count-1)
	waitRemoved(t, s)
	check()
	s = storetest.Crash(t, s)
	expect(120, count-1)
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	expect(120, count-1)
	if snap, err := s.Snapshot(); err != nil || store.Check(snap.Path, nil) != nil {
		t.Errorf("snapshot %+v, %v", snap, err)
	}
}

func TestGetCopies(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	put(t, s, rows, 1, "before")
	var kept []byte
	view(t, s, func(tx *store.Tx) { kept, _ = tx.Get(rows, key(1)) })
	copy(kept, "BROKEN") // would fault in the map
	if got := get(t, s, rows, 1); got != "before" {
		t.Errorf("row = %s", got)
	}
}

func TestBatchCopiesKeysAndValues(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	k, v := key(1), []byte("value")
	var b store.Batch
	b.Put(rows, k, v)
	clear(k)
	clear(v)
	apply(t, s, &b)
	if got := get(t, s, rows, 1); got != "value" {
		t.Errorf("row = %s", got)
	}
}

func TestViewIsOneState(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	put(t, s, rows, 1, "before")
	view(t, s, func(tx *store.Tx) {
		tx.Get(rows, key(1))
		put(t, s, rows, 1, "after") // commits while the view is open
		if v, _ := tx.Get(rows, key(1)); string(v) != "before" {
			t.Errorf("a commit shows in a view that began before it: %s", v)
		}
	})
	if got := get(t, s, rows, 1); got != "after" {
		t.Errorf("row = %s", got)
	}
}

func TestViewReturnsTheErrorOfItsFunctionAndPanicsPass(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	put(t, s, rows, 1, "x")
	mine := errors.New("mine")
	if err := s.View(func(tx *store.Tx) error { return mine }); err != mine {
		t.Errorf("view returned %v", err)
	}
	for name, fn := range map[string]func(tx *store.Tx) error{
		"outside of a scan": func(tx *store.Tx) error { panic(mine) },
		"inside a scan": func(tx *store.Tx) error {
			return tx.Scan(rows, nil, nil, false, func(k, v []byte) bool { panic(mine) })
		},
		"nil pointer": func(tx *store.Tx) error { var p *store.Options; _ = p.Dir; return nil },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the function's panic was swallowed", name)
				}
			}()
			s.View(fn)
		}()
	}
	put(t, s, rows, 1, "y") // no lock was left behind
	if got := get(t, s, rows, 1); got != "y" {
		t.Errorf("row = %s", got)
	}
}

func TestCloseCommitsWhatWasSubmitted(t *testing.T) {
	rows := table.New("rows", table.None)
	// Close must not wait for the next commit to be due.
	o := store.Options{Dir: t.TempDir(), Tables: []*table.Table{rows}, CommitEvery: time.Hour}
	s := storetest.OpenWith(t, o)
	put(t, s, rows, 1, "first commit")
	var b store.Batch
	b.Put(rows, key(2), []byte("x"))
	told := false
	s.Submit(&b, func(err error) { told = err == nil })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !told {
		t.Error("done was not called before Close returned")
	}
	b.Put(rows, key(3), nil)
	if err := s.Apply(t.Context(), &b); err != store.ErrClosed {
		t.Errorf("apply after close: %v", err)
	}
	if err := s.View(func(tx *store.Tx) error { tx.Get(rows, key(2)); return nil }); err != store.ErrClosed {
		t.Errorf("view after close: %v", err)
	}
	s = storetest.OpenWith(t, o)
	if got := get(t, s, rows, 2); got != "x" {
		t.Errorf("row 2 = %s", got)
	}
}

func TestCommitEveryGathersBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := table.New("rows", table.None)
		s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: []*table.Table{rows}, CommitEvery: time.Second})
		begin := time.Now()
		put(t, s, rows, 0, "x") // the first one need not wait
		if d := time.Since(begin); d != 0 {
			t.Errorf("the first commit waited for %v", d)
		}
		committed := 0
		for i := range uint64(10) {
			var b store.Batch
			b.Put(rows, key(i), []byte("x"))
			s.Submit(&b, func(error) { committed++ })
			time.Sleep(50 * time.Millisecond)
		}
		if committed != 0 {
			t.Errorf("%d batches were committed before it was time", committed)
		}
		s.Barrier(func() {})
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if committed != 10 || s.Stats().Main.Commits != 2 {
			t.Errorf("%d batches in %d commits", committed, s.Stats().Main.Commits)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !s.Idle() {
			t.Error("an idle store has a writer")
		}
		s.Close()
	})
}

func TestWaitPushesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := table.New("rows", table.None)
		s := storetest.OpenWith(t, store.Options{
			Dir: t.TempDir(), Tables: []*table.Table{rows}, CommitEvery: time.Second, MaxInFlight: 10_000,
		})
		put(t, s, rows, 0, "x")
		var b store.Batch
		b.Put(rows, key(1), make([]byte, 5000))
		s.Submit(&b, nil)
		if err := s.Wait(t.Context()); err != nil || s.InFlight() == 0 {
			t.Fatalf("below the bound: %v with %d in flight", err, s.InFlight())
		}
		b.Put(rows, key(2), make([]byte, 5000))
		s.Submit(&b, nil)
		if n := s.InFlight(); n <= 10_000 {
			t.Fatalf("only %d in flight", n)
		}
		begin := time.Now()
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.InFlight() != 0 {
			t.Errorf("%d in flight after Wait", s.InFlight())
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("at the bound the writer still waited for %v", d)
		}
		s.Close()
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: []*table.Table{rows}, MaxInFlight: 1})
	hold := make(chan struct{})
	var b store.Batch
	b.Put(rows, key(1), nil)
	s.Submit(&b, func(error) { <-hold }) // a done function that blocks, against the rules, keeps it in flight
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != context.Canceled {
		t.Errorf("wait: %v", err)
	}
	close(hold)
}

func TestSecondProcessIsRefused(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.Open(t, rows)
	o := s.Options()
	o.LockTimeout = time.Millisecond
	_, err := store.Open(o)
	if !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("second open: %v", err)
	}
	if _, err := store.Restore(o.Dir, o.Dir+"/linnet.db"); !errors.Is(err, store.ErrInUse) {
		t.Errorf("restore under a running store: %v", err)
	}
	put(t, s, rows, 1, "still works")
}

func TestNewFileIsSmall(t *testing.T) {
	s := storetest.Open(t, table.New("rows", table.None))
	put(t, s, table.New("rows", table.None), 1, "x")
	if n := size(t, s.Options().Dir+"/linnet.db"); n > 256<<10 {
		t.Errorf("a new file has %d bytes", n)
	}
}

func TestMapIsReservedWithRoomToGrow(t *testing.T) {
	for _, n := range []int64{0, 1 << 20, 100 << 20, 300 << 20} {
		if m := int64(store.MapSize(n, false)); m < 2*n && m < 512<<20 || m <= n {
			t.Errorf("a file of %d bytes gets a map of %d", n, m)
		}
	}
}

func TestMaxSizeRefusesWhatDoesNotFitAndLetsRowsBeRemoved(t *testing.T) {
	rows := table.New("rows", table.None)
	s := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Tables: []*table.Table{rows}, MaxSize: 2 << 20})
	var b store.Batch
	var err error
	n := uint64(0)
	for ; err == nil && n < 10_000; n++ {
		b.Put(rows, key(n), make([]byte, 1000))
		err = s.Apply(t.Context(), &b)
	}
	if !errors.Is(err, store.ErrFull) || !errors.Is(err, store.ErrCommit) {
		t.Fatalf("after %d rows: %v", n, err)
	}
	// Together in one group: the large batch fails, the removal does not.
	gate := make(chan struct{})
	b.Delete(rows, key(0))
	s.Submit(&b, func(error) { <-gate })
	var large, removal error
	for i := range uint64(2000) {
		b.Put(rows, key(1<<40+i), make([]byte, 1000))
	}
	s.Submit(&b, func(err error) { large = err })
	b.DeleteRange(rows, key(0), key(500))
	s.Submit(&b, func(err error) { removal = err })
	close(gate)
	barrier(s)
	if !errors.Is(large, store.ErrFull) || removal != nil {
		t.Errorf("large batch: %v; removal: %v", large, removal)
	}
	put(t, s, rows, 1<<50, "fits again")
	if size(t, s.Options().Dir+"/linnet.db") > 2<<20 {
		t.Error("the file is larger than its bound")
	}
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
}
