package abuse

import (
	"fmt"
	"strings"
	"testing"
)

// A roster of as many contacts as there may be, with names and groups: it is taken,
// given back whole, outlives the session, and has no room for one more. Others go on
// while it is made.
func TestRosterOfTenThousand(t *testing.T) {
	const count = 10_000
	n := start(t, "c2s.rate=0", fmt.Sprint("xmpp.roster.contacts=", count))
	n.accounts("romeo")
	romeo := n.login("romeo/orchard")
	set := func(id string, i int) string {
		return fmt.Sprintf("<iq type='set' id='%s'><query xmlns='jabber:iq:roster'><item jid='contact%d@example.net' name='Contact %d'><group>All</group></item></query></iq>", id, i, i)
	}
	for from := 0; from < count; from += 500 {
		var b strings.Builder
		for i := range 499 {
			b.WriteString(set("s", from+i))
		}
		romeo.send("%s", b.String()+set("last", from+499))
		if got := strings.Count(romeo.upTo("id='last'")+romeo.upTo("/>"), "type='result'/>"); got != 500 {
			t.Fatalf("%d results, not 500", got)
		}
		n.fine()
	}
	refused := stanzaError("iq", "more", "resource-constraint")
	n.counts(1, func() {
		romeo.send("%s", set("more", count))
		romeo.expect("%s", refused)
	}, "rosterFull")

	for _, resource := range []string{"orchard", "street"} {
		p := n.login("romeo/" + resource)
		if resource == "street" {
			p.manage()
		}
		p.available()
		p.send("<iq type='get' id='get'><query xmlns='jabber:iq:roster'/></iq>")
		got := p.upTo("</iq>")
		if items := strings.Count(got, "<item "); items != count {
			t.Errorf("%d contacts, not %d", items, count)
		}
		n.fine()
		p.send(closing)
		p.expect("(?:<r [^>]*/>)?" + closing)
		p.end()
	}
}
