package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Backup writes a copy of linnet.db, as it is now, to w while the store goes on: a file that Restore takes. It reads the
// file once; while it lasts, pages freed by later commits cannot be used again. Close ends it with ErrClosed.
func (s *Store) Backup(w io.Writer) error {
	f := s.main
	f.dbMu.RLock()
	defer f.dbMu.RUnlock()
	if f.h == nil {
		return f.unavailable()
	}
	if err := guard(f.h.enter); err != nil {
		return err
	}
	tx, err := f.h.db.Begin(false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.WriteTo(&interruptible{w, f})
	return err
}

// errInterrupted ends a backup so that the file can be exchanged: no View could begin while that waits.
var errInterrupted = errors.New("store: the backup was interrupted, the file had to be opened again")

type interruptible struct {
	io.Writer
	file *file
}

func (w *interruptible) Write(p []byte) (int, error) {
	switch {
	case w.file.store.closed.Load():
		return 0, ErrClosed
	case w.file.exchanging.Load():
		return 0, errInterrupted
	}
	return w.Writer.Write(p)
}

// snapshotter makes the snapshots of Options.SnapshotEvery.
type snapshotter struct {
	mu      sync.Mutex // one snapshot at a time
	timer   *time.Timer
	commits uint64 // when the last one was made
	running sync.WaitGroup
	stopMu  sync.Mutex
	stopped bool
}

func (sn *snapshotter) start(s *Store) {
	if s.opt.SnapshotEvery <= 0 {
		return
	}
	sn.stopMu.Lock()
	defer sn.stopMu.Unlock()
	sn.timer = time.AfterFunc(s.firstSnapshot(time.Now()), func() {
		sn.stopMu.Lock()
		stopped := sn.stopped
		if !stopped {
			sn.running.Add(1)
		}
		sn.stopMu.Unlock()
		if stopped {
			return
		}
		defer sn.running.Done()
		if commits := s.main.readStats().Commits; commits != sn.commits {
			if _, err := s.Snapshot(); errors.Is(err, ErrClosed) {
				return
			} else if err != nil {
				s.log.Error("store snapshot failed", "cause", err)
			} else {
				sn.commits = commits
			}
		}
		sn.timer.Reset(s.opt.SnapshotEvery)
	})
}

// firstSnapshot is the time from a start to its first snapshot. It goes by the newest one that is there, since a device
// that is switched off every night would never come to its own else. Within snapshotRest there is none: a start has
// enough to do, and the clock may still be wrong.
func (s *Store) firstSnapshot(now time.Time) time.Duration {
	every := s.opt.SnapshotEvery
	left := time.Duration(0)
	if snaps, err := Snapshots(s.opt.Dir); err == nil && len(snaps) > 0 {
		left = every - now.Sub(snaps[0].Time)
	}
	return min(max(left, snapshotRest), every)
}

const snapshotRest = time.Hour

func (sn *snapshotter) stop() {
	sn.stopMu.Lock()
	sn.stopped = true
	if sn.timer != nil {
		sn.timer.Stop()
	}
	sn.stopMu.Unlock()
	sn.running.Wait()
}

// Snapshot keeps a copy of linnet.db beside it and removes the oldest ones beyond Options.SnapshotKeep. The copy is
// checked before: a damaged one must never push out a good one. Close ends it with ErrClosed.
func (s *Store) Snapshot() (Snapshot, error) {
	s.snapshots.mu.Lock()
	defer s.snapshots.mu.Unlock()
	snaps, err := Snapshots(s.opt.Dir)
	if err != nil {
		return Snapshot{}, err
	}
	snap := Snapshot{Seq: 1, Time: time.Now()}
	if len(snaps) > 0 {
		snap.Seq = snaps[0].Seq + 1
	}
	name := fmt.Sprintf("%s%06d-%s%s", snapshotPrefix, snap.Seq, snap.Time.UTC().Format("20060102T150405Z"), snapshotSuffix)
	snap.Path = filepath.Join(s.opt.Dir, name)
	size := s.main.readStats().Size
	if !hasRoom(s.opt.Dir, size) {
		return Snapshot{}, fmt.Errorf("%w for a snapshot", ErrFull)
	}
	temp := filepath.Join(s.opt.Dir, "snapshot"+newSuffix)
	err = writeFile(temp, s.Backup)
	if errors.Is(err, errInterrupted) {
		err = writeFile(temp, s.Backup)
	}
	if err == nil {
		err = s.check(temp, s.closing)
		if errors.Is(err, ErrDamaged) {
			s.suspectDamage(err)
		}
	}
	if err == nil {
		err = moveIn(temp, snap.Path)
	}
	if err != nil {
		os.Remove(temp)
		return Snapshot{}, err
	}
	if info, err := os.Stat(snap.Path); err == nil {
		snap.Size = info.Size()
	}
	for i := s.opt.SnapshotKeep - 1; i >= 0 && i < len(snaps); i++ {
		os.Remove(snaps[i].Path)
	}
	return snap, nil
}

// writeFile makes a file with what fill writes, synced.
func writeFile(path string, fill func(io.Writer) error) error {
	fd, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = fill(fd)
	if err == nil {
		err = fd.Sync()
	}
	return errors.Join(err, fd.Close())
}

// hasRoom reports whether size bytes, and a quarter more for the running file, fit into the file system.
func hasRoom(dir string, size int64) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return true // the write will tell
	}
	return st.Bavail*uint64(st.Bsize) > uint64(size)+uint64(size)/4
}

// Restore puts the file at path, a snapshot or what Backup wrote, in the place of dir's linnet.db. No process may have
// the directory open. The file that was there stays at aside ("" if there was none) until somebody removes it, and can be
// restored like any other. The incarnation is drawn anew. path itself is only read.
func Restore(dir, path string) (aside string, err error) {
	o := Options{Dir: dir}
	o.defaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := lockDir(dir, o.LockTimeout)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := Check(path, nil); err != nil {
		return "", err
	}
	target := filepath.Join(dir, MainFile)
	if err := prepareRestore(path, target+newSuffix, o); err != nil {
		return "", err
	}
	if aside, err = setAside(target, replacedSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := moveIn(target+newSuffix, target); err != nil {
		return aside, err
	}
	return aside, removeCache(dir)
}

// prepareRestore copies a good snapshot and gives the copy a new incarnation. Whatever was numbered after the snapshot
// was made stays unused: order keys and counters go on well ahead. A copy that fails is removed: it may be the disk's
// last room.
func prepareRestore(from, to string, o Options) (err error) {
	defer func() {
		if err != nil {
			os.Remove(to)
		}
	}()
	err = writeFile(to, func(w io.Writer) error {
		r, err := os.Open(from)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	if err != nil {
		return err
	}
	h, err := openHandle(to, o, mode{})
	if err != nil {
		return err
	}
	err = guard(func() error {
		h.db.NoFreelistSync = false // the copy is closed in order
		return h.db.Update(reincarnate)
	})
	return errors.Join(err, h.close())
}

func reincarnate(tx *bbolt.Tx) error {
	b, marks := tx.Bucket(bucketStore), tx.Bucket(bucketMarks)
	if b == nil || marks == nil {
		return errors.New("store: this is not a linnet.db")
	}
	if err := b.Put(keyIncarnation, newIncarnation()); err != nil {
		return err
	}
	next := make(map[string]uint64)
	err := marks.ForEach(func(k, v []byte) error {
		if len(v) != 8 {
			return ErrDamaged
		}
		ahead := uint64(counterAhead)
		if string(k) == string(keyOrder) {
			ahead = orderAhead
		}
		next[string(k)] = binary.BigEndian.Uint64(v) + ahead
		return nil
	})
	for k, n := range next {
		if err == nil {
			err = marks.Put([]byte(k), binary.BigEndian.AppendUint64(nil, n))
		}
	}
	return err
}

// compactAtOpen compacts linnet.db when more than half of it is free and that is worth the writes.
func (s *Store) compactAtOpen() error {
	const worth = 1 << 20
	f := s.main
	st := f.readStats()
	if free := int64(st.FreePages) * int64(st.PageSize); free < worth || free < st.Size/2 {
		return nil
	}
	if err := f.compact(); err != nil && f.h == nil {
		return err
	} else if err != nil {
		s.log.Warn("store compaction failed", "cause", err)
		return nil
	}
	s.report.Compacted = st.Size - f.readStats().Size
	return nil
}

// Compact writes linnet.db anew without the free pages in it. Batches wait meanwhile; Views do only at the end, while
// the files are exchanged. It needs room for the copy.
func (s *Store) Compact(ctx context.Context) error {
	return s.main.do(ctx, func() error {
		if s.main.broken != nil {
			return s.main.broken
		}
		return s.main.compact()
	})
}

// compactStep is how many bytes go into one transaction of the copy.
const compactStep = 1 << 20

// compact runs on the writer, or before there is one.
func (f *file) compact() error {
	o := f.store.opt
	st := f.readStats()
	used := st.Size - int64(st.FreePages)*int64(st.PageSize)
	if !hasRoom(o.Dir, used) {
		return fmt.Errorf("%w for a compaction", ErrFull)
	}
	began := time.Now()
	temp := f.path + newSuffix
	os.Remove(temp)
	// Not synced step by step but once at the end: until then it is nobody's file.
	copied, err := openHandle(temp, o, mode{noSync: true})
	if err != nil {
		return err
	}
	err = guard(func() error {
		copied.step(used)
		if err := bbolt.Compact(copied.db, f.h.db, compactStep); err != nil {
			return err
		}
		// The last commit is a synced one with the list of free pages: the copy is a file closed in order.
		copied.db.NoFreelistSync, copied.db.NoSync = false, false
		return copied.db.Update(func(*bbolt.Tx) error { return nil })
	})
	if err = errors.Join(err, copied.close()); err != nil {
		os.Remove(temp)
		return err
	}
	err = f.exchange(func() (*handle, error) {
		if err := moveIn(temp, f.path); err != nil {
			return nil, err
		}
		return openHandle(f.path, o, f.mode())
	})
	if err != nil {
		return f.reopen(err, true)
	}
	f.dirty = false
	f.store.log.Info("store file was compacted", "file", f.path, "before", st.Size, "after", f.readStats().Size, "took", since(began))
	return nil
}
