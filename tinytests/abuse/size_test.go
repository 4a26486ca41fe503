package abuse

import (
	"strings"
	"testing"
)

// The limits of these tests: the smallest that the options permit.
const (
	early = 10_000 // RFC 6120 section 13.12 asks for no less
	later = 10_000
	deep  = 64
	wide  = 64  // attributes
	kids  = 256 // child elements
)

// largeness is a stanza that grows with n.
type largeness struct {
	name  string
	limit int
	make  func(n int) string
}

func (l largeness) title() string { return l.name }

// pad fills a stanza up to n bytes.
func pad(n int, before, after string) string {
	return before + strings.Repeat("x", n-len(before)-len(after)) + after
}

const toJuliet = "<message to='juliet@localhost/balcony' id='large' type='chat'"

var sizes = []largeness{
	{"text", later, func(n int) string { return pad(n, toJuliet+"><body>", "</body></message>") }},
	{"an attribute", later, func(n int) string { return pad(n, toJuliet+"><x xmlns='y' a='", "'/></message>") }},
	{"a name", later, func(n int) string { return pad(n, toJuliet+"><x", " xmlns='y'/></message>") }},
	{"a namespace", later, func(n int) string { return pad(n, toJuliet+"><x xmlns='", "'/></message>") }},
	{"an id", later, func(n int) string { return pad(n, "<message to='juliet@localhost/balcony' type='chat' id='", "'/>") }},
	{"white space in a tag", later, func(n int) string {
		return toJuliet + strings.Repeat(" ", n-len(toJuliet)-len("/>")) + "/>"
	}},
	{"depth", deep, func(n int) string {
		return toJuliet + ">" + strings.Repeat("<x>", n-1) + strings.Repeat("</x>", n-1) + "</message>"
	}},
	{"attributes", wide, func(n int) string {
		b := toJuliet + "><x"
		for i := range n {
			b += " a" + strings.Repeat("b", i) + "=''"
		}
		return b + "/></message>"
	}},
	{"child elements", kids, func(n int) string {
		return toJuliet + ">" + strings.Repeat("<x/>", n) + "</message>"
	}},
}

// One byte, element or attribute more than the limit ends the stream; at the limit
// the stanza arrives.
func TestStanzasAtTheLimit(t *testing.T) {
	n := start(t, "c2s.stanza=10000")
	n.accounts("romeo", "juliet")
	juliet := n.login("juliet/balcony").available()
	each(n, sizes, largeness.title, func(n *node, l largeness) {
		juliet.t = n.t
		romeo := n.login("romeo/orchard")
		romeo.send("%s", l.make(l.limit))
		juliet.expect("<message [^>]*from='romeo@localhost/orchard'[^>]*>.*?</message>|<message [^>]*from='romeo@localhost/orchard'[^>]*/>")
		n.ends("policy-violation", func() {
			romeo.send("%s", l.make(l.limit+1))
			romeo.fails("policy-violation")
		})
		juliet.alive() // and nothing came before
	})
}

// A stanza without an end is refused as soon as it is too large, not when it ends.
func TestStanzasWithoutEnd(t *testing.T) {
	n := start(t, "c2s.stanza=10000")
	n.accounts("romeo")
	each(n, []trick{
		{name: "text", say: "<message><body>" + strings.Repeat("x", later)},
		{name: "an attribute", say: "<message to='" + strings.Repeat("x", later)},
		{name: "a name", say: "<" + strings.Repeat("x", later)},
		{name: "depth", say: "<message>" + strings.Repeat("<x>", deep)},
		{name: "child elements", say: "<message>" + strings.Repeat("<x/>", kids+1)},
		{name: "CDATA", say: "<message><body><![CDATA[" + strings.Repeat("x", later)},
	}, trick.title, func(n *node, c trick) {
		p := n.login("romeo/orchard")
		n.ends("policy-violation", func() {
			p.send("%s", c.say)
			p.fails("policy-violation")
		})
		p = n.dial("c2s").open()
		n.ends("policy-violation", func() {
			p.send("%s", c.say)
			p.fails("policy-violation")
		})
	})
}

// White space between stanzas is a keepalive, however much of it there is.
func TestWhiteSpaceHasNoLimit(t *testing.T) {
	n := start(t, "c2s.stanza=10000", "c2s.rate=0")
	n.accounts("romeo")
	p := n.login("romeo/orchard")
	p.send("%s", strings.Repeat(" \n", 10*later))
	p.alive()
	n.fine()
}

// Before login less is allowed, and the header counts like a stanza.
func TestLimitsBeforeLogin(t *testing.T) {
	n := start(t, "c2s.stanza=1MB")
	each(n, []largeness{
		{"a header", early, func(n int) string { return pad(n, strings.TrimSuffix(header, ">")+" a='", "'>") }},
		{"credentials", early, func(n int) string { return strings.Repeat("A", n-len(auth("PLAIN", ""))) }},
	}, largeness.title, func(n *node, l largeness) {
		p := n.dial("plain")
		if l.name == "a header" {
			p.send("%s", l.make(l.limit))
			p.expect(opened + features)
			p = n.dial("plain")
			n.ends("policy-violation", func() {
				p.send("%s", l.make(l.limit+1))
				p.expect(opened)
				p.fails("policy-violation")
			})
			return
		}
		p.open()
		p.send("%s", auth("PLAIN", l.make(l.limit)))
		p.expect(saslError("(?:incorrect-encoding|malformed-request|not-authorized)"))
		n.ends("policy-violation", func() {
			p.send("%s", auth("PLAIN", l.make(l.limit+1)))
			p.fails("policy-violation")
		})
	})
}

// The client is told the limits (XEP-0478 0.2.1).
func TestLimitsAreTold(t *testing.T) {
	n := start(t, "c2s.stanza=54321", "c2s.stanza_early=12345")
	n.accounts("romeo")
	p := n.dial("plain")
	p.send(header)
	p.expect(opened + `<stream:features>.*<max-bytes>12345</max-bytes>.*</stream:features>`)
	p.send("%s", plain("romeo", password))
	p.expect("<success [^>]*/>")
	p.send(header)
	p.expect(opened + `<stream:features>.*<max-bytes>54321</max-bytes>.*</stream:features>`)
}
