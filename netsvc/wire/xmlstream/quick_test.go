package xmlstream

import "testing"

func TestQuick(t *testing.T) {
	in := "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a' xml:lang='en'> <message to='x' a:b='c' xmlns:a='u'><body>h&amp;i</body><a:x/><![CDATA[ ]]></message></stream:stream>"
	for step := range len(in) {
		var s Scanner
		s.Reset(Limits{})
		from := 0
		for to := 0; to <= len(in); to += step + 1 {
			for {
				ev, n, err := s.Scan([]byte(in[from:to]))
				if err != nil {
					t.Fatal(err)
				}
				if ev == EventMore {
					break
				}
				if step == 0 {
					t.Log(ev, in[from:from+n])
				}
				from += n
			}
		}
	}
	n, err := Parse([]byte("<a x='1&lt;' xmlns='u'>x<b/>y<c>&amp;</c></a>"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %+v", n, n.Kids[1])
}
