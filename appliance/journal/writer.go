package journal

import (
	"bytes"
	"io"
	"sync"
	"time"

	"linnet/netsvc/log"
)

const (
	// queueBytes bounds what waits for an output that is slower than the log.
	queueBytes = 64 << 10
	// patience is how long who logs something grave waits until it is written.
	patience = 50 * time.Millisecond
)

// writer passes lines on to an output that may block: a terminal that is held, a
// pipe that nobody reads. Who logs does not wait for it, and what is too much is
// dropped, and counted where it is missing. Its goroutine exists only while there is
// something to write.
//
// Who logs a line of the level warn or above goes on when it has been written, within
// patience: it may say why the program crashes with the next instruction. (What the
// crash itself prints does not come this way.) An output that was slower than that is
// not waited for again until it has taken something.
type writer struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte        // whole lines
	lost    int           // lines that came behind those and had no room
	dropped uint64        // the same, all there were
	busy    bool          // the goroutine is there
	slow    bool          // somebody's patience was in vain, and nothing was written since
	idle    chan struct{} // closed when everything is written; nil while nobody waits
}

// add queues a line, which has its line feed. wait asks for an await.
func (w *writer) add(l log.Level, line []byte) (wait bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost > 0 || len(w.waiting) > 0 && len(w.waiting)+len(line) > queueBytes {
		w.lost++
		w.dropped++
		return false
	}
	w.waiting = append(w.waiting, line...)
	if !w.busy {
		w.busy = true
		go w.write()
	}
	return l >= log.LevelWarn && !w.slow
}

// await waits for what was added.
func (w *writer) await() {
	if !w.flush(patience) {
		w.mu.Lock()
		w.slow = w.busy
		w.mu.Unlock()
	}
}

// write writes until nothing waits.
func (w *writer) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) > 0 {
		b := w.waiting
		w.waiting = nil
		if w.lost > 0 {
			var note bytes.Buffer
			log.To(&note, log.LevelWarn).Warn("log lines were lost, their reader is too slow", "count", w.lost)
			b = append(b, note.Bytes()...)
			w.lost = 0
		}
		w.mu.Unlock()
		_, _ = w.out.Write(b) // a log that cannot be written must not stop the program
		w.mu.Lock()
		w.slow = false
	}
	w.busy = false
	if w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// flush waits until everything is written, but no longer than d.
func (w *writer) flush(d time.Duration) bool {
	w.mu.Lock()
	if !w.busy {
		w.mu.Unlock()
		return true
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-idle:
		return true
	case <-t.C:
		return false
	}
}
