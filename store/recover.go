package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Report tells what Open found and did; a quiet start leaves it zero.
type Report struct {
	Unclean      bool          // linnet.db was not closed in order the last time
	CheckTime    time.Duration // that the check took, 0 if there was none
	Damage       string        // what the check found
	SetAside     string        // where the damaged file is now
	Restored     *Snapshot     // what took its place
	Empty        bool          // nothing did: the store began empty (Options.StartEmpty)
	CacheDropped bool          // cache.db was damaged, or in use when the machine went down, and began empty
	Compacted    int64         // bytes given back to the file system
	Migrated     []string      // tables brought to a new layout
}

// Report returns what Open found and did.
func (s *Store) Report() Report { return s.report }

// DamagedError is what Open returns for a damaged linnet.db without a good snapshot.
type DamagedError struct {
	Path   string
	Damage error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("store: %s is damaged and no snapshot of it is good: %v", e.Path, e.Damage)
}

func (e *DamagedError) Unwrap() error { return e.Damage }

const (
	newSuffix = ".new" // a file being made; whatever has this name is left over
	// Files set aside, followed by the date. Of those that Open finds damaged the last is kept, since flash is small;
	// what Restore replaced is the operator's, who has said nothing of throwing it away.
	damagedSuffix  = ".damaged-"
	replacedSuffix = ".replaced-"
)

// openMain opens linnet.db, after making sure that it can be.
func (s *Store) openMain() error {
	f := s.main
	if err := os.Remove(f.path + newSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fd, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		if err := s.createMain(); err != nil {
			return err
		}
		return f.open()
	} else if err != nil {
		return err
	}
	m, err := readMeta(fd)
	fd.Close()
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	s.report.Unclean = err != nil || !m.clean()
	if s.report.Unclean || s.opt.AlwaysCheck {
		err = s.timedCheck(f.path)
	}
	if err == nil {
		err = f.open()
	}
	if err == nil {
		return s.compactAtOpen()
	}
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrInUse) {
		// A file closed in order was not checked; if it cannot be opened, it may have suffered since.
		if damage := s.timedCheck(f.path); errors.Is(damage, ErrDamaged) {
			err = damage
		}
	}
	if errors.Is(err, ErrDamaged) {
		return s.replaceMain(err)
	}
	return err
}

func (s *Store) timedCheck(path string) error {
	began := time.Now()
	err := s.check(path, nil)
	s.report.CheckTime += time.Since(began)
	return err
}

// createMain makes an empty linnet.db under another name first: a crash must not leave half a file, which would look
// like a damaged one.
func (s *Store) createMain() error {
	path := s.main.path + newSuffix
	h, err := openHandle(path, s.opt, mode{})
	if err != nil {
		return err
	}
	f := s.main
	err = f.prepare(h.db)
	if err == nil {
		f.h = h
		err = f.finish()
		f.h = nil
	}
	if err := errors.Join(err, h.close()); err != nil {
		return err
	}
	return moveIn(path, f.path)
}

// moveIn gives the synced file its name for good.
func moveIn(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// replaceMain sets the damaged linnet.db aside and opens the newest good snapshot in its place.
func (s *Store) replaceMain(damage error) error {
	path := s.main.path
	s.log.Error("store file is damaged", "file", path, "cause", damage)
	s.report.Damage = damage.Error()
	snap, err := s.newestGood()
	if err != nil {
		return err
	}
	if snap == nil && !s.opt.StartEmpty {
		return &DamagedError{Path: path, Damage: damage}
	}
	if snap != nil {
		// A copy: the snapshot stays until newer ones take its place.
		if err := prepareRestore(snap.Path, path+newSuffix, s.opt); err != nil {
			return err
		}
	}
	aside, err := setAside(path, damagedSuffix)
	if err != nil {
		return err
	}
	s.report.SetAside = aside
	s.log.Warn("store file was set aside", "file", aside)
	if snap == nil {
		s.report.Empty = true
		s.log.Error("store begins empty, there is no good snapshot")
		if err := s.createMain(); err != nil {
			return err
		}
	} else {
		s.report.Restored = snap
		s.log.Error("store was restored from a snapshot", "file", snap.Path, "made", snap.Time)
		if err := moveIn(path+newSuffix, path); err != nil {
			return err
		}
	}
	s.removeDamaged(aside)
	// Its rows may speak of accounts that the snapshot does not know.
	if err := removeCache(s.opt.Dir); err != nil {
		return err
	}
	return s.main.open()
}

func (s *Store) newestGood() (*Snapshot, error) {
	snaps, err := Snapshots(s.opt.Dir)
	if err != nil {
		return nil, err
	}
	for i := range snaps {
		err := s.timedCheck(snaps[i].Path)
		if err == nil {
			return &snaps[i], nil
		}
		s.log.Error("store snapshot is not good", "file", snaps[i].Path, "cause", err)
	}
	return nil, nil
}

// setAside gives the file at path a further name, dated and not in use, that it keeps when another is moved in. It keeps
// the old one until then: a power cut must not leave a directory without a linnet.db, which would begin empty.
func setAside(path, suffix string) (string, error) {
	dated := path + suffix + time.Now().UTC().Format("20060102T150405Z")
	aside := dated
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); err != nil {
			break
		}
		aside = dated + "-" + strconv.Itoa(n)
	}
	if err := os.Link(path, aside); err != nil {
		// Not every file system has links.
		if err := os.Rename(path, aside); err != nil {
			return "", err
		}
	}
	return aside, syncDir(filepath.Dir(path))
}

// removeDamaged removes the damaged files set aside before the last one.
func (s *Store) removeDamaged(last string) {
	entries, _ := os.ReadDir(s.opt.Dir)
	for _, e := range entries {
		path := filepath.Join(s.opt.Dir, e.Name())
		if strings.HasPrefix(e.Name(), MainFile+damagedSuffix) && path != last && os.Remove(path) == nil {
			s.log.Warn("store file set aside before was removed", "file", path)
		}
	}
}

func removeCache(dir string) error {
	err := os.Remove(filepath.Join(dir, CacheFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// openCache opens cache.db, or begins a new one. It is not synced: after the machine went down with the file in use, old
// and new pages may be mixed in a way that no check can see; after a mere end of the process all is in the kernel.
func (s *Store) openCache() error {
	f := s.cache
	if _, err := os.Stat(f.path); err == nil {
		if err := s.admitCache(); err == nil {
			return nil
		} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			s.log.Warn("store cache begins empty", "cause", err)
		}
		s.report.CacheDropped = true
	}
	if f.h != nil {
		f.h.close()
		f.h = nil
	}
	if err := removeCache(s.opt.Dir); err != nil {
		return err
	}
	h, err := openHandle(f.path, s.opt, f.mode())
	if err != nil {
		return err
	}
	if err := f.prepare(h.db); err != nil {
		h.close()
		return err
	}
	f.h, f.dirty = h, true
	return nil
}

// admitCache opens an existing cache.db if it can be trusted.
func (s *Store) admitCache() error {
	fd, err := os.Open(s.cache.path)
	if err != nil {
		return err
	}
	m, err := readMeta(fd)
	fd.Close()
	if err != nil {
		return err
	}
	if !m.clean() {
		if err := s.check(s.cache.path, nil); err != nil {
			return err
		}
		if !s.sameBoot() {
			return fmt.Errorf("%w: in use when the machine went down", ErrDamaged)
		}
	}
	return s.cache.open()
}

// sameBoot reports whether cache.db was written since the machine started.
func (s *Store) sameBoot() bool {
	h, err := openHandle(s.cache.path, s.opt, s.cache.readOnly())
	if err != nil {
		return false
	}
	defer h.close()
	boot := bootID()
	same := false
	err = guard(func() error {
		return h.db.View(func(tx *bbolt.Tx) error {
			if b := tx.Bucket(bucketStore); b != nil {
				same = boot != "" && string(b.Get(keyBoot)) == boot
			}
			return nil
		})
	})
	return err == nil && same
}

// Snapshot is a kept copy of linnet.db.
type Snapshot struct {
	Path string
	Seq  uint64 // of the name: the greater one is newer, whatever the clock said
	Time time.Time
	Size int64
}

const snapshotPrefix, snapshotSuffix = "snapshot-", ".db"

// Snapshots lists the snapshots in dir, the newest first.
func Snapshots(dir string) ([]Snapshot, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var snaps []Snapshot
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), snapshotPrefix)
		if !ok || !strings.HasSuffix(name, snapshotSuffix) {
			continue
		}
		snap := Snapshot{Path: filepath.Join(dir, e.Name())}
		number, _, _ := strings.Cut(name, "-")
		if snap.Seq, err = strconv.ParseUint(number, 10, 64); err != nil {
			continue
		}
		if info, err := e.Info(); err == nil {
			snap.Time, snap.Size = info.ModTime(), info.Size()
			at, _ := slices.BinarySearchFunc(snaps, snap.Seq, func(s Snapshot, seq uint64) int { return cmp.Compare(seq, s.Seq) })
			snaps = append(snaps, snap) // by hand: slices.Insert is 1.4 KB of code for each type
			copy(snaps[at+1:], snaps[at:])
			snaps[at] = snap
		}
	}
	return snaps, nil
}
