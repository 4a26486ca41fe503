package store_test

import (
	"errors"
	"fmt"
	"testing"

	"linnet/store"
	"linnet/store/storetest"
	"linnet/store/table"
)

func TestRowsComeBackAfterReopen(t *testing.T) {
	roster := table.New("roster", table.Account, table.Versioned(), table.WithIndex("byname", 1, func(k, v []byte, add func([]byte)) {
		add(table.AppendBytes(nil, v))
	}))
	s := storetest.Open(t, roster)
	var b store.Batch
	for i := range 100 {
		b.Put(roster, table.AppendUint64(nil, uint64(i)), fmt.Appendf(nil, "name%03d", 99-i))
	}
	if err := s.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	b.Absent(roster, table.AppendUint64(nil, 5))
	if err := s.Apply(t.Context(), &b); !errors.Is(err, store.ErrPrecondition) {
		t.Fatalf("absent on a present row: %v", err)
	}
	s = storetest.Reopen(t, s)
	err := s.View(func(tx *store.Tx) error {
		if v, ok := tx.Get(roster, table.AppendUint64(nil, 7)); !ok || string(v) != "name092" {
			t.Errorf("row 7 = %q, %v", v, ok)
		}
		if n := tx.Count(roster, nil, nil, 0); n != 100 {
			t.Errorf("count = %d", n)
		}
		var first []byte
		tx.ScanIndex(roster, "byname", nil, nil, false, func(ik, k, v []byte) bool { first = append(first, v...); return false })
		if string(first) != "name000" {
			t.Errorf("first by name = %q", first)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
