// Package journal is where log lines go: to a writer, and to a ring in memory that `linnet ctl log show`
// reads on a device that has no disk to log to.
//
// It owns the level, the ring, and the queue in front of the writer (writer.go). What may stand in a line is a house rule: the message is the
// event in a few words, everything else is an attribute under one of Keys, contents of stanzas never appear,
// addresses of people appear at the level debug only (the audit of commands excepted), and secrets have
// types that print stars.
package journal

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/log"
)

// Keys are the attribute keys of the program, all of them in use, so that a search finds every line about
// one thing. A test in tinytests/archtest compares them with what is logged.
var Keys = []string{
	"service",         // which part speaks; put there by the Host
	"cause", "reason", // why: of a failure, of what was wanted
	"who", "via", "command", "args", "outcome", // the audit of commands
	"took", "retry", "made", // times: how long, in how long again, when
	"count", "bytes", "limit", "before", "after", "version", "pressure", // measures
	"addr", "domain", "jid", "id", // whom or which stanza it is about; jid at debug only
	"file", "table", "name", "stack", // what it is about
}

// Limits of the ring.
const (
	ringBytes = 64 << 10 // of lines kept
	maxLine   = 4 << 10  // of one line; a longer one is cut
)

// Journal is where a logger's lines go, with a memory. Safe for concurrent use.
type Journal struct {
	level atomic.Int32 // a log.Level
	log   *log.Logger
	out   *writer // nil: to nobody

	mu    sync.Mutex
	lines []Line
	size  int
	next  uint64        // number of the next line
	more  chan struct{} // closed when a line comes; nil while nobody waits
}

// Line is one line of the ring. Numbers count from 0 and have no gaps.
type Line struct {
	Number uint64
	Text   string // without line feed
}

// New returns a Journal that writes to out as well, unless that is nil. What out
// has not taken when the program ends is lost without a Flush.
func New(out io.Writer) *Journal {
	j := new(Journal)
	if out != nil {
		j.out = &writer{out: out}
	}
	j.log = log.New(sink{j})
	return j
}

// Flush waits until every line has been written, but no longer than d.
func (j *Journal) Flush(d time.Duration) {
	if j.out != nil {
		j.out.flush(d)
	}
}

// Dropped returns how many lines out was too slow for. The ring has them.
func (j *Journal) Dropped() uint64 {
	if j.out == nil {
		return 0
	}
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	return j.out.dropped
}

// Log returns the logger whose lines the Journal gets.
func (j *Journal) Log() *log.Logger { return j.log }

// SetLevel sets the least level of lines, from now on.
func (j *Journal) SetLevel(l log.Level) { j.level.Store(int32(l)) }

// Levels are the names of levels that an operator uses.
var Levels = []string{"debug", "info", "warn", "error"}

// Level returns the level of that name, one of Levels.
func Level(name string) log.Level {
	switch name {
	case "debug":
		return log.LevelDebug
	case "warn":
		return log.LevelWarn
	case "error":
		return log.LevelError
	}
	return log.LevelInfo
}

// sink hides the methods of log.Sink from the users of a Journal.
type sink struct{ j *Journal }

func (s sink) Enabled(l log.Level) bool { return int32(l) >= s.j.level.Load() }

func (s sink) Line(l log.Level, b []byte) {
	if s.j.line(l, b) {
		s.j.out.await() // with no lock held
	}
}

// line adds a line to the ring and to what is written, in the same order. wait says
// that it should be waited for.
func (j *Journal) line(l log.Level, b []byte) (wait bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := b
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	j.lines = append(j.lines, Line{j.next, string(text)})
	j.next++
	j.size += len(text)
	for j.size > ringBytes {
		j.size -= len(j.lines[0].Text)
		j.lines = j.lines[1:]
	}
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
	return j.out != nil && j.out.add(l, append(b, '\n'))
}

// Last returns the newest lines, at most n.
func (j *Journal) Last(n int) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Line(nil), j.lines[max(0, len(j.lines)-n):]...)
}

// Next returns the number that the next line will have.
func (j *Journal) Next() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// From waits until there are lines from number on and returns those that are still there.
func (j *Journal) From(ctx context.Context, number uint64) ([]Line, error) {
	for {
		j.mu.Lock()
		if j.next > number {
			newer := min(j.next-number, uint64(len(j.lines)))
			lines := append([]Line(nil), j.lines[len(j.lines)-int(newer):]...)
			j.mu.Unlock()
			return lines, nil
		}
		if j.more == nil {
			j.more = make(chan struct{})
		}
		more := j.more
		j.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
