package admin

import (
	"context"
	"strconv"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// lists declares, for each kind of user, how many there are and who: XEP-0133
// sections 4.13 to 4.22. (The last prints the list of idle users in the field of the
// active ones, and no other is registered.)
func (m *extension) lists(h xmpp.Host) {
	most := command.Arg{Name: "max", Kind: command.Enum, Choices: []string{"25", "50", "75", "100", "150", "200", "none"}, Default: "100",
		Help: "how many to list at most", Var: "max_items"}
	for _, l := range []struct {
		what, help string
		list, num  string // the nodes, which the XEP spells in two ways
		jids       string // the field of the list
		find       func(func(jid.JID) bool) error
	}{
		{"registered", "who have an account", "get-registered-users-list", "get-registered-users-num", "registereduserjids", m.registered},
		{"disabled", "who may not log in", "get-disabled-users-list", "get-disabled-users-num", "disableduserjids", m.disabled},
		{"online", "who have a client connected", "get-online-users-list", "get-online-users-num", "onlineuserjids", m.online(func(xmpp.Account) bool { return true })},
		{"active", "who used a client lately", "get-active-users", "get-active-users-num", "activeuserjids", m.online(m.active)},
		{"idle", "whose clients have been silent", "get-idle-users", "get-idle-users-num", "activeuserjids", m.online(func(a xmpp.Account) bool { return !m.active(a) })},
	} {
		h.Command(command.Command{Name: "user list " + l.what, Node: node + l.list, Role: command.Operator, Effect: command.Read,
			Args: []command.Arg{most}, Help: "List users " + l.help + ".",
			Run: func(_ context.Context, c *command.Call) (*command.Result, error) {
				var names []string
				most, _ := strconv.Atoi(c.String("max")) // "none" is 0
				err := l.find(func(j jid.JID) bool {
					names = append(names, j.String())
					return len(names) != most
				})
				return new(command.Result).Add(l.jids, "Users", command.JIDs, names...), err
			}})
		h.Command(command.Command{Name: "user count " + l.what, Node: node + l.num, Role: command.Operator, Effect: command.Read,
			Help: "Count users " + l.help + ".",
			Run: func(context.Context, *command.Call) (*command.Result, error) {
				n := 0
				err := l.find(func(jid.JID) bool { n++; return true })
				return new(command.Result).SetInt(l.what+"usersnum", "Users", int64(n)), err
			}})
	}
}

// page is how many accounts are read at a time.
const page = 200

func (m *extension) all(f func(account.Account) bool) error {
	for _, host := range m.users().Hosts() {
		for after := ""; ; {
			list, err := m.users().List(host, after, page)
			if err != nil {
				return err
			}
			for _, u := range list {
				if !f(u) {
					return nil
				}
			}
			if len(list) < page {
				break
			}
			after = list[len(list)-1].JID.Local()
		}
	}
	return nil
}

func (m *extension) registered(f func(jid.JID) bool) error {
	return m.all(func(u account.Account) bool { return f(u.JID) })
}

func (m *extension) disabled(f func(jid.JID) bool) error {
	return m.all(func(u account.Account) bool { return !u.Disabled || f(u.JID) })
}

func (m *extension) online(which func(xmpp.Account) bool) func(func(jid.JID) bool) error {
	return func(f func(jid.JID) bool) error {
		m.host.Server().Online(func(a xmpp.Account) bool { return !which(a) || f(a.JID()) })
		return nil
	}
}

// active reports whether any client of the account sent something lately.
func (m *extension) active(a xmpp.Account) bool {
	for _, s := range a.Sessions() {
		if time.Since(s.Active()) < m.idle {
			return true
		}
	}
	return false
}

// announce sends a text to everybody who is online, section 4.23.
func (m *extension) announce(_ context.Context, c *command.Call) (*command.Result, error) {
	text := ""
	for i, line := range c.Lines("announcement") {
		if i > 0 {
			text += "\n"
		}
		text += line
	}
	body := xmlstream.NewWriter("jabber:client").Leaf("", "body", text).Bytes()
	n := 0
	m.host.Server().Online(func(a xmpp.Account) bool {
		from := jid.MustParse(a.JID().Domain())
		for _, s := range a.Sessions() {
			s.Send(stanza.NewMessage(stanza.Headline, "", from, s.JID(), body))
			n++
		}
		return true
	})
	return command.Say("sent to " + strconv.Itoa(n) + " clients"), nil
}
