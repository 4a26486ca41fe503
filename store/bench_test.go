package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

func archiveTable() *table.Table {
	return table.New("archive", table.Account, table.Append())
}

// BenchmarkSubmit: many submitters, one archive row of 200 bytes in each batch.
func BenchmarkSubmit(b *testing.B) {
	archive := archiveTable()
	s := storetest.Open(b, archive)
	row := make([]byte, 200)
	const submitters = 64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	var n atomic.Int64
	for g := range submitters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var batch store.Batch
			key := make([]byte, 0, 32)
			for n.Add(1) <= int64(b.N) {
				key = table.AppendUint64(key[:0], uint64(g))
				key = table.AppendUint64(key, s.Order())
				batch.Put(archive, key, row)
				s.Submit(&batch, nil)
				s.Wait(b.Context())
			}
		}()
	}
	wg.Wait()
	barrier(s)
	st := s.Stats().Main
	b.ReportMetric(float64(st.Written)/float64(b.N), "B/batch")
	b.ReportMetric(float64(st.Batches)/float64(st.Commits), "batches/commit")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
}

// BenchmarkCommit: one small batch per commit, as on a quiet server, in a file of 200,000 rows.
func BenchmarkCommit(b *testing.B) {
	rows := table.New("rows", table.None)
	s := storetest.Open(b, rows)
	fill(b, s, rows, 200_000)
	value := make([]byte, 100)
	var batch store.Batch
	before := s.Stats().Main
	b.ResetTimer()
	for range b.N {
		batch.Put(rows, table.AppendUint64(nil, rand.Uint64N(200_000)<<20), value)
		if err := s.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	st := s.Stats().Main
	b.ReportMetric(float64(st.Written-before.Written)/float64(b.N), "B/commit")
	b.ReportMetric(float64(st.WriteTime-before.WriteTime)/float64(b.N)/1e6, "ms-write/commit")
}

func fill(tb testing.TB, s *store.Store, t *table.Table, n int) {
	tb.Helper()
	var batch store.Batch
	value := make([]byte, 100)
	for i := range n {
		batch.Put(t, table.AppendUint64(nil, uint64(i)<<20), value)
		if batch.Len() == 1000 || i == n-1 {
			s.Submit(&batch, nil)
			s.Wait(tb.Context())
		}
	}
	barrier(s)
}

// BenchmarkOpen: a file of some 10 MB that was closed in order.
func BenchmarkOpen(b *testing.B) {
	rows := table.New("rows", table.None)
	o := store.Options{Dir: b.TempDir(), Tables: []*table.Table{rows}}
	s := storetest.OpenWith(b, o)
	fill(b, s, rows, 50_000)
	size := s.Stats().Main.Size
	s.Close()
	for b.Loop() {
		s, err := store.Open(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(size), "B")
}

// BenchmarkCheck reads a file of some 100 MB.
func BenchmarkCheck(b *testing.B) {
	rows := table.New("rows", table.None)
	o := store.Options{Dir: b.TempDir(), Tables: []*table.Table{rows}}
	s := storetest.OpenWith(b, o)
	fill(b, s, rows, 450_000)
	s.Close()
	b.SetBytes(int64(size(b, o.Dir+"/linnet.db")))
	for b.Loop() {
		if err := store.Check(o.Dir+"/linnet.db", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	rows := table.New("rows", table.None)
	s := storetest.Open(b, rows)
	fill(b, s, rows, 200_000)
	b.ReportAllocs()
	var key []byte
	for b.Loop() {
		s.View(func(tx *store.Tx) error {
			key = table.AppendUint64(key[:0], rand.Uint64N(200_000)<<20)
			if _, ok := tx.Get(rows, key); !ok {
				return fmt.Errorf("row missing")
			}
			return nil
		})
	}
}

var _ = time.Now
