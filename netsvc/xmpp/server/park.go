package server

import (
	"context"
	"errors"
	"sync"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/stream"
	"linnet/store"
	"linnet/store/table"
)

// This file puts sessions away at shutdown and brings them back at the next
// start, so that a client resumes over a restart as over a lost connection.
//
// It takes two commits. The first has the messages that clients have not
// acknowledged, in the spool, and the sessions; then everything is settled. The
// second has the counts, and the mark that makes the sessions whole. Without the mark
// nobody resumes, and what is in the spool is offline messages.

// park ends every session: those that can be resumed are stored with what their
// clients have not acknowledged, the others get a proper end. Edges have stopped
// taking connections before.
func (s *Server) park(ctx context.Context) {
	var waiting []*Session
	s.Online(func(a xmpp.Account) bool {
		for _, x := range a.Sessions() {
			ss := x.(*Session)
			ss.mu.Lock()
			stays := ss.end == alive && ss.managed != nil && ss.managed.id != ""
			ss.mu.Unlock()
			if stays {
				waiting = append(waiting, ss)
			} else {
				ss.End("system-shutdown", "") // nothing to one that is ending
			}
		}
		return true
	})
	// What the ended ones left behind goes to the others' queues or to the
	// offline store; both are committed below.
	for s.sessions.Load() > int64(len(waiting)) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}

	s.overdue.stop() // from here on messages go into the spool with their session
	var bye goodbyes
	defer bye.wait(ctx)
	var b store.Batch
	type rest struct {
		*Session
		p *parked
	}
	var frozen []rest
	var longest time.Duration
	for _, ss := range waiting {
		if p := ss.freeze(&bye); p != nil {
			frozen = append(frozen, rest{ss, p})
			longest = max(longest, p.window)
		}
	}
	for _, ss := range frozen { // nobody acknowledges any more what others have too
		for i := range ss.managed.queue {
			ss.p.queue = append(ss.p.queue, ss.managed.queue[i].shelve(&b))
		}
		ss.drain() // what came meanwhile is newer than that
		ss.account.wait(0, -1)
		b.PutUntil(s.tables.parked, []byte(ss.managed.id), ss.p.encode(), s.until(ss.p.window))
	}
	if err := s.store.Apply(ctx, &b); err != nil {
		s.log.Error("sessions could not be put away", "cause", err)
		return
	}
	for _, ss := range frozen {
		ss.account.kick()
		for _, q := range ss.managed.queue {
			// Of a row that was on its way the commit may have failed.
			if q.copy != nil && (q.copy.is(spooling) || s.current().spool == nil) {
				q.copy.pay()
			}
		}
	}
	for _, ss := range frozen {
		select {
		case <-ss.managed.ledger.idle():
		case <-ctx.Done():
			s.log.Error("sessions could not be put away in time", "count", len(frozen))
			return
		}
		ss.noteHandled(&b)
	}
	b.PutUntil(s.tables.parked, wholeMark, nil, s.until(longest))
	if err := s.store.Apply(ctx, &b); err != nil {
		s.log.Error("sessions could not be put away", "cause", err)
	}
}

// until is when the time of a row is up: never, if the clock is not set, as counted from
// 1970 it would be over once it is.
func (s *Server) until(window time.Duration) (t time.Time) {
	if now := time.Now(); stamp.IsSet(now, s.store.Options().Built) {
		t = now.Add(window)
	}
	return t
}

// wholeMark is the row that says that all other rows of the table can be relied on. No
// resumption id is like it.
var wholeMark = []byte{0}

// freeze closes the connection without ending the stream, and returns the session as
// it is put away, but for its queue; what comes from now on is lost to it, and waits in
// the account's backlog. It returns nil for a session that has ended.
func (ss *Session) freeze(bye *goodbyes) *parked {
	ss.account.wait(0, 1)
	p := ss.frozen(bye)
	if p == nil {
		ss.account.wait(0, -1)
	}
	return p
}

func (ss *Session) frozen(bye *goodbyes) *parked {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.end != alive {
		return nil
	}
	now := ss.Presence()
	ss.end = draining
	ss.ended.Store(true)
	ss.epoch++
	if ss.out != nil {
		bye.Add(1)
		ss.out.Close(closeGrace, stream.Fail(stream.SystemShutdown, "").Append(nil), bye)
		ss.out = nil
	}
	m := ss.managed
	for _, q := range ss.held {
		m.push(q)
	}
	ss.held = nil
	return &parked{
		account:  ss.account.id,
		jid:      ss.jid,
		window:   m.window,
		sent:     m.sent,
		presence: now,
		flags:    ss.server.names.flagNames(ss.flags.Load()),
	}
}

// goodbyes are the connections that are told of the shutdown.
type goodbyes struct{ sync.WaitGroup }

func (g *goodbyes) Written(bool) { g.Done() }

// wait gives them a moment before the program ends; one whose client does not read is
// not worth more.
func (g *goodbyes) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTime)
	defer cancel()
	done := make(chan struct{})
	go func() {
		g.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

const goodbyeTime = 250 * time.Millisecond

// shelve puts a stanza away. A message goes into the spool, if it is not there or on
// its way already.
func (q *queued) shelve(b *store.Batch) parkedStanza {
	c := q.copy
	if c == nil || c.is(done) {
		return parkedStanza{stanza: q.stanza}
	}
	spool := c.account.server.current().spool
	if spool == nil || !spool.Keeps(c.stanza) {
		return parkedStanza{stanza: q.stanza, owed: true}
	}
	if c.state.Or(spooling)&spooling == 0 {
		c.row = spool.Put(b, c.account, c.delayed())
	}
	return parkedStanza{row: c.row}
}

// unpark brings back the sessions whose time has not run out.
func (s *Server) unpark() error {
	type found struct {
		id string
		p  *parked
	}
	var list []found
	var b store.Batch
	whole := false
	err := s.store.View(func(tx *store.Tx) error {
		return tx.Scan(s.tables.parked, nil, nil, false, func(k, v []byte) bool {
			b.Delete(s.tables.parked, k)
			if string(k) == string(wholeMark) {
				whole = true
				return true
			}
			p, err := decodeParked(v)
			if err != nil {
				s.log.Warn("a session that was put away cannot be read", "cause", err)
				return true
			}
			list = append(list, found{string(k), p})
			return true
		})
	})
	if err != nil || b.Len() == 0 {
		return err
	}
	for _, f := range list {
		if !whole {
			break
		}
		if err := s.revive(f.id, f.p); err != nil {
			s.log.Warn("a session that was put away is lost", "cause", err)
		}
	}
	return s.store.Apply(context.Background(), &b)
}

// revive makes the session again, waiting for its client.
func (s *Server) revive(id string, p *parked) error {
	a, err := s.find(p.jid.Bare())
	if err != nil {
		return err
	}
	if a == nil || a.id != p.account {
		return ErrGone
	}
	g := s.current()
	m := &managed{id: id, window: p.window, limit: int(g.limits.unacknowledged), sent: p.sent - uint32(len(p.queue))}
	m.ledger.server = s
	ss := &Session{server: s, account: a, jid: p.jid, since: time.Now().Unix(), managed: m}
	m.ledger.ack = ss.acknowledge
	m.ledger.settled = s.handled(id)
	ss.active.Store(ss.since)
	ss.flags.Store(s.names.flagSet(p.flags))
	for _, e := range p.queue {
		m.push(g.restore(ss, e))
	}
	if p.presence != nil {
		priority, _ := priorityOf(p.presence)
		ss.presence.Store(&presence{p.presence, priority})
	}
	a.Decide(func() { a.add(ss) })
	s.resumable.add(id, ss)
	s.sessions.Add(1)
	m.timer = time.AfterFunc(m.window, func() { ss.expire(0) })
	g.hooks.Bound.Tell(ss)
	return nil
}

// restore makes an entry of the queue again.
func (g *generation) restore(ss *Session, e parkedStanza) queued {
	switch {
	case e.stanza != nil && e.owed:
		c := newOwed(ss.account, e.stanza, receipt{})
		c.state.Store(paid)
		return queued{e.stanza, c}
	case e.stanza != nil:
		return queued{stanza: e.stanza}
	}
	var st *stanza.Stanza
	err := errParked
	if g.spool != nil {
		st, err = g.spool.Take(ss.account, e.row)
	}
	if err != nil {
		g.log.Error("a message of a session that was put away cannot be read", "cause", err)
	}
	if st == nil { // its number has to be there: an empty message has no effect
		return queued{stanza: stanza.NewMessage(stanza.Headline, "", ss.account.jid, ss.jid, nil)}
	}
	return queued{st, ss.account.kept(st, e.row)}
}

// handled reads how many of a stream's stanzas had been taken.
func (s *Server) handled(id string) (n uint32) {
	s.store.View(func(tx *store.Tx) error {
		if v, ok := tx.Get(s.tables.handled, []byte(id)); ok && len(v) == 12 {
			n, _, _ = table.ReadUint32(v[8:])
		}
		return nil
	})
	return n
}

// parked is a session at rest.
type parked struct {
	account  users.ID
	jid      jid.JID
	window   time.Duration
	sent     uint32
	presence *stanza.Stanza
	flags    []string
	queue    []parkedStanza
}

// parkedStanza is what the client has not acknowledged: a stanza, or the row of one in
// the spool.
type parkedStanza struct {
	stanza *stanza.Stanza
	owed   bool // a message that somebody else gets if the client does not come back
	row    uint64
}

// Kinds of a parkedStanza.
const (
	parkedPlain byte = iota
	parkedOwed
	parkedRow
)

func (p *parked) encode() []byte {
	b := table.AppendUint64(nil, uint64(p.account))
	b = table.AppendString(b, p.jid.String())
	b = table.AppendInt64(b, int64(p.window))
	b = table.AppendUint32(b, p.sent)
	var own []byte
	if p.presence != nil {
		own = p.presence.AppendForwarded(nil)
	}
	b = table.AppendBytes(b, own)
	b = table.AppendUint32(b, uint32(len(p.flags)))
	for _, f := range p.flags {
		b = table.AppendString(b, f)
	}
	for _, e := range p.queue {
		switch {
		case e.stanza == nil:
			b = table.AppendBytes(b, table.AppendUint64([]byte{parkedRow}, e.row))
		case e.owed:
			b = table.AppendBytes(b, e.stanza.AppendForwarded([]byte{parkedOwed}))
		default:
			b = table.AppendBytes(b, e.stanza.AppendForwarded([]byte{parkedPlain}))
		}
	}
	return b
}

var errParked = errors.New("server: malformed row of a session")

func decodeParked(b []byte) (*parked, error) {
	r := reader{b: b}
	p := &parked{account: users.ID(r.uint64())}
	full, err := jid.Parse(r.string())
	if err != nil {
		return nil, err
	}
	p.jid = full
	p.window = time.Duration(r.int64())
	p.sent = r.uint32()
	if own := r.string(); own != "" {
		if p.presence, err = stanza.Parse([]byte(own)); err != nil {
			return nil, err
		}
	}
	for range min(r.uint32(), 32) {
		p.flags = append(p.flags, r.string())
	}
	for r.err == nil && len(r.b) > 0 {
		e, err := decodeParkedStanza(r.string())
		if err != nil {
			return nil, err
		}
		p.queue = append(p.queue, e)
	}
	return p, r.err
}

func decodeParkedStanza(text string) (e parkedStanza, err error) {
	if text == "" {
		return e, errParked
	}
	rest := []byte(text[1:])
	switch text[0] {
	case parkedRow:
		e.row, _, err = table.ReadUint64(rest)
	case parkedPlain, parkedOwed:
		e.owed = text[0] == parkedOwed
		e.stanza, err = stanza.Parse(rest)
	default:
		err = errParked
	}
	return e, err
}

// reader takes a row apart; the first error sticks.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uint64() (v uint64) {
	if r.err == nil {
		v, r.b, r.err = table.ReadUint64(r.b)
	}
	return v
}

func (r *reader) int64() (v int64) {
	if r.err == nil {
		v, r.b, r.err = table.ReadInt64(r.b)
	}
	return v
}

func (r *reader) uint32() (v uint32) {
	if r.err == nil {
		v, r.b, r.err = table.ReadUint32(r.b)
	}
	return v
}

func (r *reader) string() (v string) {
	if r.err == nil {
		v, r.b, r.err = table.ReadString(r.b)
	}
	return v
}
