package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// door is an extension that hands the commands out.
type door struct{ module.Runtime }

func (d *door) Setup(h xmpp.Host) error {
	d.Runtime = h
	return nil
}

// test runs f on a server with the accounts romeo, juliet and mercutio.
func test(t *testing.T, f func(*testing.T, *server)) {
	t.Helper()
	d := new(door)
	var infos []xmpp.Info
	for _, i := range xmpp.All() {
		if i.Name == "admin" {
			infos = append(infos, i)
		}
	}
	infos = append(infos, xmpp.Info{Name: "door", New: func() xmpp.Module { return d }})
	xmpptest.Test(t, xmpptest.Options{Extensions: infos, Values: map[string]string{"xmpp.admin/idle": "10m"}}, func(t *testing.T, s *xmpptest.Server) {
		for _, name := range []string{"romeo", "juliet", "mercutio"} {
			s.Register(name + "@example.com")
		}
		f(t, &server{s, t, d})
	})
}

type server struct {
	*xmpptest.Server
	t    *testing.T
	door *door
}

// run runs a command, given as "name arg=value arg=value,value", and wants it to
// succeed.
func (s *server) run(line string) *command.Result {
	s.t.Helper()
	r, err := s.try(command.Admin, line)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return r
}

func (s *server) try(role command.Role, line string) (*command.Result, error) {
	name, args := line, command.Values{}
	for i := strings.LastIndexByte(name, '='); i >= 0; i = strings.LastIndexByte(name, '=') {
		from := strings.LastIndexByte(name[:i], ' ')
		args[name[from+1:i]] = strings.Split(name[i+1:], ",")
		name = name[:from]
	}
	caller := command.Caller{JID: jid.MustParse("boss@example.com"), Role: role, Via: "test"}
	return s.door.Commands().Run(s.t.Context(), caller, name, args)
}

// fails wants the command to fail for a reason, and to say so with these words.
func (s *server) fails(line string, reason command.Reason, words string) {
	s.t.Helper()
	_, err := s.try(command.Admin, line)
	if command.ReasonOf(err) != reason || !strings.Contains(fmt.Sprint(err), words) {
		s.t.Errorf("%s: %v (%v), not %v with %q", line, err, command.ReasonOf(err), reason, words)
	}
}

// field is the values of a result's field.
func field(r *command.Result, name string) string {
	for _, f := range r.Fields {
		if f.Name == name {
			return strings.Join(f.Values, " ")
		}
	}
	return "no field " + name
}

// XEP-0133 1.3.1, sections 4.1 to 4.23: the nodes, and the fields of the forms. An
// exclamation mark is what must be filled in; the last field is ours.
func TestCommands(t *testing.T) {
	kinds := map[command.Kind]string{command.JID: "jid-single", command.JIDs: "jid-multi", command.Password: "text-private",
		command.Lines: "text-multi", command.Enum: "list-single", command.Text: "text-single"}
	test(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			section, node, form string
			role                command.Role
			effect              command.Effect
		}{
			{"4.1", "add-user", "accountjid jid-single!, password text-private!, password-verify text-private", command.Admin, command.Change},
			{"4.2", "delete-user", "accountjids jid-multi!", command.Admin, command.Danger},
			{"4.3", "disable-user", "accountjids jid-multi!, reason text-single", command.Admin, command.Change},
			{"4.4", "reenable-user", "accountjids jid-multi!", command.Admin, command.Change},
			{"4.5", "end-user-session", "accountjids jid-multi!", command.Operator, command.Danger},
			{"4.7", "change-user-password", "accountjid jid-single!, password text-private!", command.Admin, command.Change},
			{"4.8", "get-user-roster", "accountjids jid-multi!", command.Admin, command.Read},
			{"4.9", "get-user-lastlogin", "accountjids jid-multi!", command.Operator, command.Read},
			{"4.10", "user-stats", "accountjid jid-single!", command.Operator, command.Read},
			{"4.13", "get-registered-users-num", "", command.Operator, command.Read},
			{"4.14", "get-disabled-users-num", "", command.Operator, command.Read},
			{"4.15", "get-online-users-num", "", command.Operator, command.Read},
			{"4.16", "get-active-users-num", "", command.Operator, command.Read},
			{"4.17", "get-idle-users-num", "", command.Operator, command.Read},
			{"4.18", "get-registered-users-list", "max_items list-single", command.Operator, command.Read},
			{"4.19", "get-disabled-users-list", "max_items list-single", command.Operator, command.Read},
			{"4.20", "get-online-users-list", "max_items list-single", command.Operator, command.Read},
			{"4.21", "get-active-users", "max_items list-single", command.Operator, command.Read},
			{"4.22", "get-idle-users", "max_items list-single", command.Operator, command.Read},
			{"4.23", "announce", "announcement text-multi!", command.Admin, command.Change},
		} {
			found := s.door.Commands().Find(node + c.node)
			if found == nil {
				t.Errorf("%s: there is no %s", c.section, c.node)
				continue
			}
			var form []string
			for _, a := range found.Args {
				text := a.Field() + " " + kinds[a.Kind]
				if a.Required {
					text += "!"
				}
				form = append(form, text)
			}
			if got := strings.Join(form, ", "); got != c.form {
				t.Errorf("%s: the form of %s is %s", c.section, c.node, got)
			}
			if found.Role != c.role || found.Effect != c.effect || found.Local {
				t.Errorf("%s: %s is for %v, %v", c.section, c.node, found.Role, found.Effect)
			}
		}
	})
}

// What operators may not do, and users may not at all.
func TestRoles(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		for _, line := range []string{"user add jid=new@example.com password=x", "user delete jid=romeo@example.com", "user disable jid=romeo@example.com",
			"user password jid=romeo@example.com password=x", "user role jid=romeo@example.com role=admin", "user roster jid=romeo@example.com", "announce announcement=x"} {
			if _, err := s.try(command.Operator, line); command.ReasonOf(err) != command.Forbidden {
				t.Errorf("operator: %s: %v", line, err)
			}
		}
		for _, c := range s.door.Commands().All() {
			if _, err := s.try(command.User, c.Name); command.ReasonOf(err) != command.Forbidden {
				t.Errorf("user: %s: %v", c.Name, err)
			}
		}
		if n := s.Accounts().Count(); n != 3 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestAdd(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		s.run("user add jid=Benvolio@Example.com password=secret password-verify=secret")
		s.run("user add jid=tybalt@example.com password=secret")
		for _, name := range []string{"benvolio@example.com", "tybalt@example.com"} {
			u, ok, err := s.Accounts().Lookup(jid.MustParse(name))
			if !ok || err != nil || u.Role != account.User {
				t.Errorf("%s: %+v, %v, %v", name, u, ok, err)
			}
		}
		s.fails("user add jid=tybalt@example.com password=other", command.Conflict, "exists")
		s.fails("user add jid=new@example.com password=one password-verify=two", command.BadArgument, "differ")
		s.fails("user add jid=new@example.com", command.BadArgument, "password")
		s.fails("user add jid=new@example.com password=", command.BadArgument, "password")
		s.fails("user add jid=new@example.com password=\x00", command.BadArgument, "password")
		s.fails("user add password=x", command.BadArgument, "jid")
		s.fails("user add jid=@ password=x", command.BadArgument, "jid")
		s.fails("user add jid=example.com password=x", command.BadArgument, "jid")
		s.fails("user add jid=new@example.com/x password=x", command.BadArgument, "jid")
		s.fails("user add jid=new@example.net password=x", command.BadArgument, "domain")
		if ok, _ := s.Accounts().Exists(jid.MustParse("new@example.com")); ok {
			t.Error("there is an account after all")
		}
	})
}

func TestDelete(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		romeo, juliet := s.Login("romeo@example.com/orchard"), s.Login("juliet@example.com/balcony")
		s.run("user delete jid=romeo@example.com,mercutio@example.com/street")
		if condition, ended := romeo.Ended(); !ended || condition != "not-authorized" {
			t.Errorf("%v, %s", ended, condition)
		}
		if _, ended := juliet.Ended(); ended {
			t.Error("another's session has ended")
		}
		if n := s.Accounts().Count(); n != 1 {
			t.Errorf("%d accounts are left", n)
		}
		s.fails("user delete jid=romeo@example.com,juliet@example.com", command.NotFound, "romeo@example.com: there is no such account")
		if n := s.Accounts().Count(); n != 1 { // the first failure ends it
			t.Errorf("%d accounts are left", n)
		}
	})
}

func TestDisable(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		romeo := s.Login("romeo@example.com/orchard")
		s.run("user disable jid=romeo@example.com,juliet@example.com reason=banished")
		if condition, ended := romeo.Ended(); !ended || condition != "not-authorized" {
			t.Errorf("%v, %s", ended, condition)
		}
		if u, _, _ := s.Accounts().Lookup(jid.MustParse("romeo@example.com")); !u.Disabled || u.Reason != "banished" {
			t.Errorf("%+v", u)
		}
		if got := field(s.run("user list disabled"), "disableduserjids"); got != "juliet@example.com romeo@example.com" {
			t.Errorf("disabled: %s", got)
		}
		s.run("user enable jid=romeo@example.com")
		if got := field(s.run("user count disabled"), "disabledusersnum"); got != "1" {
			t.Errorf("disabled: %s", got)
		}
		s.fails("user disable jid=nobody@example.com", command.NotFound, "nobody@example.com")
		s.fails("user enable jid=nobody@example.com", command.NotFound, "nobody@example.com")
	})
}

func TestPassword(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		romeo := s.Login("romeo@example.com/orchard")
		s.run("user password jid=romeo@example.com password=secret")
		if condition, ended := romeo.Ended(); !ended || condition != "reset" {
			t.Errorf("%v, %s", ended, condition)
		}
		s.fails("user password jid=nobody@example.com password=secret", command.NotFound, "no such account")
		s.fails("user password jid=romeo@example.com password=\x00", command.BadArgument, "password")
	})
}

func TestRole(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		s.run("user role jid=romeo@example.com role=operator")
		if r, _ := s.Accounts().RoleOf(jid.MustParse("romeo@example.com")); r != account.Operator {
			t.Errorf("%v", r)
		}
		s.fails("user role jid=romeo@example.com role=king", command.BadArgument, "role")
		s.fails("user role jid=nobody@example.com role=user", command.NotFound, "")
	})
}

func TestEndSession(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		one, two, other := s.Login("romeo@example.com/one"), s.Login("romeo@example.com/two"), s.Login("juliet@example.com/x")
		if r := s.run("session end jid=romeo@example.com/two"); r.Text != "1 sessions ended" {
			t.Error(r.Text)
		}
		if condition, ended := two.Ended(); !ended || condition != "policy-violation" {
			t.Errorf("%v, %s", ended, condition)
		}
		if _, ended := one.Ended(); ended {
			t.Error("the other client's session has ended too")
		}
		if r := s.run("session end jid=romeo@example.com,mercutio@example.com,juliet@example.com/none"); r.Text != "1 sessions ended" {
			t.Error(r.Text)
		}
		if _, ended := one.Ended(); !ended {
			t.Error("the session goes on")
		}
		if _, ended := other.Ended(); ended {
			t.Error("another's session has ended")
		}
		s.fails("session end jid=nobody@example.com", command.NotFound, "nobody@example.com")
		s.fails("session end jid=romeo@example.net", command.NotFound, "romeo@example.net")
	})
}

func TestStatisticsAndRoster(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		s.Login("juliet@example.com/balcony")
		s.Login("juliet@example.com/chamber").Lose()
		for contact, sub := range map[string]xmpp.Subscription{
			"a@example.net": {To: true, From: true, InRoster: true},
			"b@example.net": {To: true, InRoster: true},
			"c@example.net": {From: true, InRoster: true, PendingIn: true},
			"d@example.net": {Ask: true, InRoster: true},
			"e@example.net": {PendingIn: true}, // a stranger who asks
		} {
			s.Subscribe("juliet@example.com", contact, sub)
		}
		r := s.run("user stats jid=juliet@example.com")
		for name, want := range map[string]string{"accountjid": "juliet@example.com", "rostersize": "4", "onlineresources": "balcony", "ipaddresses": "[2001:db8::1]:49152"} {
			if got := field(r, name); got != want {
				t.Errorf("%s is %s, not %s", name, got, want)
			}
		}
		if got := field(s.run("user stats jid=romeo@example.com"), "onlineresources"); got != "" {
			t.Errorf("romeo is online with %s", got)
		}
		s.fails("user stats jid=nobody@example.com", command.NotFound, "")

		s.Subscribe("romeo@example.com", "x@example.net", xmpp.Subscription{To: true, Ask: true, PendingIn: true, InRoster: true})
		want := [][]string{
			{"juliet@example.com", "a@example.net", "both", ""}, {"juliet@example.com", "b@example.net", "to", ""},
			{"juliet@example.com", "c@example.net", "from", "in"}, {"juliet@example.com", "d@example.net", "none", "out"},
			{"juliet@example.com", "e@example.net", "none", "in"}, {"romeo@example.com", "x@example.net", "to", "both"},
		}
		if got := s.run("user roster jid=juliet@example.com,mercutio@example.com,romeo@example.com").Rows; !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("got %q\nnot %q", got, want)
		}
		s.fails("user roster jid=nobody@example.com", command.NotFound, "")
	})
}

func TestLastLogin(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		begin := time.Now()
		romeo := s.Login("romeo@example.com/orchard")
		time.Sleep(time.Hour)
		s.Login("juliet@example.com/balcony")
		romeo.Close()
		romeo.Ended()
		r := s.run("user lastlogin jid=romeo@example.com,juliet@example.com,mercutio@example.com/x")
		in, later := command.Stamp(begin), command.Stamp(begin.Add(time.Hour))
		for name, want := range map[string]string{
			"accountjids": "romeo@example.com juliet@example.com mercutio@example.com",
			"lastlogin":   in + " " + later + " ", "lastlogout": later + "  ",
		} {
			if got := field(r, name); got != want {
				t.Errorf("%s is %q, not %q", name, got, want)
			}
		}
		s.fails("user lastlogin jid=romeo@example.com,nobody@example.com", command.NotFound, "nobody@example.com")
	})
}

func TestLists(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		expect := func(what, jids string, want ...string) {
			t.Helper()
			if got := field(s.run("user list "+what), jids); got != strings.Join(want, " ") {
				t.Errorf("%s: %q, not %q", what, got, want)
			}
			if got := field(s.run("user count "+what), what+"usersnum"); got != fmt.Sprint(len(want)) {
				t.Errorf("%s: %s, not %d", what, got, len(want))
			}
		}
		const romeo, juliet, mercutio = "romeo@example.com", "juliet@example.com", "mercutio@example.com"
		expect("registered", "registereduserjids", juliet, mercutio, romeo)
		expect("online", "onlineuserjids")
		r, j := s.Login(romeo+"/orchard"), s.Login(juliet+"/balcony")
		s.Login(juliet + "/chamber")
		expect("online", "onlineuserjids", juliet, romeo)
		expect("active", "activeuserjids", juliet, romeo)
		expect("idle", "activeuserjids")
		time.Sleep(10 * time.Minute)
		expect("active", "activeuserjids")
		expect("idle", "activeuserjids", juliet, romeo)
		j.Send("<presence/>") // one active client is enough
		expect("active", "activeuserjids", juliet)
		expect("idle", "activeuserjids", romeo)
		r.Close()
		expect("online", "onlineuserjids", juliet)
		expect("disabled", "disableduserjids")
	})
}

func TestLongLists(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		for i := range page + 30 { // more than one reading
			s.Register(fmt.Sprintf("user%03d@example.com", i))
		}
		all := page + 33
		for limit, want := range map[string]int{"": 100, " max=25": 25, " max=200": 200, " max=none": all} {
			if got := len(strings.Fields(field(s.run("user list registered"+limit), "registereduserjids"))); got != want {
				t.Errorf("with%s: %d, not %d", limit, got, want)
			}
		}
		if got := field(s.run("user count registered"), "registeredusersnum"); got != fmt.Sprint(all) {
			t.Errorf("%s, not %d", got, all)
		}
		s.fails("user list registered max=7", command.BadArgument, "max")
	})
}

func TestAnnounce(t *testing.T) {
	test(t, func(t *testing.T, s *server) {
		const text = `<message from='example.com' type='headline'><body>Bring your own&#10;&lt;chair&gt;</body></message>`
		clients := []*xmpptest.Client{s.Login("romeo@example.com/one"), s.Login("romeo@example.com/two"), s.Login("juliet@example.com/x")}
		r, err := s.Server.Run("announce", command.Values{"announcement": {"Bring your own", "<chair>"}})
		if err != nil || r.Text != "sent to 3 clients" {
			t.Errorf("%v, %v", r, err)
		}
		for _, c := range clients {
			c.Expect(text)
			c.Nothing()
		}
		s.fails("announce", command.BadArgument, "announcement")
	})
}
