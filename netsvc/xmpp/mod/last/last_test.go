package last_test

import (
	"testing"
	"time"

	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/last"
)

func ask(to string) string {
	return `<iq type='get' id='last1' to='` + to + `'><query xmlns='jabber:iq:last'/></iq>`
}

func answer(from, seconds, text string) string {
	return `<iq type='result' id='last1' from='` + from + `'><query xmlns='jabber:iq:last' seconds='` + seconds + `'>` + text + `</query></iq>`
}

func failure(from, kind, condition string) string {
	return `<iq type='error' id='last1' from='` + from + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

// Section 3.
func TestAbsent(t *testing.T) {
	data := t.TempDir()
	o := xmpptest.Options{Hosts: []string{"capulet.com"}, Data: data}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		nurse := s.Login("nurse@capulet.com/x")
		s.Register("juliet@capulet.com")
		s.Subscribe("juliet@capulet.com", "nurse@capulet.com", xmpp.Subscription{From: true})
		nurse.Ask(ask("juliet@capulet.com"), failure("juliet@capulet.com", "cancel", "item-not-found"))

		balcony, chamber := s.Login("juliet@capulet.com/balcony"), s.Login("juliet@capulet.com/chamber")
		time.Sleep(time.Hour)
		nurse.Ask(ask("juliet@capulet.com"), answer("juliet@capulet.com", "0", "")) // connected is enough
		balcony.Send(`<presence/>`)
		balcony.Send(`<presence type='unavailable'><status>Not this one</status></presence>`)
		balcony.Close()
		nurse.Ask(ask("juliet@capulet.com"), answer("juliet@capulet.com", "0", ""))
		chamber.Ask(`<iq type='get' id='last1'><query xmlns='jabber:iq:last'/></iq>`, `<iq type='result' id='last1'><query xmlns='jabber:iq:last' seconds='0'/></iq>`)
		chamber.Send(`<presence/>`)
		chamber.Send(`<presence type='unavailable'><status>Heading Home</status></presence>`)
		time.Sleep(time.Hour)
		chamber.Close()
		time.Sleep(903 * time.Second)
		nurse.Ask(ask("juliet@capulet.com"), answer("juliet@capulet.com", "903", "Heading Home"))
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) { // it is kept
		s.Subscribe("juliet@capulet.com", "nurse@capulet.com", xmpp.Subscription{From: true})
		s.Login("nurse@capulet.com/x").Ask(ask("juliet@capulet.com"), answer("juliet@capulet.com", "*", "Heading Home"))
	})
}

// Who may not see the presence learns nothing.
func TestForbidden(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}}, func(t *testing.T, s *xmpptest.Server) {
		s.Login("juliet@capulet.com/balcony")
		s.Register("tybalt@capulet.com")
		s.Subscribe("juliet@capulet.com", "nurse@capulet.com", xmpp.Subscription{To: true, PendingIn: true})
		nurse, net := s.Login("nurse@capulet.com/x"), s.Peer("montague.net")
		for _, who := range []string{"juliet@capulet.com", "tybalt@capulet.com"} { // there or not
			nurse.Ask(ask(who), failure(who, "auth", "forbidden"))
		}
		for _, who := range []string{"juliet@capulet.com", "nobody@capulet.com"} { // existing or not
			net.Send(`<iq type='get' id='last1' from='romeo@montague.net/orchard' to='` + who + `'><query xmlns='jabber:iq:last'/></iq>`)
			net.Expect(failure(who, "cancel", "service-unavailable"))
		}
	})
}

// Section 5: a reload is no start.
func TestUptime(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}}, func(t *testing.T, s *xmpptest.Server) {
		nurse := s.Login("nurse@capulet.com/x")
		time.Sleep(123400 * time.Second)
		s.Reload(nil)
		time.Sleep(56 * time.Second)
		nurse.Ask(ask("capulet.com"), answer("capulet.com", "123456", ""))
	})
}
