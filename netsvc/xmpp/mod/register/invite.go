package register

import (
	"context"
	"strconv"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp"
)

// maxInvitations is how many invitations of one domain are listed and looked at.
const maxInvitations = 1000

// invites declares the commands about invitations, with the node and the fields of
// XEP-0401 0.6.0, section 5.4, where it has any.
func (m *extension) invites(h xmpp.Host) {
	domain := command.Arg{Name: "domain", Kind: command.Text, Help: "the domain, if it is not the main one"}
	h.Command(command.Command{Name: "invite add", Node: "urn:xmpp:invite#create-account", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{
			{Name: "name", Kind: command.Text, Var: "username", Help: "the name of the account to be; without one the guest chooses"},
			{Name: "expires", Kind: command.Duration, Default: "168h", Help: "how long it is good for; 0 means for ever"},
			{Name: "uses", Kind: command.Int, Default: "1", Help: "how many accounts may be made with it"},
			{Name: "note", Kind: command.Text, Help: "what it is for, shown in the list"},
			domain,
		},
		Run: m.invite, Help: "Make an invitation to register an account.\n\nWhoever gets the address that is printed may open it in a client, once."})
	h.Command(command.Command{Name: "invite list", Role: command.Admin, Effect: command.Read, Args: []command.Arg{domain},
		Run: m.invitations, Help: "List the invitations that are still good."})
	h.Command(command.Command{Name: "invite revoke", Role: command.Admin, Effect: command.Change,
		Args: []command.Arg{{Name: "key", Kind: command.Text, Required: true, Help: "the key, from the list"}, domain},
		Run:  m.revoke, Help: "Withdraw an invitation."})
}

// domain is the one that a command is about.
func (m *extension) domain(c *command.Call) (string, error) {
	hosts := m.host.Server().Hosts()
	name := c.String("domain")
	if name == "" {
		return hosts[0], nil
	}
	j, err := jid.Parse(name)
	if err != nil || !m.host.Server().IsHost(j.String()) {
		return "", command.BadArg("domain", "%v", account.ErrHost)
	}
	return j.String(), nil
}

func (m *extension) invite(ctx context.Context, c *command.Call) (*command.Result, error) {
	host, err := m.domain(c)
	if err != nil {
		return nil, err
	}
	if m.policy != "invite" && m.policy != "open" {
		return nil, command.Fail(command.NotAllowed, `nobody could use it: [register] policy is %q, not "invite"`, m.policy)
	}
	i := account.Invitation{Host: host, Local: c.String("name"), By: c.Caller.JID, Note: c.String("note"), Uses: c.Int("uses")}
	if i.Uses < 1 || i.Local != "" && i.Uses > 1 {
		return nil, command.BadArg("uses", "must be 1, or more where no name is given")
	}
	address := jid.JID{}
	if address, err = jid.New(i.Local, host, ""); err != nil {
		return nil, command.BadArg("name", "%v", account.ErrName)
	}
	if i.Local != "" {
		switch taken, err := m.taken(address, ""); {
		case err != nil:
			return nil, err
		case taken:
			return nil, command.Fail(command.Conflict, "%s exists, or is promised to somebody", address)
		}
	}
	if d := c.Duration("expires"); d > 0 {
		i.Expires = time.Now().Add(d)
	}
	token, err := m.users().Invite(ctx, i)
	if err != nil {
		return nil, err
	}
	return new(command.Result).Set("uri", "Invitation", uri(address, token)).
		Add("expire", "Good until", command.Time, command.Stamp(i.Expires)), nil
}

// uri is what a client opens: XEP-0445 0.2.0, section 2.
func uri(address jid.JID, token string) string {
	u := "xmpp:"
	if address.Local() != "" {
		u += escape(address.Local()) + "@"
	}
	return u + escape(address.Domain()) + "?register;preauth=" + token
}

// escape writes what RFC 3986 does not leave alone as numbers (RFC 5122 section 2.2).
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// taken reports whether a name cannot be registered: there is such an account, or
// another invitation than the one with the token is for it (XEP-0445 section 5).
func (m *extension) taken(j jid.JID, token string) (bool, error) {
	if ok, err := m.users().Exists(j); ok || err != nil {
		return ok, err
	}
	own := ""
	if token != "" {
		if i, err := m.users().Invited(j.Domain(), token); err == nil {
			own = i.Key
		}
	}
	list, err := m.users().Invitations(j.Domain(), maxInvitations)
	for _, i := range list {
		if i.Local == j.Local() && i.Key != own {
			return true, nil
		}
	}
	return false, err
}

func (m *extension) invitations(_ context.Context, c *command.Call) (*command.Result, error) {
	host, err := m.domain(c)
	if err != nil {
		return nil, err
	}
	list, err := m.users().Invitations(host, maxInvitations)
	t := command.Table(command.Column{Name: "key", Label: "Key"}, command.Column{Name: "name", Label: "Name"}, command.Column{Name: "uses", Label: "Uses", Kind: command.Int},
		command.Column{Name: "expires", Label: "Good until", Kind: command.Time}, command.Column{Name: "by", Label: "By", Kind: command.JID}, command.Column{Name: "note", Label: "Note"})
	for _, i := range list {
		t.Row(i.Key, i.Local, strconv.Itoa(i.Uses), command.Stamp(i.Expires), i.By.String(), i.Note)
	}
	return t, err
}

func (m *extension) revoke(ctx context.Context, c *command.Call) (*command.Result, error) {
	host, err := m.domain(c)
	if err == nil {
		err = m.users().Revoke(ctx, host, c.String("key"))
	}
	if err == account.ErrInvitation {
		err = command.Fail(command.NotFound, "%v", err)
	}
	return nil, err
}
