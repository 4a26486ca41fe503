// Package ping answers pings and finds out which clients are gone: XMPP Ping,
// XEP-0199 2.0.1.
//
// A client that was silent for the interval is pinged once; one that shows no sign
// of life until the time-out is disconnected, which a client that can resume its
// stream survives. All clients are looked after by one timer.
package ping

import (
	"context"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
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
	pinged   xmpp.Flag
	watch    *watch
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.pinged = h.Flag("pinged")
	m.watch = module.Live(h, "ping", func() *watch { return new(watch) })
	o := h.Options().About("XMPP Ping.")
	o.Duration(&m.interval, "interval", 5*time.Minute, "how long a client may be silent before it is pinged; 0 never pings").Between(0, 24*time.Hour)
	o.Duration(&m.timeout, "timeout", 30*time.Second, "how long a pinged client has to show a sign of life").Between(time.Second, time.Hour)
	h.IQ(xmpp.IQ{Space: space, Local: "ping", To: xmpp.ToSelf | xmpp.ToAccount | xmpp.ToHost, Get: func(r *xmpp.Request) { r.Result(nil) }})
	return nil
}

// watch is the one timer, which goes on over reloads.
type watch struct{ timer *time.Timer }

func (m *extension) Start(context.Context) error {
	m.watch.timer = time.AfterFunc(time.Hour, func() {})
	m.Switch()
	return nil
}

// Switch gives the timer to this generation's options.
func (m *extension) Switch() {
	if m.watch.timer == nil {
		return
	}
	m.watch.timer.Stop()
	if m.interval > 0 {
		m.watch.timer = time.AfterFunc(m.step(), m.look)
	}
}

func (m *extension) Stop(context.Context) error {
	m.watch.timer.Stop()
	return nil
}

// step is how often all clients are looked at: often enough that nobody is late by
// more than half the time-out.
func (m *extension) step() time.Duration { return max(time.Second, min(m.timeout, m.interval)/2) }

func (m *extension) look() {
	now := time.Now()
	m.host.Server().Online(func(a xmpp.Account) bool {
		for _, s := range a.Sessions() {
			switch silent := now.Sub(s.Active()); {
			case s.RemoteAddr() == "": // waits for its client already
			case silent < m.interval:
				s.Set(m.pinged, false)
			case !s.Has(m.pinged):
				s.Set(m.pinged, true)
				s.Send(stanza.NewIQ(stanza.Get, "ping", jid.MustParse(a.JID().Domain()), s.JID(), []byte("<ping xmlns='"+space+"'/>")))
			case silent >= m.interval+m.timeout:
				s.Set(m.pinged, false)
				s.Disconnect()
			}
		}
		return true
	})
	m.watch.timer.Reset(m.step())
}
