// Package register lets people make, change and cancel accounts themselves:
// In-Band Registration, XEP-0077 2.4, with the invitations of XEP-0445 0.2.0.
//
// Registration is closed unless the operator opens it: to who has an invitation,
// to who is in the local network, or to everybody; each with a limit on how often
// one address may. Changing the own password and leaving are possible to everybody
// who is logged in.
package register

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const (
	space        = "jabber:iq:register"
	featureSpace = "http://jabber.org/features/iq-register"
	inviteSpace  = "urn:xmpp:pars:0"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "register",
		Summary: "people make their accounts themselves, where the operator lets them",
		Specs:   []string{"XEP-0077 2.4", "XEP-0401 0.6.0", "XEP-0445 0.2.0"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host       xmpp.Host
	policy     string
	accounts   int
	per        time.Duration
	leave      bool
	paces      *paces
	registered *metric.Counter
	refused    *metric.Counter
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.paces = module.Live(h, "register", func() *paces { return new(paces) })
	o := h.Section("register").About("Accounts that people make themselves.")
	o.Enum(&m.policy, "policy", "closed", []string{"closed", "invite", "lan", "open"},
		"who may make an account: nobody, who has an invitation, who is in the local network, or everybody")
	o.Int(&m.accounts, "accounts", 3, "how many accounts one address (IPv6: one /64) may make in the time below").Range(1, 10000)
	o.Duration(&m.per, "per", time.Hour, "the time that the number above is for").Between(time.Minute, 30*24*time.Hour)
	o.Bool(&m.leave, "cancel", true, "whether users may delete their own accounts")
	m.registered = h.Metrics().Counter(metric.Desc{Name: "registered", Help: "accounts that people made themselves"})
	m.refused = h.Metrics().Counter(metric.Desc{Name: "registerRefused", Help: "registrations refused by policy or rate"})

	h.Guest(xmpp.GuestIQ{Space: space, Local: "query", Feature: m.feature, Answer: m.guest})
	h.Guest(xmpp.GuestIQ{Space: inviteSpace, Local: "preauth", Feature: m.inviteFeature, Answer: m.preauth})
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToSelf | xmpp.ToHost, Get: m.get, Set: m.set})
	m.invites(h)
	return nil
}

func (m *extension) users() *account.Accounts { return m.host.Server().Accounts() }

// feature is offered where registration may succeed.
func (m *extension) feature(g *xmpp.Guest) []byte {
	if m.policy == "closed" || m.policy == "lan" && !local(g.Addr) {
		return nil
	}
	return []byte("<register xmlns='" + featureSpace + "'/>")
}

func (m *extension) inviteFeature(*xmpp.Guest) []byte {
	if m.policy != "invite" {
		return nil
	}
	return []byte("<register xmlns='urn:xmpp:ibr-token:0'/>")
}

// local reports whether the address is in the own network, as far as can be told
// from it.
func local(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// preauth remembers the invitation of the stream, XEP-0445 section 4.
func (m *extension) preauth(_ context.Context, g *xmpp.Guest, t stanza.Type, n *xmlstream.Node) ([]byte, *stanza.Error) {
	if t != stanza.Set {
		return nil, stanza.NewError(stanza.BadRequest, "")
	}
	if _, err := m.users().Invited(g.Host, n.Attr("token")); err != nil {
		return nil, stanza.NewError(stanza.ItemNotFound, account.ErrInvitation.Error())
	}
	g.Notes["invitation"] = n.Attr("token")
	return nil, nil
}

// guest is sections 3.1.1 (what is asked for) and 3.1.2 (a new account).
func (m *extension) guest(ctx context.Context, g *xmpp.Guest, t stanza.Type, n *xmlstream.Node) ([]byte, *stanza.Error) {
	if m.feature(g) == nil {
		m.refused.Add(1)
		return nil, stanza.NewError(stanza.NotAllowed, "accounts are made by the administrator here")
	}
	invitation := g.Notes["invitation"]
	if m.policy == "invite" && invitation == "" {
		m.refused.Add(1)
		return nil, stanza.NewError(stanza.NotAllowed, "an account needs an invitation here")
	}
	if t == stanza.Get {
		w := xmlstream.NewWriter("jabber:client")
		w.Start(space, "query").Leaf("", "instructions", "Choose a name and a password.").
			Leaf("", "username", "").Leaf("", "password", "").End()
		return w.Bytes(), nil
	}
	if g.Notes["registered"] != "" {
		return nil, stanza.NewError(stanza.NotAcceptable, "one account has been made already")
	}
	name, password := n.ChildText(space, "username"), n.ChildText(space, "password")
	if name == "" || password == "" {
		return nil, stanza.NewError(stanza.NotAcceptable, "a name and a password are needed")
	}
	j, err := jid.New(name, g.Host, "")
	if err != nil {
		return nil, stanza.NewError(stanza.JIDMalformed, "this cannot be a name")
	}
	from, now := flow.Customer(g.Addr), time.Now()
	if !m.paces.tried.allow(from, triesEach*m.accounts, m.per, now) || !m.paces.made.allow(from, m.accounts, m.per, now) {
		m.refused.Add(1)
		return nil, stanza.NewError(stanza.ResourceConstraint, "too many accounts were made from here; try again later")
	}
	if err := m.create(ctx, account.NewAccount{JID: j, Password: password, Invitation: invitation}); err != nil {
		m.paces.made.refund(from)
		return nil, m.failure(err)
	}
	g.Notes["registered"] = j.Local()
	m.registered.Add(1)
	m.host.Log().Info("registered", "jid", j)
	return nil, nil
}

func (m *extension) create(ctx context.Context, a account.NewAccount) error {
	taken, err := m.taken(a.JID, a.Invitation)
	if taken {
		return account.ErrExists
	}
	if err == nil {
		_, err = m.users().Create(ctx, a)
	}
	return err
}

// failure is what section 3.1 answers with.
func (m *extension) failure(err error) *stanza.Error {
	switch {
	case errors.Is(err, account.ErrExists):
		return stanza.NewError(stanza.Conflict, "this name is taken")
	case errors.Is(err, account.ErrPassword):
		return stanza.NewError(stanza.NotAcceptable, err.Error())
	case errors.Is(err, account.ErrName), errors.Is(err, account.ErrHost):
		return stanza.NewError(stanza.NotAcceptable, err.Error())
	case errors.Is(err, account.ErrInvitation):
		return stanza.NewError(stanza.NotAllowed, err.Error())
	case errors.Is(err, account.ErrNone):
		return stanza.NewError(stanza.RegistrationRequired, "")
	}
	m.host.Log().Error("registration failed", "cause", err)
	return stanza.NewError(stanza.InternalServerError, "")
}

// get tells a user that he is registered, section 3.1.1.
func (m *extension) get(r *xmpp.Request) {
	if r.Session == nil {
		r.Refuse(stanza.RegistrationRequired, "")
		return
	}
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "query").Leaf("", "registered", "").Leaf("", "username", r.IQ.From.Local()).Leaf("", "password", "").End()
	r.Result(w.Bytes())
}

// set is sections 3.2 (leaving) and 3.3 (another password).
func (m *extension) set(r *xmpp.Request) {
	own := r.IQ.From.Bare()
	remove := r.Payload.Child(space, "remove") != nil
	switch {
	case r.Session == nil:
		r.Refuse(stanza.Forbidden, "")
	case remove && len(r.Payload.Kids) != 1:
		r.Refuse(stanza.BadRequest, "remove stands alone")
	case remove && !m.leave:
		r.Refuse(stanza.NotAllowed, "accounts are deleted by the administrator here")
	case remove:
		// The answer goes first: with the account ends the session.
		r.Result(nil)
		go func() {
			if err := m.users().Delete(context.Background(), own); err != nil {
				m.host.Log().Error("account could not be deleted", "jid", own, "cause", err)
			}
		}()
	default:
		m.password(r, own)
	}
}

func (m *extension) password(r *xmpp.Request, own jid.JID) {
	name, password := r.Payload.ChildText(space, "username"), r.Payload.ChildText(space, "password")
	if name == "" || password == "" {
		r.Refuse(stanza.BadRequest, "the own name and the new password are needed")
		return
	}
	if j, err := jid.New(name, own.Domain(), ""); err != nil || j != own {
		r.Refuse(stanza.NotAllowed, "only the own password can be changed")
		return
	}
	if !r.Session.Secure() {
		r.Refuse(stanza.NotAuthorized, "passwords are changed over TLS only")
		return
	}
	if !m.paces.changed.allow(r.Session.Account().ID(), changes, changesPer, time.Now()) {
		r.Refuse(stanza.ResourceConstraint, "the password was changed too often; try again later")
		return
	}
	go func() { // keys are derived, which takes a while
		if err := m.users().SetPassword(context.Background(), own, password); err != nil {
			r.Fail(m.failure(err))
			return
		}
		r.Result(nil)
	}()
}
