package offline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"

	_ "linnet/netsvc/xmpp/mod/offline"
)

// scene is romeo, of another server, and juliet, who has an account and is not there.
type scene struct {
	*xmpptest.Server
	net *xmpptest.Peer
}

func capulet(values ...string) xmpptest.Options {
	o := xmpptest.Options{Hosts: []string{"capulet.lit"}, Values: map[string]string{}}
	for i := 0; i < len(values); i += 2 {
		o.Values["xmpp.offline/"+values[i]] = values[i+1]
	}
	return o
}

func enact(t *testing.T, o xmpptest.Options, f func(t *testing.T, s scene)) {
	t.Helper()
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		s.Register("juliet@capulet.lit")
		f(t, scene{s, s.Peer("montague.net")})
	})
}

const whence = `from='romeo@montague.net/orchard' to='juliet@capulet.lit'`

// says sends a chat message with the text.
func (s scene) says(text string) {
	s.net.Send(`<message ` + whence + ` type='chat' id='` + text + `'><body>` + text + `</body></message>`)
}

// later is that message as it comes out of the box: XEP-0160 section 3, example 3.
func later(text string) string {
	return `<message from='romeo@montague.net/orchard' type='chat'><body>` + text + `</body><delay xmlns='urn:xmpp:delay' from='capulet.lit' stamp='*'/></message>`
}

// refused is the answer to a message that is not kept.
const refused = `<message type='error' from='juliet@capulet.lit' to='romeo@montague.net/orchard'>
		<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`

// texts are the bodies of what came.
func texts(got []*stanza.Stanza) string {
	var all []string
	for _, s := range got {
		all = append(all, s.Node("jabber:client", "body").Text)
	}
	return strings.Join(all, " ")
}

// Section 3: what waits comes in its order, with the moment it was sent, to the first
// client that is available, once.
func TestDelivery(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		time.Sleep(time.Hour)
		s.says("two")
		s.net.Nothing()
		if got := s.Metric("offlineStored"); got != 2 {
			t.Errorf("%d are counted", got)
		}
		time.Sleep(time.Hour)
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Nothing() // not before she is available
		balcony.Send(`<presence/>`)
		balcony.Expect(strings.Replace(later("one"), "'*'", "'2000-01-01T00:00:00.000Z'", 1))
		balcony.Expect(strings.Replace(later("two"), "'*'", "'2000-01-01T01:00:00.000Z'", 1))
		balcony.Nothing()
		s.says("three")
		balcony.Expect(`<message from='romeo@montague.net/orchard' type='chat'><body>three</body></message>`) // she is there
		balcony.Send(`<presence><show>away</show></presence>`)
		balcony.Send(`<presence type='unavailable'/>`)
		balcony.Send(`<presence/>`)
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Send(`<presence/>`)
		balcony.Nothing()
		chamber.Nothing()
	})
}

// Section 3: a client with a negative priority gets none, until it raises it.
func TestNegativePriority(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence><priority>-1</priority></presence>`)
		s.says("two")
		balcony.Nothing()
		balcony.Send(`<presence><priority>0</priority></presence>`)
		balcony.Expect(later("one"))
		balcony.Expect(later("two"))
		balcony.Nothing()
	})
}

// Section 4, and the hints of XEP-0334: which messages wait, and what becomes of the
// others.
func TestWhatIsKept(t *testing.T) {
	const (
		body    = `<body>hi</body>`
		typing  = `<composing xmlns='http://jabber.org/protocol/chatstates'/>`
		kept    = "kept"
		bounced = "bounced"
		gone    = "gone"
	)
	for _, tc := range []struct{ name, kind, content, fate string }{
		{"chat", "chat", body, kept},
		{"no type", "", body, kept},
		{"without a body", "", `<x xmlns='urn:example'/>`, kept},
		{"empty", "chat", ``, kept},
		{"headline", "headline", body, gone},
		{"groupchat", "groupchat", body, bounced},
		{"error", "error", body + `<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`, gone},
		{"typing", "chat", typing, gone},
		{"typing in a thread", "chat", typing + `<thread>t</thread>`, gone},
		{"typing, with ids and no-store", "chat", typing + `<origin-id xmlns='urn:xmpp:sid:0' id='1'/><no-store xmlns='urn:xmpp:hints'/>`, gone},
		{"typing, delayed", "chat", typing + `<delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/>`, gone},
		{"typing, to be stored", "chat", typing + `<store xmlns='urn:xmpp:hints'/>`, kept},
		{"typing and a body", "chat", typing + body, kept},
		{"typing and something else", "chat", typing + `<x xmlns='urn:example'/>`, kept},
		{"no-store", "chat", body + `<no-store xmlns='urn:xmpp:hints'/>`, bounced},
		{"no-permanent-store", "chat", body + `<no-permanent-store xmlns='urn:xmpp:hints'/>`, kept}, // it stays until it is read only
		{"no-store of another namespace", "chat", body + `<no-store xmlns='urn:example'/>`, kept},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enact(t, capulet(), func(t *testing.T, s scene) {
				message := `<message ` + whence
				if tc.kind != "" {
					message += ` type='` + tc.kind + `'`
				}
				message += `>` + tc.content
				s.net.Send(message + `</message>`)
				if tc.fate == bounced {
					s.net.Expect(refused)
				}
				s.net.Nothing()
				balcony := s.Login("juliet@capulet.lit/balcony")
				balcony.Send(`<presence/>`)
				if tc.fate == kept {
					balcony.Expect(message + `<delay xmlns='urn:xmpp:delay' from='capulet.lit' stamp='*'/></message>`)
				}
				balcony.Nothing()
			})
		})
	}
}

// Presence and IQs do not wait: they have answers of their own.
func TestOnlyMessagesWait(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.net.Send(`<presence ` + whence + `/>`)
		s.net.Send(`<iq ` + whence + ` type='get' id='1'><q xmlns='urn:example'/></iq>`)
		s.net.Skip()
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		balcony.Nothing()
	})
}

// A full box refuses: by number and by bytes, at the limit and beyond it. Section 2.
func TestLimits(t *testing.T) {
	enact(t, capulet("messages", "3"), func(t *testing.T, s scene) {
		for i := range 3 {
			s.says(fmt.Sprint(i))
		}
		s.net.Nothing()
		s.says("3")
		s.net.Expect(refused)
		if got := s.Metric("offlineFull"); got != 1 {
			t.Errorf("%d refusals are counted", got)
		}
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		if got := texts(balcony.Skip()); got != "0 1 2" {
			t.Errorf("delivered are %s", got)
		}
		balcony.Close()
		s.says("4") // there is room again
		s.net.Nothing()
	})
	enact(t, capulet("messages", "0"), func(t *testing.T, s scene) {
		s.says("one")
		s.net.Expect(refused)
	})
	// What counts is the message as it is kept, stamp and all.
	var size int
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		size = len(balcony.Skip()[0].AppendForwarded(nil))
	})
	for _, tc := range []struct {
		name  string
		bytes int
		fits  bool
	}{{"two, just", 2 * size, true}, {"a byte too few", 2*size - 1, false}} {
		enact(t, capulet("bytes", fmt.Sprint(tc.bytes)), func(t *testing.T, s scene) {
			s.says("one")
			s.says("two")
			if got := s.net.Skip(); (len(got) == 0) != tc.fits {
				t.Errorf("%s: answered with %d stanzas", tc.name, len(got))
			}
		})
	}
}

// What has waited too long is gone, and makes room.
func TestExpiry(t *testing.T) {
	enact(t, capulet("keep", "48h", "messages", "2"), func(t *testing.T, s scene) {
		s.says("one")
		time.Sleep(24 * time.Hour)
		s.says("two")
		s.says("three")
		s.net.Expect(refused)
		time.Sleep(25 * time.Hour)
		s.says("four") // in the place of the first
		s.net.Nothing()
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		balcony.Expect(later("two"))
		balcony.Expect(later("four"))
		balcony.Nothing()
	})
	enact(t, capulet("keep", "0"), func(t *testing.T, s scene) {
		s.says("one")
		time.Sleep(10000 * time.Hour)
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		balcony.Expect(later("one"))
	})
}

// While the clock is not set nothing expires, and stamps say so; nor does it when the
// clock is set.
func TestUnsetClock(t *testing.T) {
	o := capulet("keep", "1h")
	o.Built = time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
	enact(t, o, func(t *testing.T, s scene) {
		s.says("one")
		time.Sleep(12 * time.Hour)
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		balcony.Expect(`<message from='romeo@montague.net/orchard' type='chat'><body>one</body>
			<delay xmlns='urn:xmpp:delay' from='capulet.lit' stamp='2000-01-01T00:00:00.000Z'>clock not set</delay></message>`)
		balcony.Close()
		s.says("two")
		time.Sleep(15 * time.Hour)
		s.says("three")
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Send(`<presence/>`)
		if got := texts(chamber.Skip()); got != "two three" {
			t.Errorf("delivered are %s", got)
		}
	})
}

// A row goes when the client has acknowledged it, not before: what it did not is the
// next client's, in the old order.
func TestSettlement(t *testing.T) {
	o := capulet()
	o.Data = t.TempDir()
	enact(t, o, func(t *testing.T, s scene) {
		s.says("one")
		s.says("two")
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Hang()
		balcony.Send(`<presence/>`)
		if got := texts(balcony.Skip()); got != "one two" {
			t.Fatalf("delivered are %s", got)
		}
		balcony.Lose()
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Hang()
		chamber.Send(`<presence/>`)
		if got := texts(chamber.Skip()); got != "one two" {
			t.Fatalf("delivered to the next are %s", got)
		}
		street := s.Login("juliet@capulet.lit/street") // nobody gets what another one has in hand
		street.Send(`<presence/>`)
		street.Nothing()
	})
	enact(t, o, func(t *testing.T, s scene) { // the server was gone before she acknowledged
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		if got := texts(balcony.Skip()); got != "one two" {
			t.Fatalf("delivered after a restart are %s", got)
		}
	})
	enact(t, o, func(t *testing.T, s scene) { // and after she did
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Send(`<presence/>`)
		balcony.Nothing()
	})
}

// What a client did not acknowledge goes at once to another one that is there.
func TestToTheNextClient(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		balcony, chamber := s.Login("juliet@capulet.lit/balcony"), s.Login("juliet@capulet.lit/chamber")
		balcony.Hang()
		balcony.Send(`<presence/>`)
		balcony.Expect(later("one"))
		chamber.Send(`<presence/>`)
		chamber.Nothing()
		balcony.Lose()
		chamber.Expect(later("one"))
		chamber.Nothing()
	})
}

// Many and large messages come in portions that a client can hold, all of them and in
// order; new ones wait behind them.
func TestManyMessages(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		var sent []string
		for i := range 300 {
			text := fmt.Sprint(i, strings.Repeat("x", i*7%4000))
			sent = append(sent, text)
			s.says(text)
		}
		balcony := s.Login("juliet@capulet.lit/balcony")
		balcony.Hang()
		balcony.Send(`<presence/>`)
		first := balcony.Skip()
		size := 0
		for _, m := range first {
			size += len(m.AppendForwarded(nil))
		}
		if size > 48<<10 || size < 40<<10 {
			t.Errorf("%d bytes at once for a client that acknowledges nothing", size)
		}
		balcony.Acknowledge()
		got := strings.Fields(texts(first) + " " + texts(balcony.Skip()))
		if !slices.Equal(got, sent) {
			t.Errorf("%d messages of %d, or in another order", len(got), len(sent))
		}
	})
}

// A message that is larger than what a client is given at a time comes all the same,
// by itself.
func TestLargeMessages(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		large := strings.Repeat("x", 60<<10)
		for _, text := range []string{"a" + large, "b", "c" + large, "d" + large} {
			s.net.Send(`<message ` + whence + ` type='chat'><body>` + text + `</body></message>`)
		}
		juliet := s.Login("juliet@capulet.lit/balcony")
		juliet.Send(`<presence/>`)
		if got := strings.ReplaceAll(texts(juliet.Skip()), large, "+"); got != "a+ b c+ d+" {
			t.Errorf("came: %s", got)
		}
	})
}

// Somebody who is deleted takes his messages along.
func TestDeletedAccount(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		if err := s.Accounts().Delete(t.Context(), jid.MustParse("juliet@capulet.lit")); err != nil {
			t.Fatal(err)
		}
		balcony := s.Login("juliet@capulet.lit/balcony") // another person
		balcony.Send(`<presence/>`)
		balcony.Nothing()
		for _, tab := range s.Store().Options().Tables {
			if tab.Name != "offline" {
				continue
			}
			s.Store().View(func(tx *store.Tx) error {
				if n := tx.Count(tab, nil, nil, 0); n != 0 {
					t.Errorf("%d rows are left", n)
				}
				return nil
			})
		}
	})
}

// The spool: what a client has in hand and does not acknowledge is kept for it, and
// is an offline message if it never does.
func TestSpool(t *testing.T) {
	o := capulet("messages", "1")
	o.Data = t.TempDir()
	message := func(content string) *stanza.Stanza {
		return stanza.NewMessage(stanza.Chat, "", jid.MustParse("romeo@montague.net/orchard"), jid.MustParse("juliet@capulet.lit"), []byte(content))
	}
	enact(t, o, func(t *testing.T, s scene) {
		spool := s.Spool()
		for _, tc := range []struct {
			content string
			keeps   bool
		}{
			{"<body>x</body>", true},
			{"<body>x</body><no-store xmlns='urn:xmpp:hints'/>", false},
			{"<active xmlns='http://jabber.org/protocol/chatstates'/>", false},
		} {
			if spool.Keeps(message(tc.content)) != tc.keeps {
				t.Errorf("%s: kept %v", tc.content, !tc.keeps)
			}
		}
		juliet, _, err := s.Server.Account(jid.MustParse("juliet@capulet.lit"))
		if err != nil {
			t.Fatal(err)
		}
		defer juliet.Release()
		var rows []uint64
		for _, text := range []string{"one", "two", "three"} { // the limits are not for these
			var b store.Batch
			rows = append(rows, spool.Put(&b, juliet, message("<body>"+text+"</body>")))
			if err := s.Store().Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		var b store.Batch
		spool.Drop(&b, juliet, rows[1])
		if err := s.Store().Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Send(`<presence/>`)
		chamber.Nothing() // they are in somebody's hand
		spool.Return(juliet, rows[2])
		chamber.Expect(later("three"))
		chamber.Nothing()
		if got, err := spool.Take(juliet, rows[1]); got != nil || err != nil {
			t.Errorf("what was dropped is %v, %v", got, err)
		}
		if got, err := spool.Take(juliet, 77); got != nil || err != nil {
			t.Errorf("what never was is %v, %v", got, err)
		}
	})
	enact(t, o, func(t *testing.T, s scene) { // the server died: nobody has it in hand
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Send(`<presence/>`)
		chamber.Expect(later("one"))
		chamber.Nothing()
	})
}

// A session that comes back after a restart takes its own rows before they are
// anybody's.
func TestTake(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		s.says("one")
		s.net.Nothing() // it is committed
		juliet, _, _ := s.Server.Account(jid.MustParse("juliet@capulet.lit"))
		defer juliet.Release()
		row := uint64(0)
		for _, tab := range s.Store().Options().Tables {
			if tab.Name == "offline" {
				s.Store().View(func(tx *store.Tx) error {
					return tx.Scan(tab, nil, nil, false, func(k, _ []byte) bool {
						for _, b := range k[8:] {
							row = row<<8 | uint64(b)
						}
						return false
					})
				})
			}
		}
		got, err := s.Spool().Take(juliet, row)
		if err != nil || got == nil || texts([]*stanza.Stanza{got}) != "one" {
			t.Fatalf("taken is %v, %v", got, err)
		}
		chamber := s.Login("juliet@capulet.lit/chamber")
		chamber.Send(`<presence/>`)
		chamber.Nothing()
		s.Spool().Return(juliet, row)
		chamber.Expect(later("one"))
	})
}

// XEP-0160 section 5: servers that keep messages say so.
func TestFeature(t *testing.T) {
	enact(t, capulet(), func(t *testing.T, s scene) {
		if !slices.Contains(s.Disco().Features, xmpp.ScopedFeature{Scope: xmpp.ToHost, Var: "msgoffline"}) {
			t.Error("not among the features")
		}
	})
}
