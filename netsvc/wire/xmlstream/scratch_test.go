package xmlstream

import "testing"

// Two scanners take turns with one Scratch, cut at every byte.
func TestScratchPassesBetweenScanners(t *testing.T) {
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x'>"
	const item = "<message to='a@b'><body>hello</body><x:y a='1' x:b='2'><x:z/></x:y></message>"
	for cut := range len(item) {
		var w Scratch
		var scanners [2]Scanner
		for i := range scanners {
			s := &scanners[i]
			s.Borrow(&w)
			if ev, _, err := s.Scan([]byte(header)); ev != EventHeader || err != nil {
				t.Fatal(ev, err)
			}
			s.Return(&w)
		}
		for i := range scanners {
			s := &scanners[i]
			s.Borrow(&w)
			if ev, _, err := s.Scan([]byte(item[:cut])); ev != EventMore || err != nil {
				t.Fatal(cut, ev, err)
			}
			s.Return(&w)
		}
		for i := range scanners {
			s := &scanners[i]
			s.Borrow(&w)
			ev, n, err := s.Scan([]byte(item))
			if ev != EventElement || n != len(item) || err != nil {
				t.Fatal(cut, ev, n, err)
			}
			if e := s.Element(); !e.Is("jabber:client", "message") || len(e.Kids()) != 2 || e.Attr("to") != "a@b" {
				t.Fatalf("cut %d, scanner %d: %s", cut, i, e.Raw())
			}
			s.Return(&w)
		}
	}
}
