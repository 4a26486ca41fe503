package abuse

import (
	"strings"
	"testing"
)

// Whom a client may say it is: RFC 6120 section 8.1.2.1.
func TestFrom(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "juliet")
	juliet := n.login("juliet/balcony").available()
	type row struct {
		name, from string
		own        bool
	}
	each(n, []row{
		{"full", "romeo@localhost/orchard", true},
		{"bare", "romeo@localhost", true},
		{"spelled otherwise", "ROMEO@LocalHost/orchard", true},
		{"with references", "rome&#111;@localhost", true},
		{"another resource", "romeo@localhost/Orchard", false},
		{"another user", "juliet@localhost", false},
		{"another user's client", "juliet@localhost/balcony", false},
		{"nobody", "tybalt@localhost", false},
		{"the server", "localhost", false},
		{"another server", "example.net", false},
		{"another domain", "romeo@example.net/orchard", false},
		{"nothing", "", false},
		{"no address", "@@", false},
		{"an address too long", strings.Repeat("x", 1024) + "@localhost", false},
	}, func(r row) string { return r.name }, func(n *node, r row) {
		for _, kind := range []string{
			"<message type='chat' to='juliet@localhost/balcony' id='%s' from='%s'/>",
			"<presence to='juliet@localhost/balcony' id='%s' from='%s'/>",
			"<iq type='set' to='juliet@localhost/balcony' id='%s' from='%s'><x xmlns='y'/></iq>",
		} {
			juliet.t = n.t
			romeo := n.login("romeo/orchard")
			if r.own {
				romeo.send(kind, "own", r.from)
				switch kind[1] {
				case 'm':
					juliet.expect("<message from='romeo@localhost/orchard' [^>]*id='own'[^>]*>(?:<stanza-id [^>]*/></message>)?")
				case 'p':
					juliet.expect("<presence from='romeo@localhost/orchard' [^>]*id='own'[^>]*/>")
					romeo.send(closing)
					juliet.expect("<presence [^>]*type='unavailable'[^>]*/>")
				case 'i': // between clients it needs more than a true name
					romeo.expect("<iq from='juliet@localhost/balcony' to='romeo@localhost/orchard' id='own' type='error'>.*?</iq>")
				}
				continue
			}
			n.ends("invalid-from", func() {
				romeo.send(kind, "other", r.from)
				romeo.fails("invalid-from")
			})
			juliet.alive() // nothing came
		}
	})
}

// Ids and marks that only the recipient's server sets: XEP-0359 section 4, XEP-0280
// section 8, XEP-0203.
func TestForgedMarks(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "juliet")
	romeo, juliet := n.login("romeo/orchard").available(), n.login("juliet/balcony").available()
	romeo.send("<message to='juliet@localhost/balcony' type='chat' id='1'><body>1</body>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='forged'/>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' by='JULIET@localhost' id='forged'/>" +
		"<stanza-id xmlns='urn:xmpp:sid:0' by='room@example.net' id='theirs'/>" +
		"<origin-id xmlns='urn:xmpp:sid:0' id='mine'/></message>")
	got := juliet.expect("(<message [^>]*id='1'.*?</message>)")[0]
	for _, mark := range []string{"id='theirs'", "id='mine'"} {
		if !strings.Contains(got, mark) {
			t.Errorf("%s is not there: %s", mark, got)
		}
	}
	if strings.Contains(got, "forged") {
		t.Errorf("a forged id passed: %s", got)
	}
	if strings.Count(got, "by='juliet@localhost'") != 1 {
		t.Errorf("not one id of the archive: %s", got)
	}
	n.fine()
}

// Stanzas that break the rules of RFC 6120 section 8: an error each, and the stream
// goes on.
func TestMalformedStanzas(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "juliet")
	juliet := n.login("juliet/balcony").available()
	type row struct {
		name, say string
		want      string // "" is silence
	}
	const ping = "<ping xmlns='urn:xmpp:ping'/>"
	long := strings.Repeat("x", 1024) // RFC 7622 section 3.3.1 ends at 1023
	each(n, []row{
		{"an iq without an id", "<iq type='get' to='localhost'>" + ping + "</iq>", "<iq [^>]*type='error'[^>]*><error [^>]*><bad-request .*?</iq>"},
		{"an iq with an empty id", "<iq type='get' id='' to='localhost'>" + ping + "</iq>", "<iq [^>]*type='error'[^>]*><error [^>]*><bad-request .*?</iq>"},
		{"an iq without a type", "<iq id='1' to='localhost'>" + ping + "</iq>", stanzaError("iq", "1", "bad-request")},
		{"an iq of an unknown type", "<iq type='put' id='1' to='localhost'>" + ping + "</iq>", stanzaError("iq", "1", "bad-request")},
		{"a get without payload", "<iq type='get' id='1' to='localhost'/>", stanzaError("iq", "1", "bad-request")},
		{"a get with text", "<iq type='get' id='1' to='localhost'>ping</iq>", stanzaError("iq", "1", "bad-request")},
		{"a get with two payloads", "<iq type='get' id='1' to='localhost'>" + ping + ping + "</iq>", stanzaError("iq", "1", "bad-request")},
		{"a set with two payloads", "<iq type='set' id='1' to='juliet@localhost/balcony'>" + ping + ping + "</iq>", stanzaError("iq", "1", "bad-request")},
		{"a result with two payloads", "<iq type='result' id='1' to='juliet@localhost/balcony'>" + ping + ping + "</iq>", ""},
		{"a result nobody asked for", "<iq type='result' id='1' to='localhost'/>", ""},
		{"an error nobody made", "<iq type='error' id='1' to='localhost'><error type='cancel'><gone xmlns='" + stanzaErrors + "'/></error></iq>", ""},
		{"an error without an error", "<iq type='error' id='1' to='localhost'/>", ""},
		{"an error to a malformed address", "<message type='error' id='1' to='@'/>", ""},
		{"a payload nobody knows", "<iq type='get' id='1' to='localhost'><x xmlns='urn:example'/></iq>", stanzaError("iq", "1", "service-unavailable")},
		{"a second bind", "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>b</resource></bind></iq>", stanzaError("iq", "1", "service-unavailable")},
		{"a session of RFC 3921", "<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", stanzaError("iq", "1", "service-unavailable")},
		{"a priority too high", "<presence id='1'><priority>128</priority></presence>", stanzaError("presence", "1", "bad-request")},
		{"a priority too low", "<presence id='1'><priority>-129</priority></presence>", stanzaError("presence", "1", "bad-request")},
		{"a priority that is none", "<presence id='1'><priority>high</priority></presence>", stanzaError("presence", "1", "bad-request")},
		{"presence of an unknown type", "<presence type='away' id='1'/>", stanzaError("presence", "1", "bad-request")},
		{"a subscription to nobody", "<presence type='subscribe' id='1'/>", stanzaError("presence", "1", "bad-request")},
		{"a message of an unknown type", "<message type='shout' id='1' to='juliet@localhost/balcony'/>", "Juliet"},
		{"to no address", "<message id='1' to='@'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to nothing", "<message id='1' to=''><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to an empty resource", "<message id='1' to='juliet@localhost/'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to an empty name", "<message id='1' to='@localhost'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to a name too long", "<message id='1' to='" + long + "@localhost'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to a domain too long", "<message id='1' to='" + long + "'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to a resource too long", "<message id='1' to='juliet@localhost/" + long + "'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to a forbidden character", "<message id='1' to='ju&quot;liet@localhost'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"to a space", "<message id='1' to='ju liet@localhost'><body/></message>", stanzaError("message", "1", "jid-malformed")},
		{"an iq to no address", "<iq type='get' id='1' to='@'>" + ping + "</iq>", stanzaError("iq", "1", "jid-malformed")},
		{"presence to no address", "<presence id='1' to='@'/>", stanzaError("presence", "1", "jid-malformed")},
		{"to another server", "<message id='1' to='romeo@example.net'><body/></message>", stanzaError("message", "1", "remote-server-not-found")},
		{"to a machine of the network", "<message id='1' to='romeo@192.0.2.1'><body/></message>", stanzaError("message", "1", "remote-server-not-found")},
	}, func(r row) string { return r.name }, func(n *node, r row) {
		juliet.t = n.t
		romeo := n.login("romeo/orchard")
		say := func() {
			romeo.send("%s", r.say)
			switch r.want {
			case "":
			case "Juliet":
				juliet.expect("<message [^>]*id='1'[^>]*/>") // RFC 6121 section 5.2.2: as normal
			default:
				romeo.expect("%s", r.want)
			}
		}
		if r.want == "" || r.want == "Juliet" {
			say()
		} else {
			n.counts(1, say, "bounced")
		}
		romeo.alive()
		juliet.alive() // and got nothing else
	})
}
