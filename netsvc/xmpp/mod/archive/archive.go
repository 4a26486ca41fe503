// Package archive keeps each user's conversations on the server: Message Archive
// Management, XEP-0313 1.1.3, with the ids of XEP-0359 0.7.0, the preferences of
// XEP-0441 0.2.0 and the hints of XEP-0334 0.4.0.
//
// Each side of a conversation has its own archive and its own copy. The sender's
// copy is written as the message is sent, the recipient's as it arrives; both go
// into one commit. The id of a copy is its order in the store and 64 random bits,
// so that an id once shown is never issued again, whatever is restored.
//
// What is in which file: archive.go decides what is kept and stamps it, query.go
// answers queries, prefs.go is the preferences, rows.go the table, expire.go the
// end of rows.
//
// Where it differs: who asks for an archive that is not his own is told
// service-unavailable, as for an address that does not exist, since forbidden would
// say which do; the full address of one's own client, as a filter, finds what that
// client sent to oneself and got from there, since all else is found by the contact.
package archive

import (
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/rsm"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store/table"
)

const (
	space   = "urn:xmpp:mam:2"
	idSpace = "urn:xmpp:sid:0"
	hints   = "urn:xmpp:hints"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "archive",
		Summary: "conversations are kept on the server, for all of a user's clients",
		Specs:   []string{"XEP-0059 1.0", "XEP-0313 1.1.3", "XEP-0334 0.4.0", "XEP-0359 0.7.0", "XEP-0441 0.2.0"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host    xmpp.Host
	rows    *table.Table
	choices *table.Table
	prefs   *xmpp.State[*prefs]
	trim    *trim

	enabled bool
	usual   string // what applies to who set no preferences
	keep    time.Duration
	page    int

	archived *metric.Counter
}

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.rows = newRows()
	m.choices = newChoices()
	h.Table(m.rows)
	h.Table(m.choices)
	o := h.Options().About("The message archive.")
	o.Bool(&m.enabled, "enabled", true, "whether conversations are archived; what was archived before can be read either way")
	o.Enum(&m.usual, "default", "always", []string{"always", "roster", "never"}, "which conversations are archived for users who did not choose: all, those with contacts, or none")
	o.Duration(&m.keep, "keep", 365*24*time.Hour, "how long messages are kept; 0 means for ever")
	o.Int(&m.page, "page", 100, "how many messages one page of results may have").Range(1, 500)
	m.archived = h.Metrics().Counter(metric.Desc{Name: "archived", Help: "copies of messages put into archives"})
	m.prefs = xmpp.NewState(h, "archive", m.loadPrefs)
	m.setupTrim(h)

	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToSelf, Fresh: true, Get: m.fields, Set: m.query})
	h.IQ(xmpp.IQ{Space: space, Local: "metadata", To: xmpp.ToSelf, Fresh: true, Get: m.metadata, Feature: "-"})
	h.IQ(xmpp.IQ{Space: space, Local: "prefs", To: xmpp.ToSelf, Fresh: true, Get: m.getPrefs, Set: m.setPrefs, Feature: "-"})
	h.Disco().Feature(xmpp.ToSelf, space+"#extended")
	h.Disco().Feature(xmpp.ToSelf, rsm.Space)
	h.Disco().Feature(xmpp.ToSelf|xmpp.ToHost, idSpace)
	h.Hooks().Sent.Handle.Add("archive", m.sent)
	h.Hooks().Received.Handle.Add("archive", m.received)
	return nil
}

// sent keeps the sender's copy. Its id goes to the sender's other clients, never
// to the contact.
func (m *extension) sent(t *xmpp.Transit) xmpp.Verdict {
	if t.Stanza.Kind != stanza.Message {
		return xmpp.Pass
	}
	t.Stanza = unforged(t.Stanza, t.Account.JID())
	if to := t.Stanza.To; to.Bare() != t.Account.JID() && m.wants(t, to) { // to oneself: as received
		t.Own = m.put(t, to.Bare())
	}
	return xmpp.Pass
}

// received keeps the recipient's copy and stamps its id.
func (m *extension) received(t *xmpp.Transit) xmpp.Verdict {
	if t.Stanza.Kind != stanza.Message {
		return xmpp.Pass
	}
	t.Stanza = unforged(t.Stanza, t.Account.JID())
	if from := t.Stanza.From; m.wants(t, from) {
		t.Stanza = m.put(t, from.Bare())
	}
	return xmpp.Pass
}

// put adds the copy to the batch and returns the stanza with its id.
func (m *extension) put(t *xmpp.Transit, contact jid.JID) *stanza.Stanza {
	id := newID(m.host.Store())
	t.Batch.Put(m.rows, rowKey(t.Account.ID(), string(id[:])), rowValue(contact, t.Stanza))
	t.Keep()
	m.archived.Add(1)
	b := make([]byte, 0, 128)
	b = append(b, "<stanza-id xmlns='"+idSpace+"' by='"...)
	b = xmlstream.AppendAttr(b, t.Account.JID().String())
	b = append(b, "' id='"...)
	b = id.append(b)
	b = append(b, "'/>"...)
	return t.Stanza.Append(b)
}

// unforged cuts what only we may say of a message: ids of this archive (XEP-0359
// section 5, rule 2), and that our host has kept it back (XEP-0203 section 5). By such
// a stamp the other extensions know what they have seen before.
func unforged(s *stanza.Stanza, by jid.JID) *stanza.Stanza {
	if !s.Has(idSpace, "stanza-id") && !s.Has(stamp.Space, "delay") {
		return s
	}
	return s.Without(func(space, local string, raw []byte) bool {
		isID := space == idSpace && local == "stanza-id"
		if !isID && (space != stamp.Space || local != "delay") {
			return false
		}
		n, err := xmlstream.Parse(raw, "jabber:client")
		if err != nil {
			return true
		}
		if !isID { // where it does not say who, it does not say that it was us
			claimed, err := jid.Parse(n.Attr("from"))
			return err == nil && claimed == by.Host()
		}
		claimed, err := jid.Parse(n.Attr("by"))
		return err != nil || claimed == by
	})
}

// wants says whether the account's archive takes a message from or to the contact,
// whose address may be a full one: XEP-0313 section 6.1.1 and the user's preferences.
func (m *extension) wants(t *xmpp.Transit, contact jid.JID) bool {
	if !m.enabled || !worth(t.Stanza) {
		return false
	}
	p, err := m.prefs.Get(t.Account)
	if err != nil {
		m.host.Log().Error("archive preferences cannot be read", "cause", err)
		return true // rather too much than a gap
	}
	return p.allow(m, t.Account, contact)
}

// worth is what another client of the user would miss if it were not kept.
func worth(s *stanza.Stanza) bool {
	if s.Type != stanza.Normal && s.Type != stanza.Chat {
		return false
	}
	keep := false
	forbidden := false
	s.Each(func(space, local string, _ []byte) bool {
		switch {
		case space == hints && (local == "no-store" || local == "no-permanent-store"):
			forbidden = true
		case space == hints && local == "store", local == "body" && space == "jabber:client":
			keep = true
		case local == "encrypted": // XEP-0384 of any version, XEP-0380
			keep = true
		case space == "urn:xmpp:receipts" && local == "received",
			space == "urn:xmpp:chat-markers:0" && local != "markable",
			space == "urn:xmpp:message-correct:0", space == "urn:xmpp:reactions:0",
			space == "urn:xmpp:message-retract:1", space == "jabber:x:conference",
			space == "urn:xmpp:jingle-message:0":
			keep = true
		}
		return !forbidden
	})
	return keep && !forbidden
}
