// Package blocking keeps people apart who should not meet: Blocking Command,
// XEP-0191 1.3.
//
// It owns each account's block list and stops stanzas from and to the addresses on
// it, before any other extension sees them. To who is blocked the user looks
// offline: presence and probes get no answer, messages and requests that of an
// account nobody is connected to. Subscriptions are left alone ("polite
// blocking").
package blocking

import (
	"linnet/netsvc/account"
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const (
	space       = "urn:xmpp:blocking"
	errorsSpace = "urn:xmpp:blocking:errors"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "blocking",
		Summary: "stops everything from and to whom a user does not want",
		Specs:   []string{"XEP-0191 1.3"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host     xmpp.Host
	table    *table.Table
	state    *xmpp.State[blocklist]
	wanted   xmpp.Flag // the client asked for the list and gets pushes
	hidden   xmpp.Key[func(jid.JID) bool]
	withdraw xmpp.Key[func(func(jid.JID) bool)]
	bound    int
	stopped  *metric.Counter
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = table.New("blocking", table.Account, table.Export("blocklist"))
	h.Table(m.table)
	h.Options().Int(&m.bound, "addresses", 1000, "how many addresses an account may block").Range(1, 100000)
	m.state = xmpp.NewState(h, "blocking", m.load)
	m.wanted = h.Flag("blocklist")
	// The names under which this extension and the presence extension know of each other.
	m.hidden = xmpp.NewKey[func(jid.JID) bool](h, "presence.hidden")
	m.withdraw = xmpp.NewKey[func(func(jid.JID) bool)](h, "presence.withdraw")
	h.IQ(xmpp.IQ{Space: space, Local: "blocklist", To: xmpp.ToSelf, Feature: "-", Get: m.get})
	h.IQ(xmpp.IQ{Space: space, Local: "block", To: xmpp.ToSelf, Feature: "-", Set: m.block})
	h.IQ(xmpp.IQ{Space: space, Local: "unblock", To: xmpp.ToSelf, Feature: "-", Set: m.unblock})
	h.Disco().Feature(xmpp.ToHost, space)
	m.stopped = h.Metrics().Counter(metric.Desc{Name: "blocked", Help: "stanzas from and to whom a user has blocked"})
	h.Hooks().Sent.Filter.Add("blocking", m.sent)
	h.Hooks().Received.Filter.Add("blocking", m.received)
	h.Hooks().Received.Handle.Add("blocking", m.dropped)
	h.Hooks().Bound.Add("blocking", m.bind)
	return nil
}

// blocklist is the set of blocked addresses. It is immutable.
type blocklist map[jid.JID]struct{}

// has matches an address as section 5 says: by itself, by its bare address, by its
// domain.
func (l blocklist) has(who jid.JID) bool {
	if _, ok := l[who]; ok {
		return true
	}
	if _, ok := l[who.Bare()]; ok {
		return true
	}
	_, ok := l[who.Host()]
	return ok
}

// blocked reports whether the account has blocked the address. It costs one atomic
// load as long as the list is empty. The user's own clients and the server itself
// cannot be blocked, whatever the list says.
func (m *module) blocked(a xmpp.Account, who jid.JID) (bool, error) {
	l, err := m.state.Get(a)
	if err == nil && len(l) == 0 || who.IsZero() || own(a, who) {
		return false, nil
	}
	return l.has(who), err
}

func own(a xmpp.Account, who jid.JID) bool {
	return who.Bare() == a.JID() || who == a.JID().Host()
}

// sent refuses what is addressed to somebody who is blocked, section 3.3.
func (m *module) sent(t *xmpp.Transit) *stanza.Error {
	switch is, err := m.blocked(t.Account, t.Stanza.To); {
	case err != nil:
		return m.unreadable(err)
	case is:
		m.stopped.Inc()
		return &stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAcceptable, App: []byte("<blocked xmlns='" + errorsSpace + "'/>")}
	}
	return nil
}

// received refuses messages and requests of who is blocked, with the answer of an
// account nobody is connected to. Errors and results get no answer by themselves.
func (m *module) received(t *xmpp.Transit) *stanza.Error {
	if t.Stanza.Kind == stanza.Presence {
		return nil
	}
	switch is, err := m.blocked(t.Account, t.Stanza.From); {
	case err != nil:
		return m.unreadable(err)
	case is:
		m.stopped.Inc()
		return stanza.NewError(stanza.ServiceUnavailable, "")
	}
	return nil
}

// dropped takes the presence of who is blocked, which gets no answer at all. A list
// that cannot be read hides the user from everybody.
func (m *module) dropped(t *xmpp.Transit) xmpp.Verdict {
	if t.Stanza.Kind != stanza.Presence {
		return xmpp.Pass
	}
	is, err := m.blocked(t.Account, t.Stanza.From)
	if err != nil {
		m.unreadable(err)
	}
	if is || err != nil {
		m.stopped.Inc()
		return xmpp.Taken
	}
	return xmpp.Pass
}

func (m *module) unreadable(err error) *stanza.Error {
	m.host.Log().Error("block list cannot be read", "cause", err)
	return stanza.NewError(stanza.InternalServerError, "")
}

// bind tells the presence extension whom to keep presence from.
func (m *module) bind(s xmpp.Session) {
	a := s.Account()
	m.hidden.Set(a, func(who jid.JID) bool {
		is, err := m.blocked(a, who)
		return is || err != nil
	})
}

func (m *module) key(id account.ID, blocked jid.JID) []byte {
	return table.AppendString(id.Row(), blocked.String())
}

func (m *module) load(tx *store.Tx, id account.ID) (blocklist, error) {
	l := blocklist{}
	prefix := id.Row()
	var bad error
	err := tx.Scan(m.table, prefix, table.PrefixEnd(prefix), false, func(k, _ []byte) bool {
		var text string
		var who jid.JID
		if text, _, bad = table.ReadString(k[len(prefix):]); bad == nil {
			who, bad = jid.Parse(text)
		}
		l[who] = struct{}{}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	return l, err
}

// write makes the element with the addresses that all requests and pushes carry.
func write(local string, list []jid.JID) []byte {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, local)
	for _, who := range list {
		w.Start("", "item").Attr("jid", who.String()).End()
	}
	return w.End().Bytes()
}
