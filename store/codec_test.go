package store_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

func codecTables() []*table.Table {
	return []*table.Table{
		table.New("plain", table.None),
		table.New("full", table.None, table.Versioned(), table.Expires()),
	}
}

func codecBatch(tabs []*table.Table) *store.Batch {
	var b store.Batch
	b.Absent(tabs[0], key(1))
	b.Equals(tabs[1], key(1), 0)
	b.Put(tabs[0], key(1), []byte("value"))
	b.Put(tabs[0], key(2), nil)
	b.PutUntil(tabs[1], key(1), []byte("x"), time.Now().Add(time.Hour))
	b.Delete(tabs[0], key(2))
	b.DeleteRange(tabs[0], key(5), nil)
	b.DeleteRange(tabs[0], nil, key(1))
	return &b
}

func TestBatchCarriedElsewhereDoesTheSame(t *testing.T) {
	tabs := codecTables()
	b := codecBatch(tabs)
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, tabs...)
	for n := range uint64(10) {
		put(t, s, tabs[0], n+20, "removed by the open range")
	}
	var c store.Batch
	if err := s.ReadBatch(&c, data); err != nil {
		t.Fatal(err)
	}
	again, _ := c.AppendBinary(nil)
	if !bytes.Equal(data, again) || c.Len() != b.Len() || c.Size() != b.Size() {
		t.Error("the batch changed on its way")
	}
	apply(t, s, &c)
	if get(t, s, tabs[0], 1) != "value" || get(t, s, tabs[1], 1) != "x" || get(t, s, tabs[0], 25) != "(none)" {
		t.Error("the batch did something else")
	}
	if err := s.Apply(t.Context(), b); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("its preconditions hold twice: %v", err)
	}
}

func TestBatchOfUnknownTableIsRefused(t *testing.T) {
	data, _ := codecBatch(codecTables()).AppendBinary(nil)
	s := storetest.Open(t, table.New("other", table.None))
	var b store.Batch
	if err := s.ReadBatch(&b, data); !errors.Is(err, store.ErrTable) {
		t.Errorf("read: %v", err)
	}
}

func FuzzReadBatch(f *testing.F) {
	tabs := codecTables()
	s := storetest.Open(f, tabs...)
	data, _ := codecBatch(tabs).AppendBinary(nil)
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var b store.Batch
		if s.ReadBatch(&b, data) != nil {
			return
		}
		again, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var c store.Batch
		if err := s.ReadBatch(&c, again); err != nil || c.Len() != b.Len() {
			t.Errorf("what was read cannot be read again: %v", err)
		}
		b.Reset()
		c.Reset()
	})
}
