package blocking

import (
	"errors"
	"maps"
	"slices"
	"strconv"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// get answers with the list, section 3.2. It takes its turn among the changes, so
// that the pushes of later ones come after it and none of an earlier one does.
func (m *module) get(r *xmpp.Request) {
	var payload []byte
	m.change(r, func(l blocklist, _ *store.Batch) (blocklist, error) {
		payload = write("blocklist", l.sorted())
		return l, nil
	}, func(err error) {
		if err == nil && r.Session != nil {
			r.Session.Set(m.wanted, true)
		}
		r.Committed(err, payload)
	})
}

// sorted is the list in the order of the addresses. Texts are sorted, for which the
// code is there anyway, and their order is that of the addresses.
func (l blocklist) sorted() []jid.JID {
	texts := make([]string, 0, len(l))
	byText := make(map[string]jid.JID, len(l))
	for who := range l {
		texts = append(texts, who.String())
		byText[who.String()] = who
	}
	slices.Sort(texts)
	list := make([]jid.JID, len(texts))
	for i, text := range texts {
		list[i] = byText[text]
	}
	return list
}

// block adds addresses to the list, section 3.3.
func (m *module) block(r *xmpp.Request) {
	list, bad := parse(r)
	if bad == nil && len(list) == 0 {
		bad = stanza.NewError(stanza.BadRequest, "nobody is named to be blocked")
	}
	if bad != nil {
		r.Fail(bad)
		return
	}
	var before blocklist
	added := blocklist{}
	m.change(r, func(old blocklist, b *store.Batch) (blocklist, error) {
		before = old
		next := maps.Clone(old)
		for _, who := range list {
			if _, ok := next[who]; !ok {
				next[who], added[who] = struct{}{}, struct{}{}
				b.Put(m.table, m.key(r.Account.ID(), who), []byte{1})
			}
		}
		if len(added) > 0 && len(next) > m.bound {
			return nil, stanza.NewError(stanza.ResourceConstraint, "too many addresses are blocked")
		}
		return next, nil
	}, func(err error) {
		r.Committed(err, nil)
		if err == nil {
			m.push(r, "block", list)
			m.hide(r.Account, added, before)
		}
	})
}

// unblock takes addresses from the list, or all of them: sections 3.4 and 3.5.
func (m *module) unblock(r *xmpp.Request) {
	list, bad := parse(r)
	if bad != nil {
		r.Fail(bad)
		return
	}
	taken := blocklist{}
	m.change(r, func(old blocklist, b *store.Batch) (blocklist, error) {
		next := maps.Clone(old)
		named := slices.Values(list)
		if len(list) == 0 {
			named = maps.Keys(old)
		}
		for who := range named {
			if _, ok := old[who]; ok {
				delete(next, who)
				taken[who] = struct{}{}
				b.Delete(m.table, m.key(r.Account.ID(), who))
			}
		}
		return next, nil
	}, func(err error) {
		r.Committed(err, nil)
		if err == nil {
			m.push(r, "unblock", list)
			m.reveal(r.Account, taken)
		}
	})
}

// change is State.Change for a request: what keeps it from being decided is its
// answer.
func (m *module) change(r *xmpp.Request, decide func(blocklist, *store.Batch) (blocklist, error), done func(error)) {
	err := m.state.Change(r.Account, decide, done)
	var refused *stanza.Error
	switch {
	case errors.As(err, &refused):
		r.Fail(refused)
	case err != nil:
		r.Broken("block list cannot be read", err)
	}
}

// parse reads the addresses that a request names, each once.
func parse(r *xmpp.Request) (list []jid.JID, bad *stanza.Error) {
	for _, n := range r.Payload.Kids {
		if !n.Is(space, "item") {
			continue
		}
		who, err := jid.Parse(n.Attr("jid"))
		if err != nil {
			return nil, stanza.NewError(stanza.JIDMalformed, "an address is malformed")
		}
		if !slices.Contains(list, who) {
			list = append(list, who)
		}
	}
	return list, nil
}

// push tells every client that asked for the list.
func (m *module) push(r *xmpp.Request, local string, list []jid.JID) {
	payload, id := write(local, list), "block"+strconv.FormatUint(m.host.Store().Order(), 36)
	for _, s := range r.Account.Sessions() {
		if s.Has(m.wanted) {
			s.Send(stanza.NewIQ(stanza.Set, id, jid.JID{}, s.JID(), payload))
		}
	}
}

// hide makes the user unavailable to whom the list has, if they saw the presence:
// as subscribers, or since it was shown to them. Those who were blocked before saw
// it go then.
func (m *module) hide(a xmpp.Account, added, before blocklist) {
	srv := m.host.Server()
	m.contacts(a, added, func(to jid.JID, sub xmpp.Subscription) {
		for _, s := range a.Sessions() {
			if sub.From && s.Presence() != nil && !before.has(to) {
				srv.Route(stanza.NewPresence(stanza.Unavailable, "", s.JID(), to, nil))
			}
		}
	})
	for _, s := range a.Sessions() {
		if withdraw := m.withdraw.Of(s); withdraw != nil {
			withdraw(func(who jid.JID) bool { return added.has(who) && !own(a, who) })
		}
	}
}

// reveal shows the user's presence again, and asks for that of the others, which was
// dropped meanwhile.
func (m *module) reveal(a xmpp.Account, taken blocklist) {
	srv := m.host.Server()
	m.contacts(a, taken, func(to jid.JID, sub xmpp.Subscription) {
		if is, err := m.blocked(a, to); is || err != nil {
			return // by another address on the list
		}
		there := false
		for _, s := range a.Sessions() {
			now := s.Presence()
			there = there || now != nil
			if now != nil && sub.From {
				srv.Route(now.Relay(s.JID(), to))
			}
		}
		if there && sub.To {
			srv.Route(stanza.NewPresence(stanza.Probe, "", a.JID(), to.Bare(), nil))
		}
	})
}

// contacts calls f for each contact that the list matches: by the full address,
// where the list has only that.
func (m *module) contacts(a xmpp.Account, l blocklist, f func(jid.JID, xmpp.Subscription)) {
	roster := m.host.Contacts()
	err := roster.Each(a, func(contact jid.JID, sub xmpp.Subscription) bool {
		if l.has(contact) && !own(a, contact) {
			f(contact, sub)
		}
		return true
	})
	for who := range l {
		if who.IsFull() && !l.has(who.Bare()) && !own(a, who) && err == nil {
			var sub xmpp.Subscription
			if sub, err = roster.Contact(a, who.Bare()); err == nil {
				f(who, sub)
			}
		}
	}
	if err != nil {
		m.host.Log().Error("contacts cannot be read", "cause", err)
	}
}
