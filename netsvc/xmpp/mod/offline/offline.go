// Package offline keeps messages for people who are not there: RFC 6121 section
// 8.5.2.2.1, XEP-0160 1.0.1, with the hints of XEP-0334 0.4.0.
//
// It is also the spool of messages that were handed to a client and are not
// acknowledged (xmpp.Spool): what is in it when the server dies is delivered as
// offline messages. A row goes only when the delivery of its message is settled.
package offline

import (
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const (
	hints      = "urn:xmpp:hints"
	chatStates = "http://jabber.org/protocol/chatstates"
)

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
	h.Hooks().Undelivered.Filter.Add("offline", m.refuse)
	h.Hooks().Undelivered.Handle.Add("offline", m.store)
	h.Hooks().Presence.Add("offline", m.presence)
	h.SetSpool(m)
	return nil
}

// refuse is for messages that may not be kept and for an account whose box is
// full. A message that is in the recipient's archive waits there.
func (m *module) refuse(t *xmpp.Transit) *stanza.Error {
	s := t.Stanza
	switch {
	case t.Kept():
		return nil
	case s.Has(hints, "no-store") || s.Has(hints, "no-permanent-store"):
		return stanza.NewError(stanza.ServiceUnavailable, "")
	}
	b, err := m.box(t.Account)
	if err != nil {
		m.host.Log().Error("offline messages cannot be read", "cause", err)
		return stanza.NewError(stanza.InternalServerError, "")
	}
	if !b.room(s.Size(), m.messages, m.bytes) {
		m.full.Add(1)
		return stanza.NewError(stanza.ServiceUnavailable, "") // XEP-0160 section 3
	}
	return nil
}

// store puts the message into the box.
func (m *module) store(t *xmpp.Transit) xmpp.Verdict {
	s := t.Stanza
	if onlyState(s) {
		return xmpp.Taken // tells nobody anything by the time it would be read
	}
	if s.Has(hints, "no-store") || s.Has(hints, "no-permanent-store") {
		return xmpp.Pass
	}
	b, err := m.box(t.Account)
	if err != nil || !b.room(s.Size(), m.messages, m.bytes) {
		return xmpp.Pass // only what the archive has comes here
	}
	a := t.Account
	row := m.put(&t.Batch, a, b, s)
	t.Keep()
	a.Retain()
	t.After(func(err error) {
		if err != nil {
			b.remove(row)
		} else {
			m.stored.Add(1)
			m.back(a, b, row)
		}
		a.Release()
	})
	return xmpp.Pass
}

// onlyState reports a message that says no more than that somebody is typing.
func onlyState(s *stanza.Stanza) bool {
	state, body := false, false
	s.Each(func(space, local string, _ []byte) bool {
		switch {
		case space == chatStates:
			state = true
		case space != hints && local != "thread":
			body = true
		}
		return !body
	})
	return state && !body
}

// put adds the row to the batch and to the box, as one that is in flight.
func (m *module) put(batch *store.Batch, a xmpp.Account, b *box, s *stanza.Stanza) (row uint64) {
	s = xmpp.Delayed(s, a.JID().Host(), time.Now())
	v := s.AppendForwarded(nil)
	var until time.Time
	if m.keep > 0 {
		until = time.Now().Add(m.keep)
	}
	row = b.next(m.host.Store(), len(v))
	batch.PutUntil(m.table, key(a, row), v, until)
	return row
}

// presence delivers what waits once a client shows that it wants messages: XEP-0160
// section 2, a non-negative priority.
func (m *module) presence(c xmpp.PresenceChange) {
	if c.Now != nil && c.Session.Priority() >= 0 {
		m.flush(c.Session)
	}
}

// flush sends rows that nobody has in hand to the client, oldest first, and more of
// them as the client takes them.
func (m *module) flush(s xmpp.Session) {
	b, err := m.box(s.Account())
	if err == nil {
		b.turn.Lock()
		defer b.turn.Unlock()
	}
	for err == nil {
		rows := b.take()
		if len(rows) == 0 {
			return
		}
		var sent bool
		if sent, err = m.sendAll(s, b, rows); sent {
			return // goes on when these are settled
		}
	}
	m.host.Log().Error("offline messages cannot be read", "cause", err)
}

// sendAll sends these rows, and reports whether there was any to send.
func (m *module) sendAll(s xmpp.Session, b *box, rows []uint64) (sent bool, err error) {
	err = m.host.Store().View(func(tx *store.Tx) error {
		for _, row := range rows {
			v, ok := tx.Get(m.table, key(s.Account(), row))
			if !ok { // its time had run out
				b.remove(row)
				continue
			}
			message, err := stanza.Parse(v)
			if err != nil {
				m.host.Log().Error("an offline message cannot be read", "cause", err)
				b.shelve(row)
				continue
			}
			sent = true
			m.send(s, b, row, message)
		}
		return nil
	})
	return sent, err
}

func (m *module) send(s xmpp.Session, b *box, row uint64, message *stanza.Stanza) {
	a := s.Account()
	s.SendOwed(message, func(got bool) {
		if !got {
			m.back(a, b, row)
			return
		}
		var batch store.Batch
		m.Drop(&batch, a, row)
		m.host.Store().Submit(&batch, nil)
		if b.more() {
			m.later(s)
		}
	})
}

// later is flush for callers that must not block.
func (m *module) later(s xmpp.Session) {
	a := s.Account()
	a.Retain()
	go func() {
		m.flush(s)
		a.Release()
	}()
}

// back makes a row one that waits, and sends it to another client if one is
// there.
func (m *module) back(a xmpp.Account, b *box, row uint64) {
	b.land(row)
	for _, s := range a.Sessions() {
		if s.Presence() != nil && s.Priority() >= 0 {
			m.later(s)
			return
		}
	}
}

// Put implements xmpp.Spool.
func (m *module) Put(batch *store.Batch, a xmpp.Account, s *stanza.Stanza) (row uint64) {
	b, err := m.box(a)
	if err != nil { // rows already there are unknown for now; this one is safe
		b = new(box)
	}
	return m.put(batch, a, b, s)
}

// Drop implements xmpp.Spool.
func (m *module) Drop(batch *store.Batch, a xmpp.Account, row uint64) {
	batch.Delete(m.table, key(a, row))
	if b := m.boxes.Of(a); b != nil {
		b.remove(row)
	}
}

// Return implements xmpp.Spool.
func (m *module) Return(a xmpp.Account, row uint64) {
	if b := m.boxes.Of(a); b != nil {
		m.back(a, b, row)
	}
}

func key(a xmpp.Account, row uint64) []byte {
	return table.AppendUint64(table.AppendUint64(make([]byte, 0, 16), uint64(a.ID())), row)
}
