package store

import (
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Stats says what the store has done since it was opened.
type Stats struct {
	Main, Cache FileStats
	InFlight    int64  // bytes submitted and not yet committed
	Faults      uint64 // reads that met a damaged page
}

// FileStats is about one file. Bytes written are those of the pages and meta pages handed to the kernel; what the file
// system and the flash make of them is more.
type FileStats struct {
	Commits       uint64
	Failures      uint64 // commits that failed
	Batches       uint64 // batches that were committed or refused by a precondition
	Preconditions uint64 // batches that a precondition refused
	Written       uint64 // bytes
	WriteTime     time.Duration
	WriteMax      time.Duration // longest commit's, from the first page written to the last sync
	CommitTime    time.Duration // including the work of applying the batches
	Size          int64         // of the file
	FreePages     int           // pages in it that hold nothing
	PageSize      int
	Removing      int  // removed ranges whose rows are still being taken out
	Today         Wear // since midnight UTC
	Yesterday     Wear
}

// Wear is what one day cost the flash.
type Wear struct {
	Commits, Written uint64
}

// fileStats collects FileStats.
type fileStats struct {
	mu  sync.Mutex
	day int64
	sum FileStats
}

// committed counts a commit: its data pages were allocated in the transaction, each is written once, and then a meta
// page.
func (c *fileStats) committed(tx *bbolt.TxStats, batches int, refused uint64, took time.Duration) {
	written := uint64(tx.GetPageAlloc()) + pageSize
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	s := &c.sum
	s.Commits++
	s.Batches += uint64(batches)
	s.Preconditions += refused
	s.Written += written
	s.WriteTime += tx.GetWriteTime()
	s.WriteMax = max(s.WriteMax, tx.GetWriteTime())
	s.CommitTime += took
	s.Today.Commits++
	s.Today.Written += written
}

func (c *fileStats) failed() {
	c.mu.Lock()
	c.sum.Failures++
	c.mu.Unlock()
}

// turn begins a new day when there is one.
func (c *fileStats) turn() {
	day := time.Now().Unix() / (24 * 60 * 60)
	if day == c.day {
		return
	}
	c.sum.Yesterday = Wear{}
	if day == c.day+1 {
		c.sum.Yesterday = c.sum.Today
	}
	c.sum.Today, c.day = Wear{}, day
}

// Stats returns the figures so far.
func (s *Store) Stats() Stats {
	return Stats{Main: s.main.readStats(), Cache: s.cache.readStats(), InFlight: s.inFlight.Load(), Faults: s.faults.Load()}
}

func (f *file) readStats() FileStats {
	f.stats.mu.Lock()
	f.stats.turn()
	sum := f.stats.sum
	f.stats.mu.Unlock()
	sum.Removing = int(f.spansActive.Load())
	f.dbMu.RLock()
	defer f.dbMu.RUnlock()
	if f.h == nil {
		return sum
	}
	if info, err := f.h.fd.Stat(); err == nil {
		sum.Size = info.Size()
	}
	db := f.h.db.Stats()
	sum.FreePages = db.FreePageN + db.PendingPageN
	sum.PageSize = f.h.db.Info().PageSize
	return sum
}
