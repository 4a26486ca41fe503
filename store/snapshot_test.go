package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"linnet/netsvc/log"
	"linnet/store"
	"linnet/store/storetest"
)

func TestDamagedStoreDoesNotPushOutGoodSnapshots(t *testing.T) {
	o := filled(t)
	s := storetest.OpenWith(t, o)
	put(t, s, o.Tables[0], 1, "x")
	good, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	damage(t, mainPath(o))
	for range 3 {
		if _, err := s.Snapshot(); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("snapshot of a damaged file: %v", err)
		}
	}
	snaps, _ := store.Snapshots(o.Dir)
	if len(snaps) != 1 || snaps[0].Path != good.Path || store.Check(good.Path, nil) != nil {
		t.Errorf("snapshots %v", snaps)
	}
	if s.Health() == nil {
		t.Error("the damage is not told")
	}
}

func TestSnapshotsAreMadeWhileTheFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := store.Options{Dir: t.TempDir(), Tables: damagedTables(), SnapshotEvery: time.Hour, SnapshotKeep: 3}
		s := storetest.OpenWith(t, o)
		for i := range uint64(5) {
			put(t, s, o.Tables[0], i, "x")
			time.Sleep(time.Hour + time.Second)
			synctest.Wait()
		}
		snaps, _ := store.Snapshots(o.Dir)
		if len(snaps) != 3 || snaps[0].Seq != 5 || snaps[2].Seq != 3 {
			t.Errorf("snapshots %+v", snaps)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if snaps, _ = store.Snapshots(o.Dir); snaps[0].Seq != 5 {
			t.Error("a snapshot of an unchanged file was made")
		}
		s.Close()
	})
}

func TestBackupCanBeRestored(t *testing.T) {
	o := filled(t)
	s := storetest.OpenWith(t, o)
	put(t, s, o.Tables[0], 1, "in the backup")
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err == nil {
		err = s.Backup(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	put(t, s, o.Tables[0], 1, "later")
	first := s.Incarnation()
	s.Close()
	if _, err := store.Restore(o.Dir, path); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenWith(t, o)
	if got := get(t, s, o.Tables[0], 1); got != "in the backup" || s.Incarnation() == first {
		t.Errorf("row = %s, incarnation %x was %x", got, s.Incarnation(), first)
	}
	if s.Report().Unclean {
		t.Error("a restored file is not clean")
	}
	other := t.TempDir() // a new machine
	if aside, err := store.Restore(other, path); err != nil || aside != "" {
		t.Fatalf("restore into a new directory keeps %q, %v", aside, err)
	}
	damage(t, path)
	if _, err := store.Restore(other, path); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("restore of a damaged backup: %v", err)
	}
	o.Dir = other
	if got := get(t, storetest.OpenWith(t, o), o.Tables[0], 1); got != "in the backup" {
		t.Errorf("row = %s", got)
	}
}

// An operator who tries one backup after another can go back to each state, also to the first.
func TestRestoreKeepsWhatItReplaces(t *testing.T) {
	o := filled(t)
	backup := func(row string) string {
		s := storetest.OpenWith(t, o)
		defer s.Close()
		put(t, s, o.Tables[0], 1, row)
		path := filepath.Join(t.TempDir(), "backup")
		f, err := os.Create(path)
		if err == nil {
			err = errors.Join(s.Backup(f), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	row := func() string {
		s := storetest.OpenWith(t, o)
		defer s.Close()
		return get(t, s, o.Tables[0], 1)
	}
	first, second := backup("first"), backup("second")
	backup("present")
	var aside []string
	restore := func(path string) {
		t.Helper()
		kept, err := store.Restore(o.Dir, path)
		if err != nil || !strings.HasPrefix(kept, mainPath(o)+".replaced-2") || slices.Contains(aside, kept) {
			t.Errorf("restore keeps %s, %v", kept, err)
		}
		aside = append(aside, kept)
	}
	restore(first)
	restore(second) // within the same second
	if got := row(); got != "second" {
		t.Errorf("row = %s", got)
	}
	damage(t, mainPath(o))
	o.StartEmpty, o.AlwaysCheck = true, true
	if got := row(); got != "(none)" {
		t.Errorf("row = %s", got)
	}
	for i, want := range []string{"present", "first"} {
		restore(aside[i])
		if got := row(); got != want {
			t.Errorf("row = %s, want %s", got, want)
		}
	}
	for _, path := range aside {
		if err := store.Check(path, nil); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What cannot be restored leaves nothing behind that takes room, and the file as it was.
func TestRestoreThatFails(t *testing.T) {
	o := filled(t)
	before, _ := os.ReadFile(mainPath(o))
	other := filepath.Join(t.TempDir(), "other") // another program's
	db, err := bbolt.Open(other, 0o600, nil)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if aside, err := store.Restore(o.Dir, other); err == nil || aside != "" {
		t.Errorf("it was restored and %q kept: %v", aside, err)
	}
	if after, _ := os.ReadFile(mainPath(o)); string(after) != string(before) {
		t.Error("the file was touched")
	}
	if left, _ := filepath.Glob(mainPath(o) + ".*"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// The last damaged file is kept, whatever the directory is called, and the log has where it is and what became of the
// one before.
func TestOneDamagedFileIsKept(t *testing.T) {
	var lines strings.Builder
	o := store.Options{
		Dir: filepath.Join(t.TempDir(), "data[1]"), Tables: damagedTables(),
		StartEmpty: true, AlwaysCheck: true, Log: log.To(&lines, log.LevelInfo),
	}
	var aside []string
	for range 2 { // within the same second
		s := storetest.OpenWith(t, o)
		put(t, s, o.Tables[0], 1, "x")
		s.Close()
		damage(t, mainPath(o))
		s = storetest.OpenWith(t, o)
		aside = append(aside, s.Report().SetAside)
		s.Close()
	}
	if _, err := os.Stat(aside[0]); !errors.Is(err, os.ErrNotExist) || aside[0] == aside[1] || size(t, aside[1]) == 0 {
		t.Errorf("set aside as %v: %v", aside, err)
	}
	for _, want := range []string{"aside file=" + aside[0], "aside file=" + aside[1], "removed file=" + aside[0]} {
		if !strings.Contains(strings.ReplaceAll(lines.String(), `"`, ""), want+"\n") {
			t.Errorf("no %s in the log:\n%s", want, lines.String())
		}
	}
}

// A power cut while a file is replaced leaves the one or the other under its name: a directory without a linnet.db would
// begin empty.
func TestFileSetAsideStaysUntilItIsReplaced(t *testing.T) {
	o := filled(t)
	before, _ := os.ReadFile(mainPath(o))
	aside, err := store.SetAside(mainPath(o))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{mainPath(o), aside} {
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s has not what it should have", path)
		}
	}
}

func TestCompactionGivesRoomBack(t *testing.T) {
	for _, how := range []string{"on request", "at the open"} {
		t.Run(how, func(t *testing.T) {
			o := store.Options{Dir: t.TempDir(), Tables: damagedTables()}
			s := storetest.OpenWith(t, o)
			var b store.Batch
			for i := range uint64(5000) {
				b.Put(o.Tables[0], key(i), make([]byte, 1000))
			}
			apply(t, s, &b)
			b.DeleteRange(o.Tables[0], key(100), nil)
			apply(t, s, &b)
			waitRemoved(t, s)
			before := s.Stats().Main
			if how == "on request" {
				stop := make(chan struct{})
				go func() { // Views go on meanwhile
					defer close(stop)
					for range 1000 {
						readAll(s, o)
					}
				}()
				if err := s.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
				<-stop
			} else if s = storetest.Reopen(t, s); s.Report().Compacted == 0 {
				t.Errorf("report %+v", s.Report())
			}
			after := s.Stats().Main
			if after.Size > before.Size/10 {
				t.Errorf("%d bytes of %d are left", after.Size, before.Size)
			}
			put(t, s, o.Tables[0], 1, "goes on")
			view(t, s, func(tx *store.Tx) {
				if n := tx.Count(o.Tables[0], nil, nil, 0); n != 100 {
					t.Errorf("%d rows", n)
				}
			})
			s = storetest.Crash(t, s)
			if got := get(t, s, o.Tables[0], 1); got != "goes on" || s.Report().Damage != "" {
				t.Errorf("row = %s, report %+v", got, s.Report())
			}
		})
	}
}

func TestDamagedFileIsReplacedByTheNewestGoodSnapshot(t *testing.T) {
	for _, how := range []string{"damage", "no meta", "cut off"} {
		t.Run(how, func(t *testing.T) {
			o := filled(t)
			s := storetest.OpenWith(t, o)
			first := s.Incarnation()
			number := s.Next("account")
			for i := range 3 {
				put(t, s, o.Tables[0], 1, fmt.Sprint("snapshot", i))
				if _, err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			put(t, s, o.Tables[0], 1, "lost")
			order := s.Order()
			dir := t.TempDir()
			storetest.CopyDir(t, o.Dir, dir)
			s.Close()
			o.Dir = dir
			snaps, err := store.Snapshots(dir)
			if err != nil || len(snaps) != 2 {
				t.Fatalf("snapshots %v, %v", snaps, err)
			}
			damage(t, snaps[0].Path) // the newest is not good
			switch how {
			case "damage":
				damage(t, mainPath(o))
			case "no meta":
				scribble(t, mainPath(o), 0, make([]byte, 8192))
			case "cut off":
				os.Truncate(mainPath(o), 20_000)
			}
			s = storetest.OpenWith(t, o)
			r := s.Report()
			if r.Damage == "" || r.Restored == nil || r.Restored.Path != snaps[1].Path {
				t.Fatalf("report %+v", r)
			}
			if size(t, r.SetAside) == 0 || !strings.HasPrefix(filepath.Base(r.SetAside), "linnet.db.damaged-2") {
				t.Errorf("set aside as %s", r.SetAside)
			}
			if got := get(t, s, o.Tables[0], 1); got != "snapshot1" {
				t.Errorf("row = %s", got)
			}
			if s.Incarnation() == first {
				t.Error("the incarnation is the old one")
			}
			if n := s.Next("account"); n <= number {
				t.Errorf("number %d was given out before", n)
			}
			if n := s.Order(); n <= order {
				t.Errorf("order %d after %d", n, order)
			}
			if got := get(t, s, o.Tables[1], 1); got != "(none)" {
				t.Error("the cache is kept although it may speak of rows that are gone")
			}
			put(t, s, o.Tables[0], 1, "goes on")
			if s = storetest.Reopen(t, s); s.Report().Damage != "" || get(t, s, o.Tables[0], 1) != "goes on" {
				t.Errorf("after a restart: %+v", s.Report())
			}
		})
	}
}

func TestDamagedFileWithoutSnapshot(t *testing.T) {
	o := filled(t)
	damage(t, mainPath(o))
	o.AlwaysCheck = true
	before, _ := os.ReadFile(mainPath(o))
	var de *store.DamagedError
	if _, err := store.Open(o); !errors.As(err, &de) || !errors.Is(err, store.ErrDamaged) || de.Path != mainPath(o) {
		t.Fatalf("open: %v", err)
	}
	if after, _ := os.ReadFile(mainPath(o)); string(after) != string(before) {
		t.Error("the file was touched")
	}
	o.StartEmpty = true
	s := storetest.OpenWith(t, o)
	if r := s.Report(); !r.Empty || r.SetAside == "" {
		t.Errorf("report %+v", r)
	}
	if got := get(t, s, o.Tables[0], 1); got != "(none)" {
		t.Errorf("row = %s", got)
	}
	put(t, s, o.Tables[0], 1, "x")
}

// TestFirstSnapshot: a device that is switched off every night comes to its snapshots.
func TestFirstSnapshot(t *testing.T) {
	o := filled(t)
	o.SnapshotEvery = 24 * time.Hour
	s := storetest.OpenWith(t, o)
	if got := s.FirstSnapshot(time.Now()); got != time.Hour {
		t.Errorf("without a snapshot: in %v", got)
	}
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		age, want time.Duration
	}{
		{"young", 4 * time.Hour, 20 * time.Hour},
		{"nearly due", 23*time.Hour + 30*time.Minute, time.Hour},
		{"long due", 1000 * time.Hour, time.Hour},
		{"from the future, as for a clock that begins in 1970", -1000 * time.Hour, 24 * time.Hour},
	} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if err := os.Chtimes(snap.Path, time.Time{}, now.Add(-test.age)); err != nil {
			t.Fatal(err)
		}
		if got := s.FirstSnapshot(now); got != test.want {
			t.Errorf("%s: in %v, want %v", test.name, got, test.want)
		}
	}
}

// writerFunc is an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Close waits neither for a backup whose reader takes his time nor for a snapshot and
// its check, and nothing half done is left of them.
func TestCloseEndsSnapshots(t *testing.T) {
	closed := make(chan error)
	end := func(s *store.Store) { // begins to close it
		go func() { closed <- s.Close() }()
		<-s.Closing()
	}
	for _, tc := range []struct {
		name string
		run  func(o store.Options) error
	}{
		{"a backup", func(o store.Options) error {
			s := storetest.OpenWith(t, o)
			written := 0
			return s.Backup(writerFunc(func(b []byte) (int, error) {
				if written++; written == 2 {
					end(s)
				}
				return len(b), nil
			}))
		}},
		{"a check by a child", func(o store.Options) error {
			started := filepath.Join(t.TempDir(), "started")
			o.CheckCommand = []string{"/bin/sh", "-c", "echo p 0 0; touch " + started + "; exec sleep 1000"}
			s := storetest.OpenWith(t, o)
			go func() {
				for { // until the child says so
					if _, err := os.Stat(started); err == nil {
						end(s)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			_, err := s.Snapshot()
			return err
		}},
		{"a check here", func(o store.Options) error {
			var s *store.Store
			shown := 0
			o.CheckProgress = func(int64, int64) {
				if shown++; shown == 1 {
					end(s)
				}
			}
			s = storetest.OpenWith(t, o)
			_, err := s.Snapshot()
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := store.Options{Dir: t.TempDir(), Tables: damagedTables()}
			s := storetest.OpenWith(t, o)
			var b store.Batch
			for i := range uint64(4000) {
				b.Put(o.Tables[0], key(i), make([]byte, 1000))
			}
			apply(t, s, &b)
			s.Close()
			if err := tc.run(o); !errors.Is(err, store.ErrClosed) {
				t.Errorf("it ends with %v", err)
			}
			if err := <-closed; err != nil {
				t.Errorf("the store closes with %v", err)
			}
			files, _ := filepath.Glob(filepath.Join(o.Dir, "snapshot*"))
			if len(files) > 0 {
				t.Errorf("left are %v", files)
			}
			if s := storetest.OpenWith(t, o); s.Report().Unclean || get(t, s, o.Tables[0], 3999) == "" {
				t.Errorf("opened again it says %+v", s.Report())
			}
		})
	}
}
