package server

import (
	"strings"
	"testing"

	_ "linnet/netsvc/xmpp/mod/offline"
)

// The rows of RFC 6121 section 8.5: what becomes of a message, by its type, its
// address and the resources that are there. "a" and "b" are available with
// priorities 5 and 0, "n" with -1, "c" is connected without presence.
func TestMessageDelivery(t *testing.T) {
	for _, row := range []struct {
		name   string
		there  string // resources
		to     string // resource, "" for the bare JID
		kind   string
		takes  string // resources that get it
		bounce string // or the condition that comes back
		stored bool
	}{
		{name: "8.5.2.1.1 normal, several", there: "ab", kind: "normal", takes: "ab"},
		{name: "8.5.2.1.1 chat, several", there: "abc", kind: "chat", takes: "ab"},
		{name: "8.5.2.1.1 chat, one negative", there: "an", kind: "chat", takes: "a"},
		{name: "8.5.2.1.1 headline", there: "ab", kind: "headline", takes: "ab"},
		{name: "8.5.2.1.1 groupchat", there: "ab", kind: "groupchat", bounce: "service-unavailable"},
		{name: "8.5.2.1.1 error", there: "ab", kind: "error"},
		{name: "8.5.2.2.1 chat, nobody", kind: "chat", stored: true},
		{name: "8.5.2.2.1 normal, nobody", kind: "normal", stored: true},
		{name: "8.5.2.2.1 chat, negative only", there: "n", kind: "chat", stored: true},
		{name: "8.5.2.2.1 chat, connected only", there: "c", kind: "chat", stored: true},
		{name: "8.5.2.2.1 groupchat, nobody", kind: "groupchat", bounce: "service-unavailable"},
		{name: "8.5.2.2.1 headline, nobody", kind: "headline"},
		{name: "8.5.2.2.1 error, nobody", kind: "error"},
		{name: "8.5.3.1 full, chat", there: "ab", to: "b", kind: "chat", takes: "b"},
		{name: "8.5.3.1 full, negative", there: "an", to: "n", kind: "chat", takes: "n"},
		{name: "8.5.3.1 full, without presence", there: "ac", to: "c", kind: "chat", takes: "c"},
		{name: "8.5.3.1 full, groupchat", there: "ab", to: "a", kind: "groupchat", takes: "a"},
		{name: "8.5.3.1 full, headline", there: "ab", to: "a", kind: "headline", takes: "a"},
		{name: "8.5.3.1 full, error", there: "ab", to: "a", kind: "error", takes: "a"},
		{name: "8.5.3.2.1 full, gone, chat", there: "ab", to: "z", kind: "chat", takes: "ab"},
		{name: "8.5.3.2.1 full, gone, nobody else", to: "z", kind: "chat", stored: true},
		{name: "8.5.3.1 full, normal", there: "ab", to: "b", kind: "normal", takes: "b"},
		{name: "8.5.3.2.1 full, gone, normal", there: "a", to: "z", kind: "normal", bounce: "service-unavailable"},
		{name: "8.5.3.2.1 full, gone, normal, nobody else", to: "z", kind: "normal", bounce: "service-unavailable"},
		{name: "8.5.3.2.1 full, gone, groupchat", there: "ab", to: "z", kind: "groupchat", bounce: "service-unavailable"},
		{name: "8.5.3.2.1 full, gone, headline", there: "ab", to: "z", kind: "headline"},
		{name: "8.5.3.2.1 full, gone, error", there: "ab", to: "z", kind: "error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			run(t, func(n *node) {
				romeo, juliet := n.user("romeo"), n.user("juliet")
				presence := map[rune]string{
					'a': "<presence><priority>5</priority></presence>",
					'b': "<presence/>",
					'n': "<presence><priority>-1</priority></presence>",
				}
				there := map[string]*client{}
				for _, r := range row.there {
					c := n.bind(juliet, string(r))
					if p := presence[r]; p != "" {
						c.send(p)
					}
					there[string(r)] = c
				}
				for _, c := range there {
					c.read()
				}
				sender := n.bind(romeo, "orchard")
				to := "juliet@montague.lit"
				if row.to != "" {
					to += "/" + row.to
				}
				sender.send("<message id='m1' type='" + row.kind + "' to='" + to + "'><body>hark</body></message>")
				if row.bounce == "" {
					sender.expect()
				} else {
					sender.expect("type='error'", "<"+row.bounce)
				}
				for r, c := range there {
					got := c.read()
					if strings.Contains(row.takes, r) != strings.Contains(got, "hark") {
						t.Errorf("resource %s got %q", r, got)
					}
					if strings.Count(got, "hark") > 1 {
						t.Errorf("resource %s got it twice", r)
					}
				}
				late := n.bind(juliet, "late")
				late.send("<presence/>")
				if got := late.read(); strings.Contains(got, "hark") != row.stored {
					t.Errorf("stored: got %q, want stored=%v", got, row.stored)
				} else if row.stored && !strings.Contains(got, "urn:xmpp:delay") {
					t.Errorf("no delay stamp: %q", got)
				}
			})
		})
	}
}

// Section 8.5.1: nobody of that name.
func TestNobody(t *testing.T) {
	run(t, func(n *node) {
		c := n.bind(n.user("romeo"), "orchard")
		c.send("<message id='1' type='chat' to='nobody@montague.lit'><body>x</body></message>")
		c.expect("id='1'", "<service-unavailable")
		c.send("<iq id='2' type='get' to='nobody@montague.lit'><ping xmlns='urn:xmpp:ping'/></iq>")
		c.expect("id='2'", "<service-unavailable")
		c.send("<presence to='nobody@montague.lit'/>")
		c.expect()
		c.send("<message id='3' type='chat' to='a@remote.example'><body>x</body></message>")
		c.expect("id='3'", "<remote-server-not-found")
		c.send("<message id='4' type='error' to='a@remote.example'><error type='cancel'/></message>")
		c.expect()
		c.send("<iq id='5' type='result' to='a@remote.example'/>")
		c.expect()
	})
}

// IQs reach a client by its full address, get exactly one answer, and the error of
// section 8.5.3.2.3 when it is not there.
func TestIQToClient(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.bind(n.user("romeo"), "orchard"), n.bind(n.user("juliet"), "balcony")
		romeo.send("<iq id='1' type='get' to='juliet@montague.lit/balcony'><query xmlns='jabber:iq:version'/></iq>")
		juliet.expect("<iq from='romeo@montague.lit/orchard'", "id='1'")
		juliet.send("<iq id='1' type='result' to='romeo@montague.lit/orchard'/>")
		romeo.expect("<iq", "type='result'")
		romeo.send("<iq id='2' type='get' to='juliet@montague.lit/chamber'><query xmlns='jabber:iq:version'/></iq>")
		romeo.expect("id='2'", "<service-unavailable")
		romeo.send("<iq id='3' type='get' to='montague.lit'><query xmlns='urn:example:unknown'/></iq>")
		romeo.expect("id='3'", "<service-unavailable")
		juliet.expect()
	})
}
