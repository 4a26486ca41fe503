// Package offline keeps messages for people who are not there: RFC 6121 section
// 8.5.2.2.1, XEP-0160 1.0.1, with the hints of XEP-0334 0.4.0.
//
// It is also the spool of messages that were handed to a client and are not
// acknowledged (xmpp.Spool): what is in it when the server dies is delivered as
// offline messages. A row goes only when the delivery of its message is settled.
package offline

import (
	"math"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const hints = "urn:xmpp:hints"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "offline",
		Summary: "messages wait for those who are not there",
		Specs:   []string{"XEP-0160 1.0.1", "XEP-0203 2.0", "XEP-0334 0.4.0"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host     xmpp.Host
	table    *table.Table
	boxes    xmpp.Key[*box]
	messages int
	bytes    int64
	keep     time.Duration
	stored   *metric.Counter
	full     *metric.Counter
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = table.New("offline", table.Account, table.Expires(), table.Append(), table.Export("offline-messages"))
	h.Table(m.table)
	m.boxes = xmpp.NewKey[*box](h, "offline")
	o := h.Options()
	o.Int(&m.messages, "messages", 1000, "how many messages may wait for one account").Range(0, 100000)
	o.Bytes(&m.bytes, "bytes", 4<<20, "how many bytes of messages may wait for one account")
	o.Duration(&m.keep, "keep", 90*24*time.Hour, "how long a message waits; 0 means for ever")
	m.stored = h.Metrics().Counter(metric.Desc{Name: "offlineStored", Help: "messages stored for somebody who was not there"})
	m.full = h.Metrics().Counter(metric.Desc{Name: "offlineFull", Help: "messages refused because too many were waiting"})
	h.Disco().Feature(xmpp.ToHost, "msgoffline")
	h.Hooks().Undelivered.Handle.Add("offline", m.store)
	h.Hooks().Presence.Add("offline", m.presence)
	h.Hooks().Bound.Add("offline", m.bound)
	h.SetSpool(m)
	return nil
}

// store puts the message into the box. One that is not kept, because it may not be or
// because the box is full, is answered with service-unavailable (XEP-0160 section 2),
// unless it is in the recipient's archive and waits there.
func (m *module) store(t *xmpp.Transit) xmpp.Verdict {
	s, a := t.Stanza, t.Account
	switch {
	case xmpp.OnlyTyping(s):
		return xmpp.Taken // tells nobody anything by the time it would be read
	case s.Has(hints, "no-store"):
		return xmpp.Pass
	}
	b, err := m.box(a)
	if err != nil {
		m.broken(err)
		return xmpp.Pass
	}
	row, ok := m.put(&t.Batch, a, b, s, m.messages, m.bytes)
	if !ok && m.prune(a, b) {
		row, ok = m.put(&t.Batch, a, b, s, m.messages, m.bytes)
	}
	if !ok {
		m.full.Add(1)
		return xmpp.Pass
	}
	t.Keep()
	// It is older than what comes next, and nobody can have it before the commit.
	a.Defer()
	t.After(func(err error) {
		if err != nil {
			b.remove(row)
		} else {
			m.stored.Add(1)
			b.land(row)
			m.again(a)
		}
		a.Proceed()
	})
	return xmpp.Pass
}

func (m *module) broken(cause error) {
	m.host.Log().Error("offline messages cannot be read", "cause", cause)
}

// put adds the row to the batch and to the box, as one that is in flight; ok is false
// when there is no room for it.
func (m *module) put(batch *store.Batch, a xmpp.Account, b *box, s *stanza.Stanza, messages int, bytes int64) (row uint64, ok bool) {
	now, built := time.Now(), m.host.Store().Options().Built
	s = xmpp.Delayed(s, a.JID().Host(), now, built)
	v := s.AppendForwarded(nil)
	if row, ok = b.add(m.host.Store(), len(v), messages, bytes); !ok {
		return 0, false
	}
	var until time.Time
	if m.keep > 0 && stamp.IsSet(now, built) { // counted from 1970, its time would be up once the clock is set
		until = now.Add(m.keep)
	}
	batch.PutUntil(m.table, key(a, row), v, until)
	return row, true
}

// prune takes rows whose time has run out off a full box, and reports whether there
// were any.
func (m *module) prune(a xmpp.Account, b *box) (some bool) {
	err := m.host.Store().View(func(tx *store.Tx) error {
		for {
			row, ok := b.oldest()
			if !ok {
				return nil
			}
			if _, there := tx.Get(m.table, key(a, row)); there {
				return nil
			}
			b.remove(row)
			some = true
		}
	})
	if err != nil {
		m.broken(err)
	}
	return some
}

// presence delivers what waits once a client shows that it wants messages: XEP-0160
// section 2, a non-negative priority.
func (m *module) presence(c xmpp.PresenceChange) {
	if c.Now != nil && c.Session.Priority() >= 0 {
		m.flush(c.Session.Account(), c.Session)
	}
}

// bound delivers what was kept while the server went down to a session that comes
// back after that, available.
func (m *module) bound(s xmpp.Session) {
	if wants(s) {
		m.flush(s.Account(), s)
	}
}

// wants reports whether a client gets messages that are for the person.
func wants(s xmpp.Session) bool { return s.Presence() != nil && s.Priority() >= 0 }

// somebody returns a client of the account that wants messages, nil if none does.
func somebody(a xmpp.Account) xmpp.Session {
	for _, s := range a.Sessions() {
		if wants(s) {
			return s
		}
	}
	return nil
}

// again hands out what has landed, if there is somebody to have it.
func (m *module) again(a xmpp.Account) {
	if somebody(a) == nil {
		return
	}
	a.Defer()
	go func() { // this may be the store's writer
		m.flush(a, nil)
		a.Proceed()
	}()
}

// flush sends all rows that nobody has in hand to the client, or to another one if
// that goes, oldest first. New messages wait meanwhile.
func (m *module) flush(a xmpp.Account, to xmpp.Session) {
	b, err := m.box(a)
	if err != nil {
		m.broken(err)
		return
	}
	a.Defer() // before it can be seen that somebody hands them out
	first, yes := b.begin()
	if !first {
		a.Proceed()
	}
	if yes {
		m.handOut(a, b, to)
	}
}

// handOut is flush for the one who may.
func (m *module) handOut(a xmpp.Account, b *box, to xmpp.Session) {
	for {
		if to == nil || !wants(to) {
			to = somebody(a)
		}
		if to == nil {
			b.stop()
			m.again(a) // who came meanwhile has left it to us
			a.Proceed()
			return
		}
		order, ok, left := b.take()
		if !ok {
			if !left {
				a.Proceed()
			}
			return
		}
		message, err := m.read(a, b, order)
		switch {
		case err != nil:
			m.broken(err)
			b.land(order)
			b.stop()
			a.Proceed()
			return
		case message != nil:
			to.SendKept(message, order)
		}
	}
}

// read reads the message of a row that was taken. It returns nil for one that nobody
// will get.
func (m *module) read(a xmpp.Account, b *box, order uint64) (*stanza.Stanza, error) {
	var v []byte
	there := false
	err := m.host.Store().View(func(tx *store.Tx) error {
		v, there = tx.Get(m.table, key(a, order))
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !there: // its time had run out
		b.remove(order)
		return nil, nil
	}
	message, err := stanza.Parse(v)
	if err != nil {
		m.host.Log().Error("an offline message cannot be read", "cause", err)
		b.skip(order)
		return nil, nil
	}
	return message, nil
}

// goOn hands out more for who paused.
func (m *module) goOn(a xmpp.Account, b *box) {
	a.Retain()
	go func() { // the caller may be the store's writer, or one who writes for many
		m.handOut(a, b, nil)
		a.Release()
	}()
}

// Keeps implements xmpp.Spool.
func (m *module) Keeps(s *stanza.Stanza) bool {
	return (s.Type == stanza.Normal || s.Type == stanza.Chat) && !s.Has(hints, "no-store") && !xmpp.OnlyTyping(s)
}

// Put implements xmpp.Spool. The limits are for those who are not there.
func (m *module) Put(batch *store.Batch, a xmpp.Account, s *stanza.Stanza) (row uint64) {
	b, err := m.box(a)
	if err != nil { // rows already there are unknown for now; this one is safe
		b = new(box)
	}
	row, _ = m.put(batch, a, b, s, math.MaxInt, math.MaxInt64)
	return row
}

// Drop implements xmpp.Spool.
func (m *module) Drop(batch *store.Batch, a xmpp.Account, row uint64) {
	batch.Delete(m.table, key(a, row))
	if b := m.boxes.Of(a); b != nil && b.remove(row) {
		m.goOn(a, b)
	}
}

// Return implements xmpp.Spool.
func (m *module) Return(a xmpp.Account, row uint64) {
	b := m.boxes.Of(a)
	switch {
	case b == nil:
	case b.land(row):
		m.goOn(a, b)
	default:
		m.again(a)
	}
}

// Take implements xmpp.Spool.
func (m *module) Take(a xmpp.Account, row uint64) (*stanza.Stanza, error) {
	b, err := m.box(a)
	if err != nil || !b.lift(row) {
		return nil, err
	}
	return m.read(a, b, row)
}

func key(a xmpp.Account, row uint64) []byte {
	return table.AppendUint64(table.AppendUint64(make([]byte, 0, 16), uint64(a.ID())), row)
}
