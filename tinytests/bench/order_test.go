package main

import (
	"bytes"
	"strings"
	"testing"
)

// written returns the first n messages of a pair, as separate slices.
func written(pair, n int) [][]byte {
	f := newFrame(pair, "u1@bench.local")
	var all [][]byte
	for range n {
		all = append(all, bytes.Clone(f.next()))
	}
	return all
}

func TestFrame(t *testing.T) {
	last := string(written(12, 123)[122])
	want := "<message to='u1@bench.local' type='chat' id='b0000000123'><body>0012 0000000123 linnet linnet"
	if !strings.HasPrefix(last, want) {
		t.Errorf("message 123 is %s, want %s…", last, want)
	}
	if body := between([]byte(last), "<body>", "</body>"); len(body) != bodySize {
		t.Errorf("the body has %d bytes, want %d", len(body), bodySize)
	}
}

func TestOrder(t *testing.T) {
	m := written(3, 12)
	for _, test := range []struct {
		name     string
		received [][]byte
		want     string // in the last error; "" for none
	}{
		{name: "each once, in order", received: m},
		{name: "stamped by the server", received: [][]byte{bytes.Replace(m[0], []byte("</body>"), []byte("</body><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='a'/>"), 1)}},
		{name: "twice", received: [][]byte{m[0], m[1], m[1]}, want: "again"},
		{name: "swapped", received: [][]byte{m[0], m[2]}, want: "1 are missing"},
		{name: "late", received: [][]byte{m[0], m[1], m[2], m[1]}, want: "again, or late"},
		{name: "lost", received: [][]byte{m[0], m[4]}, want: "3 are missing"},
		{name: "of another pair", received: written(4, 1), want: "not its own"},
		{name: "changed", received: [][]byte{bytes.Replace(m[0], []byte("linnet"), []byte("Linnet"), 1)}, want: "changed"},
		{name: "longer", received: [][]byte{bytes.Replace(m[0], []byte("</body>"), []byte("!</body>"), 1)}, want: "changed"},
		{name: "cut", received: [][]byte{[]byte("<message><body>0003 0000000001</body></message>")}, want: "without the body"},
		{name: "an error", received: [][]byte{[]byte("<message type='error'><error/></message>")}, want: "without the body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := order{pair: 3}
			for i, stanza := range test.received {
				err := o.check(stanza)
				switch {
				case i < len(test.received)-1 || test.want == "":
					if err != nil {
						t.Fatalf("message %d: %v", i, err)
					}
				case err == nil || !strings.Contains(err.Error(), test.want):
					t.Errorf("the last message gave %v, want …%s…", err, test.want)
				}
			}
		})
	}
}
