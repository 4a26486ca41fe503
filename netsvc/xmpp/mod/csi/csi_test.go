package csi_test

import (
	"strings"
	"testing"

	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/csi"
)

const (
	inactive = `<inactive xmlns='urn:xmpp:csi:0'/>`
	active   = `<active xmlns='urn:xmpp:csi:0'/>`
)

func enact(t *testing.T, o xmpptest.Options, f func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer)) {
	t.Helper()
	xmpptest.Test(t, o, func(t *testing.T, s *xmpptest.Server) {
		if !strings.Contains(s.StreamFeatures(), `<csi xmlns='urn:xmpp:csi:0'/>`) {
			t.Error("not among the stream features")
		}
		juliet := s.Login("juliet@example.com/phone")
		juliet.Send(`<presence/>`)
		f(t, s, juliet, s.Peer("example.net"))
	})
}

func presence(show string) string {
	return `<presence from='romeo@example.net/orchard' to='juliet@example.com'><show>` + show + `</show></presence>`
}

const (
	typing = `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`
	chat   = `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'><body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`
)

// What waits goes, in its order, before what matters, and when the client is
// active again.
func TestWaiting(t *testing.T) {
	enact(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer) {
		net.Send(presence("away"))
		juliet.Expect(presence("away")) // clients begin active
		juliet.Send(inactive)
		juliet.Send(inactive)
		net.Send(presence("chat"))
		net.Send(typing)
		juliet.Nothing()
		net.Send(chat)
		juliet.Expect(presence("chat"))
		juliet.Expect(typing)
		juliet.Expect(chat)
		net.Send(presence("dnd"))
		juliet.Nothing()
		juliet.Send(active)
		juliet.Expect(presence("dnd"))
		net.Send(presence("xa"))
		juliet.Expect(presence("xa"))
		juliet.Send(active)
		juliet.Nothing()
	})
}

// Section 5.1: when the answer to a request comes, everything that waited came
// before it.
func TestInOrder(t *testing.T) {
	enact(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer) {
		juliet.Send(inactive)
		net.Send(presence("away"))
		juliet.Send(active)
		juliet.Send(`<iq type='get' id='ping1' to='example.com'><ping xmlns='urn:xmpp:ping'/></iq>`)
		juliet.Expect(presence("away"))
		juliet.Expect(`<iq type='error' id='ping1' from='example.com'>
			<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	})
}

// Section 5.2: a resumed stream begins active.
func TestResumption(t *testing.T) {
	enact(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer) {
		juliet.Resumable()
		juliet.Send(inactive)
		juliet.Lose()
		net.Send(presence("away"))
		juliet.Nothing()
		juliet.Resume()
		juliet.Expect(presence("away"))
		net.Send(presence("dnd"))
		juliet.Expect(presence("dnd"))
	})
}

func TestWhatWaits(t *testing.T) {
	carbon := func(content string) string {
		return `<message from='juliet@example.com' to='juliet@example.com/phone' type='chat'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>
			<message xmlns='jabber:client' from='romeo@example.net/orchard' to='juliet@example.com/desk' type='chat'>` + content + `</message></forwarded></received></message>`
	}
	const paused = `<paused xmlns='http://jabber.org/protocol/chatstates'/>`
	for _, tc := range []struct {
		name, stanza string
		waits        bool
	}{
		{"presence", `<presence from='romeo@example.net/orchard' to='juliet@example.com'/>`, true},
		{"unavailable", `<presence type='unavailable' from='romeo@example.net/orchard' to='juliet@example.com'/>`, true},
		{"presence error", `<presence type='error' from='romeo@example.net/orchard' to='juliet@example.com/phone'/>`, false},
		{"chat state", typing, true},
		{"chat state with a thread and hints", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'>` + paused +
			`<thread>t</thread><no-store xmlns='urn:xmpp:hints'/><origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>`, true},
		{"chat state, late", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'>` + paused + `<delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/></message>`, true},
		{"chat state to be stored", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'>` + paused + `<store xmlns='urn:xmpp:hints'/></message>`, false},
		{"thread of something else", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'>` + paused + `<thread xmlns='urn:example'/></message>`, false},
		{"chat state with something else", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'>` + paused + `<x xmlns='urn:example'/></message>`, false},
		{"message with a body", chat, false},
		{"empty message", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'/>`, false},
		{"error of a chat state", `<message from='romeo@example.net/orchard' to='juliet@example.com/phone' type='error'>` + paused + `</message>`, false},
		{"copy of a chat state", carbon(paused), true},
		{"copy of a message", carbon(paused + `<body>hi</body>`), false},
		{"copy of nothing", `<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat'><received xmlns='urn:xmpp:carbons:2'/></message>`, false},
		{"request", `<iq type='get' id='1' from='romeo@example.net/orchard' to='juliet@example.com/phone'><q xmlns='urn:example'/></iq>`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, o := range []xmpptest.Options{{}, {Values: map[string]string{"xmpp.csi/presence": "false", "xmpp.csi/typing": "false"}}} {
				enact(t, o, func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer) {
					juliet.Send(inactive)
					s.Deliver(juliet, tc.stanza)
					if waits := len(juliet.Skip()) == 0; waits != (tc.waits && o.Values == nil) {
						t.Errorf("waits: %v with options %v", waits, o.Values)
					}
				})
			}
		})
	}
}

// A client is not told that another is inactive, and an unknown element is nothing.
func TestUnknownElement(t *testing.T) {
	enact(t, xmpptest.Options{}, func(t *testing.T, s *xmpptest.Server, juliet *xmpptest.Client, net *xmpptest.Peer) {
		juliet.Send(`<asleep xmlns='urn:xmpp:csi:0'/>`)
		net.Send(presence("away"))
		juliet.Expect(presence("away"))
	})
}
