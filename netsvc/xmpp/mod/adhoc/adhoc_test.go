package adhoc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// house is an extension with a command of each sort, after the examples of XEP-0050.
type house struct {
	runs []string // who ran what
}

func (h *house) Setup(host xmpp.Host) error {
	ran := func(r *command.Result, err error) func(context.Context, *command.Call) (*command.Result, error) {
		return func(_ context.Context, c *command.Call) (*command.Result, error) {
			h.runs = append(h.runs, c.Caller.JID.String()+" "+c.Caller.Via+" "+c.Command.Name+" "+c.String("service")+" "+strings.Join(c.Lines("note"), "|"))
			return r, err
		}
	}
	table := command.Table(command.Column{Name: "service", Label: "Service"}, command.Column{Name: "runlevel", Kind: command.Int}).
		Row("httpd", "3").Row("postgresql", "5")
	table.Add("host", "Host", command.JID, "example.com").Set("ports", "", "80", "443").Text = "All is well."
	for _, c := range []command.Command{
		{Name: "service list", Node: "list", Role: command.User, Effect: command.Read, Help: "Lists services.\n\nAll of them.", Run: ran(table, nil)},
		{Name: "service config", Node: "http://jabber.org/protocol/admin#config", Role: command.Operator, Effect: command.Change, Help: "Configures a service.",
			Args: []command.Arg{
				{Name: "service", Kind: command.Enum, Required: true, Choices: []string{"httpd", "jabberd"}, Help: "which one"},
				{Name: "for", Kind: command.JIDs, Var: "accountjids", Help: "for whom"},
				{Name: "note", Kind: command.Lines, Help: "a note"},
				{Name: "on", Kind: command.Bool, Default: "true", Help: "whether it runs"},
				{Name: "secret", Kind: command.Password, Help: "a password"},
			}, Run: ran(nil, nil)},
		{Name: "service reset", Role: command.Admin, Effect: command.Danger, Help: "Resets everything.", Run: ran(nil, command.Fail(command.Conflict, "not today"))},
		{Name: "service break", Role: command.User, Effect: command.Read, Help: "Breaks.", Run: ran(nil, errors.New("the reason is a secret"))},
		{Name: "service panic", Role: command.User, Effect: command.Read, Help: "Panics.", Run: func(context.Context, *command.Call) (*command.Result, error) { panic("oh") }},
		{Name: "backup here", Role: command.User, Effect: command.Read, Local: true, Help: "Needs a file.", Run: ran(nil, nil)},
	} {
		host.Command(c)
	}
	return nil
}

// test runs f with a user, an operator and an administrator, each logged in.
func test(t *testing.T, f func(t *testing.T, s *xmpptest.Server, h *house, user, operator, admin *xmpptest.Client)) {
	h := new(house)
	var own xmpp.Info
	for _, i := range xmpp.All() {
		if i.Name == "adhoc" {
			own = i
		}
	}
	o := xmpptest.Options{Admins: []string{"admin@example.com"}, Extensions: []xmpp.Info{own, {Name: "house", New: func() xmpp.Module { return h }}}}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		s.Register("operator@example.com")
		if err := s.Accounts().SetRole(t.Context(), jid.MustParse("operator@example.com"), account.Operator); err != nil {
			t.Fatal(err)
		}
		f(t, s, h, s.Login("user@example.com/x"), s.Login("operator@example.com/x"), s.Login("admin@example.com/x"))
	})
}

// request is a command element in an iq.
func request(attributes, payload string) string {
	return "<iq type='set' id='exec' to='example.com'><command xmlns='http://jabber.org/protocol/commands' " + attributes + ">" + payload + "</command></iq>"
}

func answered(attributes, payload string) string {
	return "<iq type='result' id='exec' from='example.com'><command xmlns='http://jabber.org/protocol/commands' " + attributes + ">" + payload + "</command></iq>"
}

func failed(kind, condition, app string) string {
	if app != "" {
		app = "<" + app + " xmlns='http://jabber.org/protocol/commands'/>"
	}
	return "<iq type='error' id='exec' from='example.com'><error type='" + kind + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" + app + "</error></iq>"
}

func submit(fields string) string {
	return "<x xmlns='jabber:x:data' type='submit'>" + fields + "</x>"
}

const config = "http://jabber.org/protocol/admin#config"

// Section 2.4.1: a command that asks for nothing runs at once.
func TestSimpleExecution(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, user, _, _ *xmpptest.Client) {
		const result = `<x xmlns='jabber:x:data' type='result'><title>Lists services.</title>
			<field var='host' type='jid-single' label='Host'><value>example.com</value></field>
			<field var='ports' type='text-multi'><value>80</value><value>443</value></field>
			<reported><field var='service' type='text-single' label='Service'/><field var='runlevel' type='text-single'/></reported>
			<item><field var='service'><value>httpd</value></field><field var='runlevel'><value>3</value></field></item>
			<item><field var='service'><value>postgresql</value></field><field var='runlevel'><value>5</value></field></item></x>
			<note type='info'>All is well.</note>`
		user.Ask(request("node='list' action='execute'", ""), answered("node='list' sessionid='*' status='completed'", result))
		user.Ask(request("node='list'", ""), answered("node='list' sessionid='*' status='completed'", result)) // the default
		user.Ask(request("node='list' action='complete' sessionid='mine' status='completed'", ""), answered("node='list' sessionid='mine' status='completed'", result))
		if len(h.runs) != 3 || h.runs[0] != "user@example.com ad-hoc service list  " {
			t.Errorf("runs: %q", h.runs)
		}
	})
}

// Section 2.4.2, with one form.
func TestForm(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, _, operator, _ *xmpptest.Client) {
		ask := answered("node='"+config+"' sessionid='*' status='executing'", `<actions execute='complete'><complete/></actions>
			<x xmlns='jabber:x:data' type='form'><title>Configures a service.</title>
			<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/admin</value></field>
			<field var='service' type='list-single' label='which one'><required/><option><value>httpd</value></option><option><value>jabberd</value></option></field>
			<field var='accountjids' type='jid-multi' label='for whom'/>
			<field var='note' type='text-multi' label='a note'/>
			<field var='on' type='boolean' label='whether it runs'><value>true</value></field>
			<field var='secret' type='text-private' label='a password'/></x>`)
		operator.Send(request("node='"+config+"' action='execute'", ""))
		got := operator.Expect(ask)
		id := got.Payload().Attr("sessionid")
		if id == "" {
			t.Error("no session")
		}
		operator.Send(request("node='"+config+"'", ""))
		if again := operator.Expect(ask).Payload().Attr("sessionid"); again == id {
			t.Error("two sessions have one id")
		}
		done := func(id string) string {
			return answered("node='"+config+"' sessionid='"+id+"' status='completed'", "<note type='info'>Done.</note>")
		}
		const fields = `<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/admin</value></field>
			<field var='service'><value>httpd</value></field><field var='accountjids'><value>a@b</value><value>c@d</value></field>
			<field var='note'><value>one</value><value>two</value></field><field var='email'><value>unknown fields are not ours to mind</value></field>`
		for _, attributes := range []string{"", " action='execute'", " action='complete'"} {
			operator.Ask(request("node='"+config+"' sessionid='"+id+"'"+attributes, submit(fields)), done(id))
		}
		// A cancel form is a submission (section 3.5.1), and the first stage may be skipped.
		operator.Ask(request("node='"+config+"' sessionid='x'", strings.Replace(submit(fields), "'submit'", "'cancel'", 1)), done("x"))
		operator.Send(request("node='"+config+"'", submit(fields)))
		operator.Expect(done("*"))
		if len(h.runs) != 5 || h.runs[4] != "operator@example.com ad-hoc service config httpd one|two" {
			t.Errorf("runs: %q", h.runs)
		}
	})
}

// Section 2.4.3: always possible, and nothing has run.
func TestCancel(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, user, operator, _ *xmpptest.Client) {
		operator.Ask(request("node='"+config+"' sessionid='s' action='cancel'", ""), answered("node='"+config+"' sessionid='s' status='canceled'", ""))
		operator.Ask(request("node='"+config+"' sessionid='s' action='cancel'", submit("<field var='service'><value>httpd</value></field>")),
			answered("node='"+config+"' sessionid='s' status='canceled'", ""))
		user.Ask(request("node='list' action='cancel'", ""), answered("node='list' sessionid='*' status='canceled'", ""))
		user.Ask(request("node='"+config+"' action='cancel'", ""), failed("auth", "forbidden", ""))
		if len(h.runs) != 0 {
			t.Errorf("runs: %q", h.runs)
		}
	})
}

// Section 4.4, and what commands themselves fail with.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, as, attributes, payload string
		want                          string
		runs                          int
	}{
		{"no such command", "admin", "node='none'", "", failed("cancel", "item-not-found", ""), 0},
		{"no node", "admin", "", "", failed("cancel", "item-not-found", ""), 0},
		{"only on the machine itself", "admin", "node='backup here'", "", failed("cancel", "item-not-found", ""), 0},
		{"not for users", "user", "node='" + config + "'", "", failed("auth", "forbidden", ""), 0},
		{"not for users, submitted", "user", "node='" + config + "'", submit("<field var='service'><value>httpd</value></field>"), failed("auth", "forbidden", ""), 0},
		{"not for operators", "operator", "node='service reset'", "", failed("auth", "forbidden", ""), 0},
		{"next without a next", "admin", "node='list' action='next'", "", failed("modify", "bad-request", "bad-action"), 0},
		{"back without a before", "admin", "node='" + config + "' action='prev' sessionid='s'", "", failed("modify", "bad-request", "bad-action"), 0},
		{"no action", "admin", "node='list' action='destroy'", "", failed("modify", "bad-request", "malformed-action"), 0},
		{"a required field is missing", "admin", "node='" + config + "'", submit(""), failed("modify", "bad-request", "bad-payload"), 0},
		{"a required field is empty", "admin", "node='" + config + "'", submit("<field var='service'><value/></field>"), failed("modify", "bad-request", "bad-payload"), 0},
		{"no option", "admin", "node='" + config + "'", submit("<field var='service'><value>ftpd</value></field>"), failed("modify", "bad-request", "bad-payload"), 0},
		{"no address", "admin", "node='" + config + "'", submit("<field var='service'><value>httpd</value></field><field var='accountjids'><value>@</value></field>"), failed("modify", "bad-request", "bad-payload"), 0},
		{"no truth", "admin", "node='" + config + "'", submit("<field var='service'><value>httpd</value></field><field var='on'><value>perhaps</value></field>"), failed("modify", "bad-request", "bad-payload"), 0},
		{"another form", "admin", "node='" + config + "'", submit("<field var='FORM_TYPE'><value>other</value></field><field var='service'><value>httpd</value></field>"), failed("modify", "bad-request", "bad-payload"), 0},
		{"a form sent back", "admin", "node='" + config + "'", "<x xmlns='jabber:x:data' type='form'/>", failed("modify", "bad-request", "bad-payload"), 0},
		{"no type of form", "admin", "node='" + config + "'", "<x xmlns='jabber:x:data'/>", failed("modify", "bad-request", "bad-payload"), 0},
		{"refused by the command", "admin", "node='service reset'", "", failed("cancel", "conflict", ""), 1},
		{"a mistake", "user", "node='service break'", "", failed("cancel", "internal-server-error", ""), 1},
		{"a panic", "user", "node='service panic'", "", failed("cancel", "internal-server-error", ""), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			test(t, func(t *testing.T, s *xmpptest.Server, h *house, user, operator, admin *xmpptest.Client) {
				as := map[string]*xmpptest.Client{"user": user, "operator": operator, "admin": admin}[c.as]
				as.Send(request(c.attributes, c.payload))
				got := as.Expect(c.want)
				if strings.Contains(string(got.AppendTo(nil)), "secret") {
					t.Error("the cause was told")
				}
				if len(h.runs) != c.runs {
					t.Errorf("runs: %q", h.runs)
				}
				as.Ask(request("node='list' action='cancel'", ""), answered("node='list' sessionid='*' status='canceled'", ""))
			})
		})
	}
}

// Strangers have no role: not even the commands of users.
func TestOtherServers(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, _, _, _ *xmpptest.Client) {
		peer := s.Peer("example.net")
		for _, from := range []string{"example.net", "admin@example.net/x"} {
			peer.Send(strings.Replace(request("node='list'", ""), "<iq ", "<iq from='"+from+"' ", 1))
			peer.Expect(failed("auth", "forbidden", ""))
		}
		if len(h.runs) != 0 {
			t.Errorf("runs: %q", h.runs)
		}
	})
}

// A role that was taken away is gone at once, in the middle of a form too.
func TestRoleIsAskedEachTime(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, _, operator, _ *xmpptest.Client) {
		operator.Send(request("node='"+config+"'", ""))
		operator.Skip()
		if err := s.Accounts().SetRole(t.Context(), jid.MustParse("operator@example.com"), account.User); err != nil {
			t.Fatal(err)
		}
		operator.Ask(request("node='"+config+"'", submit("<field var='service'><value>httpd</value></field>")), failed("auth", "forbidden", ""))
	})
}

// Sections 2.1 and 2.2: each sees what it may run, by the answers that service
// discovery gets from here.
func TestDiscovery(t *testing.T) {
	test(t, func(t *testing.T, s *xmpptest.Server, h *house, user, operator, admin *xmpptest.Client) {
		d := s.Disco()
		ask := func(c *xmpptest.Client, of xmpp.Account) *xmpp.Request {
			from := c.Session().JID()
			iq := stanza.NewIQ(stanza.Get, "1", from, jid.MustParse("example.com"), []byte("<query xmlns='http://jabber.org/protocol/disco#items'/>"))
			return xmpp.NewRequest(iq, c.Session(), of, "example.com", nil, func(*stanza.Stanza) {})
		}
		for _, c := range []struct {
			client *xmpptest.Client
			want   string
		}{
			{user, "service break, list, service panic"},
			{operator, "service break, " + config + ", list, service panic"},
			{admin, "service break, " + config + ", list, service panic, service reset"},
		} {
			items, bad := d.Nodes[space].Items(ask(c.client, nil))
			if bad != nil {
				t.Fatal(bad)
			}
			var nodes []string
			for _, i := range items {
				if i.JID.String() != "example.com" || i.Name == "" {
					t.Errorf("item %+v", i)
				}
				nodes = append(nodes, i.Node)
			}
			if got := strings.Join(nodes, ", "); got != c.want {
				t.Errorf("%v sees %s, not %s", c.client.Session().JID(), got, c.want)
			}
		}
		list, bad := d.Nodes[space].Info(ask(user, nil))
		if bad != nil || list.Identities[0].Category != "automation" || list.Identities[0].Type != "command-list" {
			t.Errorf("%+v, %v", list, bad)
		}
		info := d.OtherNodes(ask(operator, nil), config)
		if info == nil || info.Identities[0].Type != "command-node" || info.Identities[0].Name != "Configures a service." || len(info.Features) != 2 {
			t.Errorf("%+v", info)
		}
		for _, hidden := range []string{config, "backup here", "none"} {
			if info := d.OtherNodes(ask(user, nil), hidden); info != nil {
				t.Errorf("a user learns of %s: %+v", hidden, info)
			}
		}
		// Nothing of this is at an account.
		own := operator.Session().Account()
		_, bad1 := d.Nodes[space].Items(ask(operator, own))
		_, bad2 := d.Nodes[space].Info(ask(operator, own))
		if bad1 == nil || bad2 == nil || d.OtherNodes(ask(operator, own), config) != nil {
			t.Error("an account has commands")
		}
		for range 3 {
			own.Release() // what NewRequest retained
		}
	})
}

// The forms of our own commands have no FORM_TYPE, others their specification's.
func TestFormTypes(t *testing.T) {
	for node, want := range map[string]string{
		"": "", "list": "", "urn:example#x": "",
		"http://jabber.org/protocol/admin#add-user": "http://jabber.org/protocol/admin",
		"urn:xmpp:invite#create-account":            "urn:xmpp:invite#invitation",
	} {
		if got := formType(&command.Command{Name: "x", Node: node}); got != want {
			t.Errorf("%q has %q, not %q", node, got, want)
		}
	}
}
