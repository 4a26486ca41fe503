package server

import (
	"context"
	"errors"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/stream"
	"linnet/store"
	"linnet/store/table"
)

// This file puts sessions away at shutdown and brings them back at the next
// start, so that a client resumes over a restart as over a lost connection.

// park ends every session: those that can be resumed are stored with what their
// clients have not acknowledged, the others get a proper end. Edges have stopped
// reading before.
func (s *Server) park(ctx context.Context) {
	var waiting []*Session
	s.Online(func(a xmpp.Account) bool {
		for _, x := range a.Sessions() {
			ss := x.(*Session)
			ss.mu.Lock()
			stays := ss.managed != nil && ss.managed.id != ""
			ss.mu.Unlock()
			if stays {
				waiting = append(waiting, ss)
			} else {
				ss.End("system-shutdown", "")
			}
		}
		return true
	})
	// What the ended ones left behind goes to the others' queues or to the
	// offline store; both are committed below.
	for s.sessions.Load() > int64(len(waiting)) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}

	var b store.Batch
	var copies []*owed
	for _, ss := range waiting {
		row, owing := ss.freeze()
		copies = append(copies, owing...)
		b.PutUntil(s.tables.parked, []byte(ss.managed.id), row, time.Now().Add(ss.managed.window))
	}
	if err := s.store.Apply(ctx, &b); err != nil {
		s.log.Error("sessions could not be put away", "cause", err)
		return
	}
	for _, c := range copies {
		c.pay()
	}
	for _, ss := range waiting {
		select {
		case <-ss.managed.ledger.idle():
		case <-ctx.Done():
		}
		ss.noteHandled(&b)
	}
	if err := s.store.Apply(ctx, &b); err != nil {
		s.log.Error("counts of put away sessions could not be stored", "cause", err)
	}
}

// freeze closes the connection without ending the stream, and returns the
// session as a row together with the copies that the row makes durable.
func (ss *Session) freeze() (row []byte, owing []*owed) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.epoch++
	if ss.out != nil {
		ss.out.Close(closeGrace, stream.Fail(stream.SystemShutdown, "").Append(nil), nil)
		ss.out = nil
	}
	m := ss.managed
	for _, q := range ss.held {
		m.push(q)
	}
	ss.held = nil
	p := parked{
		account:  ss.account.id,
		jid:      ss.jid,
		window:   m.window,
		sent:     m.sent,
		presence: ss.Presence(),
		flags:    ss.server.names.flagNames(ss.flags.Load()),
	}
	for _, q := range m.queue {
		p.queue = append(p.queue, q.stanza)
		p.owed = append(p.owed, q.copy != nil)
		if q.copy != nil {
			owing = append(owing, q.copy)
		}
	}
	return p.encode(), owing
}

// unpark brings back the sessions whose time has not run out. In the same commit
// their messages move to the spool, so that they are safe whatever happens next.
func (s *Server) unpark() error {
	type found struct {
		id string
		p  *parked
	}
	var list []found
	err := s.store.View(func(tx *store.Tx) error {
		return tx.Scan(s.tables.parked, nil, nil, false, func(k, v []byte) bool {
			p, err := decodeParked(v)
			if err != nil {
				s.log.Warn("a session that was put away cannot be read", "cause", err)
				return true
			}
			list = append(list, found{string(k), p})
			return true
		})
	})
	if err != nil {
		return err
	}
	var b store.Batch
	for _, f := range list {
		b.Delete(s.tables.parked, []byte(f.id))
		if err := s.revive(&b, f.id, f.p); err != nil {
			s.log.Warn("a session that was put away is lost", "cause", err)
		}
	}
	if b.Len() > 0 {
		return s.store.Apply(context.Background(), &b)
	}
	return nil
}

// revive makes the session again, waiting for its client.
func (s *Server) revive(b *store.Batch, id string, p *parked) error {
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
	for i, st := range p.queue {
		q := queued{stanza: st}
		if p.owed[i] {
			q.copy = newOwed(a, st, receipt{})
			q.copy.state.Store(paid)
			if g.spool != nil && g.spool.Keeps(st) {
				q.copy.row = g.spool.Put(b, a, st)
				q.copy.state.Store(paid | spooling | spooled)
			}
		}
		m.push(q)
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
	queue    []*stanza.Stanza
	owed     []bool
}

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
	for i, s := range p.queue {
		flag := byte(0)
		if p.owed[i] {
			flag = 1
		}
		b = table.AppendBytes(b, s.AppendForwarded([]byte{flag}))
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
		row := r.string()
		if len(row) == 0 {
			return nil, errParked
		}
		s, err := stanza.Parse([]byte(row[1:]))
		if err != nil {
			return nil, err
		}
		p.queue = append(p.queue, s)
		p.owed = append(p.owed, row[0] == 1)
	}
	return p, r.err
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
