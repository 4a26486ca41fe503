package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// people is a Directory: two users, a disabled one, and one of another domain.
type people map[string]map[sasl.Hash]sasl.Keys

const password = "r0m30myr0m30" // RFC 6120 section 9.1

var directory = sync.OnceValue(func() people {
	p := people{}
	for _, name := range []string{"juliet@im.example.com", "romeo@im.example.com", "ghost@im.example.com", "juliet@conference.example.com"} {
		p[name] = map[sasl.Hash]sasl.Keys{}
		for _, h := range []sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512} {
			k, err := sasl.Derive(h, password, []byte("0123456789abcdef"), sasl.MinIterations)
			if err != nil {
				panic(err)
			}
			p[name][h] = k
		}
	}
	return p
})

func (p people) Keys(user jid.JID, h sasl.Hash) (sasl.Keys, error) {
	k, ok := p[user.String()][h]
	if !ok {
		return k, sasl.ErrUnknownUser
	}
	return k, nil
}

func (p people) Admit(user jid.JID) error {
	switch {
	case p[user.String()] == nil:
		return &sasl.Error{Condition: sasl.NotAuthorized}
	case user.Local() == "ghost":
		return &sasl.Error{Condition: sasl.AccountDisabled}
	}
	return nil
}

// home is an Owner that keeps sessions in a map.
type home struct {
	who     jid.JID
	taken   map[string]bool // resources
	bound   int
	sleeps  map[string]uint32 // sessions that can be resumed
	resumed bool
	refuse  error // of Authenticated
	out     func([]byte) error
}

func (h *home) Authenticated(_ context.Context, who jid.JID) error {
	if h.refuse == nil {
		h.who = who
	}
	return h.refuse
}

func (h *home) Features() [][]byte {
	return [][]byte{[]byte("<sm xmlns='urn:xmpp:sm:3'/>")}
}

func (h *home) Bind(_ context.Context, resource string) (jid.JID, error) {
	switch resource {
	case "":
		resource = "generated"
	case "full":
		return jid.JID{}, stanza.NewError(stanza.ResourceConstraint, "too many")
	case "gone":
		return jid.JID{}, Fail(NotAuthorized, "the account is gone")
	case "broken":
		return jid.JID{}, errors.New("disk")
	}
	if h.taken[resource] {
		return jid.JID{}, stanza.NewError(stanza.Conflict, "")
	}
	return h.who.WithResource(resource)
}

func (h *home) Bound() { h.bound++ }

func (h *home) Resume(_ context.Context, previous string, handled uint32) (bool, []byte, error) {
	sent, ok := h.sleeps[previous]
	switch {
	case !ok:
		return false, nil, nil
	case handled > sent:
		return false, nil, &Error{Condition: UndefinedCondition, App: []byte("<handled-count-too-high xmlns='urn:xmpp:sm:3'/>")}
	}
	h.resumed = true
	return true, nil, h.out([]byte("<resumed xmlns='urn:xmpp:sm:3' previd='" + previous + "' h='0'/>"))
}

// pipe is net.Pipe with room: both ends may write before they read.
func pipe() (net.Conn, net.Conn) {
	a, b := net.Pipe()
	return roomy(a), roomy(b)
}

type roomyConn struct {
	net.Conn
	queue chan []byte

	mu     sync.Mutex
	closed bool // and so is queue
}

func roomy(c net.Conn) net.Conn {
	r := &roomyConn{Conn: c, queue: make(chan []byte, 4096)}
	go func() {
		for b := range r.queue {
			if _, err := c.Write(b); err != nil {
				break
			}
		}
		c.Close()
		for range r.queue { // whoever still writes must not wait
		}
	}()
	return r
}

func (r *roomyConn) Write(b []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, net.ErrClosed
	}
	r.queue <- append([]byte(nil), b...)
	return len(b), nil
}

// SetWriteDeadline is for Write, which never waits. crypto/tls sets one in the
// past behind its last word, which must not cut off what is in the queue.
func (r *roomyConn) SetWriteDeadline(time.Time) error { return nil }
func (r *roomyConn) SetDeadline(t time.Time) error    { return r.SetReadDeadline(t) }

func (r *roomyConn) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.mu.Unlock()
	time.AfterFunc(time.Second, func() { r.Conn.Close() })
	return nil
}

// keeper serves im.example.com. The clock is unset, so that its certificates
// are good in a bubble too, where it is the year 2000.
var keeper = sync.OnceValue(func() *cert.Keeper {
	k, err := cert.Open(cert.Options{
		Domains: []string{"im.example.com", "conference.example.com"}, Vault: cert.Memory{},
		Now: func() time.Time { return built.Add(-time.Hour) }, Built: built,
		TLS: cert.Policy{ClientCertificates: true},
	})
	if err != nil {
		panic(err)
	}
	return k
})

var built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// defaults are Options with everything on.
func defaults() *Options {
	return &Options{
		IsHost: func(d string) bool { return d == "im.example.com" || d == "conference.example.com" }, Main: "im.example.com",
		Certs: keeper(), Directory: directory(), Secret: []byte("0123456789abcdef"), Iterations: sasl.MinIterations,
		Plain: true, Limits: xmlstream.Limits{Bytes: 100_000},
	}
}

// client is the other end of a stream under test: it writes what it is told and
// reads what a pattern says.
type client struct {
	t      *testing.T
	conn   net.Conn
	got    []byte
	stream *Stream
	home   *home
	done   chan error // what Negotiate returned
}

func start(t *testing.T, o *Options, direct bool) *client {
	t.Helper()
	return startContext(t, t.Context(), o, direct)
}

func startContext(t *testing.T, ctx context.Context, o *Options, direct bool) *client {
	t.Helper()
	here, there := pipe()
	conn := (*flow.Pump)(nil).NewConn(here)
	c := &client{t: t, conn: there, done: make(chan error, 1), home: &home{sleeps: map[string]uint32{"old": 5}, taken: map[string]bool{"taken": true}}}
	c.stream = New(conn, new(flow.Buffer), new(xmlstream.Scanner), o, c.home)
	c.home.out = c.stream.send
	go func() { c.done <- c.stream.Negotiate(ctx, direct) }()
	t.Cleanup(func() {
		there.Close()
		conn.Close()
	})
	return c
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	if _, err := c.conn.Write([]byte(format)); err != nil {
		c.t.Fatalf("writing %q: %v", format, err)
	}
}

// expect reads until the pattern matches what came since the last match, from
// its first byte on, and returns the groups.
func (c *client) expect(pattern string) []string {
	c.t.Helper()
	re := regexp.MustCompile("^(?s:" + pattern + ")")
	for {
		if m := re.FindSubmatchIndex(c.got); m != nil {
			var groups []string
			for i := 2; i < len(m); i += 2 {
				groups = append(groups, string(c.got[m[i]:m[i+1]]))
			}
			c.got = c.got[m[1]:]
			return groups
		}
		if err := c.read(); err != nil {
			c.t.Fatalf("want %s\ngot  %q (%v)", pattern, c.got, err)
		}
	}
}

func (c *client) read() error {
	b := make([]byte, 4096)
	c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := c.conn.Read(b)
	c.got = append(c.got, b[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// end wants nothing more but the end, and returns what Negotiate did.
func (c *client) end() error {
	c.t.Helper()
	for {
		err := c.read()
		if len(c.got) > 0 {
			c.t.Fatalf("after the end: %q", c.got)
		}
		if err != nil {
			if err != io.EOF && !strings.Contains(err.Error(), "closed") {
				c.t.Fatalf("not closed: %v", err)
			}
			break
		}
	}
	c.conn.Close()
	return <-c.done
}

const (
	open    = `<?xml version='1.0'?><stream:stream to='im.example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	header  = `<\?xml version='1\.0'\?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx\.jabber\.org/streams' id='[^']{20}' from='[^']+'(?: to='[^']+')? xml:lang='en' version='1\.0'>`
	tlsOnly = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>`
	closing = `</stream:stream>`
)

func streamError(c Condition) string {
	return `<stream:error><` + string(c) + ` xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>(?:<text[^>]*>[^<]*</text>)?</stream:error>` + closing
}

func saslError(c sasl.Condition) string {
	return `<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><` + string(c) + `/>(?:<text[^>]*>[^<]*</text>)?</failure>`
}

// clientTLS trusts whatever is shown and asks for the name.
func clientTLS(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true, Time: func() time.Time { return built }}
}

// startTLS goes from the first header to the features inside TLS.
func (c *client) startTLS(config *tls.Config) *tls.Conn {
	c.t.Helper()
	c.send(open)
	c.expect(header + tlsOnly)
	c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	return c.wrap(config)
}

func (c *client) wrap(config *tls.Config) *tls.Conn {
	c.t.Helper()
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn = conn
	return conn
}

// login goes from features to authenticated ones, by PLAIN.
func (c *client) login() {
	c.t.Helper()
	c.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>", SASLSpace, sasl.Encode([]byte("\x00juliet\x00"+password)))
	c.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	c.send(open)
	c.expect(header + `<stream:features><bind .*</stream:features>`)
}

// loopback is a stream without TLS up to its features.
func loopback(t *testing.T, o *Options) *client {
	t.Helper()
	o.Insecure, o.Certs = true, nil
	c := start(t, o, false)
	c.send(open)
	c.expect(header + `<stream:features><mechanisms.*</stream:features>`)
	return c
}

func guard() *account.Guard { return account.NewGuard(account.GuardLimits{}) }
