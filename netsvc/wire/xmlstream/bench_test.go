package xmlstream

import (
	"strings"
	"testing"
)

const openClient = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.net' version='1.0' xml:lang='en'>"

// What clients send most. The first is as plain as a chat message gets, the second is what
// current clients make of it.
var benchStanzas = []struct{ name, text string }{
	{"plain", "<message to='romeo@example.net/orchard' from='juliet@example.com/balcony' type='chat' id='ktx72v49'><body>Wherefore art thou, Romeo? Deny thy father and refuse thy name.</body></message>"},
	{"chat", "<message to='romeo@example.net' type='chat' id='3d1b2a90-7f3c-4d5e-9a61-0f2c1f9c0b11' xml:lang='en'><body>Wherefore art thou, Romeo?</body>" +
		"<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>" +
		"<origin-id xmlns='urn:xmpp:sid:0' id='3d1b2a90-7f3c-4d5e-9a61-0f2c1f9c0b11'/></message>"},
	{"cyrillic", "<message to='romeo@example.net' type='chat' id='ktx72v49'><body>" + strings.Repeat("Зачем же ты Ромео? Отринь отца да имя измени. ", 4) + "</body></message>"},
	{"presence", "<presence from='juliet@example.com/balcony' xml:lang='en'><show>away</show><status>be right back</status><priority>5</priority>" +
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>"},
	{"ping", "<iq to='example.net' id='c2s1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>"},
	{"data", "<iq to='romeo@example.net/orchard' id='kr91n475' type='set'><data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='i781hf64'>" + strings.Repeat("qANQR1DBwU4DX7jmYZnncmUQB/9KuKBddzQH+tZ1ZywKK0yHKnq57kWq+RFtQdCJ", 64) + "</data></iq>"},
}

func BenchmarkScan(b *testing.B) {
	for _, st := range benchStanzas {
		b.Run(st.name, func(b *testing.B) {
			var s Scanner
			if ev, _, err := s.Scan([]byte(openClient)); ev != EventHeader {
				b.Fatal(err)
			}
			buf := []byte(st.text)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if ev, n, err := s.Scan(buf); ev != EventElement || n != len(buf) {
					b.Fatal(ev, n, err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, st := range benchStanzas[:2] {
		b.Run(st.name, func(b *testing.B) {
			buf := []byte(st.text)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(buf, ClientSpace); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
