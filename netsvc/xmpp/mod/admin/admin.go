// Package admin is what administrators do with users and their sessions: the
// commands of Service Administration, XEP-0133 1.3.1, for every surface.
//
// It declares commands (command.Command); that they appear as ad-hoc forms, on
// the command line and elsewhere is those surfaces' doing. Restart and shutdown
// are the appliance's own.
package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
)

const node = "http://jabber.org/protocol/admin#"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "admin",
		Summary: "users and their sessions, for administrators",
		Specs:   []string{"XEP-0133 1.3.1"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host xmpp.Host
	idle time.Duration
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	h.Options().About("Administration of users.").
		Duration(&m.idle, "idle", 10*time.Minute, "after how long without a stanza a client counts as idle").Between(time.Second, 24*time.Hour)

	one := command.Arg{Name: "jid", Kind: command.JID, Required: true, Help: "the account, name@domain", Var: "accountjid"}
	some := command.Arg{Name: "jid", Kind: command.JIDs, Required: true, Help: "the accounts, name@domain", Var: "accountjids"}
	password := command.Arg{Name: "password", Kind: command.Password, Required: true, Help: "the password"}
	again := command.Arg{Name: "password-verify", Kind: command.Password, Help: "the password once more"}

	h.Command(command.Command{Name: "user add", Node: node + "add-user", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{one, password, again}, Run: m.add, Help: "Make an account."})
	h.Command(command.Command{Name: "user delete", Node: node + "delete-user", Role: command.Admin, Effect: command.Danger,
		Args: []command.Arg{some}, Run: m.each(func(ctx context.Context, j jid.JID) error { return m.users().Delete(ctx, j) }),
		Help: "Delete accounts with all that is kept for them; this cannot be undone."})
	h.Command(command.Command{Name: "user disable", Node: node + "disable-user", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{some, {Name: "reason", Kind: command.Text, Help: "why, for other administrators"}}, Run: m.disable,
		Help: "Keep accounts from logging in and end their sessions."})
	h.Command(command.Command{Name: "user enable", Node: node + "reenable-user", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{some}, Run: m.each(func(ctx context.Context, j jid.JID) error { return m.users().Enable(ctx, j) }),
		Help: "Let disabled accounts log in again."})
	h.Command(command.Command{Name: "user password", Node: node + "change-user-password", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{one, password}, Run: m.password, Help: "Set an account's password and end its sessions."})
	h.Command(command.Command{Name: "user role", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{one, {Name: "role", Kind: command.Enum, Required: true, Choices: []string{"user", "operator", "admin"}, Help: "what the account may do"}},
		Run:  m.role, Help: "Set what an account may do."})
	h.Command(command.Command{Name: "user stats", Node: node + "user-stats", Role: command.Operator, Effect: command.Read,
		Args: []command.Arg{one}, Run: m.stats, Help: "Show an account's sessions and the size of its roster."})
	h.Command(command.Command{Name: "user roster", Node: node + "get-user-roster", Role: command.Admin, Effect: command.Read,
		Args: []command.Arg{some}, Run: m.roster, Help: "Show the contacts of accounts."})
	h.Command(command.Command{Name: "user lastlogin", Node: node + "get-user-lastlogin", Role: command.Operator, Effect: command.Read,
		Args: []command.Arg{some}, Run: m.lastLogin, Help: "Show when accounts were used last."})
	h.Command(command.Command{Name: "session end", Node: node + "end-user-session", Role: command.Operator, Effect: command.Danger,
		Args: []command.Arg{{Name: "jid", Kind: command.JIDs, Required: true, Help: "accounts, or single clients by their full addresses", Var: "accountjids"}},
		Run:  m.endSessions, Help: "Disconnect clients; they may log in again."})
	m.lists(h)
	h.Command(command.Command{Name: "announce", Node: node + "announce", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{{Name: "announcement", Kind: command.Lines, Required: true, Help: "the text"}},
		Run:  m.announce, Help: "Send a message to everybody who is online."})
	return nil
}

func (m *extension) users() *account.Accounts { return m.host.Server().Accounts() }

// failure gives an error of the account package its reason.
func failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrNone):
		return command.Fail(command.NotFound, "%v", err)
	case errors.Is(err, account.ErrExists):
		return command.Fail(command.Conflict, "%v", err)
	case errors.Is(err, account.ErrName), errors.Is(err, account.ErrHost):
		return command.BadArg("jid", "%v", err)
	case errors.Is(err, account.ErrPassword):
		return command.BadArg("password", "%v", err)
	}
	return err
}

// each runs f for every account that was named; the first failure ends it and says
// whom it was about.
func (m *extension) each(f func(context.Context, jid.JID) error) func(context.Context, *command.Call) (*command.Result, error) {
	return func(ctx context.Context, c *command.Call) (*command.Result, error) {
		for _, j := range c.JIDs("jid") {
			if err := f(ctx, j.Bare()); err != nil {
				return nil, about(j, err)
			}
		}
		return nil, nil
	}
}

func (m *extension) add(ctx context.Context, c *command.Call) (*command.Result, error) {
	if c.Has("password-verify") && c.String("password-verify") != c.String("password") {
		return nil, command.BadArg("password-verify", "the two passwords differ")
	}
	_, err := m.users().Create(ctx, account.NewAccount{JID: c.JID("jid"), Password: c.String("password")})
	return nil, failure(err)
}

func (m *extension) disable(ctx context.Context, c *command.Call) (*command.Result, error) {
	return m.each(func(ctx context.Context, j jid.JID) error { return m.users().Disable(ctx, j, c.String("reason")) })(ctx, c)
}

// password ends the account's sessions as well: whoever knew the old one is out.
func (m *extension) password(ctx context.Context, c *command.Call) (*command.Result, error) {
	if err := m.users().SetPassword(ctx, c.JID("jid"), c.String("password")); err != nil {
		return nil, failure(err)
	}
	a, err := m.find(c.JID("jid"))
	if err != nil {
		return nil, err
	}
	defer a.Release()
	for _, s := range a.Sessions() {
		s.End("reset", "the password was changed")
	}
	return nil, nil
}

func (m *extension) role(ctx context.Context, c *command.Call) (*command.Result, error) {
	r, ok := account.ParseRole(c.String("role"))
	if !ok {
		return nil, command.BadArg("role", "there is no such role")
	}
	return nil, failure(m.users().SetRole(ctx, c.JID("jid"), r))
}

// find returns a live account; the caller releases it.
func (m *extension) find(j jid.JID) (xmpp.Account, error) {
	a, ok, err := m.host.Server().Account(j.Bare())
	if err == nil && !ok {
		err = about(j, account.ErrNone)
	}
	return a, err
}

// about is failure for one of several accounts.
func about(j jid.JID, err error) error {
	err = failure(err)
	if reason := command.ReasonOf(err); reason != command.Internal {
		return command.Fail(reason, "%s: %v", j, err)
	}
	return err
}

func (m *extension) stats(_ context.Context, c *command.Call) (*command.Result, error) {
	a, err := m.find(c.JID("jid"))
	if err != nil {
		return nil, err
	}
	defer a.Release()
	contacts := 0
	err = m.host.Contacts().Each(a, func(_ jid.JID, s xmpp.Subscription) bool {
		if s.InRoster {
			contacts++
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var resources, addresses []string
	for _, s := range a.Sessions() {
		resources = append(resources, s.JID().Resource())
		if addr := s.RemoteAddr(); addr != "" {
			addresses = append(addresses, addr)
		}
	}
	r := new(command.Result).Add("accountjid", "Account", command.JID, a.JID().String())
	r.SetInt("rostersize", "Contacts", int64(contacts))
	r.Set("ipaddresses", "Addresses", addresses...)
	return r.Set("onlineresources", "Clients", resources...), nil
}

func (m *extension) roster(_ context.Context, c *command.Call) (*command.Result, error) {
	t := command.Table(command.Column{Name: "accountjid", Label: "Account", Kind: command.JID}, command.Column{Name: "jid", Label: "Contact", Kind: command.JID},
		command.Column{Name: "subscription", Label: "Subscription"}, command.Column{Name: "ask", Label: "Pending"})
	for _, j := range c.JIDs("jid") {
		a, err := m.find(j)
		if err != nil {
			return nil, err
		}
		err = m.host.Contacts().Each(a, func(contact jid.JID, s xmpp.Subscription) bool {
			t.Row(a.JID().String(), contact.String(), subscription(s), pending(s))
			return true
		})
		a.Release()
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func subscription(s xmpp.Subscription) string {
	return [2][2]string{{"none", "from"}, {"to", "both"}}[index(s.To)][index(s.From)]
}

func pending(s xmpp.Subscription) string {
	return [2][2]string{{"", "in"}, {"out", "both"}}[index(s.Ask)][index(s.PendingIn)]
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (m *extension) lastLogin(_ context.Context, c *command.Call) (*command.Result, error) {
	var names, logins, logouts []string
	for _, j := range c.JIDs("jid") {
		u, ok, err := m.users().Lookup(j.Bare())
		if err == nil && !ok {
			err = about(j, account.ErrNone)
		}
		if err != nil {
			return nil, err
		}
		act, err := m.users().Activity(u.ID)
		if err != nil {
			return nil, err
		}
		names = append(names, u.JID.String())
		logins = append(logins, command.Stamp(act.Login))
		logouts = append(logouts, command.Stamp(act.Logout))
	}
	return new(command.Result).Add("accountjids", "Account", command.JIDs, names...).
		Add("lastlogin", "Last login", command.Time, logins...).
		Add("lastlogout", "Last logout", command.Time, logouts...), nil
}

func (m *extension) endSessions(_ context.Context, c *command.Call) (*command.Result, error) {
	ended := 0
	for _, j := range c.JIDs("jid") {
		a, err := m.find(j)
		if err != nil {
			return nil, err
		}
		for _, s := range a.Sessions() {
			if j.IsBare() || s.JID() == j {
				s.End("policy-violation", "ended by an administrator")
				ended++
			}
		}
		a.Release()
	}
	return command.Say(strconv.Itoa(ended) + " sessions ended"), nil
}
