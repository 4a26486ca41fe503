package stanza

import (
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

const (
	openClient = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xml:lang='en'>"
	plainChat  = "<message to='romeo@example.net/orchard' type='chat' id='ktx72v49'><body>Wherefore art thou, Romeo?</body></message>"
	usualChat  = "<message to='romeo@example.net' type='chat' id='3d1b2a90-7f3c-4d5e-9a61-0f2c1f9c0b11'><body>Wherefore art thou, Romeo?</body>" +
		"<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>" +
		"<origin-id xmlns='urn:xmpp:sid:0' id='3d1b2a90-7f3c-4d5e-9a61-0f2c1f9c0b11'/></message>"
)

// BenchmarkRead is what the server does for each stanza that comes in: scan it and make it its own.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"plain", plainChat}, {"chat", usualChat}} {
		b.Run(c.name, func(b *testing.B) {
			var sc xmlstream.Scanner
			if ev, _, err := sc.Scan([]byte(openClient)); ev != xmlstream.EventHeader {
				b.Fatal(err)
			}
			var jids jid.Cache
			from := jid.MustParse("juliet@example.com/balcony")
			buf := []byte(c.text)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if ev, _, err := sc.Scan(buf); ev != xmlstream.EventElement {
					b.Fatal(err)
				}
				if _, bad, err := Read(sc.Element(), &jids, from); bad != nil || err != nil {
					b.Fatal(bad, err)
				}
			}
		})
	}
}
