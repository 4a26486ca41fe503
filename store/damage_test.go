package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

// damagedTables are declared in all tests of this file.
func damagedTables() []*table.Table {
	return []*table.Table{
		table.New("rows", table.None, table.Versioned(), table.WithIndex("colour", 1, byColour)),
		table.New("cached", table.None, table.Cache()),
	}
}

// filled returns a store with some hundred pages, and closes it.
func filled(t *testing.T) store.Options {
	t.Helper()
	o := store.Options{Dir: t.TempDir(), Tables: damagedTables()}
	s := storetest.OpenWith(t, o)
	var b store.Batch
	for i := range uint64(3000) {
		b.Put(o.Tables[0], key(i*7919), fmt.Appendf(nil, "%c%0200d", 'a'+i%5, i))
		b.Delete(o.Tables[0], key(i*13))
		if i%500 == 0 {
			apply(t, s, &b)
		}
	}
	b.Put(o.Tables[0], key(1), make([]byte, 30_000)) // pages that belong together
	apply(t, s, &b)
	b.Put(o.Tables[1], key(1), []byte("x"))
	apply(t, s, &b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func mainPath(o store.Options) string { return filepath.Join(o.Dir, store.MainFile) }

// scribble changes bytes of a file.
func scribble(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// readAll reads every row in every way there is.
func readAll(s *store.Store, o store.Options) error {
	return s.View(func(tx *store.Tx) error {
		for _, reverse := range []bool{false, true} {
			if err := tx.Scan(o.Tables[0], nil, nil, reverse, func(k, v []byte) bool { return len(k)+len(v) >= 0 }); err != nil {
				return err
			}
			if err := tx.ScanIndex(o.Tables[0], "colour", nil, nil, reverse, func(ik, k, v []byte) bool { return true }); err != nil {
				return err
			}
		}
		tx.Get(o.Tables[0], key(7919))
		return nil
	})
}

// TestNoDamageCrashesAReader damages one page after another under an open store, in several ways: reads return an error
// or rows, and the process lives.
func TestNoDamageCrashesAReader(t *testing.T) {
	o := filled(t)
	pages := size(t, mainPath(o)) / 4096
	garbage := make([]byte, 4096)
	rand.NewChaCha8([32]byte{1}).Read(garbage)
	damages := map[string]func(page int64) (off int64, b []byte){
		"zeroed":       func(p int64) (int64, []byte) { return p * 4096, make([]byte, 4096) },
		"garbage":      func(p int64) (int64, []byte) { return p * 4096, garbage },
		"wrong counts": func(p int64) (int64, []byte) { return p*4096 + 10, []byte{0xff, 0xff} },
		"wrong places": func(p int64) (int64, []byte) { return p*4096 + 16, garbage[:256] },
	}
	step := max(pages/40, 1)
	faults := 0
	for name, damage := range damages {
		for p := int64(2); p < pages; p += step {
			dir := t.TempDir()
			storetest.CopyDir(t, o.Dir, dir)
			d := o
			d.Dir = dir
			s := storetest.OpenWith(t, d)
			off, b := damage(p)
			scribble(t, mainPath(d), off, b)
			if err := readAll(s, d); err != nil {
				faults++
				if !errors.Is(err, store.ErrDamaged) {
					t.Errorf("page %d %s: %v", p, name, err)
				}
				if s.Health() == nil || s.Stats().Faults == 0 {
					t.Errorf("page %d %s: the damage is not told", p, name)
				}
			}
			s.Close()
			os.RemoveAll(dir)
		}
	}
	if faults < 20 {
		t.Errorf("only %d of the damages were met", faults)
	}
}

func TestTruncatedFileIsAnErrorForReadersAndWriters(t *testing.T) {
	for _, left := range []int64{0, 4096, 8192, 100_000} {
		o := filled(t)
		s := storetest.OpenWith(t, o)
		if err := os.Truncate(mainPath(o), left); err != nil {
			t.Fatal(err)
		}
		if err := readAll(s, o); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%d bytes left: %v", left, err)
		}
		for range 3 { // no lock may be left behind; by now the writer may have found out too
			if err := readAll(s, o); !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrCommit) {
				t.Errorf("%d bytes left: %v", left, err)
			}
		}
		var b store.Batch
		b.Put(o.Tables[0], key(1), []byte("x"))
		if err := s.Apply(t.Context(), &b); err == nil {
			t.Errorf("%d bytes left: a batch was acknowledged", left)
		}
		b.Put(o.Tables[1], key(1), []byte("x"))
		if err := s.Apply(t.Context(), &b); err != nil {
			t.Errorf("%d bytes left: the other file suffers: %v", left, err)
		}
		s.Close()
	}
}

// TestCheckFindsEveryDamageThatBboltWouldTrip over is the other half: what makes a reader fail must be found by the check.
func TestCheckFindsWhatReadersTripOver(t *testing.T) {
	o := filled(t)
	pages := size(t, mainPath(o)) / 4096
	good, err := os.ReadFile(mainPath(o))
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	path := filepath.Join(t.TempDir(), "damaged.db")
	found, tripped := 0, 0
	for range 150 {
		bad := append([]byte(nil), good...)
		p := 2 + rnd.Int64N(pages-2)
		at := p*4096 + rnd.Int64N(300) // headers and elements
		for range 1 + rnd.IntN(8) {
			bad[at+rnd.Int64N(8)] = byte(rnd.Uint32())
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		err := store.Check(path, nil)
		if err != nil {
			found++
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("check: %v", err)
			}
		}
		dir := t.TempDir()
		storetest.CopyDir(t, o.Dir, dir)
		if err := os.WriteFile(filepath.Join(dir, store.MainFile), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		d := o
		d.Dir = dir
		s, openErr := store.Open(d)
		if openErr == nil {
			if readErr := readAll(s, d); readErr != nil {
				tripped++
				// A changed length within an index entry is a changed value: only the reader can see it.
				if err == nil && !strings.Contains(readErr.Error(), "index entry") {
					t.Errorf("page %d: a reader trips (%v), the check finds nothing", p, readErr)
				}
			}
			s.Close()
		}
		os.RemoveAll(dir)
	}
	if found < 30 || tripped < 10 {
		t.Errorf("of 150 damages the check found %d, readers %d", found, tripped)
	}
	if err := store.Check(mainPath(o), nil); err != nil {
		t.Errorf("a good file: %v", err)
	}
}

func TestCheckTellsItsProgress(t *testing.T) {
	o := filled(t)
	var last, total int64
	err := store.Check(mainPath(o), func(d, tot int64) {
		if d < last {
			t.Errorf("progress goes back from %d to %d", last, d)
		}
		last, total = d, tot
	})
	if err != nil || last != total || total == 0 {
		t.Errorf("checked %d of %d bytes: %v", last, total, err)
	}
}

func TestUncleanStopIsCheckedInAChild(t *testing.T) {
	o := filled(t)
	o.CheckCommand = storetest.CheckCommand()
	progress := 0
	o.CheckProgress = func(done, total int64) { progress++ }
	s := storetest.OpenWith(t, o)
	if r := s.Report(); r.Unclean || r.CheckTime != 0 {
		t.Errorf("closed in order, yet %+v", r)
	}
	put(t, s, o.Tables[0], 1, "committed")
	s = storetest.Crash(t, s)
	r := s.Report()
	if !r.Unclean || r.CheckTime == 0 || r.Damage != "" || r.CacheDropped {
		t.Errorf("after a crash: %+v", r)
	}
	if progress == 0 {
		t.Error("no progress was told")
	}
	if got := get(t, s, o.Tables[0], 1); got != "committed" {
		t.Errorf("row = %s", got)
	}
	if got := get(t, s, o.Tables[1], 1); got != "x" {
		t.Errorf("cached row = %s", got)
	}
	s = storetest.Reopen(t, s)
	if r := s.Report(); r.Unclean {
		t.Error("the next stop in order is not seen as one")
	}
}

func TestOpenAloneLeavesTheFileClean(t *testing.T) {
	o := filled(t)
	s := storetest.OpenWith(t, o)
	if s = storetest.Crash(t, s); s.Report().Unclean {
		t.Error("a file that nobody wrote to is taken for one in use")
	}
}

// damage makes the check fail: some page in use gets another's number.
func damage(t testing.TB, path string) {
	t.Helper()
	for p := int64(2); ; p++ {
		b := make([]byte, 16)
		f, err := os.Open(path)
		if err == nil {
			_, err = f.ReadAt(b, p*4096)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if binary.NativeEndian.Uint16(b[8:]) == 2 { // a leaf
			scribble(t, path, p*4096, []byte{b[0] ^ 0x55})
			if store.Check(path, nil) != nil {
				return
			}
			scribble(t, path, p*4096, b[:1])
		}
	}
}

func TestDamagedCacheBeginsEmpty(t *testing.T) {
	o := filled(t)
	path := filepath.Join(o.Dir, store.CacheFile)
	for _, how := range []func(){
		func() { scribble(t, path, 0, make([]byte, 8192)) },
		func() { os.Truncate(path, 5000) },
		func() { os.WriteFile(path, []byte("no database"), 0o600) },
	} {
		how()
		s := storetest.OpenWith(t, o)
		if !s.Report().CacheDropped || s.Report().Damage != "" {
			t.Errorf("report %+v", s.Report())
		}
		if got := get(t, s, o.Tables[1], 1); got != "(none)" {
			t.Errorf("cached row = %s", got)
		}
		put(t, s, o.Tables[1], 1, "x")
		s.Close()
	}
}

func TestFileOfTheOtherByteOrderIsNamed(t *testing.T) {
	o := filled(t)
	b, _ := os.ReadFile(mainPath(o))
	for p := 0; p < 8192; p += 4096 {
		m := b[p+16 : p+20]
		m[0], m[1], m[2], m[3] = m[3], m[2], m[1], m[0]
	}
	os.WriteFile(mainPath(o), b, 0o600)
	if _, err := store.Open(o); err == nil || !strings.Contains(err.Error(), "byte order") {
		t.Errorf("open: %v", err)
	}
}

func TestFailedCommitFailsItsBatchesAndTheFileComesBack(t *testing.T) {
	o := filled(t)
	s := storetest.OpenWith(t, o)
	put(t, s, o.Tables[0], 1, "before")
	s.BreakMain()
	var b store.Batch
	b.Put(o.Tables[0], key(1), []byte("failed"))
	err := s.Apply(t.Context(), &b)
	if !errors.Is(err, store.ErrCommit) || errors.Is(err, store.ErrFull) {
		t.Fatalf("apply: %v", err)
	}
	if got := get(t, s, o.Tables[0], 1); got != "before" {
		t.Errorf("row = %s", got)
	}
	put(t, s, o.Tables[0], 1, "after")
	if err := s.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	if st := s.Stats().Main; st.Failures != 1 {
		t.Errorf("%d failures", st.Failures)
	}
	s = storetest.Reopen(t, s)
	if got := get(t, s, o.Tables[0], 1); got != "after" {
		t.Errorf("row = %s", got)
	}
}

func TestFileThatDoesNotComeBackIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := filled(t)
		s := storetest.OpenWith(t, o)
		put(t, s, o.Tables[0], 1, "before")
		away := mainPath(o) + ".away"
		os.Rename(mainPath(o), away)
		os.Mkdir(mainPath(o), 0o700)
		s.BreakMain()
		var b store.Batch
		attempt := func() error {
			b.Put(o.Tables[0], key(1), []byte("after"))
			return s.Apply(t.Context(), &b)
		}
		for range 5 {
			if err := attempt(); !errors.Is(err, store.ErrCommit) {
				t.Fatalf("apply: %v", err)
			}
			if s.Health() == nil {
				t.Error("health is good")
			}
			if err := readAll(s, o); err == nil {
				t.Error("a view reads a file that is not there")
			}
		}
		b.Put(o.Tables[1], key(1), []byte("y"))
		if err := s.Apply(t.Context(), &b); err != nil {
			t.Errorf("the cache suffers: %v", err)
		}
		os.Remove(mainPath(o))
		os.Rename(away, mainPath(o))
		if err := attempt(); err == nil {
			t.Error("tried again without a pause")
		}
		time.Sleep(time.Minute)
		if err := attempt(); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		if err := s.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
		if got := get(t, s, o.Tables[0], 1); got != "after" {
			t.Errorf("row = %s", got)
		}
		s.Close()
	})
}

func TestSuspectedFileIsCheckedAtTheNextOpen(t *testing.T) {
	o := filled(t)
	s := storetest.OpenWith(t, o)
	if _, err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	damage(t, mainPath(o))
	if err := readAll(s, o); err == nil {
		t.Skip("the damaged page is not met")
	}
	s.Close()
	s = storetest.OpenWith(t, o)
	if r := s.Report(); !r.Unclean || r.Restored == nil {
		t.Errorf("report %+v", r)
	}
}

func TestCheckOfAChildThatCannotRunIsMadeHere(t *testing.T) {
	for name, command := range map[string][]string{
		"no such program":          {"/nonexistent"},
		"another program":          {"/bin/true"},
		"a program that fails":     {"/bin/false"},
		"a program that is killed": {"/bin/sh", "-c", "kill -9 $$"},
	} {
		o := filled(t)
		o.AlwaysCheck = true
		o.CheckCommand = command
		s := storetest.OpenWith(t, o)
		if s.Report().CheckTime == 0 || s.Report().Damage != "" {
			t.Errorf("%s: report %+v", name, s.Report())
		}
		s.Close()
		damage(t, mainPath(o))
		if _, err := store.Open(o); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: a damaged file was opened: %v", name, err)
		}
	}
}

func TestChildThatCrashesSaysThatTheFileIsDamaged(t *testing.T) {
	o := filled(t)
	o.AlwaysCheck = true
	for _, end := range []string{"exit 2", "kill -SEGV $$", "kill -BUS $$"} {
		o.CheckCommand = []string{"/bin/sh", "-c", "echo p 0 0; " + end}
		if _, err := store.Open(o); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", end, err)
		}
	}
}

func TestNumbersOfAFailedCommitAreKeptByTheNextOne(t *testing.T) {
	tab := table.New("rows", table.None)
	s := storetest.Open(t, tab)
	number := s.Next("account")
	s.BreakMain()
	var b store.Batch
	b.Put(tab, key(number), []byte("first attempt"))
	if err := s.Apply(t.Context(), &b); err == nil {
		t.Fatal("the commit did not fail")
	}
	put(t, s, tab, number, "second attempt")
	if n := storetest.Crash(t, s).Next("account"); n <= number {
		t.Errorf("number %d was given out again", n)
	}
}

func FuzzCheck(f *testing.F) {
	o := store.Options{Dir: f.TempDir(), Tables: damagedTables()}
	s := storetest.OpenWith(f, o)
	var b store.Batch
	for i := range uint64(60) {
		b.Put(o.Tables[0], key(i), make([]byte, 100))
	}
	if err := s.Apply(f.Context(), &b); err != nil {
		f.Fatal(err)
	}
	s.Close()
	good, err := os.ReadFile(mainPath(o))
	if err != nil {
		f.Fatal(err)
	}
	// Positions and bytes to change: the interesting inputs are all near a good file.
	f.Add([]byte{0, 2, 0, 10, 1, 3, 0, 20, 255})
	f.Fuzz(func(t *testing.T, changes []byte) {
		bad := append([]byte(nil), good...)
		for ; len(changes) >= 4; changes = changes[4:] {
			page, at := int(changes[0])%(len(bad)/4096), int(changes[1])<<8|int(changes[2])
			bad[page*4096+at%4096] = changes[3]
		}
		if err := store.CheckBytes(bad); err != nil && !errors.Is(err, store.ErrDamaged) && !strings.Contains(err.Error(), "byte order") {
			t.Errorf("check: %v", err)
		}
	})
}
