package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// file is one bbolt file, its queue and its writer. The queue is guarded by mu; db by dbMu, which a View holds for
// reading, so that the handle can be exchanged when a commit has failed.
type file struct {
	store   *Store
	path    string
	durable bool
	tables  []*tableState

	dbMu sync.RWMutex
	db   *bbolt.DB

	mu      sync.Mutex
	idle    sync.Cond // signalled when running becomes false
	queue   []*payload
	running bool
	closing bool
	last    time.Time // end of the last commit; the writer's
}

func newFile(s *Store, path string, durable bool) *file {
	f := &file{store: s, path: path, durable: durable}
	f.idle.L = &f.mu
	return f
}

func (f *file) options() *bbolt.Options {
	return &bbolt.Options{
		Timeout:         f.store.opt.LockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		PageSize:        4096,
		InitialMmapSize: 64 << 20,
		NoSync:          !f.durable,
		NoGrowSync:      !f.durable,
	}
}

func (f *file) open() error {
	db, err := bbolt.Open(f.path, 0o600, f.options())
	if err != nil {
		if errors.Is(err, berrors.ErrTimeout) {
			return fmt.Errorf("%w: %s", ErrInUse, filepath.Dir(f.path))
		}
		if f.durable {
			return fmt.Errorf("store: open %s: %w", f.path, err)
		}
		os.Remove(f.path)
		if db, err = bbolt.Open(f.path, 0o600, f.options()); err != nil {
			return fmt.Errorf("store: open %s: %w", f.path, err)
		}
	}
	db.AllocSize = 64 << 10
	if err := f.store.prepare(f, db); err != nil {
		db.Close()
		return err
	}
	f.db = db
	return nil
}

// close waits for the writer to finish what was submitted.
func (f *file) close() error {
	f.mu.Lock()
	f.closing = true
	for f.running {
		f.idle.Wait()
	}
	f.mu.Unlock()
	f.dbMu.Lock()
	defer f.dbMu.Unlock()
	if f.db == nil {
		return nil
	}
	err := f.db.Close()
	f.db = nil
	return err
}
