package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// domain is the one domain every server of a benchmark serves.
const domain = "bench.local"

// client is one logged-in XMPP client. During login one goroutine uses it, later the loop that it was added to.
type client struct {
	account string
	wire    *wire
	stream  io.ReadWriter // the wire, or TLS over it
	in      []byte        // read and not yet split
	out     []byte        // to be written when the loop is done with this client's input
	managed bool          // stream management is on
	heard   uint32        // stanzas received since it is
	said    uint32        // stanzas sent since it is
	settled uint32        // of these, acknowledged by the server
	asked   uint32        // value of said when the client last asked
	message func(stanza []byte) error
	partner *client // who may have something to send after this client's input was handled; may be nil
}

// login says how clients log in.
type login struct {
	server   addresses
	tls      bool // STARTTLS first
	presence bool // become available, and wait until the server has seen it
	managed  bool // stream management with resumption, and carbons
	ring     *keyring
}

// tlsSettings accepts the servers' own certificates. The key exchange is X25519 for all: what Go would choose with itself
// (a post-quantum hybrid) the peers' libraries do not know, and the figure is to compare servers, not key exchanges.
// There is no session cache, so each handshake is a full one.
var tlsSettings = &tls.Config{
	ServerName:         domain,
	InsecureSkipVerify: true,
	MinVersion:         tls.VersionTLS13,
	CurvePreferences:   []tls.CurveID{tls.X25519},
}

// negotiationTimeout bounds each login, and each leave: far above what a busy server takes, below what servers allow, so that
// a client forgotten by its server fails the run.
const negotiationTimeout = 20 * time.Second

// sourceAddress spreads connections over 127.0.0.2 … 127.0.0.61: each has its own ports, of which a benchmark with
// thousands of logins a second would otherwise run out while closed connections linger in TIME_WAIT.
func sourceAddress() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+sources.Add(1)%60))}
}

var sources atomic.Uint32

// connect logs in. The account doubles as the resource.
func (l login) connect(account string) (*client, error) {
	address := l.server.plain
	if l.tls {
		address = l.server.tls
	}
	dialer := net.Dialer{Timeout: negotiationTimeout, LocalAddr: sourceAddress(), KeepAlive: -1}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{account: account, wire: &wire{Conn: conn}}
	c.stream = c.wire
	c.wire.SetDeadline(time.Now().Add(negotiationTimeout))
	if err := l.negotiate(c); err != nil {
		conn.Close()
		return nil, fmt.Errorf("login of %s: %w", account, err)
	}
	c.wire.SetDeadline(time.Time{})
	return c, nil
}

func (l login) negotiate(c *client) error {
	features, err := c.open()
	if err != nil {
		return err
	}
	if l.tls {
		if err := c.secure(); err != nil {
			return err
		}
		if features, err = c.open(); err != nil {
			return err
		}
	}
	if bytes.Contains(features, []byte("<mechanism>SCRAM-SHA-1</mechanism>")) {
		err = c.scram(l.ring)
	} else {
		err = c.plain()
	}
	if err != nil {
		return err
	}
	if _, err = c.open(); err != nil {
		return err
	}
	if err := c.request("bind", "set", "", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>"+c.account+"</resource></bind>"); err != nil {
		return err
	}
	if l.managed {
		if err := c.manage(); err != nil {
			return err
		}
	}
	if l.presence {
		if err := c.send("<presence/>"); err != nil {
			return err
		}
		c.said++
		// The answer tells that the presence was handled too: one sender's stanzas are handled in order.
		return c.request("ping", "get", " to='"+domain+"'", "<ping xmlns='urn:xmpp:ping'/>")
	}
	return nil
}

// open sends a stream header and returns the features.
func (c *client) open() ([]byte, error) {
	c.in = c.in[:0]
	if err := c.send("<?xml version='1.0'?><stream:stream to='" + domain + "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"); err != nil {
		return nil, err
	}
	if _, err := c.expect("<stream:stream"); err != nil {
		return nil, err
	}
	return c.expect("<stream:features")
}

func (c *client) secure() error {
	if err := c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	if _, err := c.expect("<proceed"); err != nil {
		return err
	}
	secure := tls.Client(c.wire, tlsSettings)
	c.stream = secure
	return secure.Handshake()
}

func (c *client) plain() error {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + c.account + "\x00" + password))
	if err := c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + "</auth>"); err != nil {
		return err
	}
	_, err := c.expect("<success")
	return err
}

func (c *client) scram(ring *keyring) error {
	exchange := scram{ring: ring}
	first := base64.StdEncoding.EncodeToString([]byte(exchange.first(c.account)))
	if err := c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>" + first + "</auth>"); err != nil {
		return err
	}
	challenge, err := c.expectText("<challenge")
	if err != nil {
		return err
	}
	final, err := exchange.final(challenge)
	if err != nil {
		return err
	}
	if err := c.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.StdEncoding.EncodeToString([]byte(final)) + "</response>"); err != nil {
		return err
	}
	signature, err := c.expectText("<success")
	if err != nil {
		return err
	}
	return exchange.verify(signature)
}

// manage enables stream management with resumption, then carbons.
func (c *client) manage() error {
	c.said, c.heard = 0, 0 // both sides count from here
	if err := c.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"); err != nil {
		return err
	}
	if _, err := c.expect("<enabled"); err != nil {
		return err
	}
	c.managed = true
	return c.request("carbons", "set", "", "<enable xmlns='urn:xmpp:carbons:2'/>")
}

// request sends an IQ and waits for its result; what else arrives meanwhile is handled as usual.
func (c *client) request(id, kind, to, payload string) error {
	_, err := c.query(id, kind, to, payload)
	return err
}

func (c *client) query(id, kind, to, payload string) ([]byte, error) {
	if err := c.send("<iq type='" + kind + "' id='" + id + "'" + to + ">" + payload + "</iq>"); err != nil {
		return nil, err
	}
	c.said++
	for {
		item, err := c.next()
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(item, []byte("<iq")) && string(attribute(item, "id")) == id {
			c.heard++
			if string(attribute(item, "type")) != "result" {
				return nil, fmt.Errorf("request %s was answered %s", id, item)
			}
			return item, nil
		}
		if err := c.handle(item); err != nil {
			return nil, err
		}
		if err := c.flush(); err != nil {
			return nil, err
		}
	}
}

// next returns the next item; it is valid until the next call. Only during negotiation: it blocks.
func (c *client) next() ([]byte, error) {
	for {
		item, n, err := split(c.in)
		if err != nil {
			return nil, fmt.Errorf("%w: %.200q", err, c.in)
		}
		if n > 0 {
			c.in = c.in[n:]
			if len(item) > 0 {
				return item, nil
			}
			continue
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

func (c *client) fill() error {
	if cap(c.in)-len(c.in) < 2048 {
		c.in = append(make([]byte, 0, len(c.in)+4096), c.in...)
	}
	n, err := c.stream.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	return err
}

// expect returns the next item if it has this beginning.
func (c *client) expect(prefix string) ([]byte, error) {
	item, err := c.next()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(item, []byte(prefix)) {
		return nil, fmt.Errorf("expected %s, got %s", prefix, item)
	}
	return item, nil
}

// expectText returns the base64 text of the next item.
func (c *client) expectText(prefix string) ([]byte, error) {
	item, err := c.expect(prefix)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(string(between(item, ">", "<")))
}

func (c *client) send(s string) error {
	_, err := io.WriteString(c.stream, s)
	return err
}

// handle does what a well-behaved client must do with an item: count it, answer requests, refuse errors.
func (c *client) handle(item []byte) error {
	switch item[1] {
	case 'm': // message
		c.heard++
		if c.message == nil {
			return fmt.Errorf("%s got a message it did not expect: %s", c.account, item)
		}
		return c.message(item)
	case 'p': // presence
		c.heard++
	case 'i': // iq
		c.heard++
		c.answer(item)
	case 'r': // r, stream management's request
		c.out = append(c.out, "<a xmlns='urn:xmpp:sm:3' h='"...)
		c.out = strconv.AppendUint(c.out, uint64(c.heard), 10)
		c.out = append(c.out, "'/>"...)
	case 'a': // a, its answer
		h, err := strconv.ParseUint(string(attribute(item, "h")), 10, 32)
		if err != nil || uint32(h)-c.settled > c.said-c.settled {
			return fmt.Errorf("%s sent %d stanzas and was acknowledged by %s", c.account, c.said, item)
		}
		c.settled = uint32(h)
	default:
		return fmt.Errorf("%s got %s", c.account, item)
	}
	return nil
}

// answer replies to a server's question; a ping needs no more than a result.
func (c *client) answer(iq []byte) {
	if kind := attribute(iq, "type"); string(kind) != "get" && string(kind) != "set" {
		return
	}
	c.out = append(c.out, "<iq type='result' id='"...)
	c.out = append(c.out, attribute(iq, "id")...)
	if from := attribute(iq, "from"); from != nil {
		c.out = append(append(c.out, "' to='"...), from...)
	}
	c.out = append(c.out, "'/>"...)
	c.said++
}

// ask asks the server how many stanzas it has settled.
func (c *client) ask() {
	c.out = append(c.out, "<r xmlns='urn:xmpp:sm:3'/>"...)
	c.asked = c.said
}

func (c *client) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.stream.Write(c.out)
	c.out = c.out[:0]
	return err
}

// pump handles everything that has arrived and is there without waiting. Only after the wire was detached.
func (c *client) pump() error {
	for {
		used := 0
		for {
			item, n, err := split(c.in[used:])
			if err != nil {
				return fmt.Errorf("%s: %w: %.200q", c.account, err, c.in[used:])
			}
			if n == 0 {
				break
			}
			used += n
			if len(item) == 0 {
				continue
			}
			if err := c.handle(item); err != nil {
				return err
			}
		}
		c.in = c.in[:copy(c.in, c.in[used:])]
		if err := c.fill(); err == errAgain {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", c.account, err)
		}
	}
}

// leave closes the stream politely and waits for the server to do the same.
func (c *client) leave() error {
	defer c.wire.Close()
	c.wire.SetDeadline(time.Now().Add(negotiationTimeout))
	if err := c.send("</stream:stream>"); err != nil {
		return err
	}
	for {
		item, err := c.next()
		if errors.Is(err, io.EOF) || err == nil && bytes.HasPrefix(item, []byte("</stream:stream")) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("leave of %s: %w", c.account, err)
		}
	}
}
