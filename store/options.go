package store

import (
	"log/slog"
	"time"

	"linnet/store/table"
)

// Options says how a store is opened. Dir and Tables are required; every other field has a default.
type Options struct {
	Dir    string         // the directory of linnet.db, cache.db and the snapshots; made when missing
	Tables []*table.Table // all tables that will be used

	// CommitEvery is the least time between two commits where flash wear counts; 0 commits as soon as the last commit
	// is done.
	CommitEvery time.Duration
	// MaxInFlight bounds the bytes submitted and not yet committed: above it Wait waits. 0 means 4 MiB.
	MaxInFlight int64
	// MaxSize bounds linnet.db in bytes; 0 means as large as the architecture can map.
	MaxSize int64
	// LockTimeout is how long Open waits for another process to let go of the files; 0 means one second.
	LockTimeout time.Duration
	// Built is the build date. While the clock is not later it counts as unset and nothing expires. The zero time
	// means that the clock is always trusted.
	Built time.Time
	// Log gets what the operator should know; nil discards it.
	Log *slog.Logger
}

// Options returns the options the store was opened with.
func (s *Store) Options() Options { return s.opt }
