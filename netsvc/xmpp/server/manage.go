package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp/stream"
	"linnet/store"
	"linnet/store/table"
)

// ManageSpace is the namespace of XEP-0198.
const ManageSpace = "urn:xmpp:sm:3"

// StreamFeature is what offers stream management to an authenticated client.
var ManageFeature = []byte("<sm xmlns='" + ManageSpace + "'/>")

var ackRequest = [][]byte{[]byte("<r xmlns='" + ManageSpace + "'/>")}

// Enable begins stream management. It answers the client itself, so that the
// answer stands before everything that is counted. resume asks for a stream that
// can be resumed for at most the time given (0: as long as the server likes).
func (ss *Session) Enable(resume bool, most time.Duration) {
	limits := &ss.server.current().limits
	m := &managed{limit: int(limits.unacknowledged)}
	m.ledger.server = ss.server
	m.ledger.ack = ss.acknowledge
	w := xmlstream.NewWriter("")
	w.Start(ManageSpace, "enabled")
	if resume && limits.resumption > 0 {
		m.window = limits.resumption
		if most > 0 && most < m.window {
			m.window = most
		}
		m.id = resumptionID()
		w.Attr("id", m.id).Attr("resume", "true").Attr("max", strconv.Itoa(int(m.window/time.Second)))
		w.AttrIf("location", limits.location)
	}
	w.End()

	ss.server.resumable.add(m.id, ss)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	switch {
	case ss.end != alive || ss.out == nil:
	case ss.managed != nil:
		ss.out.Add(flow.Item{Segs: failed("unexpected-request", "", nil)})
	default:
		ss.managed = m
		ss.out.Add(flow.Item{Segs: [][]byte{w.Bytes()}})
		return
	}
	ss.server.resumable.remove(m.id)
}

func resumptionID() string {
	var b [18]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// failed is XEP-0198's answer to what cannot be done; handled, when known, tells
// how many stanzas of the old stream were taken.
func failed(condition, text string, handled *uint32) [][]byte {
	w := xmlstream.NewWriter("")
	w.Start(ManageSpace, "failed")
	if handled != nil {
		w.Attr("h", strconv.FormatUint(uint64(*handled), 10))
	}
	w.Start("urn:ietf:params:xml:ns:xmpp-stanzas", condition).End()
	if text != "" {
		w.Leaf("urn:ietf:params:xml:ns:xmpp-stanzas", "text", text)
	}
	w.End()
	return [][]byte{w.Bytes()}
}

// AckRequested answers <r/> at once with what is settled; if something is still
// owed, another <a/> follows when it no longer is.
func (ss *Session) AckRequested(epoch uint32) { ss.sendAck(epoch, true) }

func (ss *Session) acknowledge() {
	ss.mu.Lock()
	epoch := ss.epoch
	ss.mu.Unlock()
	ss.sendAck(epoch, false)
}

func (ss *Session) sendAck(epoch uint32, asked bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	m := ss.managed
	if ss.epoch != epoch || ss.out == nil || m == nil {
		return
	}
	b := make([]byte, 0, 48)
	b = append(b, "<a xmlns='"+ManageSpace+"' h='"...)
	b = strconv.AppendUint(b, uint64(m.ledger.count(asked)), 10)
	b = append(b, "'/>"...)
	ss.out.Add(flow.Item{Segs: [][]byte{b}})
}

// Acked is the client's <a h=…/>.
func (ss *Session) Acked(epoch, h uint32) {
	ss.mu.Lock()
	m := ss.managed
	if ss.epoch != epoch || m == nil {
		ss.mu.Unlock()
		return
	}
	var room [askAfter * 3 / 2]*owed
	got, ok := m.acknowledge(h, room[:0])
	sent := m.sent
	m.asked = false
	if ok && ss.out != nil && len(m.queue) > 0 {
		ss.wantAck(m.owing > 0)
	}
	ss.mu.Unlock()
	if !ok {
		ss.finish((&HighCount{h, sent}).Stream(), queued{})
		return
	}
	gotten(got)
}

// How eagerly a client is asked to acknowledge: after so many messages, or so long
// after the first; other stanzas, which only take up memory, much later. Each
// question costs both ends a stanza's worth of work.
const (
	askAfter = 16
	askDelay = 100 * time.Millisecond
	askIdle  = 10 * time.Second
)

// wantAck asks now or later for what the client has not acknowledged. The caller
// holds mu, and a connection is attached.
func (ss *Session) wantAck(owed bool) {
	m := ss.managed
	switch {
	case m.asked:
	case m.owing >= askAfter:
		m.asked = true
		ss.out.Add(flow.Item{Segs: ackRequest})
	case owed && !m.soon:
		m.soon = true
		ss.server.unasked.watch(ss)
	case !owed && !m.later:
		m.later = true
		ss.server.unaskedIdle.watch(ss)
	}
}

// askSoon and askLater are the looks of Server.unasked and Server.unaskedIdle.
func (ss *Session) askSoon() bool  { return ss.ask(func(m *managed) { m.soon = false }) }
func (ss *Session) askLater() bool { return ss.ask(func(m *managed) { m.later = false }) }

func (ss *Session) ask(reset func(*managed)) (again bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	m := ss.managed
	reset(m)
	if ss.out != nil && len(m.queue) > 0 && !m.asked {
		m.asked = true
		ss.out.Add(flow.Item{Segs: ackRequest})
	}
	return false
}

// ResumeBound refuses a resumption on a stream that has a session already: it would have
// stood in place of binding a resource.
func (ss *Session) ResumeBound(epoch uint32) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.epoch == epoch && ss.out != nil {
		ss.out.Add(flow.Item{Segs: failed("unexpected-request", "a stream is resumed before a resource is bound", nil)})
	}
}

// resumables finds sessions by what their clients resume with.
type resumables struct {
	mu  sync.Mutex
	all map[string]*Session
}

// add and remove do nothing for the empty id, that of a stream which cannot be
// resumed.
func (r *resumables) add(id string, ss *Session) {
	if id == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*Session{}
	}
	r.all[id] = ss
}

func (r *resumables) remove(id string) {
	if id == "" {
		return
	}
	r.mu.Lock()
	delete(r.all, id)
	r.mu.Unlock()
}

func (r *resumables) get(id string) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[id]
}

// ErrNotResumed means that there is no such session for that account; the
// client binds a new one.
var ErrNotResumed = errors.New("server: no session to resume")

// NotResumed is the answer to a resumption that failed. handled says how many
// stanzas of the old stream were taken, where that is known.
func (s *Server) NotResumed(of users.ID, id string) []byte {
	var h *uint32
	s.store.View(func(tx *store.Tx) error {
		if v, ok := tx.Get(s.tables.handled, []byte(id)); ok && len(v) == 12 {
			owner, rest, _ := table.ReadUint64(v)
			n, _, _ := table.ReadUint32(rest)
			if users.ID(owner) == of {
				h = &n
			}
		}
		return nil
	})
	return failed("item-not-found", "", h)[0]
}

// noteHandled adds to a batch how many stanzas of the client will have been
// taken once it is committed.
func (ss *Session) noteHandled(b *store.Batch) {
	m := ss.managed
	if m.id == "" {
		return
	}
	v := table.AppendUint64(make([]byte, 0, 12), uint64(ss.account.id))
	v = table.AppendUint32(v, m.ledger.durable())
	b.PutUntil(ss.server.tables.handled, []byte(m.id), v, time.Now().Add(handledFor))
}

const handledFor = 24 * time.Hour

// Resume gives a session that lost its connection a new one, and sends it again
// what the client has not got: all after number h. It waits until everything
// read from the old connection is settled.
func (s *Server) Resume(ctx context.Context, of users.ID, id string, h uint32, l Link) (*Session, uint32, error) {
	ss := s.resumable.get(id)
	if ss == nil || ss.account.id != of {
		return nil, 0, ErrNotResumed
	}
	ss.mu.Lock()
	if ss.end != alive {
		ss.mu.Unlock()
		return nil, 0, ErrNotResumed
	}
	ss.epoch++
	old := ss.out
	ss.out = nil
	m := ss.managed
	if m.timer != nil {
		m.timer.Stop()
	}
	mine := ss.epoch
	ss.mu.Unlock()
	if old != nil {
		old.Close(closeGrace, stream.Farewell(stream.Fail(stream.Conflict, "resumed from another connection")), nil)
	}

	select {
	case <-m.ledger.idle():
	case <-ctx.Done():
		ss.Detach(mine)
		return nil, 0, ctx.Err()
	}

	ss.mu.Lock()
	if ss.end != alive || ss.epoch != mine {
		ss.mu.Unlock()
		return nil, 0, ErrNotResumed
	}
	got, ok := m.acknowledge(h, nil)
	if !ok {
		sent := m.sent
		ss.mu.Unlock()
		ss.Detach(mine)
		return nil, 0, &HighCount{H: h, Sent: sent}
	}
	ss.epoch++
	ss.out, ss.addr, ss.secure = l.Out, l.Addr, l.Secure
	epoch := ss.epoch
	w := xmlstream.NewWriter("")
	w.Start(ManageSpace, "resumed").Attr("previd", id).Attr("h", strconv.FormatUint(uint64(m.ledger.count(false)), 10)).End()
	fits := l.Out.Add(flow.Item{Segs: [][]byte{w.Bytes()}})
	m.asked = false
	for _, q := range m.queue {
		fits = fits && write(l.Out, q.stanza, nil)
	}
	if len(m.queue) > 0 {
		ss.wantAck(m.owing > 0)
	}
	ss.mu.Unlock()
	gotten(got)
	switch {
	case !fits && l.Out.Lost(): // the client can try again
		ss.Detach(epoch)
		return nil, 0, net.ErrClosed
	case !fits:
		ss.overrun(queued{})
		return nil, 0, ErrNotResumed
	}
	g := s.current()
	g.stats.resumed.Add(1)
	g.hooks.Resumed.Tell(ss)
	return ss, epoch, nil
}

// HighCount reports a client that acknowledged more than it was sent.
type HighCount struct{ H, Sent uint32 }

func (e *HighCount) Error() string { return "server: handled count too high" }

// Stream is the stream error of XEP-0198 section 4.
func (e *HighCount) Stream() *stream.Error {
	w := xmlstream.NewWriter("")
	w.Start(ManageSpace, "handled-count-too-high").
		Attr("h", strconv.FormatUint(uint64(e.H), 10)).Attr("send-count", strconv.FormatUint(uint64(e.Sent), 10)).End()
	return &stream.Error{Condition: stream.UndefinedCondition, Text: "more was acknowledged than was sent", App: w.Bytes()}
}

// expire ends a session whose client did not come back in time.
func (ss *Session) expire(epoch uint32) {
	ss.mu.Lock()
	stale := ss.epoch != epoch || ss.out != nil
	ss.mu.Unlock()
	if !stale && ss.finish(nil, queued{}) {
		ss.server.current().stats.lapsed.Inc()
	}
}
