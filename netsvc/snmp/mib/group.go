package mib

import (
	"time"

	"linnet/netsvc/module"
)

// Env is what a group is made with.
type Env struct {
	// Host is the agent's: options, Live state, store and log are had from it as a service has them.
	Host module.Host
	// Began returns when the agent began to run; the zero time while it does not.
	Began func() time.Time
	// Tree returns the current tree, for those who list what there is (sysORTable). From Start on.
	Tree func() *Tree
}

// Uptime returns how long the agent has been running: sysUpTime.
func (e *Env) Uptime() time.Duration {
	if began := e.Began(); !began.IsZero() {
		return time.Since(began)
	}
	return 0
}

// Stamp returns the TimeStamp of a moment: what sysUpTime was then, 0 for one before the agent began, as the zero time
// is. It is the same whenever it is asked for.
func (e *Env) Stamp(t time.Time) Value {
	if began := e.Began(); !began.IsZero() {
		return Ticks(t.Sub(began))
	}
	return Ticks(0)
}

// Group is one MIB module, or the part of one that is there.
type Group struct {
	Name     string // "IF-MIB"
	ID       OID    // what stands in sysORID: the module's identity or its compliance statement
	About    string // for sysORDescr
	Scalars  []Scalar
	Tables   []Table
	Subtrees []Subtree
}

// Scalar is one object with one instance.
type Scalar struct {
	Name string
	OID  OID // without the .0
	Kind Kind
	// Get returns the value, or None when there is no instance at present.
	Get func(*Request) Value
	// Set is nil for what cannot be written. It tests: whether the value, whose Kind is right already, could be set
	// now. What it returns is done, or not, later.
	Set func(*Request, Value) (Change, Status)
}

// Column is one column of a table.
type Column struct {
	_    [0]func() // not comparable: no code to compare arrays of them
	ID   uint32
	Name string
	Kind Kind
}

// Table is a conceptual table. Columns that are not accessible, as most indexes, are not listed.
type Table struct {
	Name    string
	Entry   OID // of the entry: what the column's number follows
	Columns []Column
	// Keep is how old a snapshot may become before it is made anew; zero means a second.
	Keep time.Duration
	// Fill makes the rows. One goroutine at a time calls it.
	Fill func(*Snapshot)
	// Set is nil for tables that cannot be written; see Scalar.Set. The row need not exist.
	Set func(r *Request, column uint32, index OID, v Value) (Change, Status)
}

// Subtree is a place for which a Handler answers.
type Subtree struct {
	Name    string
	OID     OID
	Handler Handler
}

// Handler answers for everything below one OID. rest is what follows that OID in the name asked for; it is not to
// be kept. Safe for concurrent use, and quick.
type Handler interface {
	// Get returns a value, or NoSuchObject or NoSuchInstance (Exceptional).
	Get(r *Request, rest OID) Value
	// Next finds the first instance after rest, in the order of OIDs; an empty rest means the first of all.
	// It appends its rest to dst and returns it with the value; None when there is none. When r.V1 is set there
	// are no values of 64 bits.
	Next(r *Request, rest, dst OID) (OID, Value)
}

// Writer is a Handler that can be written to.
type Writer interface {
	// Test tells whether the value could be set now; see Scalar.Set.
	Test(r *Request, rest OID, v Value) (Change, Status)
}

// Lister is a Handler that can say what it has, for the reference and the tests.
type Lister interface {
	// Objects lists scalars and columns in the order of their OIDs, which are whole ones.
	Objects() []Object
}

// Request is what an answer may depend on.
type Request struct {
	Now  time.Time
	V1   bool   // version 1: Counter64 does not exist
	User string // who asks: the user's or the community's name
	hint int    // where the last answer came from
}

// Change is a value that was tested. All changes of a request are committed, or none: when one fails, those
// that were made are undone. Both may block as long as a write to the store takes. Undo may be nil when Commit
// is.
type Change struct {
	Commit func() error
	Undo   func() error
}

// Status is the error-status of RFC 3416.
type Status uint8

const (
	NoError Status = iota
	TooBig
	NoSuchName // of version 1, as are the next two
	BadValue
	ReadOnly
	GenErr
	NoAccess
	WrongType
	WrongLength
	WrongEncoding
	WrongValue
	NoCreation
	InconsistentValue
	ResourceUnavailable
	CommitFailed
	UndoFailed
	AuthorizationError
	NotWritable
	InconsistentName
)

// V1 returns the status that version 1 has for it (RFC 3584 section 4.4).
func (s Status) V1() Status {
	switch s {
	case NoError, TooBig, NoSuchName, BadValue, ReadOnly, GenErr:
		return s
	case WrongValue, WrongEncoding, WrongType, WrongLength, InconsistentValue:
		return BadValue
	case NoAccess, NotWritable, NoCreation, InconsistentName, AuthorizationError:
		return NoSuchName
	}
	return GenErr
}

// Object is one scalar or column, for those who list what there is.
type Object struct {
	Group    string
	Table    string // of a column
	Name     string
	OID      OID // without instance
	Kind     Kind
	Writable bool
}
