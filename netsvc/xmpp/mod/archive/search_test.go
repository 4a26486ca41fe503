package archive

import (
	"testing"
	"time"

	"linnet/netsvc/wire/xmlstream"
)

func TestIDs(t *testing.T) {
	moment := time.Date(2026, 11, 22, 19, 0, 0, 123456000, time.UTC)
	n := idAt(uint64(moment.UnixMicro()))
	if got := n.time(); !got.Equal(moment) {
		t.Errorf("made at %v", got)
	}
	for i := range n[8:] {
		n[8+i] = 0xfe
	}
	got, err := parseID(n.String())
	if err != nil || got != n || string(n.append(nil)) != n.String() {
		t.Errorf("%s is read as %v, %v", n, got, err)
	}
	for _, tc := range []struct{ n, next id }{
		{id{}, id{15: 1}},
		{id{15: 0xff}, id{14: 1}},
		{id{7: 3, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}, id{7: 4}},
	} {
		if got := tc.n.next(); got != tc.next {
			t.Errorf("after %x comes %x", tc.n, got)
		}
	}
	for _, bad := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAA+",
		"AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAA\nA", "AAAAAAAAAAAAAAAAAAAAAA\n", "28482-98726-73623"} {
		if n, err := parseID(bad); err == nil {
			t.Errorf("%q is read as %x", bad, n)
		}
	}
}

// FuzzSearch: whatever a client asks for is refused, or is a search within the bounds.
func FuzzSearch(f *testing.F) {
	const x = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
	for _, seed := range []string{
		"<query xmlns='urn:xmpp:mam:2' queryid='f27'/>",
		"<query xmlns='urn:xmpp:mam:2'>" + x + "<field var='with'><value>romeo@montague.lit</value></field><field var='start'><value>2010-06-07T00:00:00Z</value></field><field var='end'><value>0000-01-01T00:00:00Z</value></field></x></query>",
		"<query xmlns='urn:xmpp:mam:2'>" + x + "<field var='ids'><value>AAAAAAAAAAAAAAAAAAAAAA</value><value>AAAAAAAAAAAAAAAAAAAAAQ</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set><flip-page/></query>",
		"<query xmlns='urn:xmpp:mam:2'>" + x + "<field var='after-id'><value>AAAAAAAAAAAAAAAAAAAAAA</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>0</max><after>AAAAAAAAAAAAAAAAAAAAAQ</after></set></query>",
		"<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@montague.lit</jid></always><never><jid>montague@montague.lit/x</jid></never></prefs>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := xmlstream.Parse(b, xmlstream.ClientSpace)
		if err != nil {
			return
		}
		if q, bad := parseSearch(n, 100); bad == nil {
			if q.limit < 0 || q.limit > 100 {
				t.Errorf("%d messages", q.limit)
			}
			for i, n := range q.ids {
				if len(n) != len(id{}) || i > 0 && (n > q.ids[i-1]) == q.back {
					t.Errorf("ids %x", q.ids)
				}
			}
		}
		if p, bad := parsePrefs(n); bad == nil { // what is kept is read again as it was
			again, err := xmlstream.Parse(p.element(""), xmlstream.ClientSpace)
			if err != nil {
				t.Fatal(err)
			}
			if q, bad := parsePrefs(again); bad != nil || string(q.element("")) != string(p.element("")) {
				t.Errorf("%s is read as %v, %v", p.element(""), q, bad)
			}
		}
	})
}
