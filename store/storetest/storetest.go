// Package storetest opens stores for tests: in a directory of their own, again after a restart, and as they would be
// after a crash. Its crash harness (recorder.go, kill.go) records the writes of a process with strace and rebuilds the
// states a power cut could leave, and kills and fails processes at chosen system calls.
package storetest

import (
	"os"
	"path/filepath"
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

// Crash opens a copy of the store's directory as it is on the disk now, in a directory of its own, as if the process had
// died. The store goes on; no commit may be under way meanwhile, so Crash is called when nothing is in flight or in a
// done function.
func Crash(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	o := s.Options()
	dir := t.TempDir()
	CopyDir(t, o.Dir, dir)
	o.Dir = dir
	return OpenWith(t, o)
}

// CopyDir copies the files of a directory.
func CopyDir(t testing.TB, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
