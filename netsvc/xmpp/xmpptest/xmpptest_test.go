package xmpptest_test

import (
	"slices"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"
	"linnet/store/table"
)

// notes is a small extension: each account keeps one note, which its other
// clients are told of after the commit.
type notes struct {
	host  xmpp.Host
	table *table.Table
	state *xmpp.State[string]
	limit int
}

func (m *notes) Setup(h xmpp.Host) error {
	m.host = h
	m.table = table.New("notes", table.Account)
	h.Table(m.table)
	h.Options().Int(&m.limit, "limit", 10, "bytes of a note")
	m.state = xmpp.NewState(h, "notes", func(tx *store.Tx, id account.ID) (string, error) {
		v, _ := tx.Get(m.table, id.Row())
		return string(v), nil
	})
	h.IQ(xmpp.IQ{Space: "urn:example:note", Local: "note", To: xmpp.ToSelf, Get: m.get, Set: m.set})
	return nil
}

func (m *notes) get(r *xmpp.Request) {
	note, err := m.state.Get(r.Account)
	if err != nil {
		r.Broken("no note", err)
		return
	}
	r.Result([]byte("<note xmlns='urn:example:note'>" + note + "</note>"))
}

func (m *notes) set(r *xmpp.Request) {
	note := r.Payload.Text
	if len(note) > m.limit {
		r.Refuse(stanza.NotAcceptable, "too long")
		return
	}
	err := m.state.Change(r.Account, func(_ string, b *store.Batch) (string, error) {
		b.Put(m.table, r.Account.ID().Row(), []byte(note))
		return note, nil
	}, func(err error) {
		r.Committed(err, nil)
		for _, s := range r.Account.Sessions() {
			if err == nil && s != r.Session {
				s.Send(stanza.NewMessage(stanza.Headline, "", r.Account.JID(), s.JID(), []byte("<note xmlns='urn:example:note'/>")))
			}
		}
	})
	if err != nil {
		r.Broken("no note", err)
	}
}

func options(data string) xmpptest.Options {
	return xmpptest.Options{Data: data, Extensions: []xmpp.Info{{Name: "notes", New: func() xmpp.Module { return new(notes) }}}}
}

func TestConversation(t *testing.T) {
	data := t.TempDir()
	xmpptest.Test(t, options(data), func(t *testing.T, s *xmpptest.Server) {
		desk, phone := s.Login("ana@example.com/desk"), s.Login("ana@example.com/phone")
		desk.Ask(`<iq type='set' id='1'><note xmlns='urn:example:note'>buy milk and bread</note></iq>`,
			`<iq type='error' id='1'><error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
		desk.Ask(`<iq type='set' id='2'><note xmlns='urn:example:note'>buy milk</note></iq>`, `<iq type='result' id='2'/>`)
		phone.Expect(`<message type='headline' from='ana@example.com'><note xmlns='urn:example:note'/></message>`)
		phone.Nothing()

		s.Reload(map[string]string{"xmpp.notes/limit": "20"})
		phone.Ask(`<iq type='set' id='3'><note xmlns='urn:example:note'>buy milk and bread</note></iq>`, `<iq type='result' id='3'/>`)
	})
	xmpptest.Test(t, options(data), func(t *testing.T, s *xmpptest.Server) { // as after a restart
		s.Login("ana@example.com/desk").Ask(`<iq type='get' id='1'><note xmlns='urn:example:note'/></iq>`,
			`<iq type='result' id='1'><note xmlns='urn:example:note'>buy milk and bread</note></iq>`)
	})
}

func TestMessagesAreDelivered(t *testing.T) {
	xmpptest.Test(t, options(""), func(t *testing.T, s *xmpptest.Server) {
		ana, ben := s.Login("ana@example.com/desk"), s.Login("ben@example.com/desk")
		ana.Send(`<message to='ben@example.com' type='chat' id='1'><body>hello</body></message>`)
		ana.Expect(`<message from='ben@example.com' type='error' id='1'>
			<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`)
		ben.Send(`<presence/>`)
		ana.Send(`<message to='ben@example.com' type='chat'><body>hello</body></message>`)
		ben.Expect(`<message from='ana@example.com/desk' type='chat'><body>hello</body></message>`)

		ana.Send(`<message to='cem@example.net/phone'><body>far away</body></message>`)
		far := s.Peer("example.net")
		far.Expect(`<message to='cem@example.net/phone' from='ana@example.com/desk'><body>far away</body></message>`)
		far.Send(`<iq type='get' id='9' from='cem@example.net' to='ana@example.com'><note xmlns='urn:example:note'/></iq>`)
		far.Expect(`<iq type='error' id='9' to='cem@example.net' from='ana@example.com'>
			<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
		ben.Nothing()
	})
}

// shelf is a spool that notes what becomes of its rows.
type shelf struct{ dropped, returned []uint64 }

func (s *shelf) Setup(h xmpp.Host) error                               { h.SetSpool(s); return nil }
func (s *shelf) Keeps(*stanza.Stanza) bool                             { return true }
func (s *shelf) Put(*store.Batch, xmpp.Account, *stanza.Stanza) uint64 { return 0 }
func (s *shelf) Drop(_ *store.Batch, _ xmpp.Account, row uint64)       { s.dropped = append(s.dropped, row) }
func (s *shelf) Return(_ xmpp.Account, row uint64)                     { s.returned = append(s.returned, row) }
func (s *shelf) Take(xmpp.Account, uint64) (*stanza.Stanza, error)     { return nil, nil }

func TestKeptStanzas(t *testing.T) {
	spool := new(shelf)
	o := xmpptest.Options{Extensions: []xmpp.Info{{Name: "shelf", New: func() xmpp.Module { return spool }}}}
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		ana := s.Login("ana@example.com/desk")
		send := func(row uint64) {
			ana.Session().SendKept(stanza.NewMessage(stanza.Chat, "", ana.Session().JID(), ana.Session().JID(), nil), row)
		}
		send(1)
		ana.Hang()
		send(2)
		if !slices.Equal(spool.dropped, []uint64{1}) {
			t.Fatalf("rows %v are dropped before the client has acknowledged 2", spool.dropped)
		}
		ana.Acknowledge()
		ana.Hang()
		send(3)
		ana.Lose()
		send(4)
		if !slices.Equal(spool.dropped, []uint64{1, 2}) || !slices.Equal(spool.returned, []uint64{3, 4}) {
			t.Fatalf("rows %v are dropped and %v returned", spool.dropped, spool.returned)
		}
		if _, ended := ana.Ended(); !ended {
			t.Fatal("the session goes on without a connection")
		}
	})
}

func TestSessionWaitsForItsClient(t *testing.T) {
	xmpptest.Test(t, options(""), func(t *testing.T, s *xmpptest.Server) {
		ana := s.Login("ana@example.com/desk")
		time.Sleep(time.Hour)
		ana.Resumable()
		ana.Lose()
		if _, ended := ana.Ended(); ended || ana.Connected() {
			t.Fatal("the session does not wait")
		}
		if silent := time.Since(ana.Session().Active()); silent != time.Hour {
			t.Fatalf("silent for %v", silent)
		}
		ana.Resume()
		ana.Send(`<presence/>`)
		ana.Close()
		if condition, ended := ana.Ended(); !ended || condition != "" {
			t.Fatalf("ended %v, %s", ended, condition)
		}
	})
}
