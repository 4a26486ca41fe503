package store

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// maxGroup bounds the bytes committed in one transaction, and with it the dirty pages held in memory.
const maxGroup = 4 << 20

// What a payload may ask of the writer besides its batch.
const (
	askNothing = iota
	askMark    // raise the order mark, if no other commit did
	askTouch   // commit anything
	askSweep   // take out expired rows
)

// submit appends p to the queue and starts the writer if it is not there: an idle store has no goroutine.
func (f *file) submit(p *payload) {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		// On a goroutine of its own: the submitter may hold the lock that done takes.
		go p.finish(ErrClosed)
		return
	}
	flying := f.store.inFlight.Add(p.size)
	f.queue = append(f.queue, p)
	if p.needsCommit() {
		f.work++
	}
	start := !f.running
	f.running = true
	f.mu.Unlock()
	if start {
		go f.write()
	} else if flying > f.store.opt.MaxInFlight {
		f.nudge() // those who wait should not wait for CommitEvery too
	}
}

// nudge ends the writer's wait for CommitEvery.
func (f *file) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// needsCommit reports whether p asks for more than to be told.
func (p *payload) needsCommit() bool {
	return p.bad == nil && len(p.ops) > 0 || p.ask != askNothing || p.job != nil
}

// wantsCommit is needsCommit at the time of the commit: the order mark may have been raised meanwhile.
func (f *file) wantsCommit(p *payload) bool {
	return p.needsCommit() && (p.ask != askMark || f.store.order.Load() > f.store.mark.Load())
}

// finish tells the submitter and gives p back.
func (p *payload) finish(err error) {
	switch {
	case p.barrier != nil:
		p.barrier()
	case p.job != nil:
		// A job has told its outcome itself, unless it was never begun.
		if err != nil && p.done != nil {
			p.done(err)
		}
	case p.done != nil:
		p.done(err)
	}
	p.release()
}

// write is the writer: it commits group after group and ends when nothing waits.
func (f *file) write() {
	debug.SetPanicOnFault(true) // the writer reads the map too
	var group []*payload
	for {
		var more bool
		if group, more = f.next(group[:0]); !more {
			return
		}
		if len(group) == 1 && group[0].job != nil {
			group[0].job()
			f.finishGroup(group, nil)
			continue
		}
		if len(group) > 0 && !slices.ContainsFunc(group, f.wantsCommit) {
			for _, p := range group {
				p.err = p.bad
			}
			f.finishGroup(group, nil)
			continue
		}
		f.commitGroup(group)
		f.last = time.Now()
	}
}

// next waits until a commit is due and takes the next group from the queue. It returns false when the writer is to end.
func (f *file) next(group []*payload) ([]*payload, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		// With nothing else to do, removed ranges are continued; not when closing, they wait in the file.
		goOn := f.countSpans() > 0 && f.broken == nil && !f.closing && time.Now().After(f.rangesAt)
		if len(f.queue) == 0 && !goOn {
			f.running = false
			f.idle.Broadcast()
			return group, false
		}
		wait := f.store.opt.CommitEvery - time.Since(f.last)
		if f.work == 0 && len(f.queue) > 0 || f.closing || wait <= 0 || f.store.inFlight.Load() > f.store.opt.MaxInFlight {
			break
		}
		f.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-f.wake:
		}
		t.Stop()
		f.mu.Lock()
	}
	size, n := int64(0), 0
	for ; n < len(f.queue) && (n == 0 || size < maxGroup); n++ {
		p := f.queue[n]
		if p.job != nil && n > 0 || n > 0 && f.queue[0].job != nil {
			break // a job runs alone, between two commits
		}
		size += p.size
		if p.needsCommit() {
			f.work--
		}
		group = append(group, p)
	}
	f.queue = slices.Delete(f.queue, 0, n)
	if cap(f.queue) > 4096 && len(f.queue) == 0 {
		f.queue = nil
	}
	return group, true
}

// finishGroup tells all submitters, in order; err is for those that have none of their own.
func (f *file) finishGroup(group []*payload, err error) {
	size := int64(0)
	for _, p := range group {
		size += p.size
		own := p.err
		if own == nil {
			own = err
		}
		p.finish(own)
	}
	clear(group)
	f.store.settle(size)
}

// commitGroup commits the group and tells its submitters. When there is no room, it is tried in halves: a batch that
// only removes rows should not fail because a large one stands beside it.
func (f *file) commitGroup(group []*payload) {
	if f.broken != nil && time.Now().Before(f.retryAt) {
		f.finishGroup(group, f.broken)
		return
	}
	err := error(nil)
	if f.broken != nil {
		err = f.reopen(f.broken, true)
	}
	if err == nil {
		err = f.commit(group)
	}
	if err == nil {
		f.finishGroup(group, nil)
		return
	}
	if errors.Is(err, berrors.ErrMaxSizeReached) && len(group) > 1 {
		f.commitGroup(group[:len(group)/2])
		f.commitGroup(group[len(group)/2:])
		return
	}
	if noRoom(err) {
		err = fmt.Errorf("%w: %w: %w", ErrCommit, ErrFull, err)
	} else {
		err = fmt.Errorf("%w: %w", ErrCommit, err)
	}
	for _, p := range group {
		p.err = p.bad // what was found in the transaction that failed counts no more
	}
	f.rangesAt = time.Now().Add(backoffMin)
	f.finishGroup(group, err)
}

func noRoom(err error) bool {
	return errors.Is(err, berrors.ErrMaxSizeReached) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// commit evaluates and applies the group in one transaction, with a step of whatever else is to be done in the file.
func (f *file) commit(group []*payload) error {
	f.dirty = true
	w := &f.tx
	w.now, w.budget, w.failed = f.store.now(), f.rangeStep, 0
	sweep := sweepAlong
	if slices.ContainsFunc(group, func(p *payload) bool { return p.ask == askSweep }) || f.sweepDue {
		sweep = sweepStep
	}
	defer w.end()
	began := time.Now()
	stats, err := f.transact(func(tx *bbolt.Tx) (saved func(), err error) {
		w.tx = tx
		if err := w.apply(group); err != nil {
			return nil, err
		}
		if err := w.advanceRanges(); err != nil {
			return nil, err
		}
		if f.sweepDue, err = w.sweep(sweep); err != nil {
			return nil, err
		}
		return f.saveMarks(tx)
	})
	if err != nil {
		f.stats.failed()
		return f.failed(err)
	}
	f.spansActive.Store(f.countSpans())
	batches := 0
	for _, p := range group {
		if len(p.ops) > 0 {
			batches++
		}
	}
	f.stats.committed(&stats, batches, w.failed, time.Since(began))
	return nil
}

// commitError is an error of the commit itself: the file was, or may have been, written to.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// transact runs fn in a write transaction and commits. What fn returns is called after the commit. A panic of bbolt,
// which is how it reports a damaged page, becomes an ErrDamaged.
func (f *file) transact(fn func(*bbolt.Tx) (saved func(), err error)) (stats bbolt.TxStats, err error) {
	var tx *bbolt.Tx
	h, entered := f.h, false
	defer func() {
		if err != nil && f.durable {
			f.store.countersMoved.Store(true) // their numbers may come again in a later batch
		}
	}()
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		err = commitError{fmt.Errorf("%w: %v", ErrDamaged, r)}
		if tx == nil {
			h.stuck = entered
		} else if e := guard(tx.Rollback); e != nil && !errors.Is(e, berrors.ErrTxClosed) {
			h.stuck = true
		}
	}()
	if err := h.enter(); err != nil {
		return stats, commitError{err}
	}
	entered = true
	if tx, err = h.db.Begin(true); err != nil {
		return stats, err
	}
	h.step(tx.Size())
	saved, err := fn(tx)
	if err != nil {
		tx.Rollback()
		return stats, err
	}
	if err = tx.Commit(); err != nil {
		return stats, commitError{err}
	}
	if saved != nil {
		saved()
	}
	return tx.Stats(), nil
}

// failed decides what a failed transaction means for the file and returns the cause.
func (f *file) failed(cause error) error {
	var hard commitError
	if errors.Is(cause, ErrDamaged) {
		f.store.suspectDamage(cause)
	}
	if !errors.As(cause, &hard) || errors.Is(cause, berrors.ErrMaxSizeReached) {
		// Nothing was written; only what the writer remembers of the transaction has to go.
		err := guard(func() error { return f.h.db.View(f.loadRanges) })
		if err == nil {
			return cause
		}
		hard = commitError{err}
	}
	f.store.log.Error("store commit failed", "file", f.path, "cause", hard.error)
	// A write that found no room left the tree and the disk as they were: no need to read the whole file.
	var pathErr *os.PathError
	check := !(errors.As(cause, &pathErr) && noRoom(cause))
	f.reopen(hard.error, check)
	return hard.error
}
