package xmlstream

import "testing"

// TestNoAllocations: in a steady state a stanza costs the scanner none, in one piece or in two.
func TestNoAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	for _, st := range benchStanzas {
		var s Scanner
		if ev, _, err := s.Scan([]byte(openClient)); ev != EventHeader {
			t.Fatal(err)
		}
		buf := []byte(st.text)
		got := testing.AllocsPerRun(100, func() {
			s.Scan(buf[:len(buf)/2])
			if ev, _, err := s.Scan(buf); ev != EventElement {
				t.Fatal(err)
			}
			if !s.Element().Is(ClientSpace, string(s.Element().Local())) {
				t.Fatal("another element")
			}
		})
		if got > 0 {
			t.Errorf("%s: %v allocations", st.name, got)
		}
	}
}

// TestTreeAllocations: nodes, attributes, declarations, and a table of children for each of two
// nodes that have some (2026-11).
func TestTreeAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	in := []byte("<query xmlns='jabber:iq:roster' ver='1'><item jid='a@b' name='c'><group>d</group></item></query>")
	if got := testing.AllocsPerRun(100, func() { Tree(in, ClientSpace) }); got > 5 {
		t.Errorf("%v allocations", got)
	}
}

// TestAppendAllocations: escaping costs none where there is room.
func TestAppendAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	dst := make([]byte, 0, 256)
	if got := testing.AllocsPerRun(100, func() { AppendAttr(AppendText(dst, "a<b> & \u00E9"), "c'd\x00") }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
