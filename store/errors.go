package store

import (
	"encoding/hex"
	"errors"
)

var (
	// ErrPrecondition is what a *PreconditionError is: the batch asked for a state of a row that it did not have.
	ErrPrecondition = errors.New("store: precondition failed")
	// ErrClosed reports a store that was closed.
	ErrClosed = errors.New("store: closed")
	// ErrTwoFiles reports a batch that touches tables of both files.
	ErrTwoFiles = errors.New("store: a batch may touch tables of one file only")
	// ErrTable reports a table that was not among Options.Tables.
	ErrTable = errors.New("store: table not declared")
	// ErrKey reports an empty or too long key, or a value that is too large.
	ErrKey = errors.New("store: bad key or value size")
	// ErrDamaged reports that a page of the file could not be read.
	ErrDamaged = errors.New("store: damaged page")
	// ErrCommit is wrapped by the error of every batch whose commit failed. Whether the batch is in the file is then
	// not known until the owner has read it again: the sync may have failed after the bytes were written.
	ErrCommit = errors.New("store: commit failed")
	// ErrFull reports that the file system or the size limit leaves no room. It is wrapped together with ErrCommit;
	// nothing of the batch is in the file.
	ErrFull = errors.New("store: no room")
	// ErrInUse reports that another process has the directory's files open.
	ErrInUse = errors.New("store: another linnet uses this directory")
	// ErrNewer reports a file written by a newer version of the program.
	ErrNewer = errors.New("store: the file was written by a newer version of this program")
)

// PreconditionError names the precondition that failed; it is an ErrPrecondition.
type PreconditionError struct {
	Table string
	Key   []byte
	Want  string // "absent", "present" or "version"
}

func (e *PreconditionError) Error() string {
	return "store: precondition " + e.Want + " failed in " + e.Table + " for key " + hex.EncodeToString(e.Key)
}

// Is makes errors.Is(err, ErrPrecondition) true.
func (e *PreconditionError) Is(target error) bool { return target == ErrPrecondition }
