package store

import (
	"time"

	"linnet/netsvc/log"
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
	// MaxSize bounds linnet.db in bytes; 0 means as large as the architecture can map. At the bound, batches that need
	// more room fail with ErrFull.
	MaxSize int64
	// LockTimeout is how long Open waits for another process to let go of the directory; 0 means one second.
	LockTimeout time.Duration
	// Built is the build date. While the clock is not later it counts as unset and nothing expires. The zero time
	// means that the clock is always trusted.
	Built time.Time

	// CheckCommand is the program, with its arguments, that checks a file: it is started with one more argument, the
	// path, and has to call CheckMain. Without it files are checked in this process, by Check alone.
	CheckCommand []string
	// CheckProgress, if set, is told how far a check is, in bytes.
	CheckProgress func(done, total int64)
	// AlwaysCheck checks linnet.db at the open even if it was closed in order.
	AlwaysCheck bool
	// StartEmpty lets Open begin with an empty linnet.db when it is damaged and there is no good snapshot. It is for
	// devices that must come up at all; everybody's account is gone then.
	StartEmpty bool

	// SnapshotEvery is the time between two snapshots of linnet.db while it changes, also across restarts, but none is
	// made in the first hour; 0 makes none.
	SnapshotEvery time.Duration
	// SnapshotKeep is how many snapshots are kept; 0 means 2.
	SnapshotKeep int

	// Log gets what the operator should know; nil discards it.
	Log *log.Logger
}

func (o *Options) defaults() {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 4 << 20
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = time.Second
	}
	if o.SnapshotKeep == 0 {
		o.SnapshotKeep = 2
	}
}

// Options returns the options the store was opened with.
func (s *Store) Options() Options { return s.opt }
