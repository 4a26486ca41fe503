package mibs

import (
	"fmt"
	"testing"

	"linnet/netsvc/module"
	"linnet/store"
	"linnet/store/table"
)

// withStore is as much of a Host as a Book needs.
type withStore struct {
	module.Host
	db *store.Store
}

func (h *withStore) Store() *store.Store { return h.db }

func open(t *testing.T, dir string) (*Book, *store.Store) {
	t.Helper()
	h := &withStore{}
	b := newBook(h)
	db, err := store.Open(store.Options{Dir: dir, Tables: []*table.Table{b.table}})
	if err != nil {
		t.Fatal(err)
	}
	h.db = db
	return b, db
}

func settle(db *store.Store) {
	kept := make(chan struct{})
	db.Barrier(func() { close(kept) })
	<-kept
}

// A number that a crash could still take back is shown to nobody.
func TestNumbersAreKeptBeforeTheyAreShown(t *testing.T) {
	b, db := open(t, t.TempDir())
	defer db.Close()
	writing, goOn := make(chan struct{}), make(chan struct{})
	var batch store.Batch
	batch.Put(b.table, table.AppendString(nil, "other"), []byte{0, 0, 0, 9})
	db.Submit(&batch, func(error) { close(writing); <-goOn }) // the writer is busy with something else
	<-writing
	for range 3 {
		if n := b.Number("things", "a", 0); n != 0 {
			t.Errorf("%d is shown, and in no file", n)
		}
	}
	close(goOn)
	settle(db)
	if n := b.Number("things", "a", 0); n != 1 {
		t.Errorf("number %d, want 1", n)
	}
}

// Names keep their numbers over a restart, each space counts for itself, wishes are granted once.
func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	want := func(b *Book, db *store.Store, of, name string, wish, n uint32) {
		t.Helper()
		b.Number(of, name, wish)
		settle(db)
		if got := b.Number(of, name, wish); got != n {
			t.Errorf("%s %s, wished for %d: %d, want %d", of, name, wish, got, n)
		}
	}
	b, db := open(t, dir)
	want(b, db, "things", "a", 0, 1)
	want(b, db, "things", "b", 0, 2)
	want(b, db, "links", "eth0", 7, 7)
	want(b, db, "links", "eth0", 9, 7)
	want(b, db, "links", "eth1", 7, others+1)
	want(b, db, "links", "huge", others+5, others+2)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, db = open(t, dir)
	want(b, db, "things", "c", 0, 3)
	want(b, db, "things", "a", 0, 1)
	want(b, db, "links", "eth2", 7, others+3)
	want(b, db, "links", "eth1", 0, others+1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if n := b.Number("things", "after the end", 0); n != 0 {
		t.Errorf("a store that is closed keeps %d", n)
	}
}

// N names of a space get a number, one more does not.
func TestNames(t *testing.T) {
	b := newBook(&withStore{}) // without a store, numbers are there at once
	for i := range maxNames {
		if n := b.Number("many", fmt.Sprint(i), 0); n != uint32(i+1) {
			t.Fatalf("name %d has number %d", i, n)
		}
	}
	if n := b.Number("many", "one more", 0); n != 0 {
		t.Errorf("one more has number %d", n)
	}
	if n := b.Number("few", "one more", 0); n != 1 {
		t.Errorf("another space is full, too: %d", n)
	}
}
