package statistics

import (
	"strings"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// figuresOf is an extension with metrics of all kinds, and those that the specification has names for.
type figuresOf struct{}

func (figuresOf) Setup(h xmpp.Host) error {
	m := h.Metrics()
	m.Gauge(metric.Desc{Name: "uptime", Unit: metric.Seconds, Help: "h"}).Set(77)
	m.Gauge(metric.Desc{Name: "sessions", Help: "h"}).Set(3)
	m.Gauge(metric.Desc{Name: "accounts", Help: "h"}).Set(4)
	stanzas := m.Counters(metric.Desc{Name: "stanzas", Help: "h", Labels: []string{"host", "kind", "direction"}})
	stanzas.With("example.com", "iq", "in").Add(5)
	stanzas.With("example.com", "message", "in").Add(6)
	stanzas.With("example.com", "iq", "out").Add(7)
	m.Timer(metric.Desc{Name: "took", Help: "h"}).Observe(1500 * time.Microsecond)
	m.Info(metric.Desc{Name: "version", Help: "h"}, func() string { return "1 & 2" })
	return nil
}

func test(t *testing.T, values map[string]string, f func(t *testing.T, s *xmpptest.Server, operator, user *xmpptest.Client)) {
	xmpptest.Test(t, xmpptest.Options{Values: values,
		Extensions: append(xmpp.All(), xmpp.Info{Name: "demo", New: func() xmpp.Module { return figuresOf{} }}),
	}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("operator@example.com")
		if err := s.Accounts().SetRole(t.Context(), jid.MustParse("operator@example.com"), account.Operator); err != nil {
			t.Fatal(err)
		}
		f(t, s, s.Login("operator@example.com/x"), s.Login("user@example.com/x"))
	})
}

func ask(names ...string) string {
	stats := ""
	for _, name := range names {
		stats += "<stat name='" + name + "'/>"
	}
	return "<iq type='get' id='1' to='example.com'><query xmlns='http://jabber.org/protocol/stats'>" + stats + "</query></iq>"
}

func answer(stats string) string {
	return "<iq type='result' id='1' from='example.com'><query xmlns='http://jabber.org/protocol/stats'>" + stats + "</query></iq>"
}

const forbidden = `<iq type='error' id='1' from='example.com'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`

// Section 2.5: first the list of names, then the figures.
func TestOperator(t *testing.T) {
	test(t, nil, func(t *testing.T, s *xmpptest.Server, operator, user *xmpptest.Client) {
		operator.Send(ask())
		names := operator.Skip()[0].Payload()
		seen := map[string]bool{}
		for _, stat := range names.Kids {
			seen[stat.Attr("name")] = true
			if len(stat.Attrs) != 1 {
				t.Errorf("the list has %s", stat.Raw)
			}
		}
		var list []string
		for _, name := range []string{"time/uptime", "users/online", "users/total", "bandwidth/packets-in", "bandwidth/packets-out",
			"xmpp.demo/stanzas/example.com/iq/in", "xmpp.demo/took", "xmpp.demo/took/sum", "xmpp.demo/took/longest", "xmpp.demo/version", "xmpp.demo/uptime"} {
			if !seen[name] {
				t.Errorf("the list has no %s", name)
			}
			list = append(list, name)
		}
		operator.Ask(ask(append(list, "no/such")...), answer(`
			<stat name='time/uptime' units='seconds' value='77'/>
			<stat name='users/online' units='users' value='3'/>
			<stat name='users/total' units='users' value='4'/>
			<stat name='bandwidth/packets-in' units='packets' value='11'/>
			<stat name='bandwidth/packets-out' units='packets' value='7'/>
			<stat name='xmpp.demo/stanzas/example.com/iq/in' units='count' value='5'/>
			<stat name='xmpp.demo/took' units='count' value='1'/>
			<stat name='xmpp.demo/took/sum' units='microseconds' value='1500'/>
			<stat name='xmpp.demo/took/longest' units='microseconds' value='1500'/>
			<stat name='xmpp.demo/version' units='text' value='1 &amp; 2'/>
			<stat name='xmpp.demo/uptime' units='seconds' value='77'/>
			<stat name='no/such'><error code='404'>Not Found</error></stat>`))
	})
}

// Section 3.4: others see what the operator lets them see, and by default nothing.
func TestOthers(t *testing.T) {
	test(t, nil, func(t *testing.T, s *xmpptest.Server, operator, user *xmpptest.Client) {
		user.Ask(ask(), forbidden)
		user.Ask(ask("time/uptime"), forbidden)
		s.Reload(map[string]string{"xmpp.statistics/public": "users/online, time/uptime"})
		user.Ask(ask(), answer("<stat name='time/uptime'/><stat name='users/online'/>"))
		user.Ask(ask("users/online", "users/total", "no/such"), answer(`<stat name='users/online' units='users' value='3'/>
			<stat name='users/total'><error code='401'>Not Authorized</error></stat><stat name='no/such'><error code='401'>Not Authorized</error></stat>`))
		peer := s.Peer("example.net")
		peer.Send(strings.Replace(ask("users/online", "users/total"), "<iq ", "<iq from='someone@example.net/x' ", 1))
		peer.Expect(strings.Replace(answer(`<stat name='users/online' units='users' value='3'/>
			<stat name='users/total'><error code='401'>Not Authorized</error></stat>`), "<iq ", "<iq to='someone@example.net/x' ", 1))
	})
}
