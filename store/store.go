package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/log"
	"linnet/store/table"
)

// Names of the two files in Options.Dir.
const (
	MainFile  = "linnet.db"
	CacheFile = "cache.db"
)

// Store is an open pair of files. All methods may be called from any goroutine.
type Store struct {
	opt    Options
	log    *log.Logger
	lock   *os.File // the directory, locked
	tables map[string]*tableState
	main   *file
	cache  *file
	report Report

	incarnation uint64
	order       atomic.Uint64 // last order key given out
	mark        atomic.Uint64 // order keys up to here are reserved in the file
	marking     atomic.Bool   // a timer to raise the mark runs

	counterMu     sync.Mutex
	counters      map[string]*counter
	countersMoved atomic.Bool

	inFlight atomic.Int64
	waitMu   sync.Mutex
	waiters  []chan struct{}

	closed    atomic.Bool
	closing   chan struct{} // closed with it
	suspect   atomic.Bool   // a read met damage: the file is to be checked at the next open
	faults    atomic.Uint64 // reads that met damage
	snapshots snapshotter
}

// tableState is a declared table and where its rows are. spans and writer belong to the file's writer; the rest does not
// change once the store is open.
type tableState struct {
	table   *table.Table
	file    *file
	head    int      // bytes the store keeps in front of each value
	bucket  []byte   // the rows
	indexes [][]byte // buckets, in the order of table.Indexes
	expiry  []byte   // bucket of the expiry entries, nil unless rows expire
	spans   []span   // removed ranges not yet taken out
	writer  *tableWriter
}

// Open opens or creates the files in o.Dir. A linnet.db that was not closed in order is checked first; a damaged one is
// set aside and the newest good snapshot takes its place, which Report tells. If there is no snapshot Open fails with a
// *DamagedError and leaves the file alone, unless Options.StartEmpty is set.
func Open(o Options) (*Store, error) {
	o.defaults()
	s := &Store{opt: o, log: o.Log, tables: make(map[string]*tableState), counters: make(map[string]*counter), closing: make(chan struct{})}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s.main = newFile(s, filepath.Join(o.Dir, MainFile), true)
	s.cache = newFile(s, filepath.Join(o.Dir, CacheFile), false)
	for _, t := range o.Tables {
		if err := s.declare(t); err != nil {
			return nil, err
		}
	}
	var err error
	if s.lock, err = lockDir(o.Dir, o.LockTimeout); err != nil {
		return nil, err
	}
	if err = s.openMain(); err == nil {
		err = s.openCache()
	}
	if err != nil {
		for _, f := range []*file{s.main, s.cache} {
			if f.h != nil {
				f.h.close()
			}
		}
		s.lock.Close()
		return nil, err
	}
	s.main.startSweeps()
	s.cache.startSweeps()
	s.snapshots.start(s)
	return s, nil
}

func (s *Store) declare(t *table.Table) error {
	if old := s.tables[t.Name]; old != nil {
		if old.table == t {
			return nil
		}
		return fmt.Errorf("store: table %s declared twice", t.Name)
	}
	st := &tableState{table: t, file: s.main}
	if t.Cache {
		st.file = s.cache
	}
	s.tables[t.Name] = st
	st.file.tables = append(st.file.tables, st)
	return nil
}

// table returns the state of a declared table. Declarations are compared by name: two generations of a service may each
// have made theirs.
func (s *Store) table(t *table.Table) *tableState { return s.tables[t.Name] }

// Submit hands the batch to the writer and returns at once; b is empty afterwards. done, which may be nil, is called
// once, in the order of submission (of one file), after the commit that has the batch or with the error why there is
// none. It runs on the writer: it may submit and view, but must not block.
func (s *Store) Submit(b *Batch, done func(error)) {
	p := b.p
	b.p = nil
	if p == nil {
		p = payloads.Get().(*payload)
	}
	p.done = done
	f := s.main
	var last *table.Table
	for i := range p.ops {
		t := p.ops[i].table
		if t == last {
			continue
		}
		last = t
		st := s.table(t)
		switch {
		case st == nil:
			p.bad = fmt.Errorf("%w: %s", ErrTable, t.Name)
		case i == 0:
			f = st.file
		case st.file != f:
			p.bad = ErrTwoFiles
		}
	}
	p.size = int64(len(p.arena) + 48*len(p.ops) + 64)
	f.submit(p)
}

// Apply submits the batch and waits for its commit. When ctx ends first the batch may still be committed. It must not be
// called on the writer, that is in a done function, nor by the reader of a connection.
func (s *Store) Apply(ctx context.Context, b *Batch) error {
	ch := make(chan error, 1)
	s.Submit(b, func(err error) { ch <- err })
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Barrier calls done, on a writer, once everything submitted before it has been committed or has failed.
func (s *Store) Barrier(done func()) {
	var left atomic.Int32
	left.Store(2)
	for _, f := range []*file{s.main, s.cache} {
		p := payloads.Get().(*payload)
		p.barrier = func() {
			if left.Add(-1) == 0 {
				done()
			}
		}
		f.submit(p)
	}
}

// do runs fn on the file's writer, between two commits, and waits for it.
func (f *file) do(ctx context.Context, fn func() error) error {
	ch := make(chan error, 1)
	p := payloads.Get().(*payload)
	p.job = func() { ch <- fn() }
	p.done = func(err error) { ch <- err }
	f.submit(p)
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InFlight returns the bytes submitted and not yet committed.
func (s *Store) InFlight() int64 { return s.inFlight.Load() }

// Wait waits until the bytes in flight are within Options.MaxInFlight: it is how a submitter lets the disk push back.
func (s *Store) Wait(ctx context.Context) error {
	for s.inFlight.Load() > s.opt.MaxInFlight {
		ch := make(chan struct{})
		s.waitMu.Lock()
		s.waiters = append(s.waiters, ch)
		s.waitMu.Unlock()
		if s.inFlight.Load() <= s.opt.MaxInFlight {
			s.wakeWaiters()
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle takes n bytes out of flight and wakes those who wait for it.
func (s *Store) settle(n int64) {
	if n > 0 && s.inFlight.Add(-n) <= s.opt.MaxInFlight {
		s.wakeWaiters()
	}
}

func (s *Store) wakeWaiters() {
	s.waitMu.Lock()
	waiters := s.waiters
	s.waiters = nil
	s.waitMu.Unlock()
	for _, ch := range waiters {
		close(ch)
	}
}

// Incarnation is a random number drawn when the file was created, and anew at each restore: versions shown to clients
// carry it, so that none is ever issued twice with a different meaning.
func (s *Store) Incarnation() uint64 { return s.incarnation }

// suspectDamage notes that the file could not be read somewhere. The store goes on with what can be read; the file is
// checked when it is opened the next time, for which it must not look closed in order.
func (s *Store) suspectDamage(err error) {
	s.faults.Add(1)
	if s.suspect.Swap(true) {
		return
	}
	s.log.Error("store file is damaged, it will be checked at the next start", "cause", err)
	p := payloads.Get().(*payload)
	p.ask = askTouch
	s.main.submit(p)
}

// Health returns nil, or why the store cannot write, or that it met damage. The remedy for a lasting error is a restart.
func (s *Store) Health() error {
	for _, f := range []*file{s.main, s.cache} {
		f.dbMu.RLock()
		err := f.broken
		f.dbMu.RUnlock()
		if err != nil {
			return err
		}
	}
	if s.suspect.Load() {
		return ErrDamaged
	}
	return nil
}

// Close commits what was submitted and closes the files. Batches submitted later get ErrClosed, and so do a Backup and a
// Snapshot under way: what they write is not worth waiting for. It must not be called on the writer.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	close(s.closing)
	s.snapshots.stop()
	err := errors.Join(s.main.close(), s.cache.close())
	return errors.Join(err, s.lock.Close())
}

// since is the time from t on, for logs.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
