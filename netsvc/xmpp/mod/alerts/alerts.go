// Package alerts tells administrators over XMPP what they must hear of: each event of netsvc/event becomes a
// message to every account with the role admin, or to the addresses that the operator names.
//
// It owns the message and who gets it. What is told, and how often, is decided where events are declared and in
// netsvc/event. The messages are of the type normal, come from the first domain, and wait in the offline store for
// who is not there.
package alerts

import (
	"context"
	"slices"
	"sync/atomic"

	"linnet/netsvc/account"
	"linnet/netsvc/config"
	"linnet/netsvc/event"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "alerts",
		Summary: "tells administrators of events by message",
		New:     func() xmpp.Module { return new(extension) },
	})
}

// severities are the choices of the option, in the order of event.Severity.
var severities = []string{"none", "notice", "warning", "critical"}

// extension is one generation.
type extension struct {
	host  xmpp.Host
	desk  *desk
	least string
	to    []string
}

// desk is what outlives generations.
type desk struct {
	current atomic.Pointer[extension]
	stop    func()
	admins  atomic.Pointer[[]jid.JID] // accounts with the role admin; nil: to be looked up
}

// page is how many accounts are read at a time when administrators are looked up.
const page = 200

// Setup implements xmpp.Module.
func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.desk = module.Live(h, "xmpp/alerts", func() *desk { return new(desk) })
	o := h.Options()
	o.Enum(&m.least, "severity", "warning", severities, "from which severity on administrators are told; none for nothing at all")
	o.Strings(&m.to, "to", nil, "addresses that are told instead of the accounts with the role admin")
	o.Check(func() error {
		for _, text := range m.to {
			if j, err := jid.Parse(text); err != nil || j.Local() == "" {
				return config.Bad("to", "%q is not an address such as alice@example.org", text)
			}
		}
		return nil
	})
	return nil
}

// Start implements module.Starter.
func (m *extension) Start(context.Context) error {
	d := m.desk
	m.host.Server().Accounts().Watch(func(c account.Change) { d.admins.Store(nil) })
	d.stop = event.Of(m.host).Watch(func(e event.Event) { d.current.Load().tell(e) })
	return nil
}

// Switch implements module.Switcher.
func (m *extension) Switch() { m.desk.current.Store(m) }

// Stop implements module.Stopper.
func (m *extension) Stop(context.Context) error {
	m.desk.stop()
	return nil
}

// tell sends one event.
func (m *extension) tell(e event.Event) {
	if least := slices.Index(severities, m.least); least == 0 || int(e.Desc.Severity) < least {
		return
	}
	list, err := m.receivers()
	if err != nil {
		m.host.Log().Error("administrators cannot be looked up", "cause", err)
	}
	from, err := jid.Parse(m.host.Server().Hosts()[0])
	if err != nil {
		return
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Leaf("", "subject", e.Desc.Severity.String()).Leaf("", "body", e.Text())
	for _, to := range list {
		m.host.Server().Route(stanza.NewMessage(stanza.Normal, "", from, to, w.Bytes()))
	}
}

// receivers lists who is told: those of the option, or those whom the configuration names as administrators and
// those who were given the role.
func (m *extension) receivers() (list []jid.JID, err error) {
	names := m.to
	if len(names) == 0 {
		names = m.host.Site().Admins
	}
	for _, text := range names {
		if j, err := jid.Parse(text); err == nil {
			list = append(list, j)
		}
	}
	if len(m.to) > 0 {
		return list, nil
	}
	admins := m.desk.admins.Load()
	if admins == nil {
		admins = new([]jid.JID)
		m.desk.admins.Store(admins) // first: what changes meanwhile is looked up the next time
		found, err := m.lookup()
		if err != nil {
			m.desk.admins.Store(nil)
			return list, err
		}
		m.desk.admins.CompareAndSwap(admins, &found)
		admins = &found
	}
	for _, j := range *admins {
		if !slices.Contains(list, j) {
			list = append(list, j)
		}
	}
	return list, nil
}

// lookup reads all accounts. It happens once after each change of any account, and then only when there is
// something to tell.
func (m *extension) lookup() (list []jid.JID, err error) {
	accounts := m.host.Server().Accounts()
	for _, host := range accounts.Hosts() {
		for after := ""; ; {
			users, err := accounts.List(host, after, page)
			if err != nil {
				return nil, err
			}
			for _, u := range users {
				if u.Role == account.Admin {
					list = append(list, u.JID)
				}
			}
			if len(users) < page {
				break
			}
			after = users[len(users)-1].JID.Local()
		}
	}
	return list, nil
}
