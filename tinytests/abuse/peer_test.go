package abuse

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long to wait for what should come at once: long, for busy machines.
const patience = 90 * time.Second

// peer is one connection, which says what the test wants and nothing else.
type peer struct {
	t    *testing.T
	name string
	conn net.Conn
	got  []byte // received and not matched yet
}

const (
	header   = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	opened   = `<\?xml version='1.0'\?><stream:stream [^>]*>`
	features = `<stream:features>.*?</stream:features>`
	closing  = `</stream:stream>`

	saslSpace    = "urn:ietf:params:xml:ns:xmpp-sasl"
	stanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
	smSpace      = "urn:xmpp:sm:3"
)

// send writes bytes. A server that has closed the connection is noticed by reading.
func (p *peer) send(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	io.WriteString(p.conn, format)
}

// expect reads until the pattern matches what came since the last match, from its
// first byte on, and returns the groups.
func (p *peer) expect(pattern string, args ...any) []string {
	p.t.Helper()
	if len(args) > 0 {
		pattern = fmt.Sprintf(pattern, args...)
	}
	re := regexp.MustCompile("^(?s:" + pattern + ")")
	for {
		if m := re.FindSubmatchIndex(p.got); m != nil {
			var groups []string
			for i := 2; i < len(m); i += 2 {
				groups = append(groups, string(p.got[m[i]:m[i+1]]))
			}
			p.got = p.got[m[1]:]
			return groups
		}
		if err := p.read(); err != nil {
			p.t.Fatalf("%s wants %s\ngot  %s (%v)", p.name, pattern, short(p.got), err)
		}
	}
}

// upTo reads until the text is there, and returns all up to its end: what expect is
// too slow for.
func (p *peer) upTo(text string) string {
	p.t.Helper()
	for from := 0; ; {
		if i := strings.Index(string(p.got[from:]), text); i >= 0 {
			end := from + i + len(text)
			all := string(p.got[:end])
			p.got = p.got[end:]
			return all
		}
		from = max(0, len(p.got)-len(text))
		if err := p.read(); err != nil {
			p.t.Fatalf("%s waits for %s (%v)\ngot  %s", p.name, text, err, short(p.got))
		}
	}
}

func short(b []byte) string {
	if len(b) > 1000 {
		return fmt.Sprintf("%q… (%d bytes)", b[:1000], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func (p *peer) read() error {
	b := make([]byte, 64<<10)
	p.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := p.conn.Read(b)
	p.got = append(p.got, b[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// end wants nothing more but the end of the connection.
func (p *peer) end() {
	p.t.Helper()
	for {
		err := p.read()
		if len(p.got) > 0 {
			p.t.Fatalf("%s got %s instead of the end", p.name, short(p.got))
		}
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			p.t.Fatalf("%s is still connected", p.name)
		}
		if err != nil {
			p.conn.Close()
			return
		}
	}
}

// rest reads until the connection ends and returns all there was.
func (p *peer) rest() string {
	for p.read() == nil {
	}
	got := string(p.got)
	p.got = nil
	return got
}

// streamError is how a stream ends.
func streamError(condition string) string {
	return `<stream:error><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>(?:<text[^>]*>[^<]*</text>)?(?:<[a-z-]+ xmlns='urn:xmpp:[^>]*>)?</stream:error>` + closing
}

// fails wants the stream to end with this condition.
func (p *peer) fails(condition string) {
	p.t.Helper()
	p.expect("%s", streamError(condition))
	p.end()
}

// stanzaError is an error stanza.
func stanzaError(kind, id, condition string) string {
	return `<` + kind + ` [^>]*id='` + id + `'[^>]*type='error'[^>]*><error [^>]*><` + condition + ` xmlns='` + stanzaErrors + `'/>.*?</error></` + kind + `>`
}

// open begins a stream and takes the features.
func (p *peer) open() *peer {
	p.t.Helper()
	p.send(header)
	p.expect(opened + features)
	return p
}

// startTLS goes on inside TLS.
func (p *peer) startTLS() *peer {
	p.t.Helper()
	p.open()
	p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	p.expect("<proceed [^>]*/>")
	p.handshake()
	return p
}

func (p *peer) handshake() {
	p.t.Helper()
	conn := tls.Client(p.conn, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
	conn.SetDeadline(time.Now().Add(patience))
	if err := conn.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn = conn
}

// plain is the auth element of PLAIN.
func plain(name, password string) string {
	return auth("PLAIN", base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00"+password)))
}

func auth(mechanism, text string) string {
	return "<auth xmlns='" + saslSpace + "' mechanism='" + mechanism + "'>" + text + "</auth>"
}

func saslError(condition string) string {
	return `<failure xmlns='` + saslSpace + `'><` + condition + `/>(?:<text[^>]*>[^<]*</text>)?</failure>`
}

// authenticate opens a stream, logs in, and begins the next one.
func (p *peer) authenticate(name string) *peer {
	p.t.Helper()
	p.name = name
	p.open()
	p.send("%s", plain(name, password))
	p.expect("<success [^>]*/>")
	return p.open()
}

// bind binds a resource.
func (p *peer) bind(resource string) *peer {
	p.t.Helper()
	p.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>", resource)
	p.expect("<iq type='result' id='bind'>.*?</iq>")
	p.name += "/" + resource
	return p
}

// login logs "name/resource" in, without TLS.
func (n *node) login(full string) *peer {
	n.t.Helper()
	name, resource, _ := strings.Cut(full, "/")
	return n.dial("plain").authenticate(name).bind(resource)
}

// available sends initial presence and takes its echo.
func (p *peer) available() *peer {
	p.t.Helper()
	p.send("<presence/>")
	p.expect("<presence from='[^']*/%s' [^>]*/>", p.name[strings.IndexByte(p.name, '/')+1:])
	return p
}

// alive has the server answer, and nothing come before.
func (p *peer) alive() {
	p.t.Helper()
	p.send("<iq type='get' id='alive' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
	p.expect("<iq [^>]*id='alive'[^>]*type='result'[^>]*/>")
}

// manage turns stream management on and returns the id to resume with.
func (p *peer) manage() string {
	p.t.Helper()
	p.send("<enable xmlns='%s' resume='true'/>", smSpace)
	return p.expect("<enabled [^>]*id='([^']+)'[^>]*/>")[0]
}
