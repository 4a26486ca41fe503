package xmlstream

import (
	"testing"
	"unicode/utf8"
)

func TestAppend(t *testing.T) {
	tests := []struct{ name, in, text, attr string }{
		{"nothing", "", "", ""},
		{"plain", "Romeo", "Romeo", "Romeo"},
		{"markup", "<a b='c' d=\"e\">&", "&lt;a b='c' d=\"e\"&gt;&amp;", "&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;"},
		{"white space", "a\tb\nc\rd e", "a\tb\nc&#13;d e", "a&#9;b&#10;c&#13;d e"},
		{"end of a CDATA section", "]]>", "]]&gt;", "]]&gt;"},
		{"other alphabets", "é水𐍈", "é水𐍈", "é水𐍈"},
		{"control characters", "a\x00b\x1F", "a\uFFFDb\uFFFD", "a\uFFFDb\uFFFD"},
		{"no UTF-8", "a\xFFb\xC3", "a\uFFFDb\uFFFD", "a\uFFFDb\uFFFD"},
		{"surrogate", "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"},
		{"no characters", "\uFFFE\uFFFF", "\uFFFD\uFFFD", "\uFFFD\uFFFD"},
		{"replacement character", "\uFFFD", "\uFFFD", "\uFFFD"},
		{"DEL", "\x7F", "\x7F", "\x7F"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(AppendText([]byte("="), test.in)); got != "="+test.text {
				t.Errorf("text %q, want %q", got, test.text)
			}
			if got := string(AppendAttr([]byte("="), test.in)); got != "="+test.attr {
				t.Errorf("attribute %q, want %q", got, test.attr)
			}
		})
	}
}

func TestAppendUnescaped(t *testing.T) {
	tests := []struct{ name, in, text, attr string }{
		{"nothing", "", "", ""},
		{"entities", "&lt;&gt;&amp;&apos;&quot;", "<>&'\"", "<>&'\""},
		{"characters", "&#65;&#x42;&#x1F600;&#x00043;", "AB\U0001F600C", "AB\U0001F600C"},
		{"once only", "&amp;lt;", "&lt;", "&lt;"},
		{"line ends", "a\r\nb\rc\nd\r", "a\nb\nc\nd\n", "a b c d "},
		{"references to white space", "&#13;&#10;&#9;", "\r\n\t", "\r\n\t"},
		{"tab", "a\tb", "a\tb", "a b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(AppendUnescapedText([]byte("="), []byte(test.in))); got != "="+test.text {
				t.Errorf("text %q, want %q", got, test.text)
			}
			if got := string(AppendUnescapedAttr([]byte("="), []byte(test.in))); got != "="+test.attr {
				t.Errorf("attribute %q, want %q", got, test.attr)
			}
		})
	}
}

// FuzzAppend: what is escaped is read as it was, as far as XML can carry it.
func FuzzAppend(f *testing.F) {
	f.Add("a<b>&'\"\r\n\t")
	f.Add("\xFF\x00\uFFFE")
	f.Fuzz(func(t *testing.T, in string) {
		w := NewWriter("")
		w.Start("", "a").Attr("b", in).Text(in)
		n, err := Parse(w.Bytes(), "")
		if err != nil {
			t.Fatalf("%q: %v", w.Bytes(), err)
		}
		want := ""
		for _, r := range in {
			if !isChar(r) {
				r = utf8.RuneError
			}
			want += string(r)
		}
		if n.Text != want || n.Attr("b") != want {
			t.Errorf("%q came back as %q and %q", in, n.Text, n.Attr("b"))
		}
	})
}
