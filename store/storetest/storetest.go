// Package storetest opens stores for tests: in a directory of their own, and again after a restart.
package storetest

import (
	"testing"

	"linnet/store"
	"linnet/store/table"
)

// Open opens an empty store with the tables in a directory of the test's, and closes it when the test ends.
func Open(t testing.TB, tables ...*table.Table) *store.Store {
	t.Helper()
	return OpenWith(t, store.Options{Dir: t.TempDir(), Tables: tables})
}

// OpenWith opens a store with the options and closes it when the test ends, unless the test did.
func OpenWith(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(o)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Reopen closes the store and opens it again with the options it had: what was committed is there, as after a restart.
func Reopen(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	o := s.Options()
	if err := s.Close(); err != nil {
		t.Fatalf("close store: %v", err)
	}
	return OpenWith(t, o)
}
