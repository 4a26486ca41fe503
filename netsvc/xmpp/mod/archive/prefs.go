package archive

import (
	"slices"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// prefs are what one user chose (XEP-0441). A name without resource stands for all
// of them; a full one for itself.
type prefs struct {
	usual         string // "" until the user chooses
	always, never []jid.JID
}

const maxNames = 200 // on each list

// allow says whether a message from or to the contact is archived. Who stands on both
// lists is not.
func (p *prefs) allow(m *extension, a xmpp.Account, contact jid.JID) bool {
	switch {
	case listed(p.never, contact):
		return false
	case listed(p.always, contact):
		return true
	}
	usual := p.usual
	if usual == "" {
		usual = m.usual
	}
	if usual != "roster" {
		return usual == "always"
	}
	s, err := m.host.Contacts().Contact(a, contact.Bare())
	return err != nil || s.InRoster
}

// listed is the matching of section 2.3.
func listed(names []jid.JID, contact jid.JID) bool {
	return slices.Contains(names, contact) || slices.Contains(names, contact.Bare())
}

func newChoices() *table.Table {
	return table.New("archive.prefs", table.Account, table.Export("prefs"))
}

func (m *extension) loadPrefs(tx *store.Tx, a account.ID) (*prefs, error) {
	v, ok := tx.Get(m.choices, table.AppendUint64(nil, uint64(a)))
	if !ok {
		return new(prefs), nil
	}
	n, err := xmlstream.Parse(v, "jabber:client")
	if err != nil {
		return nil, err
	}
	p, bad := parsePrefs(n)
	if bad != nil {
		return nil, bad
	}
	return p, nil
}

func (m *extension) getPrefs(r *xmpp.Request) {
	p, err := m.prefs.Get(r.Account)
	if err != nil {
		r.Broken("archive preferences cannot be read", err)
		return
	}
	r.Result(p.element(m.usual))
}

func (m *extension) setPrefs(r *xmpp.Request) {
	p, bad := parsePrefs(r.Payload)
	if bad != nil {
		r.Fail(bad)
		return
	}
	err := m.prefs.Change(r.Account, func(_ *prefs, b *store.Batch) (*prefs, error) {
		b.Put(m.choices, table.AppendUint64(nil, uint64(r.Account.ID())), p.element(m.usual))
		return p, nil
	}, func(err error) { r.Committed(err, p.element(m.usual)) })
	if err != nil {
		r.Broken("archive preferences cannot be read", err)
	}
}

// element writes the preferences, as clients and the store see them.
func (p *prefs) element(usual string) []byte {
	if p.usual != "" {
		usual = p.usual
	}
	w := xmlstream.NewWriter("jabber:client")
	w.Start(space, "prefs").Attr("default", usual)
	for _, l := range []struct {
		name string
		list []jid.JID
	}{{"always", p.always}, {"never", p.never}} {
		w.Start("", l.name)
		for _, j := range l.list {
			w.Leaf("", "jid", j.String())
		}
		w.End()
	}
	return w.End().Bytes()
}

func parsePrefs(n *xmlstream.Node) (*prefs, *stanza.Error) {
	p := &prefs{usual: n.Attr("default")}
	if p.usual != "always" && p.usual != "never" && p.usual != "roster" {
		return nil, stanza.NewError(stanza.BadRequest, "the default must be always, never or roster")
	}
	var bad *stanza.Error
	read := func(list string) (names []jid.JID) {
		l := n.Child(space, list)
		if l == nil {
			return nil
		}
		for _, k := range l.Kids {
			j, err := jid.Parse(k.Text)
			switch {
			case !k.Is(space, "jid"):
			case err != nil:
				bad = stanza.NewError(stanza.JIDMalformed, "an address is malformed")
			case len(names) == maxNames:
				bad = stanza.NewError(stanza.ResourceConstraint, "too many addresses")
			default:
				names = append(names, j)
			}
		}
		return names
	}
	p.always, p.never = read("always"), read("never")
	if bad != nil {
		return nil, bad
	}
	return p, nil
}
