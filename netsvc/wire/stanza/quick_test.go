package stanza

import (
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

func read(t *testing.T, in string) (*Stanza, *Error) {
	t.Helper()
	var sc xmlstream.Scanner
	from := 0
	for {
		ev, n, err := sc.Scan([]byte(in[from:]))
		if err != nil {
			t.Fatal(err)
		}
		if ev == xmlstream.EventElement {
			s, bad, err := Read([]byte(in[from:]), sc.Element(), nil, jid.JID{})
			if err != nil {
				t.Fatal(err)
			}
			return s, bad
		}
		if ev == xmlstream.EventMore {
			t.Fatal("more")
		}
		from += n
	}
}

func TestQuick(t *testing.T) {
	for _, in := range []string{
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xml:lang='de'><message to='a@b' type='chat' id='x1'> <body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
		"<s:stream xmlns:c='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:z='urn:z'><c:message to='a@b' type='chat' id='x&apos;1'> <c:body>hi</c:body><active xmlns='http://jabber.org/protocol/chatstates'/><z:q><c:r z:a='1'/></z:q></c:message>",
		"<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' xmlns:z='urn:z'><message xmlns='jabber:server'><body xmlns='jabber:server'>x</body><z:q><r z:a='1'/></z:q></message>",
	} {
		s, bad := read(t, in)
		t.Log(bad, string(s.AppendTo(nil)), s.ID, s.kids)
		t.Log(string(s.AppendForwarded(nil)))
		back, err := Parse(s.AppendForwarded(nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(string(back.Fail(NewError(Gone, "x<")).AppendTo(nil)))
	}
}
