package archive_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
	"linnet/store"
	"linnet/store/table"
)

// What is archived, on both sides: XEP-0313 section 6.1.1 and XEP-0334.
func TestWhatIsKept(t *testing.T) {
	const body = `<body>Call me but love</body>`
	for _, tc := range []struct {
		name, kind, content string
		kept                bool
	}{
		{"a chat", "chat", body, true},
		{"no type", "", body, true},
		{"normal", "normal", body, true},
		{"a headline", "headline", body, false},
		{"groupchat", "groupchat", body, false},
		{"an error", "error", body + `<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`, false},
		{"an empty body", "chat", `<body/>`, true},
		{"nothing", "chat", ``, false},
		{"a subject alone", "chat", `<subject>Love</subject>`, false},
		{"a body of another namespace", "chat", `<body xmlns='http://www.w3.org/1999/xhtml'>x</body>`, false},
		{"a chat state", "chat", `<composing xmlns='http://jabber.org/protocol/chatstates'/>`, false},
		{"a chat state and a body", "chat", `<active xmlns='http://jabber.org/protocol/chatstates'/>` + body, true},

		{"no-store", "chat", body + `<no-store xmlns='urn:xmpp:hints'/>`, false},
		{"no-permanent-store", "chat", body + `<no-permanent-store xmlns='urn:xmpp:hints'/>`, false},
		{"no-copy", "chat", body + `<no-copy xmlns='urn:xmpp:hints'/>`, true},
		{"store", "chat", `<composing xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>`, true},
		{"store and no-store", "chat", body + `<store xmlns='urn:xmpp:hints'/><no-store xmlns='urn:xmpp:hints'/>`, false},
		{"store of a headline", "headline", body + `<store xmlns='urn:xmpp:hints'/>`, false},
		{"no-store of another namespace", "chat", body + `<no-store xmlns='urn:example'/>`, true},

		{"encrypted", "chat", `<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>`, true},
		{"a receipt", "chat", `<received xmlns='urn:xmpp:receipts' id='1'/>`, true},
		{"a receipt asked for", "chat", `<request xmlns='urn:xmpp:receipts'/>`, false},
		{"a marker", "chat", `<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>`, true},
		{"a marker asked for", "chat", `<markable xmlns='urn:xmpp:chat-markers:0'/>`, false},
		{"a correction", "chat", `<replace xmlns='urn:xmpp:message-correct:0' id='1'/>`, true},
		{"a reaction", "chat", `<reactions xmlns='urn:xmpp:reactions:0' id='1'/>`, true},
		{"a retraction", "chat", `<retract xmlns='urn:xmpp:message-retract:1' id='1'/>`, true},
		{"an invitation", "normal", `<x xmlns='jabber:x:conference' jid='coven@chat.shakespeare.lit'/>`, true},
		{"a call", "chat", `<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>`, true},
		{"a forged carbon", "chat", `<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>` + body + `</message></forwarded></received>`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
				romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
				romeo.Send(`<message to='juliet@capulet.lit/balcony' type='` + tc.kind + `' id='1'>` + tc.content + `</message>`)
				for _, got := range juliet.Skip() {
					if got.Has(sid, "stanza-id") != tc.kept {
						t.Errorf("delivered is %s", got.AppendTo(nil))
					}
				}
				count := 0
				if tc.kept {
					count = 1
				}
				for _, c := range []*xmpptest.Client{romeo, juliet} {
					if a := ask(t, c, ""); len(a.messages) != count {
						t.Errorf("%s finds %d copies, not %d", c.Session().JID(), len(a.messages), count)
					}
				}
				if got := s.Metric("archived"); got != int64(2*count) {
					t.Errorf("%d copies are counted", got)
				}
			})
		})
	}
}

// RFC 7622 section 3.1: each part of an address may have 1023 bytes.
func TestLongestAddress(t *testing.T) {
	contact := strings.Repeat("x", 1023) + "@" + strings.Repeat(strings.Repeat("y", 62)+".", 16) + strings.Repeat("z", 15)
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		juliet.Send(say(contact, "a"))
		ask(t, juliet, with("with", contact)).expect(t, "a", true)
	})
}

// Presence and IQs are nobody's conversation.
func TestOnlyMessagesAreKept(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
		romeo.Send(`<presence to='juliet@capulet.lit/balcony'><status>here</status></presence>`)
		romeo.Send(`<iq type='get' id='1' to='juliet@capulet.lit/balcony'><body xmlns='urn:example'/></iq>`)
		for _, c := range []*xmpptest.Client{romeo, juliet} {
			ask(t, c, "").expect(t, "", true)
		}
	})
}

// What is found is what was sent, whole, with the attributes it had and no id of ours
// within: examples 1 to 3 of XEP-0313.
func TestResult(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet, witch := s.Login("juliet@capulet.lit/chamber"), s.Peer("shakespeare.lit")
		const kept = `<message xmlns='jabber:client' from='witch@shakespeare.lit/heath' to='juliet@capulet.lit' id='8a54s' type='chat' xml:lang='en'>
			<body>Hail to thee</body><x xmlns='urn:example'><y z='1'>&lt;</y></x></message>`
		witch.Send(kept)
		juliet.Skip()
		juliet.Send(`<iq type='set' id='juliet1'><query xmlns='urn:xmpp:mam:2' queryid='f27'/></iq>`)
		juliet.Expect(`<message from='juliet@capulet.lit'><result xmlns='urn:xmpp:mam:2' queryid='f27' id='*'>
			<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00.000Z'/>` + kept + `</forwarded></result></message>`)
		juliet.Expect(`<iq type='result' id='juliet1'><fin xmlns='urn:xmpp:mam:2' complete='true'>
			<set xmlns='http://jabber.org/protocol/rsm'><first>*</first><last>*</last></set></fin></iq>`)

		juliet.Send(`<iq type='set' id='juliet2' to='juliet@capulet.lit'><query xmlns='urn:xmpp:mam:2'/></iq>`) // the address said, no queryid
		juliet.Expect(`<message from='juliet@capulet.lit'><result xmlns='urn:xmpp:mam:2' id='*'>
			<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00.000Z'/>` + kept + `</forwarded></result></message>`)
		juliet.Expect(`<iq type='result' id='juliet2' from='juliet@capulet.lit'><fin xmlns='urn:xmpp:mam:2' complete='true'>
			<set xmlns='http://jabber.org/protocol/rsm'><first>*</first><last>*</last></set></fin></iq>`)
	})
}

// However many clients a message goes to, it is archived once, and all learn the same
// id; what somebody sends to himself is archived once, too. Section 6.1.1.
func TestOnce(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		balcony, chamber := s.Login("juliet@capulet.lit/balcony"), s.Login("juliet@capulet.lit/chamber")
		balcony.Send(`<presence/>`)
		chamber.Send(`<presence/>`)
		balcony.Skip()
		chamber.Skip()
		romeo.Send(say("juliet@capulet.lit", "one"))
		a, b := balcony.Skip(), chamber.Skip()
		if len(a) != 1 || len(b) != 1 || stanzaID(a[0].Node(sid, "stanza-id")) == "" ||
			stanzaID(a[0].Node(sid, "stanza-id")) != stanzaID(b[0].Node(sid, "stanza-id")) {
			t.Fatalf("%v and %v", a, b)
		}
		found := ask(t, balcony, "")
		found.expect(t, "one", true)
		if found.ids[0] != stanzaID(a[0].Node(sid, "stanza-id")) {
			t.Errorf("archived as %s, not as the client was told", found.ids[0])
		}
		balcony.Send(say("juliet@capulet.lit/chamber", "note"))
		balcony.Send(say("juliet@capulet.lit", "bare"))
		balcony.Send(`<message id='no-to'><body>no-to</body></message>`)
		ask(t, balcony, "").expect(t, "one note bare no-to", true)
		ask(t, balcony, with("with", "juliet@capulet.lit")).expect(t, "note bare no-to", true)
		ask(t, balcony, with("with", "juliet@capulet.lit/chamber")).expect(t, "note", true)
		ask(t, romeo, "").expect(t, "one", true)
	})
}

func stanzaID(n *xmlstream.Node) string {
	if n == nil || n.Attr("by") == "" {
		return ""
	}
	return n.Attr("id")
}

// The rules of XEP-0359 section 5: whose ids are cut and whose are left.
func TestForgedIDs(t *testing.T) {
	for _, tc := range []struct {
		name, given string
		left        []string // values of 'by' that juliet sees, beside her server's own
	}{
		{"none", ``, nil},
		{"the recipient's", `<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='x'/>`, nil},
		{"the recipient's, otherwise spelt", `<stanza-id xmlns='urn:xmpp:sid:0' by='JULIET@Capulet.lit' id='x'/>`, nil},
		{"twice", `<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='x'/><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='y'/>`, nil},
		{"the sender's", `<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@capulet.lit' id='x'/>`, nil},
		{"no address", `<stanza-id xmlns='urn:xmpp:sid:0' by='@' id='x'/>`, nil},
		{"nobody's", `<stanza-id xmlns='urn:xmpp:sid:0' id='x'/>`, nil},
		{"a room's", `<stanza-id xmlns='urn:xmpp:sid:0' by='coven@chat.shakespeare.lit' id='x'/>`, []string{"coven@chat.shakespeare.lit"}},
		{"a room's and the recipient's", `<stanza-id xmlns='urn:xmpp:sid:0' by='coven@chat.shakespeare.lit' id='x'/><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='x'/>`, []string{"coven@chat.shakespeare.lit"}},
		{"a full address", `<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit/balcony' id='x'/>`, []string{"juliet@capulet.lit/balcony"}},
	} {
		for _, stored := range []bool{true, false} { // rule 2 holds even where none is added
			name, content := tc.name, tc.given+`<origin-id xmlns='urn:xmpp:sid:0' id='mine'/><body>x</body>`
			if !stored {
				name, content = name+", not stored", content+`<no-store xmlns='urn:xmpp:hints'/>`
			}
			t.Run(name, func(t *testing.T) {
				xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
					romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
					romeo.Send(`<message to='juliet@capulet.lit/balcony' type='chat' id='1'>` + content + `</message>`)
					n, err := xmlstream.Parse(juliet.Skip()[0].AppendTo(nil), xmlstream.ClientSpace)
					if err != nil {
						t.Fatal(err)
					}
					want := slices.Clone(tc.left)
					if stored {
						want = append(want, "juliet@capulet.lit")
					}
					if by := signers(n); !slices.Equal(by, want) {
						t.Errorf("delivered with ids by %v, not %v", by, want)
					}
					if n.Child(sid, "origin-id").Attr("id") != "mine" {
						t.Error("the client's own id is gone")
					}
					for _, c := range []*xmpptest.Client{romeo, juliet} {
						for _, m := range ask(t, c, "").messages {
							if by := signers(m); slices.Contains(by, c.Session().JID().Bare().String()) {
								t.Errorf("archived with ids by %v", by)
							}
						}
					}
				})
			})
		}
	}
}

// signers are who gave a message its ids.
func signers(n *xmlstream.Node) (by []string) {
	for _, k := range n.Kids {
		if k.Is(sid, "stanza-id") {
			by = append(by, k.Attr("by"))
		}
	}
	return by
}

// Nobody but the recipient's server says that it has kept a message back: XEP-0203
// section 5.
func TestForgedStamps(t *testing.T) {
	for _, tc := range []struct {
		name, from string
		left       bool
	}{
		{"the server's", ` from='capulet.lit'`, false},
		{"the server's, otherwise spelt", ` from='CAPULET.lit'`, false},
		{"another server's", ` from='montague.lit'`, true},
		{"a room's", ` from='coven@chat.shakespeare.lit'`, true},
		{"the recipient's", ` from='juliet@capulet.lit'`, true},
		{"nobody's", ``, true},
		{"no address", ` from='@'`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
				juliet := s.Login("juliet@capulet.lit/balcony")
				s.Peer("montague.lit").Send(`<message from='romeo@montague.lit' to='juliet@capulet.lit/balcony' type='chat'><body>x</body>
					<delay xmlns='urn:xmpp:delay' stamp='1999-12-24T00:00:00Z'` + tc.from + `/></message>`)
				if got := juliet.Skip(); len(got) != 1 || got[0].Has("urn:xmpp:delay", "delay") != tc.left {
					t.Errorf("delivered is %s", got[0].AppendTo(nil))
				}
				if found := ask(t, juliet, "").messages; len(found) != 1 || (found[0].Child("urn:xmpp:delay", "delay") != nil) != tc.left {
					t.Errorf("archived is %v", found)
				}
			})
		})
	}
}

// An archive that is switched off cuts forged ids all the same, keeps nothing, and
// shows what it has.
func TestSwitchedOff(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
		romeo.Send(say("juliet@capulet.lit/balcony", "before"))
		s.Reload(map[string]string{"xmpp.archive/enabled": "false"})
		juliet.Skip()
		romeo.Send(`<message to='juliet@capulet.lit/balcony' type='chat' id='1'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='x'/><body>after</body></message>`)
		if got := juliet.Skip()[0]; got.Has(sid, "stanza-id") {
			t.Errorf("delivered is %s", got.AppendTo(nil))
		}
		ask(t, juliet, "").expect(t, "before", true)
		ask(t, romeo, "").expect(t, "before", true)
	})
}

// probe looks at what the steps after the archive see of a message.
type probe struct{ own, stanza string }

func (p *probe) Setup(h xmpp.Host) error {
	h.Hooks().Sent.Observe.Add("statistics", func(t *xmpp.Transit) {
		if t.Own != nil {
			p.own = string(t.Own.AppendTo(nil))
		}
		p.stanza = string(t.Stanza.AppendTo(nil))
	})
	return nil
}

// The sender's other clients learn the id of the sender's copy, the contact never:
// section 3.5.
func TestSendersID(t *testing.T) {
	p := new(probe)
	o := capulet()
	o.Extensions = append(xmpp.All(), xmpp.Info{Name: "statistics", New: func() xmpp.Module { return p }})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		romeo.Send(say("juliet@shakespeare.lit", "one"))
		id := ask(t, romeo, "").ids[0]
		if want := `<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@capulet.lit' id='` + id + `'/>`; !strings.Contains(p.own, want) {
			t.Errorf("romeo's other clients get %s", p.own)
		}
		if strings.Contains(p.stanza, "stanza-id") {
			t.Errorf("what goes on is %s", p.stanza)
		}
		s.Peer("shakespeare.lit").Expect(`<message type='chat' from='romeo@capulet.lit/orchard' to='juliet@shakespeare.lit'><body>one</body></message>`)
	})
}

// Ids are never the same, even of a thousand messages of one moment, and order
// stays the order of sending: section 3.1.
func TestOneMoment(t *testing.T) {
	xmpptest.Test(t, capulet("page", "500"), func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		var sent []string
		for i := range 200 {
			text := string(rune('a'+i%26)) + strings.Repeat("x", i)
			sent = append(sent, text)
			romeo.Send(say("juliet@shakespeare.lit", text))
		}
		var texts []string
		ids := map[string]bool{}
		for after := ""; ; {
			a := ask(t, romeo, set("<max>7</max>"+after))
			texts = append(texts, a.texts...)
			for i, id := range a.ids {
				if ids[id] || a.stamps[i] != "2000-01-01T00:00:00.000Z" {
					t.Fatalf("%s at %s", id, a.stamps[i])
				}
				ids[id] = true
			}
			if a.complete {
				break
			}
			after = "<after>" + a.last + "</after>"
		}
		if !slices.Equal(texts, sent) {
			t.Errorf("found %d messages of %d, or in another order", len(texts), len(sent))
		}
	})
}

// The archive outlives the program.
func TestRestart(t *testing.T) {
	o := capulet()
	o.Data = t.TempDir()
	var before answer
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		romeo.Send(say("juliet@shakespeare.lit", "one"))
		romeo.Send(say("juliet@shakespeare.lit", "two"))
		before = ask(t, romeo, "")
	})
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		romeo.Send(say("juliet@shakespeare.lit", "three"))
		after := ask(t, romeo, "")
		after.expect(t, "one two three", true)
		if !slices.Equal(after.ids[:2], before.ids) {
			t.Errorf("the ids %v were %v", after.ids, before.ids)
		}
	})
}

// An archive goes with its account; the others' stay. Who registers the name again
// finds nothing.
func TestDeletedAccount(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
		juliet.Ask(`<iq type='set' id='1'><prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>nurse@capulet.lit</jid></never></prefs></iq>`,
			`<iq type='result' id='1'><prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never><jid>nurse@capulet.lit</jid></never></prefs></iq>`)
		romeo.Send(say("juliet@capulet.lit/balcony", "one"))
		id := ask(t, juliet, "").ids[0]
		if err := s.Accounts().Delete(t.Context(), jid.MustParse("juliet@capulet.lit")); err != nil {
			t.Fatal(err)
		}
		juliet = s.Login("juliet@capulet.lit/balcony")
		ask(t, juliet, "").expect(t, "", true)
		ask(t, juliet, with("with", "romeo@capulet.lit")).expect(t, "", true)
		if a := ask(t, juliet, with("ids", id)); a.failure != "cancel item-not-found" {
			t.Errorf("the old one's message: %+v", a)
		}
		juliet.Ask(`<iq type='get' id='2'><prefs xmlns='urn:xmpp:mam:2'/></iq>`,
			`<iq type='result' id='2'><prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs></iq>`)
		ask(t, romeo, "").expect(t, "one", true)
	})
}

// What is too old goes, within a day, and only that: section 3.2.
func TestExpiry(t *testing.T) {
	xmpptest.Test(t, capulet("keep", "72h"), func(t *testing.T, s *xmpptest.Server) {
		romeo, juliet := s.Login("romeo@capulet.lit/orchard"), s.Login("juliet@capulet.lit/balcony")
		for _, text := range []string{"one", "two", "three", "four"} {
			romeo.Send(say("juliet@capulet.lit/balcony", text))
			time.Sleep(24 * time.Hour)
		}
		juliet.Send(say("nurse@shakespeare.lit", "new"))
		all := ask(t, romeo, "")
		time.Sleep(24 * time.Hour)
		for _, c := range []*xmpptest.Client{romeo, juliet} {
			left := ask(t, c, "").said()
			if !strings.Contains(left, "three four") || strings.Contains(left, "one") {
				t.Errorf("%s finds %s", c.Session().JID(), left)
			}
			if by := ask(t, c, with("with", "nobody@shakespeare.lit")).said(); by != "" {
				t.Errorf("the index finds %s", by)
			}
		}
		if a := ask(t, romeo, set("<after>"+all.ids[0]+"</after>")); a.failure != "cancel item-not-found" {
			t.Errorf("after what is gone: %+v", a)
		}
		left := ask(t, romeo, "")
		s.Reload(map[string]string{"xmpp.archive/keep": "0"}) // for ever, from now on
		time.Sleep(1000 * 24 * time.Hour)
		ask(t, romeo, "").expect(t, left.said(), true)
		s.Reload(map[string]string{"xmpp.archive/keep": "36500d"}) // longer than there has been time
		time.Sleep(48 * time.Hour)
		ask(t, romeo, "").expect(t, left.said(), true)
		s.Reload(map[string]string{"xmpp.archive/keep": "1h"})
		time.Sleep(time.Hour)
		ask(t, romeo, "").expect(t, "", true)
		ask(t, romeo, with("with", "juliet@capulet.lit")).expect(t, "", true)
	})
}

// What was archived in 1970 is younger than it seems: it stays, and is found.
func TestArchivedIn1970(t *testing.T) {
	xmpptest.Test(t, capulet("keep", "72h"), func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		for _, tab := range s.Store().Options().Tables {
			if tab.Name != "archive" {
				continue
			}
			var b store.Batch
			key := table.AppendUint64(table.AppendUint64(romeo.Session().Account().ID().Row(), 7_000_000), 1)
			b.Put(tab, key, append(table.AppendString(nil, "juliet@shakespeare.lit"), "<message xmlns='jabber:client'><body>first</body></message>"...))
			if err := s.Store().Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		romeo.Send(say("juliet@shakespeare.lit", "later"))
		ask(t, romeo, "").expect(t, "first later", true)
		time.Sleep(5 * 24 * time.Hour)
		ask(t, romeo, "").expect(t, "first", true)
		ask(t, romeo, with("with", "juliet@shakespeare.lit")).expect(t, "first", true)
	})
}

// While the clock is not set nothing expires, whatever it shows, and stamps say so.
func TestUnsetClock(t *testing.T) {
	o := capulet("keep", "1h")
	o.Built = time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		romeo := s.Login("romeo@capulet.lit/orchard")
		romeo.Send(say("juliet@shakespeare.lit", "one"))
		time.Sleep(47 * time.Hour)
		ask(t, romeo, "").expect(t, "one", true)
		romeo.Skip()
		romeo.Send(`<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>`)
		romeo.Expect(`<message from='romeo@capulet.lit'><result xmlns='urn:xmpp:mam:2' id='*'><forwarded xmlns='urn:xmpp:forward:0'>
			<delay xmlns='urn:xmpp:delay' stamp='*'>clock not set</delay>
			<message xmlns='jabber:client' type='chat' id='one' from='romeo@capulet.lit/orchard' to='juliet@shakespeare.lit'><body>one</body></message></forwarded></result></message>`)
		time.Sleep(48 * time.Hour)
		ask(t, romeo, "").expect(t, "", true)
	})
}
