package ping_test

import (
	"testing"
	"time"

	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/ping"
)

var minute = xmpptest.Options{Hosts: []string{"capulet.lit"}, Values: map[string]string{"xmpp.ping/interval": "60s", "xmpp.ping/timeout": "20s"}}

const s2c = `<iq from='capulet.lit' to='juliet@capulet.lit/balcony' id='ping' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`

// Sections 4.1 to 4.3: everybody is answered, but strangers asking for accounts.
func TestAnswers(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet, net := s.Login("juliet@capulet.lit/balcony"), s.Peer("montague.lit")
		s.Register("nurse@capulet.lit")
		juliet.Ask(`<iq to='capulet.lit' id='c2s1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`, `<iq from='capulet.lit' id='c2s1' type='result'/>`)
		juliet.Ask(`<iq id='c2s2' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`, `<iq id='c2s2' type='result'/>`)
		juliet.Ask(`<iq to='juliet@capulet.lit' id='c2s3' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`, `<iq from='juliet@capulet.lit' id='c2s3' type='result'/>`)
		net.Send(`<iq from='montague.lit' to='capulet.lit' id='s2s1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`)
		net.Expect(`<iq from='capulet.lit' to='montague.lit' id='s2s1' type='result'/>`)

		ask := func(from string, there bool) {
			t.Helper()
			net.Send(`<iq from='` + from + `' to='juliet@capulet.lit' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`)
			if there {
				net.Expect(`<iq from='juliet@capulet.lit' to='` + from + `' id='1' type='result'/>`)
			} else {
				net.Expect(`<iq from='juliet@capulet.lit' to='` + from + `' id='1' type='error'>
					<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
			}
		}
		ask("romeo@montague.lit/orchard", false)
		s.Subscribe("juliet@capulet.lit", "romeo@montague.lit", xmpp.Subscription{From: true})
		ask("romeo@montague.lit/orchard", true)
	})
}

// A client that is silent is pinged, and one that answers stays.
func TestSilence(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		time.Sleep(59 * time.Second)
		juliet.Nothing()
		for _, answer := range []string{
			`<iq to='capulet.lit' id='ping' type='result'/>`,
			`<iq to='capulet.lit' id='ping' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
			`<presence/>`, // any sign of life is one
		} {
			time.Sleep(20 * time.Second)
			juliet.Expect(s2c)
			juliet.Nothing()
			juliet.Send(answer)
			time.Sleep(55 * time.Second)
			juliet.Nothing() // not yet again
		}
		if _, ended := juliet.Ended(); ended {
			t.Error("a client that answers was disconnected")
		}
	})
}

// An answer that comes at once is one, although the clock shows the same second.
func TestQuickAnswer(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		for end := time.Now().Add(2 * time.Minute); len(juliet.Skip()) == 0; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatal("no ping")
			}
		}
		juliet.Send(`<iq to='capulet.lit' id='ping' type='result'/>`)
		time.Sleep(50 * time.Second)
		juliet.Nothing()
		if _, ended := juliet.Ended(); ended {
			t.Error("disconnected after an answer")
		}
	})
}

// Who does not answer has the whole time-out, and is then disconnected.
func TestGone(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		var pinged time.Time
		for end := time.Now().Add(3 * time.Minute); time.Now().Before(end) && juliet.Connected(); time.Sleep(time.Second) {
			if got := juliet.Skip(); len(got) > 0 {
				if !pinged.IsZero() {
					t.Error("pinged twice")
				}
				pinged = time.Now()
			}
		}
		if _, ended := juliet.Ended(); !ended {
			t.Fatal("still there")
		}
		if waited := time.Since(pinged); waited < 20*time.Second || waited > 31*time.Second {
			t.Errorf("disconnected %v after the ping", waited)
		}
		if n := s.Metric("pingLost"); n != 1 {
			t.Errorf("%d clients were given up", n)
		}
	})
}

// A client that is busy is never pinged.
func TestBusy(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		for range 20 {
			time.Sleep(50 * time.Second)
			juliet.Send(`<presence/>`)
		}
		juliet.Nothing()
	})
}

// A session that waits for its client is left alone, and the client that came back
// has all the time again.
func TestResumption(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		juliet.Resumable()
		time.Sleep(75 * time.Second)
		juliet.Expect(s2c)
		time.Sleep(time.Minute) // no answer: disconnected
		if juliet.Connected() {
			t.Fatal("still connected")
		}
		time.Sleep(10 * time.Minute)
		juliet.Nothing()
		juliet.Resume()
		time.Sleep(11 * time.Second)
		juliet.Expect(s2c)
		time.Sleep(10 * time.Second)
		if !juliet.Connected() {
			t.Fatal("disconnected before the time-out")
		}
		juliet.Send(`<iq to='capulet.lit' id='ping' type='result'/>`)
		time.Sleep(50 * time.Second)
		if !juliet.Connected() {
			t.Fatal("disconnected after an answer")
		}
		// The same when the connection was lost for another reason after a ping.
		time.Sleep(15 * time.Second)
		juliet.Expect(s2c)
		juliet.Lose()
		time.Sleep(5 * time.Second)
		juliet.Resume()
		time.Sleep(12 * time.Second)
		juliet.Expect(s2c)
		if !juliet.Connected() {
			t.Fatal("disconnected for an old ping")
		}
	})
}

// A reload changes the interval for everybody, and 0 ends the pings.
func TestReload(t *testing.T) {
	xmpptest.Test(t, minute, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		s.Reload(map[string]string{"xmpp.ping/interval": "0"})
		time.Sleep(time.Hour)
		juliet.Nothing()
		s.Reload(map[string]string{"xmpp.ping/interval": "10s", "xmpp.ping/timeout": "10s"})
		s.Reload(map[string]string{"xmpp.ping/interval": "10s", "xmpp.ping/timeout": "10s"})
		time.Sleep(6 * time.Second)
		juliet.Expect(s2c)
		juliet.Nothing()
	})
}
