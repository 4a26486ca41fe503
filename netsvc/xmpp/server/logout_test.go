package server

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A session whose connection takes long to end does not speak for one that has said
// goodbye meanwhile: XEP-0012 2.0, section 3, the status of the last unavailable presence.
func TestTheLastGoodbyeIsKept(t *testing.T) {
	run(t, func(n *node) {
		juliet := n.user("juliet")
		attic, balcony := n.online(juliet, "attic"), n.online(juliet, "balcony")
		attic.stick()
		go attic.End("", "") // waits for its connection
		n.settle()
		balcony.send("<presence type='unavailable'><status>Heading home</status></presence>")
		balcony.End("", "")
		n.settle()
		attic.unstick()
		n.settle()
		if got, err := n.accounts.Activity(juliet.ID); err != nil || got.Status != "Heading home" {
			n.t.Errorf("%+v, %v", got, err)
		}
	})
}

// What is kept of a goodbye is the last one's, and no long speech.
func TestGoodbyes(t *testing.T) {
	run(t, func(n *node) {
		juliet := n.user("juliet")
		for _, row := range []struct{ last, want string }{
			{"<presence type='unavailable'><status>Heading home</status></presence>", "Heading home"},
			{"<presence type='unavailable'/>", ""},
			{"", ""},
			{"<presence type='unavailable'><status>x" + strings.Repeat("é", 4096) + "</status></presence>", "x" + strings.Repeat("é", 511)},
		} {
			attic, balcony := n.online(juliet, "attic"), n.online(juliet, "balcony")
			attic.send("<presence type='unavailable'><status>Up</status></presence>")
			attic.End("", "")
			n.settle()
			if row.last != "" {
				balcony.send(row.last)
			}
			balcony.End("", "")
			n.settle()
			if got, err := n.accounts.Activity(juliet.ID); err != nil || got.Status != row.want || !utf8.ValidString(got.Status) {
				n.t.Errorf("after %.40q there is %.40q, %v", row.last, got.Status, err)
			}
		}
	})
}
