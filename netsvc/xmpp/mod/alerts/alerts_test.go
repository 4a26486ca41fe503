package alerts

import (
	"fmt"
	"testing"

	"linnet/netsvc/account"
	"linnet/netsvc/event"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// alarm is an extension that raises events.
type alarm struct{ full, empty *event.Source }

func (a *alarm) Setup(h xmpp.Host) error {
	fields := []event.Field{{Name: "path"}}
	a.full = event.Declare(h, event.Desc{Name: "full", Severity: event.Warning, Help: "Full & more.", Fields: fields})
	a.empty = event.Declare(h, event.Desc{Name: "empty", Severity: event.Notice, Help: "Empty."})
	return nil
}

func test(t *testing.T, values map[string]string, f func(*testing.T, *xmpptest.Server, *alarm)) {
	a := new(alarm)
	xmpptest.Test(t, xmpptest.Options{
		Hosts: []string{"example.com", "example.net"}, Admins: []string{"boss@example.com"}, Values: values,
		Extensions: append(xmpp.All(), xmpp.Info{Name: "alarm", New: func() xmpp.Module { return a }}),
	}, func(t *testing.T, s *xmpptest.Server) { f(t, s, a) })
}

func online(s *xmpptest.Server, full string) *xmpptest.Client {
	c := s.Login(full)
	c.Send("<presence/>")
	return c
}

func message(to, severity, body string) string {
	return fmt.Sprintf("<message from='example.com' to='%s'><subject>%s</subject><body>%s</body></message>", to, severity, body)
}

func TestAdmins(t *testing.T) {
	test(t, nil, func(t *testing.T, s *xmpptest.Server, a *alarm) {
		boss := online(s, "boss@example.com/x")
		user := online(s, "user@example.com/x")
		other := online(s, "other@example.net/x")
		a.full.Raise("/data")
		boss.Expect(message("boss@example.com", "warning", "Full &amp; more. path=/data"))
		user.Nothing()
		// Who is given the role is told from then on; who is named by the configuration too is told once.
		for _, j := range []string{"other@example.net", "boss@example.com"} {
			if err := s.Accounts().SetRole(t.Context(), jid.MustParse(j), account.Admin); err != nil {
				t.Fatal(err)
			}
		}
		a.full.Clear("/data")
		boss.Expect(message("boss@example.com", "warning", "Over: Full &amp; more. path=/data"))
		other.Expect(message("other@example.net", "warning", "Over: Full &amp; more. path=/data"))
		a.empty.Raise()
		boss.Nothing()
		user.Nothing()
		other.Nothing()
	})
}

func TestOptions(t *testing.T) {
	test(t, map[string]string{"xmpp.alerts/severity": "notice", "xmpp.alerts/to": "user@example.com"}, func(t *testing.T, s *xmpptest.Server, a *alarm) {
		boss := online(s, "boss@example.com/x")
		user := online(s, "user@example.com/x")
		a.empty.Raise()
		user.Expect(message("user@example.com", "notice", "Empty."))
		boss.Nothing()
		s.Reload(map[string]string{"xmpp.alerts/severity": "none"})
		a.full.Raise("/")
		user.Nothing()
		boss.Nothing()
		s.Reload(nil)
		a.full.Clear("/")
		boss.Expect(message("boss@example.com", "warning", "Over: Full &amp; more. path=/"))
		user.Nothing()
	})
}

// There are more accounts than are read at a time.
func TestManyAccounts(t *testing.T) {
	test(t, nil, func(t *testing.T, s *xmpptest.Server, a *alarm) {
		for i := range page + 1 {
			s.Register(fmt.Sprintf("user%03d@example.net", i))
		}
		last := online(s, fmt.Sprintf("user%03d@example.net/x", page))
		if err := s.Accounts().SetRole(t.Context(), last.Session().JID().Bare(), account.Admin); err != nil {
			t.Fatal(err)
		}
		a.full.Raise("/")
		last.Expect(message(last.Session().JID().Bare().String(), "warning", "Full &amp; more. path=/"))
	})
}
