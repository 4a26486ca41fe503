package roster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"
)

const getRoster = `<iq type='get' id='get'><query xmlns='jabber:iq:roster'/></iq>`

// roster is a result with these items; push is a roster push with one.
func roster(items string) string {
	return `<iq type='result' id='get'><query xmlns='jabber:iq:roster' ver='*'>` + items + `</query></iq>`
}

func push(item string) string {
	return `<iq type='set' id='*'><query xmlns='jabber:iq:roster' ver='*'>` + item + `</query></iq>`
}

func set(item string) string {
	return `<iq type='set' id='set'><query xmlns='jabber:iq:roster'>` + item + `</query></iq>`
}

const done = `<iq type='result' id='set'/>`

func failure(id, kind, condition string) string {
	return `<iq type='error' id='` + id + `'><error type='` + kind + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
}

// Sections 2.1 to 2.5: one client changes the roster, the other sees it.
func TestManagingTheRoster(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		balcony, chamber, closet := s.Login("juliet@example.com/balcony"), s.Login("juliet@example.com/chamber"), s.Login("juliet@example.com/closet")
		balcony.Ask(getRoster, roster(``))
		chamber.Ask(getRoster, roster(``))

		for _, step := range []struct{ set, push string }{
			{`<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>`,
				`<item jid='nurse@example.com' name='Nurse' subscription='none'><group>Servants</group></item>`},
			{`<item jid='romeo@example.net/orchard' name='Romeo' subscription='both' ask='subscribe' approved='true'><group>Friends</group><group>Lovers</group></item>`,
				`<item jid='romeo@example.net' name='Romeo' subscription='none'><group>Friends</group><group>Lovers</group></item>`},
			{`<item jid='romeo@example.net' name='MyRomeo'><group>Lovers</group></item>`,
				`<item jid='romeo@example.net' name='MyRomeo' subscription='none'><group>Lovers</group></item>`},
			{`<item jid='romeo@example.net' name=''/>`,
				`<item jid='romeo@example.net' subscription='none'/>`},
			{`<item jid='romeo@example.net' name=''/>`, // the same again is pushed again
				`<item jid='romeo@example.net' subscription='none'/>`},
			{`<item jid='nurse@example.com' subscription='remove'/>`,
				`<item jid='nurse@example.com' subscription='remove'/>`},
		} {
			balcony.Ask(set(step.set), done)
			balcony.Expect(push(step.push))
			chamber.Expect(push(step.push))
		}
		closet.Nothing() // never asked for the roster
		closet.Ask(getRoster, roster(`<item jid='romeo@example.net' subscription='none'/>`))
	})
}

func TestRosterSetErrors(t *testing.T) {
	long := strings.Repeat("x", 1023)
	for _, tc := range []struct{ name, iq, answer string }{
		{"no item", set(``), failure("set", "modify", "bad-request")},
		{"two items", set(`<item jid='nurse@example.com'/><item jid='mother@example.com'/>`), failure("set", "modify", "bad-request")},
		{"no item but something else", set(`<thing/>`), failure("set", "modify", "bad-request")},
		{"no address", set(`<item name='Nurse'/>`), failure("set", "modify", "jid-malformed")},
		{"malformed address", set(`<item jid='@example.com'/>`), failure("set", "modify", "jid-malformed")},
		{"longest name", set(`<item jid='nurse@example.com' name='` + long + `'/>`), done},
		{"oversized name", set(`<item jid='nurse@example.com' name='` + long + `x'/>`), failure("set", "modify", "not-acceptable")},
		{"duplicate groups", set(`<item jid='nurse@example.com'><group>Servants</group><group>Servants</group></item>`), failure("set", "modify", "bad-request")},
		{"empty group", set(`<item jid='nurse@example.com'><group></group></item>`), failure("set", "modify", "not-acceptable")},
		{"longest group", set(`<item jid='nurse@example.com'><group>` + long + `</group></item>`), done},
		{"oversized group", set(`<item jid='nurse@example.com'><group>` + long + `x</group></item>`), failure("set", "modify", "not-acceptable")},
		{"most groups", set(`<item jid='nurse@example.com'>` + groups(64) + `</item>`), done},
		{"too many groups", set(`<item jid='nurse@example.com'>` + groups(65) + `</item>`), failure("set", "modify", "not-acceptable")},
		{"removal of a stranger", set(`<item jid='nurse@example.com' subscription='remove'/>`), failure("set", "cancel", "item-not-found")},
		{"oneself", set(`<item jid='juliet@example.com'/>`), failure("set", "cancel", "not-allowed")},
		{"somebody else's roster", strings.Replace(set(`<item jid='nurse@example.com'/>`), "<iq", "<iq to='romeo@example.com'", 1),
			strings.Replace(failure("set", "auth", "forbidden"), "<iq", "<iq from='romeo@example.com'", 1)},
		{"reading somebody else's roster", strings.Replace(getRoster, "<iq", "<iq to='romeo@example.com'", 1),
			strings.Replace(failure("get", "auth", "forbidden"), "<iq", "<iq from='romeo@example.com'", 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
				s.Register("romeo@example.com")
				s.Login("juliet@example.com/balcony").Ask(tc.iq, tc.answer)
			})
		})
	}
}

func groups(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<group>%d</group>", i)
	}
	return b.String()
}

// A stranger elsewhere cannot tell an account that is there from one that is not.
func TestStrangersLearnNothing(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@example.com")
		net := s.Peer("example.net")
		for _, who := range []string{"juliet", "nobody"} {
			net.Send(`<iq type='get' id='get' from='romeo@example.net/orchard' to='` + who + `@example.com'><query xmlns='jabber:iq:roster'/></iq>`)
			net.Expect(strings.Replace(failure("get", "cancel", "service-unavailable"), "<iq", "<iq from='"+who+"@example.com' to='romeo@example.net/orchard'", 1))
		}
	})
}

// Removing a contact ends the subscriptions, section 2.5.2.
func TestRemovalUnsubscribes(t *testing.T) {
	for _, tc := range []struct{ name, state, told string }{
		{"none", "None", ""},
		{"pending out", "None + Pending Out", "unsubscribe"},
		{"pending in", "None + Pending In", "unsubscribed"},
		{"to", "To", "unsubscribe"},
		{"to and pending in", "To + Pending In", "unsubscribe unsubscribed"},
		{"from", "From", "unsubscribed"},
		{"from and pending out", "From + Pending Out", "unsubscribe unsubscribed"},
		{"both", "Both", "unsubscribe unsubscribed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, func(t *testing.T, s scene) {
				s.reach(tc.state)
				s.juliet.Send(set(`<item jid='romeo@example.net' name='Romeo'/>`))
				s.juliet.Skip()
				s.juliet.Ask(set(`<item jid='romeo@example.net' subscription='remove'/>`), done)
				s.juliet.Expect(push(`<item jid='romeo@example.net' subscription='remove'/>`))
				for _, kind := range strings.Fields(tc.told) {
					s.net.Expect(`<presence from='juliet@example.com' to='romeo@example.net' type='` + kind + `'/>`)
				}
				s.net.Nothing()
				if sub := s.subscription(t); sub != (xmpp.Subscription{}) {
					t.Errorf("left is %+v", sub)
				}
			})
		})
	}
}

func TestDeletedAccountParts(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.reach("Both")
		if err := s.Accounts().Delete(t.Context(), jid.MustParse("juliet@example.com")); err != nil {
			t.Fatal(err)
		}
		s.net.Expect(`<presence from='juliet@example.com' to='romeo@example.net' type='unsubscribe'/>`)
		s.net.Expect(`<presence from='juliet@example.com' to='romeo@example.net' type='unsubscribed'/>`)
		s.net.Nothing()
	})
}

// So does one that nobody had in memory, with every contact that believes in anything.
func TestDeletedWhileOffline(t *testing.T) {
	o := xmpptest.Options{Data: t.TempDir()}
	both := `<item jid='juliet@example.com' subscription='both'/>`
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		net, juliet, nurse := s.Peer("example.net"), s.Login("juliet@example.com/balcony"), s.Login("nurse@example.com/x")
		for _, c := range []struct{ from, to *xmpptest.Client }{{juliet, nurse}, {nurse, juliet}} {
			to := c.to.Session().JID().Bare().String()
			c.from.Send(`<presence to='` + to + `' type='subscribe'/>`)
			c.to.Send(`<presence to='` + c.from.Session().JID().Bare().String() + `' type='subscribed'/>`)
		}
		juliet.Send(`<presence to='asked@example.net' type='subscribe'/>`)
		net.Send(`<presence from='asks@example.net' to='juliet@example.com' type='subscribe'/>`)
		juliet.Ask(set(`<item jid='known@example.net'/>`), done)
		nurse.Skip()
		nurse.Ask(getRoster, roster(both))
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		net, nurse := s.Peer("example.net"), s.Login("nurse@example.com/x")
		nurse.Ask(getRoster, roster(both))
		if err := s.Accounts().Delete(t.Context(), jid.MustParse("juliet@example.com")); err != nil {
			t.Fatal(err)
		}
		net.ExpectEach(`<presence from='juliet@example.com' to='asked@example.net' type='unsubscribe'/>`,
			`<presence from='juliet@example.com' to='asks@example.net' type='unsubscribed'/>`)
		net.Nothing()
		nurse.Skip()
		nurse.Ask(getRoster, roster(`<item jid='juliet@example.com' subscription='none'/>`))
	})
}

func TestRosterLimit(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.roster/contacts": "3"}}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		for i := range 3 {
			juliet.Ask(set(fmt.Sprintf(`<item jid='c%d@example.net'/>`, i)), done)
		}
		juliet.Ask(set(`<item jid='c3@example.net'/>`), failure("set", "wait", "resource-constraint"))
		juliet.Ask(set(`<item jid='c0@example.net' name='changed'/>`), done)
		for _, kind := range []string{"subscribe", "subscribed"} { // both would make an item
			juliet.Send(`<presence id='p1' to='c3@example.net' type='` + kind + `'/>`)
			juliet.Expect(`<presence id='p1' from='c3@example.net' to='juliet@example.com/balcony' type='error'>
				<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
		}
		juliet.Ask(set(`<item jid='c0@example.net' subscription='remove'/>`), done)
		juliet.Ask(set(`<item jid='c3@example.net'/>`), done) // what was removed counts no more
		s.Peer("example.net").Nothing()
	})
}

// The bytes that a client gets count, at their number and beyond: names and groups,
// as they are escaped.
func TestLargeRoster(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.roster/bytes": "16KB"}}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		item := func(i, name int) string { // as it is sent, 64 bytes and the name
			return fmt.Sprintf(`<item jid='contact%02d@example.net' name='%s' subscription='none'/>`, i, strings.Repeat("x", name))
		}
		overhead := len(item(0, 0))
		for i := range 15 {
			juliet.Ask(set(item(i, 1024-overhead)), done)
		}
		juliet.Ask(set(item(15, 1025-overhead)), failure("set", "wait", "resource-constraint"))
		juliet.Ask(set(item(15, 1024-overhead)), done)
		juliet.Ask(set(`<item jid='onemore@example.net'/>`), failure("set", "wait", "resource-constraint"))
		juliet.Ask(set(item(3, 1025-overhead)), failure("set", "wait", "resource-constraint"))
		juliet.Ask(set(item(3, 1024-overhead)), done)
		juliet.Ask(set(item(3, 1024-overhead-5)), done)
		juliet.Ask(set(strings.Replace(item(3, 1024-overhead-4), "='x", "='&amp;", 1)), done)
		juliet.Ask(set(strings.Replace(item(3, 1024-overhead-4), "='xx", "='&amp;&amp;", 1)), failure("set", "wait", "resource-constraint"))
		juliet.Send(getRoster)
		if got := len(juliet.Skip()[0].Raw("jabber:iq:roster", "query")); got > 16<<10+100 { // the element around it
			t.Errorf("the roster has %d bytes", got)
		}
	})
	xmpptest.Test(t, xmpptest.Options{Values: map[string]string{"xmpp.roster/bytes": "32KB"}}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		for i := range 20 {
			juliet.Ask(set(fmt.Sprintf(`<item jid='c%d@example.net' name='%s'/>`, i, strings.Repeat("x", 1000))), done)
		}
		s.Reload(map[string]string{"xmpp.roster/bytes": "16KB"}) // what is too large now may become smaller
		juliet.Ask(set(`<item jid='c0@example.net' name='`+strings.Repeat("x", 1001)+`'/>`), failure("set", "wait", "resource-constraint"))
		juliet.Ask(set(`<item jid='c0@example.net' name='`+strings.Repeat("x", 999)+`'/>`), done)
		juliet.Ask(set(`<item jid='c1@example.net' subscription='remove'/>`), done)
	})
}

func TestTenThousandContacts(t *testing.T) {
	data := t.TempDir()
	const n = 10000
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		for i := range n {
			juliet.Send(set(fmt.Sprintf(`<item jid='contact%d@example.net' name='Contact %d'><group>All</group></item>`, i, i)))
		}
		if got := len(juliet.Skip()); got != n {
			t.Fatalf("%d answers", got)
		}
		juliet.Ask(set(`<item jid='onemore@example.net'/>`), failure("set", "wait", "resource-constraint"))
	})
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Send(getRoster)
		result := juliet.Skip()[0]
		if items := len(result.Payload().Kids); items != n {
			t.Fatalf("%d items after a restart", items)
		}
		juliet.Send(set(`<item jid='contact77@example.net' subscription='remove'/>`))
		juliet.Skip()
		// A client with the whole roster is told the one change only.
		chamber := s.Login("juliet@example.com/chamber")
		chamber.Ask(`<iq type='get' id='get'><query xmlns='jabber:iq:roster' ver='`+result.Payload().Attr("ver")+`'/></iq>`, `<iq type='result' id='get'/>`)
		chamber.Expect(push(`<item jid='contact77@example.net' subscription='remove'/>`))
		chamber.Nothing()
	})
}

// A commit that fails is an error, and nothing of the change is seen.
func TestFailedCommit(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Ask(getRoster, roster(``))
		juliet.Send(`<presence/>`)
		if err := s.Store().Close(); err != nil {
			t.Fatal(err)
		}
		juliet.Ask(set(`<item jid='nurse@example.com'/>`), failure("set", "wait", "resource-constraint"))
		juliet.Nothing()
		juliet.Send(`<presence id='p1' to='romeo@example.net' type='subscribe'/>`)
		got := juliet.Skip()
		if len(got) != 1 || got[0].ID != "p1" || got[0].Failure() == nil {
			t.Fatalf("answers to a subscription that cannot be stored: %v", got)
		}
		s.Peer("example.net").Nothing()
	})
}

// version is what the client knows after the last push or result.
func version(t *testing.T, c *xmpptest.Client) string {
	got := c.Skip()
	if len(got) == 0 {
		t.Fatal("nothing with a version came")
	}
	return got[len(got)-1].Payload().Attr("ver")
}

func since(ver string) string {
	return `<iq type='get' id='get'><query xmlns='jabber:iq:roster' ver='` + ver + `'/></iq>`
}

// Section 2.6: what changed since the client's version comes in pushes.
func TestVersions(t *testing.T) {
	data := t.TempDir()
	var v0, v3 string
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		if f := s.StreamFeatures(); !strings.Contains(f, `<ver xmlns='urn:xmpp:features:rosterver'/>`) || !strings.Contains(f, `<sub xmlns='urn:xmpp:features:pre-approval'/>`) {
			t.Errorf("stream features %s", f)
		}
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Send(since(""))
		v0 = version(t, juliet)
		juliet.Send(set(`<item jid='tybalt@example.org'/>`))
		juliet.Send(set(`<item jid='bill@example.org'/>`))
		juliet.Send(set(`<item jid='bill@example.org' name='Bill'/>`))
		v3 = version(t, juliet)
		juliet.Send(set(`<item jid='tybalt@example.org' subscription='remove'/>`))
		// Strangers' requests are no change of the roster, answered or not.
		s.Peer("example.net").Send(`<presence from='romeo@example.net' to='juliet@example.com' type='subscribe'/>`)
		s.Peer("example.net").Send(`<presence from='paris@example.net' to='juliet@example.com' type='subscribe'/>`)
		juliet.Send(`<presence to='paris@example.net' type='unsubscribed'/>`)
		juliet.Skip()
	})
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		for _, tc := range []struct {
			name, ver string
			expect    []string
		}{
			{"from the beginning", v0, []string{`<iq type='result' id='get'/>`,
				push(`<item jid='bill@example.org' name='Bill' subscription='none'/>`),
				push(`<item jid='tybalt@example.org' subscription='remove'/>`)}},
			{"from the middle", v3, []string{`<iq type='result' id='get'/>`,
				push(`<item jid='tybalt@example.org' subscription='remove'/>`)}},
			{"no version yet", "", []string{roster(`<item jid='bill@example.org' name='Bill' subscription='none'/>`)}},
			{"of another server", "ver14", []string{roster(`<item jid='bill@example.org' name='Bill' subscription='none'/>`)}},
			{"of the future", v3 + "0", []string{roster(`<item jid='bill@example.org' name='Bill' subscription='none'/>`)}},
			{"of another incarnation", "1" + v3, []string{roster(`<item jid='bill@example.org' name='Bill' subscription='none'/>`)}},
		} {
			c := s.Login("juliet@example.com/" + tc.name)
			c.Send(since(tc.ver))
			for _, e := range tc.expect {
				c.Expect(e)
			}
			c.Nothing()
			c.Close()
		}
		// Having the last version is to be told nothing.
		c := s.Login("juliet@example.com/x")
		c.Send(since(v3))
		v4 := version(t, c)
		c.Ask(since(v4), `<iq type='result' id='get'/>`)
		c.Nothing()
	})
}

// A restored snapshot must not issue a version again that meant something else.
func TestVersionsAfterARestore(t *testing.T) {
	data, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup.db")
	var lost string
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Send(set(`<item jid='a@example.org'/>`))
		juliet.Skip()
		f, err := os.Create(backup)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := s.Store().Backup(f); err != nil {
			t.Fatal(err)
		}
		juliet.Send(set(`<item jid='lost@example.org'/>`))
		juliet.Skip()
		juliet.Send(getRoster)
		lost = version(t, juliet)
	})
	if _, err := store.Restore(data, backup); err != nil {
		t.Fatal(err)
	}
	xmpptest.Test(t, xmpptest.Options{Data: data}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Ask(set(`<item jid='b@example.org'/>`), done) // the version that 'lost' had, if versions were numbers
		juliet.Ask(since(lost), roster(`<item jid='a@example.org' subscription='none'/><item jid='b@example.org' subscription='none'/>`))
	})
}

// Only so many removed contacts are remembered; who was away for longer gets the
// whole roster, even where what is remembered would be less.
func TestTombs(t *testing.T) {
	const kept = 2 * 64
	xmpptest.Test(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@example.com/balcony")
		for i := range kept {
			juliet.Send(set(fmt.Sprintf(`<item jid='c%d@example.net'/>`, i)))
		}
		juliet.Skip()
		juliet.Send(getRoster)
		first := version(t, juliet)
		var last string
		for i := range 200 {
			contact := fmt.Sprintf("c%d@example.org", i)
			juliet.Send(set(`<item jid='` + contact + `'/>`))
			juliet.Send(set(`<item jid='` + contact + `' subscription='remove'/>`))
			if i == 198 {
				last = version(t, juliet)
			}
		}
		juliet.Skip()
		chamber := s.Login("juliet@example.com/chamber")
		chamber.Send(since(first))
		if got := chamber.Skip(); len(got) != 1 || got[0].Payload() == nil || len(got[0].Payload().Kids) != kept {
			t.Errorf("%d stanzas instead of the roster", len(got))
		}
		chamber.Ask(since(last), `<iq type='result' id='get'/>`)
		chamber.Expect(push(`<item jid='c199@example.org' subscription='remove'/>`))
		chamber.Nothing()
	})
}

// A contact that was removed and asks anew is still gone from older copies.
func TestTombWithARequest(t *testing.T) {
	enact(t, func(t *testing.T, s scene) {
		s.juliet.Send(set(`<item jid='romeo@example.net'/>`))
		s.juliet.Send(getRoster)
		old := version(t, s.juliet)
		s.juliet.Send(set(`<item jid='romeo@example.net' subscription='remove'/>`))
		s.send(false, "subscribe")
		s.juliet.Skip()
		chamber := s.Login("juliet@example.com/chamber")
		chamber.Ask(since(old), `<iq type='result' id='get'/>`)
		chamber.Expect(push(`<item jid='romeo@example.net' subscription='remove'/>`))
		chamber.Nothing()
	})
}
