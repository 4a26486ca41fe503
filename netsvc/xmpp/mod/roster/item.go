package roster

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// item is one contact. Items are immutable once they stand in a roster.
type item struct {
	contact jid.JID // bare
	name    string
	groups  []string
	sub     xmpp.Subscription
	changed uint64 // the version at which the client's view of it last changed; 0: never seen
	request []byte // the pending inbound subscribe, as it came, while sub.PendingIn
}

// tomb reports whether nothing is left of the contact but that it was removed.
func (it *item) tomb() bool { return it.sub == (xmpp.Subscription{}) }

// copy returns an item that may be changed.
func (it *item) copy(contact jid.JID) *item {
	if it == nil {
		return &item{contact: contact}
	}
	c := *it
	return &c
}

// appendTo writes the item as clients see it, RFC 6121 section 2.1.2.
func (it *item) appendTo(w *xmlstream.Writer) {
	w.Start("", "item").Attr("jid", it.contact.String())
	if !it.sub.InRoster {
		w.Attr("subscription", "remove").End()
		return
	}
	w.AttrIf("name", it.name)
	switch {
	case it.sub.To && it.sub.From:
		w.Attr("subscription", "both")
	case it.sub.To:
		w.Attr("subscription", "to")
	case it.sub.From:
		w.Attr("subscription", "from")
	default:
		w.Attr("subscription", "none")
	}
	if it.sub.Ask {
		w.Attr("ask", "subscribe")
	}
	if it.sub.Approved {
		w.Attr("approved", "true")
	}
	for _, g := range it.groups {
		w.Leaf("", "group", g)
	}
	w.End()
}

// roster is one account's contacts, sorted by address. Beside those that the
// client sees (InRoster) there are strangers whose requests nobody has answered,
// and tombs, which tell a client with an older version what is gone.
//
// A roster is immutable: a change makes a new one that shares the items.
type roster struct {
	items    []*item
	contacts int    // how many the client sees
	bytes    int    // and how many bytes they take when it asks for them
	requests int    // how many strangers wait for an answer
	version  uint64 // of the last change that the client sees
	oldest   uint64 // clients with a version before this one get the whole roster

	// failed is shared by all rosters that were made of the one that was loaded:
	// a commit failed, so what stands in them was never true.
	failed *atomic.Bool
}

// maxTombs is how many removed contacts a roster remembers.
const maxTombs = 64

func (r *roster) search(contact jid.JID) (int, bool) {
	return slices.BinarySearchFunc(r.items, contact, func(i *item, j jid.JID) int {
		return strings.Compare(i.contact.String(), j.String())
	})
}

func (r *roster) get(contact jid.JID) *item {
	if i, ok := r.search(contact); ok {
		return r.items[i]
	}
	return nil
}

// sub is the state of a contact, the zero one for a stranger.
func (r *roster) sub(contact jid.JID) xmpp.Subscription {
	if it := r.get(contact); it != nil {
		return it.sub
	}
	return xmpp.Subscription{}
}

// count adds n times what the item counts for; nil for nothing.
func (r *roster) count(it *item, n int) {
	switch {
	case it == nil:
	case it.sub.InRoster:
		r.contacts += n
		r.bytes += n * it.size()
	case it.sub.PendingIn:
		r.requests += n
	}
}

// size is how many bytes a contact takes in the roster that a client is sent.
func (it *item) size() int {
	w := xmlstream.NewWriter(space)
	it.appendTo(w)
	return len(w.Bytes())
}

// with returns the roster with it in the place of its contact. Only a change that
// clients see makes a new version (section 2.6.3, "roster modification").
func (r *roster) with(it *item) *roster {
	next := *r
	i, found := r.search(it.contact)
	was := r.sub(it.contact)
	if visible(was, it.sub) {
		next.version++
		it.changed = next.version
	}
	next.count(r.get(it.contact), -1)
	next.count(it, 1)
	next.items = make([]*item, len(r.items), len(r.items)+1)
	copy(next.items, r.items)
	switch forgotten := it.tomb() && it.changed == 0; {
	case forgotten && found:
		next.items = slices.Delete(next.items, i, i+1)
	case forgotten:
	case found:
		next.items[i] = it
	default:
		next.items = append(next.items, it) // by hand: slices.Insert is 1.4 KB of code for each type
		copy(next.items[i+1:], next.items[i:])
		next.items[i] = it
	}
	return &next
}

// visible reports whether clients see the change. Nothing of the item need be
// different: what a client sets is always pushed. That a request came or was
// answered does not show in the item.
func visible(was, now xmpp.Subscription) bool {
	if was.PendingIn != now.PendingIn {
		was.PendingIn = now.PendingIn
		return was != now
	}
	return was.InRoster || now.InRoster
}

// bury takes out the older half of the tombs when there are too many, and returns
// them. The roster must not have been shown to anybody yet.
func (r *roster) bury() (gone []*item) {
	var tombs []*item
	for _, it := range r.items {
		if it.tomb() {
			tombs = append(tombs, it)
		}
	}
	if len(tombs) <= maxTombs {
		return nil
	}
	slices.SortFunc(tombs, byVersion)
	gone = tombs[:len(tombs)-maxTombs/2]
	r.oldest = gone[len(gone)-1].changed
	r.items = slices.DeleteFunc(r.items, func(it *item) bool { return it.tomb() && it.changed <= r.oldest })
	return gone
}

// since lists what the client's view of the roster differs in from that of a
// version, in the order of the changes.
func (r *roster) since(version uint64) []*item {
	var changed []*item
	for _, it := range r.items {
		if it.changed > version {
			changed = append(changed, it)
		}
	}
	slices.SortFunc(changed, byVersion)
	return changed
}

func byVersion(a, b *item) int { return cmp.Compare(a.changed, b.changed) }
