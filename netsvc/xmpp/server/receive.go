package server

import (
	"time"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// Receive takes one stanza that the client sent, on the goroutine that read it.
// Its 'from' is the session's already; bad says what is wrong with it, nil for a
// good one.
func (ss *Session) Receive(epoch uint32, s *stanza.Stanza, bad *stanza.Error) {
	ss.active.Store(time.Now().Unix())
	ss.mu.Lock()
	if ss.epoch != epoch || ss.end != alive {
		ss.mu.Unlock()
		return
	}
	var r receipt
	if m := ss.managed; m != nil {
		r = receipt{&m.ledger, m.ledger.begin()}
	}
	ss.mu.Unlock()
	g := ss.server.current()
	n := ss.account.traffic.in[s.Kind].Next()
	if bad != nil {
		g.bounce(s, bad)
		r.settle()
		return
	}
	if n%timedOne != 1 {
		g.fromClient(ss, s, r)
		return
	}
	begin := time.Now()
	g.fromClient(ss, s, r)
	g.stats.took.Since(begin)
}

// Nonza takes a first-level element that is not a stanza. ok is false when
// nobody knows it: the stream ends with unsupported-stanza-type.
func (ss *Session) Nonza(epoch uint32, el *xmlstream.Element) (ok bool) {
	handle := ss.server.current().nonzas[string(el.Space())]
	if handle == nil {
		return false
	}
	ss.mu.Lock()
	stale := ss.epoch != epoch || ss.end != alive
	ss.mu.Unlock()
	if !stale {
		handle(ss, el.Node())
	}
	return true
}
