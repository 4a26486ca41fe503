package server

import (
	"time"
)

// managed is a session's half of stream management (XEP-0198 1.6.3): the queue
// of what the client has not acknowledged, and the ledger of what it sent. The
// queue is guarded by the session's mutex, the ledger by its own.
type managed struct {
	id     string        // of the resumption, "" when the stream cannot be resumed
	window time.Duration // how long it waits for the client to come back
	limit  int           // bytes the queue may hold

	sent  uint32 // stanzas numbered so far; the last of the queue has this number
	queue []queued
	bytes int
	owing int  // entries of the queue with a copy
	asked bool // an <r/> is under way
	soon  bool // Server.unasked looks at the session
	later bool // Server.unaskedIdle does
	timer *time.Timer

	ledger ledger
}

// push numbers a stanza. False: the queue has reached its limit. It may grow beyond
// by one stanza, or one larger than the limit could be delivered to nobody.
func (m *managed) push(q queued) bool {
	if m.bytes >= m.limit {
		return false
	}
	m.bytes += q.stanza.Size()
	m.sent++
	if q.copy != nil {
		m.owing++
	}
	m.queue = append(m.queue, q)
	return true
}

// unpush takes back the last push.
func (m *managed) unpush() {
	last := len(m.queue) - 1
	m.bytes -= m.queue[last].stanza.Size()
	if m.queue[last].copy != nil {
		m.owing--
	}
	m.sent--
	m.queue[last] = queued{}
	m.queue = m.queue[:last]
}

// acknowledge removes what the client has got up to number h, and appends the
// copies among it to got. ok is false when the client counts stanzas it was never
// sent.
func (m *managed) acknowledge(h uint32, got []*owed) (copies []*owed, ok bool) {
	open := m.sent - h // modulo 2^32, as the numbers wrap
	if open > uint32(len(m.queue)) {
		// Either h is beyond what was sent, or it goes back to something that
		// was acknowledged already, which a confused client may do: the first
		// is an error, the second changes nothing.
		return got, int32(m.sent-h) >= 0
	}
	n := len(m.queue) - int(open)
	for _, q := range m.queue[:n] {
		m.bytes -= q.stanza.Size()
		if q.copy != nil {
			m.owing--
			got = append(got, q.copy)
		}
	}
	left := copy(m.queue, m.queue[n:])
	clear(m.queue[left:])
	m.queue = m.queue[:left]
	if left == 0 && cap(m.queue) > 16 {
		m.queue = nil
	}
	return got, true
}

// gotten finishes the copies that a client has acknowledged.
func gotten(copies []*owed) {
	for _, c := range copies {
		c.finish()
		c.drop()
	}
}

// stop ends stream management and returns what was never acknowledged.
func (m *managed) stop() []queued {
	q := m.queue
	m.queue, m.bytes = nil, 0
	if m.timer != nil {
		m.timer.Stop()
	}
	return q
}
