package scenario

import (
	"bufio"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// errEnded is what next returns when the connection is over and everything before was taken.
var errEnded = errors.New("the connection has ended")

// errNothing is what next returns when its time is up.
var errNothing = errors.New("nothing came")

// client is one connection of a scenario. Its reader goroutine fills the queue; everything else belongs to the
// goroutine that runs the script.
type client struct {
	name   string // as in the script: R
	domain string
	jid    string // full address once bound
	conn   net.Conn
	gate   gate
	polite bool // answers pings

	mu      sync.Mutex
	queue   []*Element
	ended   error // why reading stopped, nil while it goes on
	arrived chan struct{}
}

func newClient(name, domain string, conn net.Conn) *client {
	c := &client{name: name, domain: domain, conn: conn, arrived: make(chan struct{}, 1)}
	c.read()
	return c
}

// send writes bytes as they stand. A server that has closed the connection is seen by reading, not here.
func (c *client) send(s string) error {
	c.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
	_, err := io.WriteString(c.conn, s)
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || err == nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil || isReset(err) {
		return nil
	}
	return err
}

func isReset(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe")
}

// next takes what was received next, waiting for it up to limit.
func (c *client) next(limit time.Duration) (*Element, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			e := c.queue[0]
			c.queue = c.queue[1:]
			c.mu.Unlock()
			return e, nil
		}
		ended := c.ended
		c.mu.Unlock()
		if ended != nil {
			return nil, errEnded
		}
		select {
		case <-c.arrived:
		case <-timer.C:
			return nil, errNothing
		}
	}
}

// waiting is a copy of what has arrived and was not taken.
func (c *client) waiting() []*Element {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Element(nil), c.queue...)
}

// forget drops what has arrived.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = nil
}

// putBack makes elements the next to be taken.
func (c *client) putBack(es []*Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(append([]*Element(nil), es...), c.queue...)
}

func (c *client) deliver(e *Element, end error) {
	if c.polite && e != nil && e.is(nsClient, "iq") && e.Attr("type") == "get" && e.Kid(nsPing, "ping") != nil {
		go c.send(fmt.Sprintf("<iq type='result' id='%s' to='%s'/>", e.Attr("id"), e.Attr("from")))
		return
	}
	c.mu.Lock()
	if e != nil {
		c.queue = append(c.queue, e)
	} else {
		c.ended = end
	}
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// read starts the reader. It ends with the connection, and after <proceed/>, when TLS has to come first.
func (c *client) read() {
	in := &recorder{r: bufio.NewReader(gated{c.conn, &c.gate})}
	go func() {
		for {
			again, err := c.readStream(in)
			if err != nil {
				c.deliver(nil, err)
				return
			}
			if !again {
				return
			}
		}
	}()
}

// readStream delivers the items of one stream. It returns true where the peer begins a new stream on the same
// connection.
func (c *client) readStream(in *recorder) (again bool, err error) {
	d := xml.NewDecoder(in)
	depth := 0
	in.take()
	for {
		tok, err := d.Token()
		if err != nil {
			return false, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth == 0 && t.Name == (xml.Name{Space: nsStream, Local: "stream"}) {
				depth = 1
				e := newElement(t)
				e.raw = in.take()
				c.deliver(e, nil)
				continue
			}
			e, err := readElement(d, t)
			e.raw = strings.TrimSpace(in.take())
			if err != nil {
				return false, fmt.Errorf("inside %s: %w", e.raw, err)
			}
			c.deliver(e, nil)
			switch {
			case e.is(nsTLS, "proceed"):
				return false, nil
			case e.is(nsSASL, "success"):
				return true, nil
			}
		case xml.EndElement:
			c.deliver(&Element{Name: xml.Name{Space: nsStream, Local: footer}, raw: "</stream:stream>"}, nil)
			_, err := io.Copy(io.Discard, in.r)
			if err == nil {
				err = io.EOF
			}
			return false, err
		case xml.ProcInst:
			// the XML declaration; it stays in front of the header's raw text
		default:
			in.takeSpace()
		}
	}
}

// startTLS takes over after <proceed/> was taken from the queue, or right after dialling.
func (c *client) startTLS(alpn ...string) error {
	conn := tls.Client(c.conn, &tls.Config{ServerName: c.domain, InsecureSkipVerify: true, NextProtos: alpn})
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	conn.SetDeadline(time.Time{})
	c.conn = conn
	c.read()
	return nil
}

// cut ends the connection the way a lost network does: no footer, no TLS alert where the transport allows.
func (c *client) cut() {
	raw := c.conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.gate.open()
	raw.Close()
}

// recorder keeps the bytes that the decoder took, so that elements can be shown as they were on the wire.
type recorder struct {
	r   *bufio.Reader
	buf []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.buf = append(r.buf, p[:n]...)
	return n, err
}

func (r *recorder) ReadByte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.buf = append(r.buf, b)
	}
	return b, err
}

func (r *recorder) take() string {
	s := string(r.buf)
	r.buf = r.buf[:0]
	return s
}

// takeSpace drops white space between elements, but not the < the decoder has looked at.
func (r *recorder) takeSpace() {
	if n := len(r.buf); n > 0 && r.buf[n-1] == '<' {
		r.buf = append(r.buf[:0], '<')
		return
	}
	r.buf = r.buf[:0]
}

// gate holds a reader back, for clients that never read.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // not nil while shut
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

func (g *gate) wait() {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
}

type gated struct {
	net.Conn
	gate *gate
}

func (g gated) Read(p []byte) (int, error) {
	g.gate.wait()
	n, err := g.Conn.Read(p)
	g.gate.wait()
	return n, err
}
