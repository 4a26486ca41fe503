package abuse

import (
	"encoding/base64"
	"strings"
	"testing"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// What is wrong with a login, short of the password: the failure of RFC 6120 section
// 6.5, and the client may try again.
func TestMalformedLogins(t *testing.T) {
	n := start(t)
	n.accounts("romeo", "juliet")
	n.run("user disable", map[string][]string{"jid": {"juliet@localhost"}})
	each(n, []trick{
		{"an unknown mechanism", auth("X-NONE", ""), "invalid-mechanism"},
		{"no mechanism", "<auth xmlns='" + saslSpace + "'/>", "invalid-mechanism"},
		{"a mechanism in small letters", auth("plain", b64("\x00romeo\x00"+password)), "invalid-mechanism"},
		{"a mechanism of long ago", auth("DIGEST-MD5", ""), "invalid-mechanism"},
		{"ANONYMOUS", auth("ANONYMOUS", ""), "invalid-mechanism"},
		{"a very long mechanism", auth(strings.Repeat("X", 5000), ""), "invalid-mechanism"},
		{"EXTERNAL without a certificate", auth("EXTERNAL", "="), "invalid-mechanism"},
		{"binding without TLS", auth("SCRAM-SHA-256-PLUS", b64("p=tls-exporter,,n=romeo,r=abc")), "invalid-mechanism"},
		{"no base64", auth("PLAIN", "*not base64*"), "incorrect-encoding"},
		{"base64 without padding", auth("PLAIN", "AGEAYg"), "incorrect-encoding"},
		{"base64 with white space", auth("PLAIN", "AGEA\nYg=="), "incorrect-encoding"},
		{"base64 with bits left", auth("PLAIN", "AGEAYh=="), "incorrect-encoding"},
		{"huge base64", auth("PLAIN", b64("\x00romeo\x00"+strings.Repeat("x", 7000))), "(?:malformed-request|not-authorized)"},
		{"PLAIN without name", auth("PLAIN", b64("\x00\x00x")), "malformed-request"},
		{"PLAIN without password", auth("PLAIN", b64("\x00romeo\x00")), "(?:malformed-request|not-authorized)"},
		{"PLAIN with one field", auth("PLAIN", b64("romeo")), "malformed-request"},
		{"PLAIN with four fields", auth("PLAIN", b64("\x00romeo\x00"+password+"\x00x")), "malformed-request"},
		{"PLAIN for another", auth("PLAIN", b64("juliet@localhost\x00romeo\x00"+password)), "invalid-authzid"},
		{"PLAIN for no address", auth("PLAIN", b64("@\x00romeo\x00"+password)), "invalid-authzid"},
		{"PLAIN that is no UTF-8", auth("PLAIN", b64("\x00rom\xFFo\x00"+password)), "(?:malformed-request|not-authorized)"},
		{"SCRAM without a nonce", auth("SCRAM-SHA-256", b64("n,,n=romeo")), "malformed-request"},
		{"SCRAM with an extension it must know", auth("SCRAM-SHA-256", b64("n,,m=x,n=romeo,r=abc")), "malformed-request"},
		{"SCRAM that binds, unasked", auth("SCRAM-SHA-256", b64("p=tls-exporter,,n=romeo,r=abc")), "malformed-request"},
		{"SCRAM for another", auth("SCRAM-SHA-256", b64("n,a=juliet@localhost,n=romeo,r=abc")), "invalid-authzid"},
		{"SCRAM with a name that is not escaped", auth("SCRAM-SHA-256", b64("n,,n=rom=o,r=abc")), "malformed-request"},
		{"a response to nothing", "<response xmlns='" + saslSpace + "'>" + b64("x") + "</response>", "malformed-request"},
		{"an abort of nothing", "<abort xmlns='" + saslSpace + "'/>", "aborted"},
		{"a disabled account", plain("juliet", password), "account-disabled"},
	}, trick.title, func(n *node, c trick) {
		p := n.dial("plain").open()
		p.send("%s", c.say)
		p.expect("%s", saslError(c.want))
		p.send("%s", plain("romeo", password))
		p.expect("<success [^>]*/>")
	})
}

// An exchange is abandoned, answered wrongly, or overtaken by another.
func TestExchanges(t *testing.T) {
	const challenge = "<challenge [^>]*>([^<]*)</challenge>"
	n := start(t)
	n.accounts("romeo")
	begin := auth("SCRAM-SHA-256", b64("n,,n=romeo,r=abcdefgh"))
	response := func(s string) string { return "<response xmlns='" + saslSpace + "'>" + b64(s) + "</response>" }
	each(n, []trick{
		{"aborted", "<abort xmlns='" + saslSpace + "'/>", "aborted"},
		{"begun anew in the middle", begin, "malformed-request"},
		{"another nonce", response("c=biws,r=other,p=AAAA"), "(?:malformed-request|not-authorized)"},
		{"no proof", response("c=biws,r=abcdefgh"), "malformed-request"},
		{"nothing", "<response xmlns='" + saslSpace + "'/>", "malformed-request"},
		{"no base64", "<response xmlns='" + saslSpace + "'>?</response>", "incorrect-encoding"},
	}, trick.title, func(n *node, c trick) {
		p := n.dial("plain").open()
		p.send("%s", begin)
		p.expect(challenge)
		p.send("%s", c.say)
		p.expect("%s", saslError(c.want))
		p.send("%s", response("c=biws,r=abcdefgh,p=AAAA")) // it is over
		p.expect("%s", saslError("malformed-request"))
		p.send("%s", plain("romeo", password))
		p.expect("<success [^>]*/>")
	})
}

// What belongs before or after a login, in the wrong place, ends the stream.
func TestWrongMoments(t *testing.T) {
	n := start(t)
	n.accounts("romeo")
	const bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
	stanzas := []string{"<message to='localhost'/>", "<presence/>", "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", bind}
	for _, say := range stanzas {
		for _, listener := range []string{"plain", "c2s"} {
			p := n.dial(listener).open()
			n.ends("not-authorized", func() {
				p.send("%s", say)
				p.fails("not-authorized")
			})
		}
	}
	for _, say := range stanzas[:3] { // logged in, without a resource
		p := n.dial("plain").authenticate("romeo")
		n.ends("not-authorized", func() {
			p.send("%s", say)
			p.fails("not-authorized")
		})
	}
	// Credentials before TLS, where there is some to be had.
	p := n.dial("c2s").open()
	p.send("%s", plain("romeo", password))
	p.expect("%s", saslError("encryption-required"))
	// A second login, before a resource and after.
	p = n.dial("plain").authenticate("romeo")
	n.ends("policy-violation", func() {
		p.send("%s", plain("romeo", password))
		p.fails("policy-violation")
	})
	p = n.login("romeo/orchard")
	n.ends("unsupported-stanza-type", func() {
		p.send("%s", plain("romeo", password))
		p.fails("unsupported-stanza-type")
	})
	// TLS twice, and TLS with something behind it that would pass for protected.
	p = n.dial("c2s").startTLS().open()
	n.ends("policy-violation", func() {
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.fails("policy-violation")
	})
	p = n.dial("c2s").open()
	n.ends("policy-violation", func() {
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + stanzas[0])
		p.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.fails("policy-violation")
	})
	// A new stream that says it is somebody else's.
	for _, h := range []trick{
		{want: "invalid-from", say: strings.Replace(header, "to=", "from='juliet@localhost' to=", 1)},
		{want: "host-unknown", say: strings.Replace(header, "localhost", "example.net", 1)},
	} {
		p = n.dial("plain").open()
		p.send("%s", plain("romeo", password))
		p.expect("<success [^>]*/>")
		n.ends(h.want, func() {
			p.send("%s", h.say)
			p.expect(opened)
			p.fails(h.want)
		})
	}
	n.fine()
}

// Three wrong passwords end a stream (RFC 6120 section 6.4.5); five of one address
// for one account close it to that address for a while, with the right password
// too; names that do not exist look the same. Others get in.
func TestGuessing(t *testing.T) {
	const pair = 5
	n := start(t)
	n.accounts("romeo", "juliet")
	wrong := func(n *node, p *peer, name, condition string) {
		n.t.Helper()
		p.send("%s", plain(name, "wrong"))
		p.expect("%s", saslError(condition))
	}
	each(n, []string{"romeo", "nobody"}, strings.Clone, func(n *node, name string) {
		n.counts(pair, func() {
			p := n.dialFrom("127.0.0.66", "plain").open()
			n.ends("policy-violation", func() {
				for range 3 {
					wrong(n, p, name, "not-authorized")
				}
				p.fails("policy-violation")
			})
			p = n.dialFrom("127.0.0.66", "plain").open()
			for range pair - 3 {
				wrong(n, p, name, "not-authorized")
			}
		}, "authFailures")
		n.counts(3, func() {
			p := n.dialFrom("127.0.0.66", "plain").open()
			wrong(n, p, name, "temporary-auth-failure")
			p.send("%s", plain(name, password))
			p.expect("%s", saslError("temporary-auth-failure"))
			p.send("%s", auth("SCRAM-SHA-1", b64("n,,n="+name+",r=abcdefgh")))
			p.expect("%s", saslError("temporary-auth-failure"))
		}, "authRefused")
	})
	p := n.dialFrom("127.0.0.66", "plain").open() // another account
	p.send("%s", plain("juliet", password))
	p.expect("<success [^>]*/>")
	p = n.dialFrom("127.0.0.67", "plain").open() // another address
	p.send("%s", plain("romeo", password))
	p.expect("<success [^>]*/>")
	n.fine()
}

// One address that tries many names is closed out, but for accounts that it has
// logged in to before.
func TestSpraying(t *testing.T) {
	const limit = 25
	n := start(t)
	n.accounts("romeo", "juliet")
	p := n.dialFrom("127.0.0.68", "plain").open()
	p.send("%s", plain("juliet", password))
	p.expect("<success [^>]*/>")
	for i := range limit {
		if i%2 == 0 {
			p = n.dialFrom("127.0.0.68", "plain").open()
		}
		p.send("%s", plain("user"+strings.Repeat("x", i), "123456"))
		p.expect("%s", saslError("not-authorized"))
	}
	p = n.dialFrom("127.0.0.68", "plain").open()
	p.send("%s", plain("romeo", password))
	p.expect("%s", saslError("temporary-auth-failure"))
	p.send("%s", plain("juliet", password))
	p.expect("<success [^>]*/>")
	n.fine()
}
