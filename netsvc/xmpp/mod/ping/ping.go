// Package ping answers pings and finds out which clients are gone: XMPP Ping,
// XEP-0199 2.0.1.
//
// A client that was silent for the interval is pinged once; one that shows no sign
// of life until the time-out is disconnected, which a client that can resume its
// stream survives. All clients are looked after by one timer.
package ping

import (
	"context"
	"sync"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

const space = "urn:xmpp:ping"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "ping",
		Summary: "answers pings, and notices clients that went away without a word",
		Specs:   []string{"XEP-0199 2.0.1"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host     xmpp.Host
	interval time.Duration
	timeout  time.Duration
	pinged   xmpp.Key[time.Time] // when the session was pinged; zero: it was not, or has answered
	watch    *watch
	lost     *metric.Counter
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.pinged = xmpp.NewKey[time.Time](h, "pinged")
	m.watch = module.Live(h, "ping", func() *watch { return new(watch) })
	o := h.Options().About("XMPP Ping.")
	o.Duration(&m.interval, "interval", 5*time.Minute, "how long a client may be silent before it is pinged; 0 never pings").Between(0, 24*time.Hour)
	o.Duration(&m.timeout, "timeout", 30*time.Second, "how long a pinged client has to show a sign of life").Between(time.Second, time.Hour)
	h.IQ(xmpp.IQ{Space: space, Local: "ping", To: xmpp.ToSelf | xmpp.ToAccount | xmpp.ToHost | xmpp.ToService, Get: m.pong})
	m.lost = h.Metrics().Counter(metric.Desc{Name: "pingLost", Help: "clients given up because they did not answer a ping"})
	h.Hooks().Resumed.Add("ping", func(s xmpp.Session) { m.pinged.Set(s, time.Time{}) })
	return nil
}

// pong answers. For an account it answers those only who may know that it is there.
func (m *extension) pong(r *xmpp.Request) {
	if r.Account != nil && r.IQ.From.Bare() != r.Account.JID() {
		if sub, err := m.host.Contacts().Contact(r.Account, r.IQ.From.Bare()); err != nil || !sub.From {
			r.Refuse(stanza.ServiceUnavailable, "")
			return
		}
	}
	r.Result(nil)
}

// watch is the one timer, which goes on over reloads.
type watch struct {
	mu    sync.Mutex
	owner *extension // whose options are in force; nil: nobody's
	timer *time.Timer
}

// Switch gives the timer to this generation's options.
func (m *extension) Switch() { m.watch.give(m) }

// Stop implements module.Stopper.
func (m *extension) Stop(context.Context) error {
	m.watch.give(nil)
	return nil
}

func (w *watch) give(m *extension) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.owner = m
	if m != nil && m.interval > 0 {
		w.timer = time.AfterFunc(m.step(), func() { w.turn(m) })
	}
}

// turn looks at all clients, unless the timer was given to somebody else meanwhile.
func (w *watch) turn(m *extension) {
	m.host.Server().Online(func(a xmpp.Account) bool {
		for _, s := range a.Sessions() {
			m.look(s, time.Now())
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner == m {
		w.timer.Reset(m.step())
	}
}

// step is how often all clients are looked at: often enough that none is late by
// more than half the time-out.
func (m *extension) step() time.Duration { return max(time.Second, min(m.timeout, m.interval)/2) }

// look pings a client that was silent for long, and gives up one that was pinged and
// did not stir. A session without a connection waits for its client already.
func (m *extension) look(s xmpp.Session, now time.Time) {
	if s.RemoteAddr() == "" {
		return
	}
	active, pinged := s.Active(), m.pinged.Of(s)
	if active.Sub(now) > m.timeout { // the clock was set back meanwhile
		active = time.Time{}
	}
	if pinged.After(now) {
		pinged = time.Time{}
	}
	switch {
	case !pinged.IsZero() && active.Before(pinged):
		if now.Sub(pinged) >= m.timeout {
			m.pinged.Set(s, time.Time{})
			m.lost.Inc()
			s.Disconnect()
		}
	case now.Sub(active) >= m.interval:
		// In whole seconds, as the session's sign of life is: an answer within the
		// same second is not before the ping.
		m.pinged.Set(s, now.Truncate(time.Second))
		s.Send(stanza.NewIQ(stanza.Get, "ping", s.JID().Host(), s.JID(), []byte("<ping xmlns='"+space+"'/>")))
	case !pinged.IsZero():
		m.pinged.Set(s, time.Time{})
	}
}
