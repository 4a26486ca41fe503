package archive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/xmpptest"
)

// play is a conversation with three contacts: the texts of what juliet got or sent, a
// second and a half between two of them, the first at half past midnight.
var play = []struct{ text, contact string }{
	{"a", "romeo@montague.lit/orchard"}, {"b", "nurse@capulet.lit/x"}, {"c", "romeo@montague.lit/street"},
	{"d", "romeo@montague.lit/orchard"}, {"e", "montague.lit"}, {"f", "nurse@capulet.lit/x"},
}

// enact has juliet speak the play: what is from romeo she gets, to all others she
// sends. It returns her and the ids, by text.
func enact(t *testing.T, s *xmpptest.Server) (juliet *xmpptest.Client, ids map[string]string) {
	t.Helper()
	time.Sleep(30 * time.Minute)
	juliet = s.Login("juliet@capulet.lit/balcony")
	for _, m := range play {
		if strings.HasSuffix(m.contact, "montague.lit/orchard") {
			s.Peer("montague.lit").Send(`<message from='` + m.contact + `' to='juliet@capulet.lit' type='chat'><body>` + m.text + `</body></message>`)
		} else {
			juliet.Send(say(m.contact, m.text))
		}
		time.Sleep(1500 * time.Millisecond)
	}
	ids = map[string]string{}
	all := ask(t, juliet, "")
	all.expect(t, "a b c d e f", true)
	for i, text := range all.texts {
		ids[text] = all.ids[i]
	}
	return juliet, ids
}

// named puts the ids in the places of $ and a text.
func named(query string, ids map[string]string) string {
	for text, id := range ids {
		query = strings.ReplaceAll(query, "$"+text, id)
	}
	return query
}

// Sections 4.1 and 4.3 of XEP-0313, and all of XEP-0059 that they use.
func TestQueries(t *testing.T) {
	const flip = `<flip-page/>`
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet, ids := enact(t, s)
		for _, tc := range []struct {
			name, query string
			found       string
			more        bool
		}{
			// Section 4.1.1.
			{"a contact", with("with", "romeo@montague.lit"), "a c d", false},
			{"a contact's one client", with("with", "romeo@montague.lit/orchard"), "a d", false},
			{"the other way", with("with", "romeo@montague.lit/street"), "c", false},
			{"a contact spelt otherwise", with("with", "Romeo@MONTAGUE.lit"), "a c d", false},
			{"a host", with("with", "montague.lit"), "e", false},
			{"a client that has nothing", with("with", "romeo@montague.lit/elsewhere"), "", false},
			{"a stranger", with("with", "tybalt@capulet.lit"), "", false},
			{"a name that begins like another's", with("with", "rome@montague.lit"), "", false},
			{"oneself", with("with", "juliet@capulet.lit"), "", false},

			// Section 4.1.2; the first is at 00:30:00, the last at 00:30:07.5.
			{"from a moment", with("start", "2000-01-01T00:30:03Z"), "c d e f", false},
			{"after a moment", with("start", "2000-01-01T00:30:03.001Z"), "d e f", false},
			{"until a moment", with("end", "2000-01-01T00:30:03Z"), "a b c", false},
			{"before a moment", with("end", "2000-01-01T00:30:02.999Z"), "a b", false},
			{"between two", with("start", "2000-01-01T00:30:01Z", "end", "2000-01-01T00:30:05Z"), "b c d", false},
			{"one moment", with("start", "2000-01-01T00:30:01.5Z", "end", "2000-01-01T00:30:01.5Z"), "b", false},
			{"the wrong way round", with("start", "2000-01-01T00:30:05Z", "end", "2000-01-01T00:30:01Z"), "", false},
			{"another zone", with("start", "2000-01-01T02:30:03+02:00"), "c d e f", false},
			{"long ago", with("end", "1066-10-14T09:00:00Z"), "", false},
			{"since long ago", with("start", "1066-10-14T09:00:00Z"), "a b c d e f", false},
			{"in the far future", with("start", "9999-12-31T23:59:59Z"), "", false},
			{"a contact's time", with("start", "2000-01-01T00:30:01Z", "with", "romeo@montague.lit"), "c d", false},

			// Section 4.1.3.
			{"after an id", with("after-id", "$c"), "d e f", false},
			{"before an id", with("before-id", "$c"), "a b", false},
			{"between ids", with("after-id", "$a", "before-id", "$e"), "b c d", false},
			{"between neighbours", with("after-id", "$a", "before-id", "$b"), "", false},
			{"between the same", with("after-id", "$a", "before-id", "$a"), "", false},
			{"after the last", with("after-id", "$f"), "", false},
			{"before the first", with("before-id", "$a"), "", false},
			{"a contact's, after another's", with("after-id", "$b", "with", "romeo@montague.lit"), "c d", false},
			{"by id and time", with("after-id", "$a", "end", "2000-01-01T00:30:03Z"), "b c", false},
			{"one", with("ids", "$c"), "c", false},
			{"some, in the archive's order", with("ids", "$e $a $c"), "a c e", false},
			{"one twice", with("ids", "$c $c"), "c", false},
			{"some of a contact", with("ids", "$a $b $c", "with", "romeo@montague.lit"), "a c", false},
			{"some of a client", with("ids", "$a $b $c", "with", "romeo@montague.lit/orchard"), "a", false},
			{"some of a time", with("ids", "$a $b $f", "start", "2000-01-01T00:30:01Z"), "b f", false},
			{"some of them, a page", with("ids", "$e $a $c") + set("<max>2</max>"), "a c", true},
			{"some of them, the next page", with("ids", "$e $a $c") + set("<max>2</max><after>$c</after>"), "e", false},
			{"some of them, the last page", with("ids", "$e $a $c") + set("<max>2</max><before/>"), "c e", true},
			{"some of them, flipped", with("ids", "$e $a $c") + flip, "e c a", false},
			{"no ids", with("ids", ""), "a b c d e f", false},

			// Section 4.3.1 to 4.3.3.
			{"a page", set("<max>2</max>"), "a b", true},
			{"the next page", set("<max>2</max><after>$b</after>"), "c d", true},
			{"the last page, from the front", set("<max>2</max><after>$d</after>"), "e f", false},
			{"after the end", set("<max>2</max><after>$f</after>"), "", false},
			{"an empty after", set("<max>2</max><after/>"), "a b", true},
			{"all at once", set("<max>6</max>"), "a b c d e f", false},
			{"all but one", set("<max>5</max>"), "a b c d e", true},
			{"more than there is", set("<max>2147483647</max>"), "a b c d e f", false},
			{"no limit", set(""), "a b c d e f", false},
			{"the last page", set("<max>2</max><before/>"), "e f", true},
			{"the page before", set("<max>2</max><before>$e</before>"), "c d", true},
			{"the first page, from the end", set("<max>2</max><before>$c</before>"), "a b", false},
			{"before the beginning", set("<max>2</max><before>$a</before>"), "", false},
			{"a contact's page", with("with", "romeo@montague.lit") + set("<max>2</max>"), "a c", true},
			{"a contact's last page", with("with", "romeo@montague.lit") + set("<max>2</max><before/>"), "c d", true},
			{"a client's page", with("with", "romeo@montague.lit/orchard") + set("<max>1</max>"), "a", true},
			{"a client's last page", with("with", "romeo@montague.lit/orchard") + set("<max>2</max><before/>"), "a d", false},
			{"a page within ids", with("after-id", "$a", "before-id", "$e") + set("<max>2</max>"), "b c", true},
			{"a last page within ids", with("after-id", "$a", "before-id", "$e") + set("<max>2</max><before/>"), "c d", true},
			{"a page after, within ids", with("before-id", "$e") + set("<max>2</max><after>$b</after>"), "c d", false},
			{"a page before the range", with("after-id", "$c") + set("<max>2</max><before>$b</before>"), "", false},

			// Section 4.3.4: flipping changes the order of a page, not what is on it.
			{"all flipped", flip, "f e d c b a", false},
			{"a page flipped", set("<max>2</max>") + flip, "b a", true},
			{"the next page flipped", set("<max>2</max><after>$b</after>") + flip, "d c", true},
			{"the last page flipped", set("<max>2</max><before/>") + flip, "f e", true},
			{"the page before flipped", set("<max>2</max><before>$e</before>") + flip, "d c", true},
			{"a contact's page flipped", with("with", "romeo@montague.lit") + set("<max>2</max>") + flip, "c a", true},
			{"an element of another namespace", `<flip-page xmlns='urn:example'/>`, "a b c d e f", false},

			{"an empty form", with(), "a b c d e f", false},
		} {
			a := ask(t, juliet, named(tc.query, ids))
			if a.failure != "" || a.said() != tc.found || a.complete == tc.more {
				t.Errorf("%s: found %q (complete: %v, %s), not %q", tc.name, a.said(), a.complete, a.failure, tc.found)
			}
			first, last := "", ""
			if len(a.texts) > 0 { // in the archive's order, flipped or not
				first, last = ids[slices.Min(a.texts)], ids[slices.Max(a.texts)]
			}
			if a.first != first || a.last != last || a.count != "" {
				t.Errorf("%s: the page goes from %s to %s (count %q), not from %s to %s", tc.name, a.first, a.last, a.count, first, last)
			}
			//, tc.query, tc.found, tc.more)
		}
	})
}

// Section 2.7 of XEP-0059: nothing but the count, which is the whole set's.
func TestCounts(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet, ids := enact(t, s)
		for _, tc := range []struct{ name, query, count string }{
			{"all", "", "6"},
			{"a contact's", with("with", "romeo@montague.lit"), "3"},
			{"a client's", with("with", "romeo@montague.lit/orchard"), "2"},
			{"a time's", with("start", "2000-01-01T00:30:03Z"), "4"},
			{"after an id", with("after-id", "$c"), "3"},
			{"some", with("ids", "$a $f"), "2"},
			{"none", with("with", "tybalt@capulet.lit"), "0"},
		} {
			for _, place := range []string{"", "<before/>", "<after>$b</after>", "<before>$b</before>"} {
				a := ask(t, juliet, named(tc.query+set("<max>0</max>"+place), ids))
				if a.failure != "" || len(a.ids) > 0 || a.count != tc.count || a.first != "" || a.complete {
					t.Errorf("%s, %s: %+v", tc.name, place, a)
				}
			}
		}
		if a := ask(t, juliet, set("<max>0</max><after>AAAAAAAAAAAAAAAAAAAAAA</after>")); a.failure != "cancel item-not-found" {
			t.Errorf("after what is not there: %+v", a)
		}
	})
}

func TestEmptyArchive(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		for _, query := range []string{"", set("<before/>"), with("with", "romeo@montague.lit"), `<flip-page/>`} {
			ask(t, juliet, query).expect(t, "", true)
		}
		if a := ask(t, juliet, set("<max>0</max>")); a.count != "0" {
			t.Errorf("%+v", a)
		}
	})
}

// A page has as many messages as the server permits, whatever is asked, and not more
// bytes than a client's outbox may hold; one message it has in any case.
func TestPageLimits(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet, ids := enact(t, s)
		s.Reload(map[string]string{"xmpp.archive/page": "3"})
		ask(t, juliet, "").expect(t, "a b c", false)
		ask(t, juliet, set("<max>4</max>")).expect(t, "a b c", false)
		ask(t, juliet, set("<max>3</max>")).expect(t, "a b c", false)
		ask(t, juliet, set("<max>2</max>")).expect(t, "a b", false)
		ask(t, juliet, named(set("<max>4</max><after>$c</after>"), ids)).expect(t, "d e f", true)
		ask(t, juliet, set("<before/>")).expect(t, "d e f", false)
	})
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		const kb = 1 << 10
		for i, size := range []int{1 * kb, 20 * kb, 20 * kb, 20 * kb, 60 * kb, 1 * kb} {
			juliet.Send(fmt.Sprintf(`<message to='romeo@montague.lit' id='%d' type='chat'><body>%s</body></message>`, i, strings.Repeat("x", size)))
		}
		for _, tc := range []struct{ name, place, pages string }{
			{"forward", "after", "0 1 2|3|4|5"},
			{"backward", "before", "5|4|2 3|0 1"},
		} {
			var pages []string
			for where := "<" + tc.place + "/>"; ; {
				a := ask(t, juliet, set(where))
				var page []string
				for _, m := range a.messages {
					page = append(page, m.Attr("id"))
				}
				pages = append(pages, strings.Join(page, " "))
				if a.complete || len(page) == 0 {
					break
				}
				where = "<after>" + a.last + "</after>"
				if tc.place == "before" {
					where = "<before>" + a.first + "</before>"
				}
			}
			if got := strings.Join(pages, "|"); got != tc.pages {
				t.Errorf("%s: the pages are %s, not %s", tc.name, got, tc.pages)
			}
		}
	})
}

// Whatever is wrong with a query has its condition.
func TestBadQueries(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet, ids := enact(t, s)
		const unknown = "AAAAAAAAAAAAAAAAAAAAAA" // it could be one of ours
		for _, tc := range []struct{ name, query, failure string }{
			{"after-id unknown", with("after-id", unknown), "cancel item-not-found"},
			{"before-id unknown", with("before-id", unknown), "cancel item-not-found"},
			{"ids unknown", with("ids", unknown), "cancel item-not-found"},
			{"ids partly unknown", with("ids", "$a "+unknown), "cancel item-not-found"},
			{"after unknown", set("<after>" + unknown + "</after>"), "cancel item-not-found"},
			{"before unknown", set("<before>" + unknown + "</before>"), "cancel item-not-found"},
			{"no id of ours", with("after-id", "28482-98726-73623"), "cancel item-not-found"},
			{"ids none of ours", with("ids", "28482-98726-73623"), "cancel item-not-found"},
			{"too long an id", set("<after>" + unknown + unknown + "</after>"), "cancel item-not-found"},

			{"a field nobody knows", with("{http://example.com/}free-text-search", "x"), "cancel feature-not-implemented"},
			{"include-groupchat", with("include-groupchat", "true"), "cancel feature-not-implemented"},
			{"an index", set("<max>2</max><index>1</index>"), "cancel feature-not-implemented"},

			{"no address", with("with", "@"), "modify jid-malformed"},
			{"an empty address", with("with", ""), "modify jid-malformed"},
			{"no date", with("start", "yesterday"), "modify bad-request"},
			{"an empty date", with("end", ""), "modify bad-request"},
			{"a day", with("end", "2010-07-07"), "modify bad-request"},
			{"another form", strings.Replace(with("with", "romeo@montague.lit"), "urn:xmpp:mam:2", "urn:xmpp:mam:1", 1), "modify bad-request"},
			{"a form without a name", `<x xmlns='jabber:x:data' type='submit'><field var='with'><value>romeo@montague.lit</value></field></x>`, "modify bad-request"},
			{"a form of no type", `<x xmlns='jabber:x:data' type='urgent'/>`, "modify bad-request"},
			{"no number", set("<max>ten</max>"), "modify bad-request"},
			{"less than none", set("<max>-1</max>"), "modify bad-request"},
			{"before and after", set("<before>$b</before><after>$a</after>"), "modify bad-request"},
		} {
			if a := ask(t, juliet, named(tc.query, ids)); a.failure != tc.failure || len(a.texts) > 0 {
				t.Errorf("%s: %q (found %q), not %q", tc.name, a.failure, a.said(), tc.failure)
			}
		}
	})
}

// Nobody reads another one's archive, or learns whether there is one: neither an
// account of this server nor somebody from elsewhere. An id of another archive is none.
func TestOthersArchives(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		_, ids := enact(t, s)
		tybalt, peer := s.Login("tybalt@capulet.lit/street"), s.Peer("montague.lit")
		peer.Skip()
		for _, payload := range []string{`<query xmlns='urn:xmpp:mam:2'/>`, `<metadata xmlns='urn:xmpp:mam:2'/>`, `<prefs xmlns='urn:xmpp:mam:2' default='never'/>`} {
			for _, kind := range []string{"get", "set"} {
				for _, who := range []string{"juliet@capulet.lit", "nobody@capulet.lit", "capulet.lit"} {
					refused := `<iq type='error' id='1' from='` + who + `'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
					tybalt.Ask(`<iq type='`+kind+`' id='1' to='`+who+`'>`+payload+`</iq>`, refused)
					peer.Send(`<iq type='` + kind + `' id='1' from='juliet@montague.lit/x' to='` + who + `'>` + payload + `</iq>`)
					peer.Expect(refused)
				}
			}
		}
		tybalt.Nothing()
		for _, query := range []string{with("ids", ids["a"]), with("after-id", ids["a"]), set("<before>" + ids["b"] + "</before>")} {
			if a := ask(t, tybalt, query); a.failure != "cancel item-not-found" {
				t.Errorf("with juliet's id: %+v", a)
			}
		}
	})
}

// Section 4.1.5.
func TestForm(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		s.Login("juliet@capulet.lit/balcony").Ask(`<iq type='get' id='form1'><query xmlns='urn:xmpp:mam:2'/></iq>`, `<iq type='result' id='form1'>
			<query xmlns='urn:xmpp:mam:2'>
			  <x xmlns='jabber:x:data' type='form'>
			    <field type='hidden' var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>
			    <field type='jid-single' var='with'/>
			    <field type='text-single' var='start'/>
			    <field type='text-single' var='end'/>
			    <field type='text-single' var='before-id'/>
			    <field type='text-single' var='after-id'/>
			    <field type='list-multi' var='ids'>
			      <validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate>
			    </field>
			  </x>
			</query></iq>`)
	})
}

// Section 5.
func TestMetadata(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		const get = `<iq type='get' id='jui8921rr9'><metadata xmlns='urn:xmpp:mam:2'/></iq>`
		nurse := s.Login("nurse@capulet.lit/x")
		nurse.Ask(get, `<iq type='result' id='jui8921rr9'><metadata xmlns='urn:xmpp:mam:2'/></iq>`)
		juliet, ids := enact(t, s)
		juliet.Ask(get, `<iq type='result' id='jui8921rr9'><metadata xmlns='urn:xmpp:mam:2'>
			<start id='`+ids["a"]+`' timestamp='2000-01-01T00:30:00.000Z'/><end id='`+ids["f"]+`' timestamp='2000-01-01T00:30:07.500Z'/></metadata></iq>`)
		nurse.Skip()
		nurse.Ask(get, `<iq type='result' id='jui8921rr9'><metadata xmlns='urn:xmpp:mam:2'>
			<start id='*' timestamp='2000-01-01T00:30:01.500Z'/><end id='*' timestamp='2000-01-01T00:30:07.500Z'/></metadata></iq>`)
		juliet.Ask(strings.Replace(get, "get", "set", 1), `<iq type='error' id='jui8921rr9'>
			<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	})
}

// A message has the time that is shown of it, with milliseconds.
func TestTimesAsShown(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.lit/balcony")
		time.Sleep(123456 * time.Microsecond)
		juliet.Send(say("romeo@montague.lit", "one"))
		stamp := ask(t, juliet, "").stamps[0]
		if stamp != "2000-01-01T00:00:00.123Z" {
			t.Fatalf("shown at %s", stamp)
		}
		ask(t, juliet, with("start", stamp, "end", stamp)).expect(t, "one", true)
		ask(t, juliet, with("end", "2000-01-01T00:00:00.122999Z")).expect(t, "", true)
		ask(t, juliet, with("start", "2000-01-01T00:00:00.123001Z")).expect(t, "", true)
	})
}

// Section 7, and section 4 of XEP-0059.
func TestFeatures(t *testing.T) {
	xmpptest.Test(t, capulet(), func(t *testing.T, s *xmpptest.Server) {
		for _, tc := range []struct {
			feature string
			scope   xmpp.Scope
		}{{"urn:xmpp:mam:2", xmpp.ToSelf}, {"urn:xmpp:mam:2#extended", xmpp.ToSelf},
			{"http://jabber.org/protocol/rsm", xmpp.ToSelf}, {"urn:xmpp:sid:0", xmpp.ToSelf | xmpp.ToHost}} {
			var shown xmpp.Scope
			for _, f := range s.Disco().Features {
				if f.Var == tc.feature {
					shown |= f.Scope
				}
			}
			if shown != tc.scope {
				t.Errorf("%s is shown at %b, not at %b", tc.feature, shown, tc.scope)
			}
		}
	})
}
