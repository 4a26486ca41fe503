package xmlstream

import (
	"slices"
	"testing"
)

// FuzzScanner is one-sided: what ours accepts, encoding/xml reads to the same tokens. What ours
// must refuse beyond that is in TestRefused.
func FuzzScanner(f *testing.F) {
	for _, in := range vectors(f) {
		f.Add([]byte(in))
	}
	for _, test := range accepted {
		f.Add([]byte(test.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, whole := range []string{string(in), stream(string(in))} {
			if err := sameTokens(whole[:acceptedTo(whole)]); err != nil {
				t.Error(err)
			}
		}
	})
}

// acceptedTo tells how many bytes of in are whole items.
func acceptedTo(in string) (n int) {
	var s Scanner
	for {
		ev, size, err := s.Scan([]byte(in[n:]))
		if err != nil || ev == EventMore {
			return n
		}
		n += size
	}
}

// FuzzParse: a tree written out and read again is the same tree; and nothing that is no XML makes
// the readers of trusted bytes fall over.
func FuzzParse(f *testing.F) {
	for _, test := range accepted {
		f.Add([]byte(test.in))
	}
	for _, test := range refused {
		f.Add([]byte(test.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		Tree(in, ClientSpace)
		Each(in, ClientSpace, func(_, _ string, raw []byte) bool { return len(raw) > 0 })
		n, err := Parse(in, ClientSpace)
		if err != nil {
			return
		}
		w := NewWriter(ClientSpace)
		writeNode(w, n)
		again, err := Parse(w.Bytes(), ClientSpace)
		if err != nil {
			t.Fatalf("%q, written as %q: %v", in, w.Bytes(), err)
		}
		if a, b := appendTokens(nil, n), appendTokens(nil, again); !slices.Equal(a, b) {
			t.Errorf("%q\nis       %q\nand then %q", in, a, b)
		}
		count := 0
		Each(in, ClientSpace, func(space, local string, raw []byte) bool {
			count++
			if space != n.Name.Space || local != n.Name.Local || len(raw) != len(in) {
				t.Errorf("%q: Each finds {%s}%s %q", in, space, local, raw)
			}
			return true
		})
		if count != 1 {
			t.Errorf("%q: Each finds %d elements", in, count)
		}
	})
}

// writeNode writes a tree, each namespace where it is. Text goes before the children.
func writeNode(w *Writer, n *Node) {
	w.Start("", n.Name.Local).Attr("xmlns", n.Name.Space)
	for i, a := range n.Attrs {
		name := a.Local
		switch a.Space {
		case "":
		case xmlSpace:
			name = "xml:" + a.Local
		default:
			prefix := "p" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			w.Attr("xmlns:"+prefix, a.Space)
			name = prefix + ":" + a.Local
		}
		w.Attr(name, a.Value)
	}
	w.Text(n.Text)
	for _, kid := range n.Kids {
		writeNode(w, kid)
	}
	w.End()
}
