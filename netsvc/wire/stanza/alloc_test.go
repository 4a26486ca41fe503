package stanza

import (
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// TestAllocations holds what a stanza on its way may cost (2026-11). Raising a number needs a
// reason.
func TestAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	var jids jid.Cache
	from, to := jid.MustParse("juliet@example.com/balcony"), jid.MustParse("romeo@example.net/orchard")
	sc, buf := scan(t, openClient, usualChat)
	s, _ := read(t, openClient, usualChat)
	dst := make([]byte, 0, 1024)
	stamp := []byte("<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.com' id='1'/>")
	tests := []struct {
		name string
		most float64
		run  func()
	}{
		{"read", 2, func() { // the struct, its bytes
			if s, bad, err := Read(sc.Element(), &jids, from); s == nil || bad != nil || err != nil {
				t.Fatal(bad, err)
			}
		}},
		{"scan and read", 2, func() {
			if ev, _, err := sc.Scan(buf); ev != xmlstream.EventElement {
				t.Fatal(err)
			}
			Read(sc.Element(), &jids, from)
		}},
		{"deliver", 0, func() { s.AppendTo(dst); s.AppendForwarded(dst); s.Segments(); s.Size() }},
		{"look", 0, func() {
			s.Has("urn:xmpp:receipts", "request")
			s.Raw("u", "v")
			s.Each(func(_, _ string, raw []byte) bool { return len(raw) > 0 })
		}},
		{"stamp", 2, func() { s.Append(stamp) }}, // the struct, and a table for the fifth child
		{"strip", 1, func() { s.Without(func(space, _ string, _ []byte) bool { return space == "urn:xmpp:sid:0" }) }},
		{"strip nothing", 0, func() { s.Without(func(space, _ string, _ []byte) bool { return space == "u" }) }},
		{"redirect", 2, func() { s.Redirect(to) }}, // the struct, its start tag
	}
	for _, test := range tests {
		if got := testing.AllocsPerRun(100, test.run); got > test.most {
			t.Errorf("%s: %v allocations, at most %v", test.name, got, test.most)
		}
	}
}
