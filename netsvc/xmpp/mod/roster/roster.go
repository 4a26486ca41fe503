package roster

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

const space = "jabber:iq:roster"

// Bounds of one item; RFC 6121 section 2.3.3 asks for not-acceptable beyond them.
const (
	maxName   = 1023 // bytes, of the name and of a group
	maxGroups = 64
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "roster",
		Summary: "contacts and subscriptions",
		Specs:   []string{"RFC 6121"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host       xmpp.Host
	table      *table.Table
	state      *xmpp.State[*roster]
	interested xmpp.Flag // the client asked for its roster and gets pushes
	reminded   xmpp.Flag // the client is available and got the requests that wait
	contacts   int
	bytes      int64
	requests   int
	refused    *metric.Counter
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = newTable()
	h.Table(m.table)
	o := h.Options()
	o.Int(&m.contacts, "contacts", 10000, "how many contacts an account may have").Range(1, 1000000)
	// A client gets it in one piece, which must fit into what may wait for a client
	// ([xmpp] outbox): larger, it would end the session of whoever asks for it.
	o.Bytes(&m.bytes, "bytes", 1536<<10, "how many bytes an account's contacts may take, with their names and groups").Range(16<<10, 64<<20)
	o.Int(&m.requests, "requests", 200, "how many strangers' requests may wait for an account's answer").Range(1, 100000)
	m.refused = h.Metrics().Counter(metric.Desc{Name: "rosterFull", Help: "contacts refused because the roster was full"})
	m.state = xmpp.NewState(h, "roster", m.load)
	m.interested = h.Flag("interested")
	m.reminded = h.Flag("reminded")
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToSelf | xmpp.ToAccount, Feature: "-", Get: m.get, Set: m.set})
	h.Disco().Feature(xmpp.ToHost, "urn:xmpp:features:pre-approval")
	h.StreamFeature(xmpp.Always("<ver xmlns='urn:xmpp:features:rosterver'/>"))
	h.StreamFeature(xmpp.Always("<sub xmlns='urn:xmpp:features:pre-approval'/>"))
	h.Hooks().Sent.Handle.Add("roster", m.sent)
	h.Hooks().Received.Handle.Add("roster", m.received)
	h.Hooks().Available.Add("roster", m.remind)
	h.Hooks().Presence.Add("roster", m.presence)
	h.Hooks().Leaving.Add("roster", m.leaving)
	h.Hooks().Removed.Add("roster", m.removed)
	h.SetContacts(m)
	return nil
}

// Contact implements xmpp.Contacts.
func (m *module) Contact(a xmpp.Account, contact jid.JID) (xmpp.Subscription, error) {
	r, err := m.state.Get(a)
	if err != nil {
		return xmpp.Subscription{}, err
	}
	return r.sub(contact), nil
}

// Each implements xmpp.Contacts: in the order of addresses, tombs left out.
func (m *module) Each(a xmpp.Account, f func(jid.JID, xmpp.Subscription) bool) error {
	r, err := m.state.Get(a)
	if err != nil {
		return err
	}
	for _, it := range r.items {
		if !it.tomb() && !f(it.contact, it.sub) {
			return nil
		}
	}
	return nil
}

// mine reports whether the request comes from a client of the account. Clients of
// others are told what section 2.3.3 says; strangers get the answer of an account
// that is not there.
func mine(r *xmpp.Request) bool {
	switch {
	case r.Session == nil:
		r.Refuse(stanza.ServiceUnavailable, "")
	case r.Session.Account() != r.Account:
		r.Refuse(stanza.Forbidden, "this is somebody else's roster")
	default:
		return true
	}
	return false
}

// get answers with the roster: sections 2.1.3, 2.2 and 2.6. The answer takes its
// turn among the changes, as an empty one, so that no push overtakes it and it
// tells of nothing that is not committed.
func (m *module) get(r *xmpp.Request) {
	if !mine(r) {
		return
	}
	early, err := m.state.Get(r.Account)
	if err != nil {
		r.Broken("roster cannot be read", err)
		return
	}
	payload, pushes := m.answer(r, early) // here, since the writer has better things to do
	var now *roster
	err = m.state.Change(r.Account, func(ros *roster, _ *store.Batch) (*roster, error) {
		now = ros
		return ros, nil
	}, func(err error) {
		switch {
		case err != nil:
			r.Committed(err, nil)
			return
		case now.failed.Load():
			m.get(r)
			return
		case now != early:
			payload, pushes = m.answer(r, now)
		}
		r.Session.Set(m.interested, true)
		r.Result(payload)
		for _, p := range pushes {
			r.Session.Send(p)
		}
	})
	if err != nil {
		r.Broken("roster cannot be read", err)
	}
}

// answer makes the whole roster or, for a client that has an older version of it,
// an empty result and a push for each contact that has changed since.
func (m *module) answer(r *xmpp.Request, ros *roster) (payload []byte, pushes []*stanza.Stanza) {
	if known, ok := m.known(r.Payload, ros); ok {
		changed := ros.since(known)
		if len(changed) <= few || len(changed) <= ros.contacts/2 {
			for _, it := range changed {
				pushes = append(pushes, m.push(it, r.Session.JID()))
			}
			return nil, pushes
		}
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").Attr("ver", m.ver(ros.version))
	for _, it := range ros.items {
		if it.sub.InRoster {
			it.appendTo(w)
		}
	}
	return w.End().Bytes(), nil
}

// few pushes are sent in any case; more of them only when the roster as a whole
// would be larger.
const few = 16

// known returns the version that the client has, if the changes since then are
// still known.
func (m *module) known(query *xmlstream.Node, r *roster) (uint64, bool) {
	ver, ours := strings.CutPrefix(query.Attr("ver"), string(m.prefix()))
	v, err := strconv.ParseUint(ver, 10, 64)
	return v, ours && err == nil && v >= r.oldest && v <= r.version
}

// set adds, changes or removes one contact: sections 2.3 to 2.5.
func (m *module) set(r *xmpp.Request) {
	if !mine(r) {
		return
	}
	asked, remove, bad := parseItem(r.Payload)
	if bad == nil && asked.contact == r.Account.JID() {
		bad = stanza.NewError(stanza.NotAllowed, "nobody is a contact of their own")
	}
	if bad != nil {
		r.Fail(bad)
		return
	}
	var was xmpp.Subscription
	m.commit(r.Account, asked.contact, func(old *item, ros *roster) (*item, error) {
		was = ros.sub(asked.contact)
		switch {
		case remove && !was.InRoster:
			return nil, stanza.NewError(stanza.ItemNotFound, "")
		case remove:
			return &item{contact: asked.contact}, nil
		case !was.InRoster && ros.contacts >= m.contacts:
			return nil, m.full()
		}
		it := old.copy(asked.contact)
		it.name, it.groups, it.sub.InRoster = asked.name, asked.groups, true
		if m.tooLarge(ros, old, it) {
			return nil, m.full()
		}
		return it, nil
	}, func(err error) {
		var refused *stanza.Error
		if errors.As(err, &refused) {
			r.Fail(refused)
			return
		}
		r.Committed(err, nil)
		if err == nil && remove {
			m.part(r.Account, asked.contact, was)
		}
	})
}

// tooLarge reports whether a change makes the roster larger than it may be. What
// makes a roster that is too large smaller is let through.
func (m *module) tooLarge(r *roster, old, it *item) bool {
	grows := it.size()
	if old != nil && old.sub.InRoster {
		grows -= old.size()
	}
	return grows > 0 && int64(r.bytes+grows) > m.bytes
}

// full counts a change that there is no room for.
func (m *module) full() *stanza.Error {
	m.refused.Inc()
	return errFull
}

// errFull is not changed by who sends it.
var errFull = stanza.NewError(stanza.ResourceConstraint, "the roster is full")

// part tells a contact that nothing is left, section 2.5.2.
func (m *module) part(a xmpp.Account, contact jid.JID, was xmpp.Subscription) {
	srv := m.host.Server()
	if was.To || was.Ask {
		srv.Route(stanza.NewPresence(stanza.Unsubscribe, "", a.JID(), contact, nil))
	}
	if was.From || was.PendingIn {
		srv.Route(stanza.NewPresence(stanza.Unsubscribed, "", a.JID(), contact, nil))
	}
}

// leaving reads the contacts of an account while there still are rows to read.
func (m *module) leaving(a xmpp.Account) {
	if _, err := m.state.Get(a); err != nil {
		m.host.Log().Error("contacts of a deleted account cannot be read", "cause", err)
	}
}

// removed parts from all contacts of a deleted account, whether it was connected or
// not: to them it is as if each had been removed (section 2.5.2).
func (m *module) removed(a xmpp.Account) {
	_ = m.Each(a, func(contact jid.JID, sub xmpp.Subscription) bool {
		m.part(a, contact, sub)
		return true
	})
}

// parseItem checks the one item of a roster set, section 2.3.3.
func parseItem(query *xmlstream.Node) (it *item, remove bool, bad *stanza.Error) {
	if len(query.Kids) != 1 || !query.Kids[0].Is(space, "item") {
		return nil, false, stanza.NewError(stanza.BadRequest, "a roster set has exactly one item")
	}
	n := query.Kids[0]
	contact, err := jid.Parse(n.Attr("jid"))
	if err != nil {
		return nil, false, stanza.NewError(stanza.JIDMalformed, "the contact's address is malformed")
	}
	it = &item{contact: contact.Bare(), name: n.Attr("name")}
	if len(it.name) > maxName {
		return nil, false, stanza.NewError(stanza.NotAcceptable, "the name is too long")
	}
	for _, g := range n.Kids {
		switch {
		case !g.Is(space, "group"):
		case g.Text == "":
			return nil, false, stanza.NewError(stanza.NotAcceptable, "a group needs a name")
		case len(g.Text) > maxName || len(it.groups) == maxGroups:
			return nil, false, stanza.NewError(stanza.NotAcceptable, "too many groups, or too long a name")
		case slices.Contains(it.groups, g.Text):
			return nil, false, stanza.NewError(stanza.BadRequest, "a group stands twice")
		default:
			it.groups = append(it.groups, g.Text)
		}
	}
	return it, n.Attr("subscription") == "remove", nil
}

// commit changes one contact: decide gets the item as it is (nil for a stranger)
// and the roster it stands in, and returns the item as it should be, nil for no
// change. An error of decide goes to done at once.
//
// After the commit come, in this order: the loss of the user's presence, while the
// contact still believes in it (3.2.2); what done sends; the pushes, which 3.1.6
// and its likes want after the stanza; any other change of the subscription, since
// a new subscriber is shown the presence last (3.1.5).
func (m *module) commit(a xmpp.Account, contact jid.JID, decide func(*item, *roster) (*item, error), done func(error)) {
	var was xmpp.Subscription
	var it *item
	var ros, next *roster
	err := m.state.Change(a, func(r *roster, b *store.Batch) (_ *roster, err error) {
		old := r.get(contact)
		ros = r
		if it, err = decide(old, r); err != nil || it == nil {
			return r, err
		}
		was = r.sub(contact)
		next = r.with(it)
		m.save(b, a.ID(), r, next, it)
		return next, nil
	}, func(err error) {
		if err != nil {
			ros.failed.Store(true)
		}
		if err != nil || it == nil {
			done(err)
			return
		}
		change := xmpp.SubscriptionChange{Account: a, Contact: contact, Was: was, Now: it.sub}
		lost := was.From && !it.sub.From
		if lost {
			m.host.Hooks().Subscription.Tell(change)
		}
		done(nil)
		if next.version != ros.version {
			m.pushAll(a, it)
		}
		if !lost && was != it.sub {
			m.tellBehind(change)
		}
	})
	if err != nil {
		done(err)
	}
}

// tellBehind tells of a change when its turn comes among the commits: a contact who is
// one of our users learns of the change by a commit to the own roster, and would see
// the presence of a stranger before that. What has been taken back by then is not told.
func (m *module) tellBehind(c xmpp.SubscriptionChange) {
	var now xmpp.Subscription
	err := m.state.Change(c.Account, func(r *roster, _ *store.Batch) (*roster, error) {
		now = r.sub(c.Contact)
		return r, nil
	}, func(err error) {
		if err == nil && now.From == c.Now.From {
			m.host.Hooks().Subscription.Tell(c)
		}
	})
	if err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
	}
}
