package roster

import (
	"errors"
	"slices"
	"strconv"

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
	maxName   = 1023 // bytes
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
	limit      int
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	m.table = newTable()
	h.Table(m.table)
	h.Options().Int(&m.limit, "contacts", 10000, "how many contacts an account may have").Range(10, 1000000)
	m.state = xmpp.NewState(h, "roster", m.load)
	m.interested = h.Flag("interested")
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToSelf, Feature: "-", Fresh: true, Get: m.get, Set: m.set})
	h.Disco().Feature(xmpp.ToHost, "urn:xmpp:features:pre-approval")
	h.StreamFeature([]byte("<ver xmlns='urn:xmpp:features:rosterver'/>"))
	h.StreamFeature([]byte("<sub xmlns='urn:xmpp:features:pre-approval'/>"))
	h.Hooks().Sent.Handle.Add("roster", m.sent)
	h.Hooks().Received.Handle.Add("roster", m.received)
	h.Hooks().Available.Add("roster", m.remind)
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

// Each implements xmpp.Contacts: in the order of addresses, tombstones left out.
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

// get answers with the roster, or, to a client that has an older version of it,
// with nothing and a push for each contact that changed: sections 2.1.3 and 2.6.
func (m *module) get(r *xmpp.Request) {
	if r.Session == nil {
		r.Refuse(stanza.Forbidden, "")
		return
	}
	// Interested before the roster is read: a change in between is pushed, and
	// at worst it is told twice.
	r.Session.Set(m.interested, true)
	ros, err := m.state.Get(r.Account)
	if err != nil {
		r.Broken("roster cannot be read", err)
		return
	}
	if known, ok := m.known(r.Payload, ros); ok {
		r.Result(nil)
		changed := slices.DeleteFunc(slices.Clone(ros.items), func(it *item) bool { return it.changed <= known || hidden(it) })
		slices.SortFunc(changed, func(a, b *item) int { return int(int64(a.changed - b.changed)) })
		for _, it := range changed {
			r.Session.Send(m.push(it, it.changed, r.Session.JID()))
		}
		return
	}
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "query")
	if _, asked := r.Payload.Lookup("ver"); asked {
		w.Attr("ver", m.ver(ros.version))
	}
	for _, it := range ros.items {
		if it.sub.InRoster {
			it.appendTo(w)
		}
	}
	r.Result(w.End().Bytes())
}

// hidden is a contact that the client never saw: a pending request only.
func hidden(it *item) bool { return !it.sub.InRoster && it.sub.PendingIn }

// known returns the version that the client has, if the changes since then are
// still known.
func (m *module) known(query *xmlstream.Node, r *roster) (uint64, bool) {
	prefix := m.ver(0)
	ver := query.Attr("ver")
	cut := len(prefix) - 1
	if len(ver) <= cut || ver[:cut] != prefix[:cut] {
		return 0, false
	}
	v, err := strconv.ParseUint(ver[cut:], 10, 64)
	return v, err == nil && v >= r.oldest && v <= r.version
}

// ver is a version as clients see it. It carries the store's incarnation, so that
// no version is ever used for two different rosters, even after a restore.
func (m *module) ver(v uint64) string {
	b := strconv.AppendUint(nil, m.host.Store().Incarnation(), 36)
	b = append(b, '.')
	return string(strconv.AppendUint(b, v, 10))
}

var errGone = errors.New("no such contact")

// set adds, changes or removes one contact: sections 2.3 to 2.5.
func (m *module) set(r *xmpp.Request) {
	asked, bad := parseItem(r.Payload)
	if bad != nil {
		r.Fail(bad)
		return
	}
	if r.Session == nil {
		r.Refuse(stanza.Forbidden, "")
		return
	}
	if asked.contact == r.Account.JID() {
		r.Refuse(stanza.NotAllowed, "nobody is a contact of their own")
		return
	}
	remove := r.Payload.First().Attr("subscription") == "remove"
	var was xmpp.Subscription
	m.commit(r.Account, asked.contact, func(old *item, size int) (*item, error) {
		if remove {
			if old == nil || !old.sub.InRoster {
				return nil, errGone
			}
			was = old.sub
			return &item{contact: asked.contact}, nil
		}
		if old == nil && size >= m.limit {
			return nil, stanza.NewError(stanza.ResourceConstraint, "the roster is full")
		}
		it := old.copy(asked.contact)
		it.name, it.groups, it.sub.InRoster = asked.name, asked.groups, true
		return it, nil
	}, func(err error) {
		var refused *stanza.Error
		switch {
		case errors.Is(err, errGone):
			r.Refuse(stanza.ItemNotFound, "")
		case errors.As(err, &refused):
			r.Fail(refused)
		default:
			r.Committed(err, nil)
		}
		if err == nil && remove {
			m.part(r.Account, asked.contact, was)
		}
	})
}

// part tells a removed contact that nothing is left, section 2.5.2.
func (m *module) part(a xmpp.Account, contact jid.JID, was xmpp.Subscription) {
	srv := m.host.Server()
	if was.To || was.Ask {
		srv.Route(stanza.NewPresence(stanza.Unsubscribe, "", a.JID(), contact, nil))
	}
	if was.From || was.PendingIn {
		srv.Route(stanza.NewPresence(stanza.Unsubscribed, "", a.JID(), contact, nil))
	}
}

// parseItem checks the one item of a roster set, section 2.3.3.
func parseItem(query *xmlstream.Node) (*item, *stanza.Error) {
	if len(query.Kids) != 1 || !query.Kids[0].Is(space, "item") {
		return nil, stanza.NewError(stanza.BadRequest, "a roster set has exactly one item")
	}
	n := query.Kids[0]
	contact, err := jid.Parse(n.Attr("jid"))
	if err != nil {
		return nil, stanza.NewError(stanza.JIDMalformed, "the contact's address is malformed")
	}
	it := &item{contact: contact.Bare(), name: n.Attr("name")}
	if len(it.name) > maxName {
		return nil, stanza.NewError(stanza.NotAcceptable, "the name is too long")
	}
	for _, g := range n.Kids {
		switch {
		case !g.Is(space, "group"):
		case g.Text == "":
			return nil, stanza.NewError(stanza.NotAcceptable, "a group needs a name")
		case len(g.Text) > maxName || len(it.groups) == maxGroups:
			return nil, stanza.NewError(stanza.NotAcceptable, "too many groups, or too long a name")
		case slices.Contains(it.groups, g.Text):
			return nil, stanza.NewError(stanza.BadRequest, "a group stands twice")
		default:
			it.groups = append(it.groups, g.Text)
		}
	}
	return it, nil
}

// commit changes one contact: decide gets the item as it is (nil for a stranger)
// and the size of the roster, and returns it as it should be, nil for no change.
// After the commit done is called, then the clients get their push (3.1.6 wants
// this order), then the presence extension is told.
func (m *module) commit(a xmpp.Account, contact jid.JID, decide func(old *item, size int) (*item, error), done func(error)) {
	var was, now xmpp.Subscription
	var changed *item
	var version uint64
	err := m.state.Change(a, func(r *roster, b *store.Batch) (*roster, error) {
		old := r.get(contact)
		it, err := decide(old, len(r.items))
		if err != nil || it == nil {
			return r, err
		}
		was, now, changed = r.sub(contact), it.sub, it
		next := r.with(it)
		m.save(b, a.ID(), next, it)
		version = next.version
		return next, nil
	}, func(err error) {
		done(err)
		if err != nil || changed == nil {
			return
		}
		if was.InRoster || now.InRoster {
			m.pushAll(a, changed, version)
		}
		if was != now {
			m.host.Hooks().Subscription.Tell(xmpp.SubscriptionChange{Account: a, Contact: contact, Was: was, Now: now})
		}
	})
	if err != nil {
		done(err)
	}
}
