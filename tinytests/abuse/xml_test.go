package abuse

import "testing"

type trick struct {
	name, say string
	want      string // the condition; "" passes
}

func (t trick) title() string { return t.name }

// What is XML and not XMPP, and what is neither (RFC 6120 section 11 and 4.9.3). In
// a body, unless the row says otherwise.
var tricks = []trick{
	{"CDATA", "<message to='localhost'><body><![CDATA[<no/> & markup]]></body></message>", ""},
	{"the five entities", "<message to='localhost'><body>&lt;&gt;&amp;&apos;&quot;</body></message>", ""},
	{"a character by number", "<message to='localhost'><body>&#x1F98A;&#10;</body></message>", ""},
	{"two forms of quotes", `<message to="localhost"><body a='"' b="'"/></message>`, ""},
	{"a prefix of its own", "<x:message xmlns:x='jabber:client' to='localhost'/>", ""},

	{"document type", "<!DOCTYPE x>", "restricted-xml"},
	{"document type within", "<message><!DOCTYPE x></message>", "restricted-xml"},
	{"declared entities", "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>", "restricted-xml"},
	{"an entity", "<message><body>&a;</body></message>", "restricted-xml"},
	{"an entity in an attribute", "<message to='&a;'/>", "restricted-xml"},
	{"a comment", "<!-- x -->", "restricted-xml"},
	{"a comment within", "<message><!-- x --></message>", "restricted-xml"},
	{"an instruction", "<?php echo 1 ?>", "restricted-xml"},
	{"an instruction within", "<message><?x?></message>", "restricted-xml"},
	{"an XML declaration", "<?xml version='1.0'?>", "restricted-xml"},

	{"another end tag", "<message></presence>", "not-well-formed"},
	{"an end tag of nobody", "</message>", "not-well-formed"},
	{"tags that cross", "<message><a><b></a></b></message>", "not-well-formed"},
	{"no quotes", "<message to=localhost/>", "not-well-formed"},
	{"an attribute twice", "<message to='a' to='b'/>", "not-well-formed"},
	{"an attribute twice by namespace", "<message xmlns:a='x' xmlns:b='x' a:c='1' b:c='2'/>", "not-well-formed"},
	{"no value", "<message to/>", "not-well-formed"},
	{"no space", "<message to='a'from='b'/>", "not-well-formed"},
	{"< in an attribute", "<message to='<'/>", "not-well-formed"},
	{"a bare &", "<message><body>a & b</body></message>", "not-well-formed"},
	{"]]> in text", "<message><body>]]></body></message>", "not-well-formed"},
	{"a name that is none", "<1/>", "not-well-formed"},
	{"CDATA outside", "<![CDATA[x]]>", "not-well-formed"},
	{"text outside", "hello", "bad-format"},
	{"character 0", "<message><body>\x00</body></message>", "not-well-formed"},
	{"a control character", "<message><body>\x07</body></message>", "not-well-formed"},
	{"U+FFFE", "<message><body>\uFFFE</body></message>", "not-well-formed"},
	{"character 0 by number", "<message><body>&#0;</body></message>", "not-well-formed"},
	{"a surrogate by number", "<message><body>&#xD800;</body></message>", "not-well-formed"},
	{"a number beyond Unicode", "<message><body>&#x110000;</body></message>", "not-well-formed"},
	{"a number beyond numbers", "<message><body>&#99999999999999999999;</body></message>", "not-well-formed"},

	// Section 4.9.3.22 names the violation of UTF-8's rules.
	{"overlong UTF-8", "<message><body>\xC0\xAF</body></message>", "unsupported-encoding"},
	{"a surrogate in UTF-8", "<message><body>\xED\xA0\x80</body></message>", "unsupported-encoding"},
	{"UTF-8 that stops", "<message><body>\xE2\x82</body></message>", "unsupported-encoding"},
	{"UTF-8 beyond Unicode", "<message><body>\xF4\x90\x80\x80</body></message>", "unsupported-encoding"},
	{"Latin-1", "<message><body>caf\xE9</body></message>", "unsupported-encoding"},
	{"UTF-8 broken in a name", "<message><\xFF/></message>", "unsupported-encoding"},
	{"UTF-8 broken in an attribute", "<message to='\xFF'/>", "unsupported-encoding"},

	{"a prefix of nobody", "<x:message/>", "bad-namespace-prefix"},
	{"a prefix of nobody within", "<message><x:body/></message>", "bad-namespace-prefix"},
	{"a prefix of nobody on an attribute", "<message x:to='a'/>", "bad-namespace-prefix"},
	{"the prefix xmlns", "<message xmlns:xmlns='x'/>", "bad-namespace-prefix"},
	{"the prefix xml, for something else", "<message xmlns:xml='x'/>", "bad-namespace-prefix"},
	{"a prefix for nothing", "<message xmlns:x=''/>", "bad-namespace-prefix"},

	{"a stream in the stream", "<stream:stream to='localhost' version='1.0'></stream:stream>", "unsupported-stanza-type"},
	{"features from a client", "<stream:features/>", "unsupported-stanza-type"},
	{"no stanza", "<letter/>", "unsupported-stanza-type"},
	{"no stanza of another namespace", "<x xmlns='urn:example'/>", "unsupported-stanza-type"},
	{"a stanza of servers", "<message xmlns='jabber:server' to='localhost'/>", "unsupported-stanza-type"},
	{"a stanza of components", "<message xmlns='jabber:component:accept' to='localhost'/>", "unsupported-stanza-type"},
	{"a stanza of nobody", "<message xmlns='' to='localhost'/>", "unsupported-stanza-type"},
	{"upper case", "<MESSAGE to='localhost'/>", "unsupported-stanza-type"},
}

func TestXMLAfterLogin(t *testing.T) {
	n := start(t)
	n.accounts("romeo")
	each(n, tricks, trick.title, func(n *node, c trick) {
		p := n.login("romeo/orchard")
		if c.want == "" {
			p.send("%s", c.say)
			p.expect("<message [^>]*type='error'[^>]*>.*?</message>") // to the server: it reads no messages
			p.alive()
			return
		}
		n.ends(c.want, func() {
			p.send("%s", c.say)
			p.fails(c.want)
		})
	})
}

func TestXMLBeforeLogin(t *testing.T) {
	each(start(t), tricks, trick.title, func(n *node, c trick) {
		if c.want == "" {
			c.want = "not-authorized" // well-formed, and too early
		}
		p := n.dial("plain").open()
		n.ends(c.want, func() {
			p.send("%s", c.say)
			p.fails(c.want)
		})
	})
}

// ends calls f, which must end one stream with this condition, and wants it
// counted.
func (n *node) ends(want string, f func()) {
	n.t.Helper()
	n.counts(1, f, "streamErrors", want)
}

// Headers are the first that a stranger can be wrong about.
func TestHeaders(t *testing.T) {
	const stream = " xmlns:stream='http://etherx.jabber.org/streams'>"
	each(start(t), []trick{
		{"another domain", "<stream:stream to='example.net' version='1.0' xmlns='jabber:client'" + stream, "host-unknown"},
		{"no domain", "<stream:stream version='1.0' xmlns='jabber:client'" + stream, "improper-addressing"},
		{"an address that is none", "<stream:stream to='@@' version='1.0' xmlns='jabber:client'" + stream, "host-unknown"},
		{"a server", "<stream:stream to='localhost' version='1.0' xmlns='jabber:server'" + stream, "invalid-namespace"},
		{"another content", "<stream:stream to='localhost' version='1.0' xmlns='urn:example'" + stream, "invalid-namespace"},
		{"another stream", "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='urn:example'>", "invalid-namespace"},
		{"before XMPP 1.0", "<stream:stream to='localhost' xmlns='jabber:client'" + stream, "unsupported-version"},
		{"a sender that is none", "<stream:stream to='localhost' from='@' version='1.0' xmlns='jabber:client'" + stream, "invalid-from"},
		{"no XMPP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-format"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "not-well-formed"},
		{"UTF-16", "\xFF\xFE<\x00?\x00x\x00m\x00l\x00", "unsupported-encoding"},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"},
		{"XML 1.1", "<?xml version='1.1'?>", "not-well-formed"},
		{"a document type", "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol1 '&lol;&lol;&lol;'>]>", "restricted-xml"},
	}, trick.title, func(n *node, c trick) {
		for _, listener := range []string{"c2s", "plain"} {
			p := n.dial(listener)
			n.ends(c.want, func() {
				p.send("%s", c.say)
				p.expect(opened) // RFC 6120 section 4.9.1.1: even then
				p.fails(c.want)
			})
		}
	})
}
