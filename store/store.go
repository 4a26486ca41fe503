package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"linnet/store/table"
)

// Names of the two files in Options.Dir.
const (
	MainFile  = "linnet.db"
	CacheFile = "cache.db"
)

// Buckets of the store itself; table names cannot begin with '~'.
var (
	bucketStore  = []byte("~store") // layout, incarnation: written at open only
	bucketMarks  = []byte("~marks") // order mark and counters: small, so that bbolt keeps it inside the root page
	keyIncarnate = []byte("incarnation")
	keyOrder     = []byte("order")
)

// Store is an open pair of files. All methods may be called from any goroutine.
type Store struct {
	opt    Options
	log    *slog.Logger
	tables map[string]*tableState
	main   *file
	cache  *file

	incarnation uint64
	order       atomic.Uint64 // last order key given out
	mark        atomic.Uint64 // order keys up to here are reserved in the file

	counterMu sync.Mutex
	counters  map[string]*counter

	inFlight atomic.Int64
	waitMu   sync.Mutex
	waiters  []chan struct{}
	closed   atomic.Bool
}

// tableState is a declared table and where its rows are.
type tableState struct {
	table   *table.Table
	file    *file
	bucket  []byte
	indexes [][]byte // bucket names, in the order of table.Indexes
	head    int      // bytes the store keeps in front of each value
}

// Open opens or creates the files in o.Dir.
func Open(o Options) (*Store, error) {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 4 << 20
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = time.Second
	}
	s := &Store{opt: o, log: o.Log, tables: make(map[string]*tableState), counters: make(map[string]*counter)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
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
	for _, f := range []*file{s.main, s.cache} {
		if err := f.open(); err != nil {
			s.main.close()
			s.cache.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Store) declare(t *table.Table) error {
	if old := s.tables[t.Name]; old != nil {
		if old.table == t {
			return nil
		}
		return fmt.Errorf("store: table %s declared twice", t.Name)
	}
	st := &tableState{table: t, file: s.main, bucket: []byte(t.Name)}
	if t.Cache {
		st.file = s.cache
	}
	if t.Versioned {
		st.head += 8
	}
	if t.Expires {
		st.head += 4
	}
	for _, ix := range t.Indexes {
		st.indexes = append(st.indexes, []byte(t.Name+"/"+ix.Name))
	}
	s.tables[t.Name] = st
	st.file.tables = append(st.file.tables, st)
	return nil
}

// prepare makes the buckets of a file just opened and reads what the store keeps in it.
func (s *Store) prepare(f *file, db *bbolt.DB) error {
	missing := false
	err := db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketStore) == nil {
			missing = true
			return nil
		}
		for _, st := range f.tables {
			if tx.Bucket(st.bucket) == nil {
				missing = true
			}
			for _, ix := range st.indexes {
				missing = missing || tx.Bucket(ix) == nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if missing {
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketStore)
			if err != nil {
				return err
			}
			if b.Get(keyIncarnate) == nil {
				var id [8]byte
				rand.Read(id[:])
				if err := b.Put(keyIncarnate, id[:]); err != nil {
					return err
				}
			}
			names := [][]byte{bucketMarks}
			for _, st := range f.tables {
				names = append(append(names, st.bucket), st.indexes...)
			}
			for _, n := range names {
				if _, err := tx.CreateBucketIfNotExists(n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !f.durable {
		return nil
	}
	return db.View(func(tx *bbolt.Tx) error {
		s.incarnation = binary.BigEndian.Uint64(tx.Bucket(bucketStore).Get(keyIncarnate))
		return s.loadMarks(tx.Bucket(bucketMarks))
	})
}

func (s *Store) table(t *table.Table) *tableState {
	if st := s.tables[t.Name]; st != nil && st.table == t {
		return st
	}
	return nil
}

// Submit hands the batch to the writer and returns at once; b is empty afterwards. done, which may be nil, is called
// once, in the order of submission (of one file), after the commit that has the batch or with the error why there is
// none. It runs on the writer: it may submit, but must not block.
func (s *Store) Submit(b *Batch, done func(error)) {
	p := b.p
	b.p = nil
	if p == nil {
		p = payloads.Get().(*payload)
	}
	p.done = done
	f := s.main
	for i := range p.ops {
		st := s.table(p.ops[i].table)
		switch {
		case st == nil:
			p.err = ErrTable
		case i == 0:
			f = st.file
		case st.file != f:
			p.err = ErrTwoFiles
		}
	}
	p.size = int64(len(p.arena) + 48*len(p.ops) + 64)
	f.submit(p)
}

// Apply submits the batch and waits for its commit. When ctx ends first the batch may still be committed.
// It must not be called on the writer, nor by the reader of a connection.
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
	part := func() {
		if left.Add(-1) == 0 {
			done()
		}
	}
	for _, f := range []*file{s.main, s.cache} {
		p := payloads.Get().(*payload)
		p.barrier = part
		f.submit(p)
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
	if s.inFlight.Add(-n) > s.opt.MaxInFlight {
		return
	}
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

// Close commits what was submitted and closes the files. Batches submitted later get ErrClosed.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	return errors.Join(s.main.close(), s.cache.close())
}
