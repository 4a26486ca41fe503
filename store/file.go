package store

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// file is one bbolt file with its queue and its writer.
//
// The handle is guarded by dbMu, which a View holds for reading: so it can be exchanged after a failed commit, or by a
// compaction, while no reader is inside. Only the writer exchanges it. The queue and what stands with it is guarded by
// mu; the rest belongs to the writer, of which there is at most one.
type file struct {
	store   *Store
	path    string
	durable bool
	tables  []*tableState

	dbMu       sync.RWMutex
	exchanging atomic.Bool
	h          *handle // nil while the file cannot be opened, and after Close
	broken     error   // why nothing can be written; nil when all is well. Written under dbMu.

	mu      sync.Mutex
	idle    sync.Cond // signalled when running becomes false
	wake    chan struct{}
	queue   []*payload
	work    int // payloads in the queue that need a commit
	running bool
	closing bool
	sweeper *time.Timer

	last     time.Time // end of the last commit
	tx       writeTx
	dirty    bool // the file has no list of free pages: Close has to write one
	retryAt  time.Time
	backoff  time.Duration
	sweepDue bool
	rangesAt time.Time // not before this are removed ranges continued on their own

	rangeStep   int           // as the constant, less in tests
	spansActive atomic.Int32  // spans the file may have, see Tx.part
	spansAdded  atomic.Uint32 // moves with every span added

	stats fileStats
}

func (f *file) mode() mode     { return mode{cache: !f.durable} }
func (f *file) readOnly() mode { return mode{cache: !f.durable, readOnly: true} }

func newFile(s *Store, path string, durable bool) *file {
	f := &file{store: s, path: path, durable: durable, wake: make(chan struct{}, 1), rangeStep: rangeStep}
	f.idle.L = &f.mu
	f.tx.file = f
	return f
}

// open opens the file, which exists and is sound, and brings its layout up to date.
func (f *file) open() error {
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	m, err := readMeta(r)
	r.Close()
	if err != nil {
		return err
	}
	h, err := openHandle(f.path, f.store.opt, f.mode())
	if err != nil {
		return fmt.Errorf("store: open %s: %w", f.path, err)
	}
	txid := m.txid
	err = guard(func() error {
		if err := f.prepare(h.db); err != nil {
			return err
		}
		return h.db.View(func(tx *bbolt.Tx) error {
			// A commit made while preparing wrote no list of free pages.
			f.dirty = !m.clean() || uint64(tx.ID()) != txid
			return nil
		})
	})
	if err != nil {
		h.close()
		return err
	}
	f.h = h
	return nil
}

// exchange closes the handle while no View is inside and puts the one that open returns in its place. While it lasts,
// Views wait; so open should be quick.
func (f *file) exchange(open func() (*handle, error)) error {
	f.exchanging.Store(true) // a backup that is under way gives up
	f.dbMu.Lock()
	defer f.dbMu.Unlock()
	f.exchanging.Store(false)
	if f.h != nil {
		f.h.close()
		f.h = nil
	}
	h, err := open()
	if err != nil {
		return err
	}
	f.h = h
	return nil
}

func (f *file) setBroken(err error) {
	f.dbMu.Lock()
	f.broken = err
	f.dbMu.Unlock()
}

// unavailable is what a View gets when there is no handle.
func (f *file) unavailable() error {
	if f.broken != nil {
		return f.broken
	}
	return ErrClosed
}

// Between two attempts to bring a file back.
const (
	backoffMin = time.Second
	backoffMax = 30 * time.Second
	// A damaged file does not heal, and reading all of it is work; but a page that could not be read may be readable yet.
	backoffDamaged = 10 * time.Minute
)

// reopen brings the file back after a failed commit. A failed sync leaves it open what is on the disk: the kernel may
// have dropped the pages and still show them. So the cache of the file is dropped, the file is checked, opened again and
// written to; until all of that has worked no batch is acknowledged. Views go on meanwhile with a read-only handle.
func (f *file) reopen(cause error, check bool) error {
	f.setBroken(fmt.Errorf("%w: %w", ErrCommit, cause))
	err := f.tryReopen(check)
	if err == nil {
		f.backoff = 0
		f.setBroken(nil)
		f.store.log.Info("store file was reopened after a failed commit", "file", f.path)
		return nil
	}
	f.backoff = min(max(2*f.backoff, backoffMin), backoffMax)
	if errors.Is(err, ErrDamaged) {
		f.backoff = backoffDamaged
	}
	f.retryAt = time.Now().Add(f.backoff)
	f.setBroken(fmt.Errorf("%w: %w", ErrCommit, err))
	f.store.log.Error("store file cannot be written", "file", f.path, "cause", err, "retry", f.backoff)
	return err
}

func (f *file) tryReopen(check bool) error {
	s := f.store
	err := f.exchange(func() (*handle, error) {
		dropCache(f.path)
		return openHandle(f.path, s.opt, f.readOnly())
	})
	if err == nil && check {
		err = s.check(f.path, nil)
	}
	if err != nil && !f.durable {
		return f.renew()
	}
	if err != nil {
		return err
	}
	if err := f.exchange(func() (*handle, error) { return openHandle(f.path, s.opt, f.mode()) }); err != nil {
		return err
	}
	if err := guard(func() error { return f.h.db.View(f.loadRanges) }); err != nil {
		return err
	}
	// Whether the failed commit is in the file or not, this one settles it, for its meta page is the other one.
	f.dirty = true
	_, err = f.transact(f.saveMarks)
	return err
}

// renew begins an empty cache.
func (f *file) renew() error {
	return f.exchange(func() (*handle, error) {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		f.store.log.Warn("store cache was damaged and begins empty", "file", f.path)
		h, err := openHandle(f.path, f.store.opt, f.mode())
		if err != nil {
			return nil, err
		}
		if err := guard(func() error { return f.prepare(h.db) }); err != nil {
			h.close()
			return nil, err
		}
		f.dirty = true
		return h, nil
	})
}

// dropCache asks the kernel to forget what it believes to be on the disk.
func dropCache(path string) {
	fd, err := os.Open(path)
	if err != nil {
		return
	}
	defer fd.Close()
	unix.Fadvise(int(fd.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// close lets the writer finish what was submitted and closes the file in order.
func (f *file) close() error {
	f.mu.Lock()
	f.closing = true
	if f.sweeper != nil {
		f.sweeper.Stop()
	}
	f.nudge()
	for f.running {
		f.idle.Wait()
	}
	f.mu.Unlock()
	if f.h == nil {
		return f.broken
	}
	err := f.broken
	if err == nil && f.dirty && !f.store.suspect.Load() {
		err = f.finish()
	}
	return errors.Join(err, f.exchange(func() (*handle, error) { return nil, nil }))
}

// finish writes the list of free pages, which says that the file was closed in order and makes the next open quick.
func (f *file) finish() error {
	f.h.db.NoFreelistSync = false
	f.h.db.NoSync = false
	if _, err := f.transact(f.finalMarks); err != nil {
		return fmt.Errorf("store: close %s: %w", f.path, err)
	}
	return nil
}
