package ping

import (
	"testing"
	"time"

	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// A clock that was set back makes no client immortal: what came before says nothing of
// what the clock shows now.
func TestClockSetBack(t *testing.T) {
	const s2c = `<iq from='example.com' to='juliet@example.com/balcony' id='ping' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`
	m := new(extension)
	xmpptest.Test(t, xmpptest.Options{
		Values:     map[string]string{"xmpp.ping/interval": "60s", "xmpp.ping/timeout": "20s"},
		Extensions: []xmpp.Info{{Name: "ping", New: func() xmpp.Module { return m }}},
	}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		now := time.Now()
		m.look(juliet.Session(), now.Add(time.Minute))
		juliet.Expect(s2c)
		back := now.Add(-time.Hour)
		m.look(juliet.Session(), back)
		juliet.Expect(s2c)
		m.look(juliet.Session(), back.Add(19*time.Second))
		juliet.Nothing()
		if !juliet.Connected() {
			t.Fatal("disconnected before the time-out")
		}
		m.look(juliet.Session(), back.Add(20*time.Second))
		if juliet.Connected() {
			t.Error("still connected")
		}
	})
}
