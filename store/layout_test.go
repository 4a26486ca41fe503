package store_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

var update = flag.Bool("update", false, "write the files under testdata anew")

// noteV1 … are three layouts of one table: the value alone; versioned, with the owner's name in front of the value; and
// keyed by name.
func noteV1() *table.Table { return table.New("note", table.Account) }

func noteV2() *table.Table {
	return table.New("note", table.Account, table.Versioned(), table.Layout(2, func(from uint32, k, v []byte) ([]byte, []byte, bool) {
		return k, append([]byte("me:"), v...), true
	}), table.WithIndex("colour", 1, byColour))
}

func noteV3() *table.Table {
	return table.New("note", table.Account, table.Versioned(), table.Expires(), table.Layout(3, func(from uint32, k, v []byte) ([]byte, []byte, bool) {
		if from == 1 {
			v = append([]byte("me:"), v...)
		}
		if bytes.HasSuffix(v, []byte("7")) {
			return nil, nil, false
		}
		return append([]byte("n"), k...), v, true
	}), table.WithIndex("length", 1, func(k, v []byte, add func([]byte)) { add(table.AppendUint64(nil, uint64(len(v)))) }))
}

func openNote(t *testing.T, dir string, tab *table.Table) *store.Store {
	t.Helper()
	return storetest.OpenWith(t, store.Options{Dir: dir, Tables: []*table.Table{tab}})
}

func fillNotes(t *testing.T, s *store.Store, tab *table.Table, n uint64) {
	t.Helper()
	var b store.Batch
	for i := range n {
		b.Put(tab, key(i), fmt.Append(nil, "value", i))
	}
	apply(t, s, &b)
}

func TestTableIsBroughtToItsNewLayout(t *testing.T) {
	for _, n := range []uint64{0, 1, 100, 9000} { // the last one takes several transactions
		t.Run(fmt.Sprint(n, " rows"), func(t *testing.T) {
			dir := t.TempDir()
			s := openNote(t, dir, noteV1())
			fillNotes(t, s, noteV1(), n)
			s.Close()

			s = openNote(t, dir, noteV2())
			if r := s.Report(); !slices.Equal(r.Migrated, []string{"note"}) {
				t.Errorf("report %+v", r)
			}
			tab := noteV2()
			view(t, s, func(tx *store.Tx) {
				if got := uint64(tx.Count(tab, nil, nil, 0)); got != n {
					t.Errorf("%d rows", got)
				}
				entries := uint64(0)
				tx.ScanIndex(tab, "colour", nil, nil, false, func(ik, k, v []byte) bool { entries++; return true })
				if entries != n {
					t.Errorf("%d index entries", entries)
				}
				if v, version, _ := tx.GetVersion(tab, key(0)); n > 0 && (string(v) != "me:value0" || version == 0) {
					t.Errorf("row = %s, version %d", v, version)
				}
			})
			var version uint64
			put(t, s, tab, 3, "3")
			view(t, s, func(tx *store.Tx) { _, version, _ = tx.GetVersion(tab, key(3)) })
			s.Close()

			s = openNote(t, dir, noteV3())
			tab = noteV3()
			view(t, s, func(tx *store.Tx) {
				if got := tx.Count(tab, nil, nil, 0); n == 100 && got != 90 {
					t.Errorf("%d rows", got)
				}
				if _, v, ok := tx.GetVersion(tab, append([]byte("n"), key(3)...)); !ok || v != version {
					t.Errorf("version %d became %d", version, v)
				}
			})
			if names := s.MainBuckets(); !slices.Equal(names, []string{"note#2", "note/length#2", "note/~#2", "~marks", "~ranges", "~store"}) {
				t.Errorf("buckets %v", names)
			}
			var b store.Batch
			b.Put(tab, []byte("new"), []byte("x"))
			apply(t, s, &b)
			view(t, s, func(tx *store.Tx) {
				if _, v, _ := tx.GetVersion(tab, []byte("new")); v <= version {
					t.Errorf("version %d after %d", v, version)
				}
			})
			s = storetest.Reopen(t, s)
			if len(s.Report().Migrated) > 0 {
				t.Error("migrated again")
			}
		})
	}
}

func TestUpgradeSkipsLayoutsInBetween(t *testing.T) {
	dir := t.TempDir()
	s := openNote(t, dir, noteV1())
	fillNotes(t, s, noteV1(), 10)
	s.Close()
	s = openNote(t, dir, noteV3())
	view(t, s, func(tx *store.Tx) {
		if v, _ := tx.Get(noteV3(), append([]byte("n"), key(1)...)); string(v) != "me:value1" {
			t.Errorf("row = %s", v)
		}
	})
}

func TestNewerLayoutIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openNote(t, dir, noteV2())
	fillNotes(t, s, noteV2(), 10)
	s.Close()
	before, _ := os.ReadFile(filepath.Join(dir, store.MainFile))
	_, err := store.Open(store.Options{Dir: dir, Tables: []*table.Table{noteV1()}})
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "note") {
		t.Errorf("open: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, store.MainFile)); !bytes.Equal(before, after) {
		t.Error("the refused file was written to")
	}
	s = openNote(t, dir, noteV2()) // the lock was let go
	s.Close()
}

func TestNewerFormatIsRefused(t *testing.T) {
	s := openNote(t, t.TempDir(), noteV1())
	s.SetFormat(99)
	s.Close()
	if _, err := store.Open(s.Options()); !errors.Is(err, store.ErrNewer) {
		t.Errorf("open: %v", err)
	}
}

func TestInterruptedMigrationBeginsAgain(t *testing.T) {
	for stop := 1; ; stop++ {
		dir := t.TempDir()
		s := openNote(t, dir, noteV1())
		fillNotes(t, s, noteV1(), 9000)
		s.Close()
		calls := 0
		broken := table.New("note", table.Account, table.Layout(2, func(from uint32, k, v []byte) ([]byte, []byte, bool) {
			if calls++; calls == stop*3000 {
				panic("power cut")
			}
			return k, append([]byte("me:"), v...), true
		}), table.Versioned(), table.WithIndex("colour", 1, byColour))
		_, err := store.Open(store.Options{Dir: dir, Tables: []*table.Table{broken}})
		if err == nil {
			if stop != 4 {
				t.Errorf("the migration was interrupted %d times", stop-1)
			}
			return
		}
		if errors.Is(err, store.ErrDamaged) {
			t.Errorf("stop %d: a mistake of the program is taken for damage: %v", stop, err)
		}
		s = openNote(t, dir, noteV2())
		view(t, s, func(tx *store.Tx) {
			if n := tx.Count(noteV2(), nil, nil, 0); n != 9000 {
				t.Errorf("stop %d: %d rows", stop, n)
			}
			if v, _ := tx.Get(noteV2(), key(8999)); string(v) != "me:value8999" {
				t.Errorf("stop %d: row = %s", stop, v)
			}
		})
		s.Close()
	}
}

func TestIndexIsBuiltAnewWhenItsVersionChanges(t *testing.T) {
	dir := t.TempDir()
	indexed := func(version uint32, prefix string) *table.Table {
		return table.New("note", table.Account, table.WithIndex("by", version, func(k, v []byte, add func([]byte)) {
			add(table.AppendString(nil, prefix+string(v)))
		}))
	}
	s := openNote(t, dir, noteV1())
	fillNotes(t, s, noteV1(), 5000)
	s.Close()
	for _, step := range []struct {
		name string
		tab  *table.Table
	}{
		{"index added", indexed(1, "a")},
		{"version raised", indexed(2, "b")},
		{"version lowered", indexed(1, "c")},
	} {
		s = openNote(t, dir, step.tab)
		put(t, s, step.tab, 3, "changed")
		prefix := map[uint32]string{}
		view(t, s, func(tx *store.Tx) {
			n := 0
			tx.ScanIndex(step.tab, "by", nil, nil, false, func(ik, k, v []byte) bool {
				n++
				prefix[uint32(ik[0])] = string(ik)
				return true
			})
			if n != 5000 || len(prefix) != 1 {
				t.Errorf("%s: %d entries with %d prefixes", step.name, n, len(prefix))
			}
		})
		s.Close()
	}
	// Not declared for a while: what changed meanwhile must not be missing later.
	s = openNote(t, dir, noteV1())
	put(t, s, noteV1(), 4, "meanwhile")
	if slices.Contains(s.MainBuckets(), "note/by") {
		t.Error("an index that is not declared is kept")
	}
	s.Close()
	s = openNote(t, dir, indexed(1, "c"))
	view(t, s, func(tx *store.Tx) {
		found := false
		tx.ScanIndex(indexed(1, "c"), "by", nil, nil, false, func(ik, k, v []byte) bool {
			found = found || string(v) == "meanwhile"
			return true
		})
		if !found {
			t.Error("the row changed meanwhile is not in the index")
		}
	})
}

func TestUnknownTablesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	other := table.New("other", table.None)
	s := storetest.OpenWith(t, store.Options{Dir: dir, Tables: []*table.Table{noteV1(), other}})
	put(t, s, other, 1, "kept")
	s.Close()
	s = openNote(t, dir, noteV2()) // a build without the other one
	s.Close()
	s = storetest.OpenWith(t, store.Options{Dir: dir, Tables: []*table.Table{noteV2(), other}})
	if got := get(t, s, other, 1); got != "kept" {
		t.Errorf("row = %s", got)
	}
}

// TestReleasedFormatsCanBeOpened opens a file of every format that was released. The fixtures are of little endian
// machines, as files are in the byte order of the machine.
func TestReleasedFormatsCanBeOpened(t *testing.T) {
	tables := func() []*table.Table {
		return []*table.Table{noteV2(), table.New("spool", table.None, table.Expires())}
	}
	path := filepath.Join("testdata", "format1.db.gz")
	if *update {
		o := store.Options{Dir: t.TempDir(), Tables: tables()}
		s := storetest.OpenWith(t, o)
		fillNotes(t, s, o.Tables[0], 200)
		put(t, s, o.Tables[1], 1, "spooled")
		s.Next("account")
		s.Close()
		writeFixture(t, path, filepath.Join(o.Dir, store.MainFile))
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the fixture is of a little endian machine")
	}
	dir := t.TempDir()
	readFixture(t, path, filepath.Join(dir, store.MainFile))
	o := store.Options{Dir: dir, Tables: tables(), AlwaysCheck: true}
	s := storetest.OpenWith(t, o)
	view(t, s, func(tx *store.Tx) {
		if n := tx.Count(o.Tables[0], nil, nil, 0); n != 200 {
			t.Errorf("%d rows", n)
		}
		if v, _ := tx.Get(o.Tables[1], key(1)); string(v) != "spooled" {
			t.Errorf("row = %s", v)
		}
	})
	if n := s.Next("account"); n != 2 {
		t.Errorf("number %d", n)
	}
	put(t, s, o.Tables[0], 1, "can be written")
}

func writeFixture(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	w.Write(b)
	w.Close()
	os.MkdirAll(filepath.Dir(to), 0o755)
	if err := os.WriteFile(to, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFixture(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
