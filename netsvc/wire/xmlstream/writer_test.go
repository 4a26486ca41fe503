package xmlstream

import "testing"

func TestWriter(t *testing.T) {
	tests := []struct {
		name  string
		space string
		write func(w *Writer)
		want  string
	}{
		{"nothing", "", func(w *Writer) {}, ""},
		{"empty element", "", func(w *Writer) { w.Start("", "a").End() }, "<a/>"},
		{"space inherited", ClientSpace, func(w *Writer) { w.Start("", "a").Start(ClientSpace, "b").End().End() }, "<a><b/></a>"},
		{"space that differs", ClientSpace, func(w *Writer) {
			w.Start("urn:x", "a").Start("urn:x", "b").Start("urn:y", "c").End().Start("", "d").End().End().End().Start("", "e").End()
		}, "<a xmlns='urn:x'><b><c xmlns='urn:y'/><d/></b></a><e/>"},
		{"attributes", "", func(w *Writer) { w.Start("", "a").Attr("b", "<'>").AttrIf("c", "").AttrIf("xml:lang", "en").End() }, "<a b='&lt;&apos;&gt;' xml:lang='en'/>"},
		{"attribute with no value", "", func(w *Writer) { w.Start("", "a").Attr("b", "").End() }, "<a b=''/>"},
		{"attribute too late", "", func(w *Writer) { w.Start("", "a").Text("b").Attr("c", "d").End().Attr("e", "f") }, "<a>b</a>"},
		{"text", "", func(w *Writer) { w.Start("", "a").Text("b & ").Text("").Text("'c'").End() }, "<a>b &amp; 'c'</a>"},
		{"empty text", "", func(w *Writer) { w.Start("", "a").Text("").End() }, "<a/>"},
		{"leaf", "urn:x", func(w *Writer) { w.Leaf("", "a", "b").Leaf("urn:y", "c", "") }, "<a>b</a><c xmlns='urn:y'/>"},
		{"raw", "", func(w *Writer) { w.Start("", "a").Raw([]byte("<b/>")).Raw(nil).End() }, "<a><b/></a>"},
		{"raw and nothing", "", func(w *Writer) { w.Start("", "a").Raw(nil).End() }, "<a/>"},
		{"left open", "urn:x", func(w *Writer) { w.Start("", "a").Start("", "b").Text("c") }, "<a><b>c</b></a>"},
		{"closed too often", "", func(w *Writer) { w.Start("", "a").End().End() }, "<a/>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := NewWriter(test.space)
			test.write(w)
			if got := string(w.Bytes()); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			w.Reset()
			if got := string(w.Leaf("", "again", "").Bytes()); got != "<again/>" {
				t.Errorf("after Reset: %s", got)
			}
		})
	}
	var zero Writer
	if got := string(zero.Start("urn:x", "a").Bytes()); got != "<a xmlns='urn:x'/>" {
		t.Errorf("zero value: %s", got)
	}
}
