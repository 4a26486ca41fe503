package register

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// server is one with the extension, whose guests have no streams: the tests ask in
// their place.
type server struct {
	*xmpptest.Server
	t *testing.T
	m *extension
}

// test runs f with these options of [register] ("policy=open").
func test(t *testing.T, options string, f func(*testing.T, *server)) {
	t.Helper()
	m := new(extension)
	values := map[string]string{}
	for _, o := range strings.Fields(options) {
		name, value, _ := strings.Cut(o, "=")
		values["register/"+name] = value
	}
	o := xmpptest.Options{Hosts: []string{"example.com", "example.org"}, Values: values, Extensions: []xmpp.Info{{Name: "register", New: func() xmpp.Module { return m }}}}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) { f(t, &server{s, t, m}) })
}

// guest is a client from the address that has not logged in.
func guest(addr string) *xmpp.Guest {
	return &xmpp.Guest{Host: "example.com", Addr: netip.MustParseAddr(addr), Secure: true, Notes: map[string]string{}}
}

const (
	stranger = "192.0.2.1"
	neighbor = "192.168.1.7"
)

func query(name, password string) string {
	return "<query xmlns='jabber:iq:register'><username>" + name + "</username><password>" + password + "</password></query>"
}

// ask has the guest send a request and returns the payload of the result, or the
// condition of the error.
func (s *server) ask(g *xmpp.Guest, t stanza.Type, payload string) string {
	s.t.Helper()
	n, err := xmlstream.Parse([]byte(payload), xmlstream.ClientSpace)
	if err != nil {
		s.t.Fatal(err)
	}
	answer := s.m.guest
	if n.Name.Local == "preauth" {
		answer = s.m.preauth
	}
	result, bad := answer(s.t.Context(), g, t, n)
	if bad != nil {
		return bad.Condition.String()
	}
	return string(result)
}

func (s *server) set(g *xmpp.Guest, payload string) string { return s.ask(g, stanza.Set, payload) }

// knows reports whether the account exists and has this password.
func (s *server) knows(bare, password string) bool {
	s.t.Helper()
	keys, err := s.Accounts().Directory().Keys(jid.MustParse(bare), sasl.SHA256)
	if err != nil {
		return false
	}
	k, err := sasl.Derive(sasl.SHA256, password, keys.Salt, keys.Iterations)
	return err == nil && string(k.StoredKey) == string(keys.StoredKey)
}

// Who may, by policy: section 3.1, and the feature of section 7.
func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		policy, addr string
		invited      bool
		want         string // of the attempt; "" is success
		offered      bool
	}{
		{"closed", stranger, false, "not-allowed", false},
		{"closed", neighbor, false, "not-allowed", false},
		{"closed", neighbor, true, "not-allowed", false},
		{"invite", stranger, false, "not-allowed", true},
		{"invite", neighbor, false, "not-allowed", true},
		{"invite", stranger, true, "", true},
		{"lan", stranger, false, "not-allowed", false},
		{"lan", stranger, true, "not-allowed", false},
		{"lan", neighbor, false, "", true},
		{"lan", "::ffff:10.0.0.1", false, "", true},
		{"lan", "127.0.0.1", false, "", true},
		{"lan", "::1", false, "", true},
		{"lan", "fe80::1", false, "", true},
		{"lan", "fd00::1", false, "", true},
		{"lan", "2001:db8::1", false, "not-allowed", false},
		{"lan", "172.32.0.1", false, "not-allowed", false},
		{"open", stranger, false, "", true},
		{"open", stranger, true, "", true},
	} {
		t.Run(fmt.Sprint(c.policy, " ", c.addr, " ", c.invited), func(t *testing.T) {
			test(t, "policy="+c.policy, func(t *testing.T, s *server) {
				g := guest(c.addr)
				if c.invited {
					token, err := s.Accounts().Invite(t.Context(), account.Invitation{Host: "example.com"})
					if err != nil {
						t.Fatal(err)
					}
					if got := s.set(g, "<preauth xmlns='urn:xmpp:pars:0' token='"+token+"'/>"); got != "" {
						t.Errorf("preauth: %s", got)
					}
				}
				if offered := s.m.feature(g) != nil; offered != c.offered {
					t.Errorf("offered: %v", offered)
				}
				if offered := s.m.inviteFeature(g) != nil; offered != (c.policy == "invite") {
					t.Errorf("invitations offered: %v", offered)
				}
				form := s.ask(g, stanza.Get, "<query xmlns='jabber:iq:register'/>")
				if c.want != "" && form != c.want || c.want == "" && !strings.Contains(form, "<username/><password/>") {
					t.Errorf("form: %s", form)
				}
				if got := s.set(g, query("bill", "Calliope")); got != c.want {
					t.Errorf("got %s", got)
				}
				if made := s.knows("bill@example.com", "Calliope"); made != (c.want == "") {
					t.Errorf("made: %v", made)
				}
				if made := s.Metric("registered") == 1; made != (c.want == "") {
					t.Errorf("counted: %v", made)
				}
				if refused := s.Metric("registerRefused") > 0; refused != (c.want != "") {
					t.Errorf("refused: %v", refused)
				}
			})
		})
	}
}

// What is wrong with a registration: sections 3.1 and 3.1.1.
func TestRegistrationErrors(t *testing.T) {
	test(t, "policy=open", func(t *testing.T, s *server) {
		s.Register("bill@example.com")
		for _, c := range []struct{ name, payload, want string }{
			{"taken", query("bill", "x"), "conflict"},
			{"taken, spelled otherwise", query("BILL", "x"), "conflict"},
			{"no name", "<query xmlns='jabber:iq:register'><password>x</password></query>", "not-acceptable"},
			{"no password", "<query xmlns='jabber:iq:register'><username>will</username></query>", "not-acceptable"},
			{"an empty name", query("", "x"), "not-acceptable"},
			{"an empty password", query("will", ""), "not-acceptable"},
			{"nothing", "<query xmlns='jabber:iq:register'/>", "not-acceptable"},
			{"a name that is none", query("a@b", "x"), "jid-malformed"},
			{"a name too long", query(strings.Repeat("x", 1024), "x"), "jid-malformed"},
			{"a password that is none", query("will", "&#x9;"), "not-acceptable"},
			{"elements of another namespace", "<query xmlns='jabber:iq:register' xmlns:x='y'><x:username>will</x:username><x:password>x</x:password></query>", "not-acceptable"},
		} {
			if got := s.set(guest(stranger), c.payload); got != c.want {
				t.Errorf("%s: %s, not %s", c.name, got, c.want)
			}
		}
		if n := s.Accounts().Count(); n != 1 {
			t.Errorf("%d accounts", n)
		}
		g := guest(stranger)
		if got := s.set(g, query("Will", "Calliope")); got != "" {
			t.Fatal(got)
		}
		if got := s.set(g, query("another", "Calliope")); got != "not-acceptable" { // section 3.1.1
			t.Errorf("a second one: %s", got)
		}
		if !s.knows("will@example.com", "Calliope") {
			t.Error("the account is not there, or has another password")
		}
	})
}

// The limit of accounts of one address at its number and one more; what came to
// nothing does not count for it, but for another.
func TestRate(t *testing.T) {
	test(t, "policy=open accounts=2 per=1h", func(t *testing.T, s *server) {
		s.Register("taken@example.com")
		n := 0
		next := func(addr, want string) {
			t.Helper()
			n++
			if got := s.set(guest(addr), query(fmt.Sprint("user", n), "x")); got != want {
				t.Errorf("attempt %d: %s, not %s", n, got, want)
			}
		}
		fail := func(addr, want string) {
			t.Helper()
			if got := s.set(guest(addr), query("taken", "x")); got != want {
				t.Errorf("got %s, not %s", got, want)
			}
		}
		next("2001:db8::1", "")
		fail("2001:db8::1", "conflict")
		fail("2001:db8::1", "conflict")
		time.Sleep(30 * time.Minute)
		next("2001:db8::2", "") // of the same /64
		next("2001:db8::3", "resource-constraint")
		next("2001:db8:0:1::1", "")
		next(stranger, "")
		next("::ffff:"+stranger, "")
		next(stranger, "resource-constraint")
		time.Sleep(30*time.Minute + time.Second)
		next("2001:db8::3", "") // the first one's hour is over
		next("2001:db8::3", "resource-constraint")

		for range 2 * triesEach {
			fail("2001:db8:0:2::1", "conflict")
		}
		fail("2001:db8:0:2::1", "resource-constraint")
		next("2001:db8:0:2::1", "resource-constraint")
	})
}

func TestPaceForgets(t *testing.T) {
	var p pace[int]
	now := time.Now()
	for i := range maxKeys {
		if !p.allow(i, 1, time.Hour, now) {
			t.Fatalf("key %d", i)
		}
	}
	if p.allow(maxKeys, 1, time.Hour, now.Add(time.Minute)) {
		t.Error("one key too many")
	}
	if !p.allow(0, 2, time.Hour, now.Add(time.Minute)) {
		t.Error("a key that is known has no part in that")
	}
	if !p.allow(maxKeys, 1, time.Hour, now.Add(2*time.Hour)) || len(p.seen) != 1 {
		t.Errorf("%d keys are remembered", len(p.seen))
	}
	p.refund(maxKeys)
	if len(p.seen) != 0 {
		t.Error("nothing is left of what came to nothing")
	}
}

// XEP-0445: what a token is good for.
func TestInvitations(t *testing.T) {
	test(t, "policy=invite accounts=100", func(t *testing.T, s *server) {
		add := func(line string) (token, link string) {
			t.Helper()
			r := s.command(line)
			link = r.Fields[0].Values[0]
			_, token, _ = strings.Cut(link, "?register;preauth=")
			return token, link
		}
		redeem := func(token, name string) string {
			t.Helper()
			g := guest(stranger)
			if got := s.set(g, "<preauth xmlns='urn:xmpp:pars:0' token='"+token+"'/>"); got != "" {
				return "preauth: " + got
			}
			return s.set(g, query(name, "x"))
		}
		expect := func(token, name, want string) {
			t.Helper()
			if got := redeem(token, name); got != want {
				t.Errorf("%s: %q, not %q", name, got, want)
			}
		}
		token, link := add("invite add")
		if link != "xmpp:example.com?register;preauth="+token || len(token) != 24 {
			t.Errorf("link %s", link)
		}
		expect(token+"x", "one", "preauth: item-not-found")
		expect("", "one", "preauth: item-not-found")
		expect(token, "one", "")
		expect(token, "two", "preauth: item-not-found")

		// For a name: nobody else gets it, and nothing else is got with it.
		token, link = add("invite add name=Juliet")
		if link != "xmpp:juliet@example.com?register;preauth="+token {
			t.Errorf("link %s", link)
		}
		other, _ := add("invite add")
		expect(other, "juliet", "conflict")
		expect(token, "nurse", "not-allowed")
		expect(token, "juliet", "")
		expect(other, "nurse", "")

		// For several, and at once.
		token, _ = add("invite add uses=2")
		first, second, third := guest(stranger), guest(stranger), guest(stranger)
		for _, g := range []*xmpp.Guest{first, second, third} {
			if got := s.set(g, "<preauth xmlns='urn:xmpp:pars:0' token='"+strings.ToUpper(token)+"'/>"); got != "" {
				t.Error(got)
			}
		}
		for i, g := range []*xmpp.Guest{first, second, third} {
			if got, want := s.set(g, query(fmt.Sprint("guest", i), "x")), []string{"", "", "not-allowed"}[i]; got != want {
				t.Errorf("guest %d: %q", i, got)
			}
		}

		token, _ = add("invite add expires=1h")
		time.Sleep(time.Hour - time.Second)
		expect(token, "late", "")
		token, _ = add("invite add expires=1h")
		time.Sleep(time.Hour + time.Second)
		expect(token, "later", "preauth: item-not-found")

		token, _ = add("invite add domain=Example.ORG")
		expect(token, "elsewhere", "preauth: item-not-found")

		g := guest(stranger)
		if got := s.ask(g, stanza.Get, "<preauth xmlns='urn:xmpp:pars:0' token='x'/>"); got != "bad-request" {
			t.Errorf("a get: %s", got)
		}
	})
}

// command runs "name arg=value" as an administrator.
func (s *server) command(line string) *command.Result {
	s.t.Helper()
	r, err := s.try(line)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return r
}

func (s *server) try(line string) (*command.Result, error) {
	words := strings.Fields(line)
	args := command.Values{}
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		args[name] = []string{value}
	}
	return s.Server.Run(words[0]+" "+words[1], args)
}

func TestInvitationCommands(t *testing.T) {
	test(t, "policy=invite", func(t *testing.T, s *server) {
		s.Register("romeo@example.com")
		s.command("invite add name=juliet expires=24h note=nurse's")
		s.command("invite add uses=5 expires=0")
		s.command("invite add domain=example.org")
		rows := s.command("invite list").Rows
		if len(rows) != 2 {
			t.Fatalf("%q", rows)
		}
		named := 0
		if rows[1][1] == "juliet" {
			named = 1
		}
		if r := rows[named]; r[1] != "juliet" || r[2] != "1" || r[3] != command.Stamp(time.Now().Add(24*time.Hour)) || r[5] != "nurse's" {
			t.Errorf("%q", r)
		}
		if r := rows[1-named]; r[1] != "" || r[2] != "5" || r[3] != "" {
			t.Errorf("%q", r)
		}
		s.command("invite revoke key=" + strings.ToLower(rows[named][0]))
		if rows := s.command("invite list").Rows; len(rows) != 1 || rows[0][1] != "" {
			t.Errorf("%q", rows)
		}
		if rows := s.command("invite list domain=example.org").Rows; len(rows) != 1 {
			t.Errorf("%q", rows)
		}
		for _, c := range []struct {
			line   string
			reason command.Reason
		}{
			{"invite revoke key=" + rows[named][0], command.NotFound},
			{"invite revoke key=!", command.NotFound},
			{"invite add name=romeo", command.Conflict},
			{"invite add name=a@b", command.BadArgument},
			{"invite add uses=0", command.BadArgument},
			{"invite add name=tybalt uses=2", command.BadArgument},
			{"invite add expires=soon", command.BadArgument},
			{"invite add domain=example.net", command.BadArgument},
			{"invite list domain=@", command.BadArgument},
		} {
			if _, err := s.try(c.line); command.ReasonOf(err) != c.reason {
				t.Errorf("%s: %v", c.line, err)
			}
		}
		s.command("invite add name=mercutio")
		if _, err := s.try("invite add name=Mercutio"); command.ReasonOf(err) != command.Conflict {
			t.Errorf("a name is promised twice: %v", err)
		}
	})
	for _, policy := range []string{"closed", "lan"} {
		test(t, "policy="+policy, func(t *testing.T, s *server) {
			if _, err := s.try("invite add"); command.ReasonOf(err) != command.NotAllowed {
				t.Errorf("%s: %v", policy, err)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	for address, want := range map[string]string{
		"juliet@example.com":     "xmpp:juliet@example.com?register;preauth=t",
		"example.com":            "xmpp:example.com?register;preauth=t",
		`a?b;c#d%e@example.com`:  "xmpp:a%3Fb%3Bc%23d%25e@example.com?register;preauth=t",
		"jürgen@münchen.example": "xmpp:j%C3%BCrgen@m%C3%BCnchen.example?register;preauth=t",
	} {
		if got := uri(jid.MustParse(address), "t"); got != want {
			t.Errorf("%s: %s, not %s", address, got, want)
		}
	}
}

func iq(kind, to, payload string) string {
	return "<iq type='" + kind + "' id='1'" + to + "><query xmlns='jabber:iq:register'>" + payload + "</query></iq>"
}

func failure(kind, condition string) string {
	return "<iq type='error' id='1' from='*'><error type='" + kind + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
}

// condition is that of an error, "" of a result.
func condition(s *stanza.Stanza) string {
	if first := s.Node("jabber:client", "error").First(); first != nil {
		return first.Name.Local
	}
	return ""
}

// Section 3.1.1: who is logged in is registered.
func TestRegistered(t *testing.T) {
	test(t, "", func(t *testing.T, s *server) {
		juliet := s.Login("juliet@example.com/balcony")
		for _, to := range []string{"", " to='juliet@example.com'", " to='example.com'"} {
			juliet.Send(iq("get", to, ""))
			got := string(juliet.Skip()[0].Raw(space, "query"))
			if !strings.Contains(got, "<registered/>") || !strings.Contains(got, "<username>juliet</username>") {
				t.Errorf("%s: %s", to, got)
			}
		}
		peer := s.Peer("example.net")
		peer.Send("<iq type='get' id='1' from='romeo@example.net/x' to='example.com'><query xmlns='jabber:iq:register'/></iq>")
		peer.Expect(failure("auth", "registration-required"))
		peer.Send("<iq type='set' id='1' from='romeo@example.net/x' to='example.com'><query xmlns='jabber:iq:register'><remove/></query></iq>")
		peer.Expect(failure("auth", "forbidden"))
	})
}

// Section 3.3. The session that changes the password goes on, and so do the others.
func TestPasswordChange(t *testing.T) {
	test(t, "", func(t *testing.T, s *server) {
		juliet, other := s.Login("juliet@example.com/balcony"), s.Login("juliet@example.com/chamber")
		s.Register("romeo@example.com")
		change := func(name, password string) string {
			return iq("set", "", "<username>"+name+"</username><password>"+password+"</password>")
		}
		for _, c := range []struct{ name, say, want string }{
			{"no name", iq("set", "", "<password>x</password>"), "bad-request"},
			{"no password", iq("set", "", "<username>juliet</username>"), "bad-request"},
			{"an empty password", change("juliet", ""), "bad-request"},
			{"nothing", iq("set", "", ""), "bad-request"},
			{"another's", change("romeo", "stolen"), "not-allowed"},
			{"nobody's", change("nobody", "x"), "not-allowed"},
			{"an address", change("romeo@example.com", "x"), "not-allowed"},
			{"a password that is none", change("juliet", "&#x9;"), "not-acceptable"},
		} {
			juliet.Send(c.say)
			got := juliet.Skip()
			if len(got) != 1 || condition(got[0]) != c.want {
				t.Errorf("%s: %s", c.name, got[0].AppendTo(nil))
			}
		}
		if s.knows("romeo@example.com", "stolen") {
			t.Fatal("another's password was changed")
		}
		juliet.Ask(change("Juliet", "new"), "<iq type='result' id='1'/>")
		if !s.knows("juliet@example.com", "new") {
			t.Error("the password was not changed")
		}
		for _, c := range []*xmpptest.Client{juliet, other} {
			if condition, ended := c.Ended(); ended {
				t.Errorf("a session has ended: %s", condition)
			}
		}
	})
}

// Deriving keys is work: the limit at its number and one more.
func TestPasswordChangesAreFew(t *testing.T) {
	test(t, "", func(t *testing.T, s *server) {
		juliet, romeo := s.Login("juliet@example.com/balcony"), s.Login("romeo@example.com/orchard")
		change := func(c *xmpptest.Client, name, password string) string {
			t.Helper()
			c.Send(iq("set", " to='example.com'", "<username>"+name+"</username><password>"+password+"</password>"))
			got := c.Skip()
			if len(got) != 1 {
				t.Fatalf("%d answers", len(got))
			}
			return condition(got[0])
		}
		for i := range changes {
			if got := change(juliet, "juliet", fmt.Sprint("p", i)); got != "" {
				t.Fatalf("change %d: %s", i, got)
			}
		}
		if got := change(juliet, "juliet", "more"); got != "resource-constraint" {
			t.Errorf("one more: %s", got)
		}
		if got := change(romeo, "romeo", "x"); got != "" {
			t.Errorf("another's: %s", got)
		}
		time.Sleep(changesPer + time.Second)
		if got := change(juliet, "juliet", "more"); got != "" {
			t.Errorf("later: %s", got)
		}
	})
}

// Section 3.2.
func TestCancel(t *testing.T) {
	test(t, "", func(t *testing.T, s *server) {
		juliet, other := s.Login("juliet@example.com/balcony"), s.Login("juliet@example.com/chamber")
		juliet.Send(iq("set", "", "<remove/><username>juliet</username>"))
		juliet.Expect("<iq type='error' id='1'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		juliet.Ask(iq("set", "", "<remove/>"), "<iq type='result' id='1'/>")
		for _, c := range []*xmpptest.Client{juliet, other} {
			if condition, ended := c.Ended(); !ended || condition != "not-authorized" {
				t.Errorf("%v, %s", ended, condition)
			}
		}
		if ok, _ := s.Accounts().Exists(jid.MustParse("juliet@example.com")); ok {
			t.Error("the account is still there")
		}
	})
	test(t, "cancel=false", func(t *testing.T, s *server) {
		juliet := s.Login("juliet@example.com/balcony")
		juliet.Ask(iq("set", "", "<remove/>"), "<iq type='error' id='1'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		if ok, _ := s.Accounts().Exists(jid.MustParse("juliet@example.com")); !ok {
			t.Error("the account is gone")
		}
	})
}
