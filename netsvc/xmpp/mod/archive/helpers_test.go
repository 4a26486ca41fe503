package archive_test

import (
	"strings"
	"testing"

	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/archive"
)

const (
	mam   = "urn:xmpp:mam:2"
	sid   = "urn:xmpp:sid:0"
	space = "http://jabber.org/protocol/rsm"
)

// capulet is the server of these tests; values are options in pairs.
func capulet(values ...string) xmpptest.Options {
	o := xmpptest.Options{Hosts: []string{"capulet.lit"}, Values: map[string]string{}}
	for i := 0; i < len(values); i += 2 {
		o.Values["xmpp.archive/"+values[i]] = values[i+1]
	}
	return o
}

// say is a chat message whose text is its id, too.
func say(to, text string) string {
	return `<message type='chat' id='` + text + `' to='` + to + `'><body>` + text + `</body></message>`
}

// with is a form with fields in pairs: name and value.
func with(fields ...string) string {
	b := `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>` + mam + `</value></field>`
	for i := 0; i < len(fields); i += 2 {
		b += `<field var='` + fields[i] + `'>`
		for v := range strings.FieldsSeq(fields[i+1]) {
			b += `<value>` + v + `</value>`
		}
		b += `</field>`
	}
	return b + `</x>`
}

// set asks for a page.
func set(content string) string { return `<set xmlns='` + space + `'>` + content + `</set>` }

// answer is what a query brought.
type answer struct {
	texts, ids, stamps []string
	messages           []*xmlstream.Node // as they were archived
	first, last, count string
	complete           bool
	failure            string // type and condition
}

// ask sends a query and takes everything up to its result.
func ask(t *testing.T, c *xmpptest.Client, query string) (a answer) {
	t.Helper()
	c.Skip()
	c.Send(`<iq type='set' id='query'><query xmlns='` + mam + `' queryid='f27'>` + query + `</query></iq>`)
	got := c.Skip()
	for i, s := range got {
		n, err := xmlstream.Parse(s.AppendTo(nil), xmlstream.ClientSpace)
		if err != nil {
			t.Fatal(err)
		}
		if i == len(got)-1 {
			if n.Name.Local != "iq" || n.Attr("id") != "query" {
				t.Fatalf("the last is %s", s.AppendTo(nil))
			}
			a.finish(n)
			return a
		}
		result := n.Child(mam, "result")
		if result.Attr("queryid") != "f27" || n.Attr("to") != c.Session().JID().String() || n.Attr("from") != c.Session().JID().Bare().String() {
			t.Fatalf("no result of this query: %s", s.AppendTo(nil))
		}
		forwarded := result.Child("urn:xmpp:forward:0", "forwarded")
		message := forwarded.Child(xmlstream.ClientSpace, "message")
		a.ids = append(a.ids, result.Attr("id"))
		a.stamps = append(a.stamps, forwarded.Child("urn:xmpp:delay", "delay").Attr("stamp"))
		a.texts = append(a.texts, message.ChildText(xmlstream.ClientSpace, "body"))
		a.messages = append(a.messages, message)
	}
	t.Fatal("no answer")
	return a
}

func (a *answer) finish(iq *xmlstream.Node) {
	if e := iq.Child(xmlstream.ClientSpace, "error"); e != nil {
		a.failure = e.Attr("type") + " " + e.First().Name.Local
		return
	}
	fin := iq.Child(mam, "fin")
	page := fin.Child(space, "set")
	a.complete = fin.Attr("complete") == "true"
	a.first, a.last, a.count = page.ChildText(space, "first"), page.ChildText(space, "last"), page.ChildText(space, "count")
}

// said joins the texts of the messages found.
func (a answer) said() string { return strings.Join(a.texts, " ") }

// expect compares the texts, and whether more are to be had.
func (a answer) expect(t *testing.T, texts string, complete bool) {
	t.Helper()
	if a.failure != "" || a.said() != texts || a.complete != complete {
		t.Errorf("found %q (complete: %v, %s), not %q (complete: %v)", a.said(), a.complete, a.failure, texts, complete)
	}
}
