package kills

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"linnet/netsvc/wire/xmlstream"
)

const (
	manageSpace  = "urn:xmpp:sm:3"
	archiveSpace = "urn:xmpp:mam:2"
	saslSpace    = "urn:ietf:params:xml:ns:xmpp-sasl"
	streamSpace  = "http://etherx.jabber.org/streams"
)

// patience is how long a server that runs may take to answer anything.
const patience = 20 * time.Second

// wire is one connection: bytes out, elements in. One goroutine reads.
type wire struct {
	conn    net.Conn
	scanner xmlstream.Scanner
	buf     []byte
	used    int // bytes of the element returned last

	failed, closed bool // how it ended: with a stream error; as streams should
}

func dial(addr string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn}, nil
}

func (w *wire) write(s string) error {
	w.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := io.WriteString(w.conn, s)
	return err
}

// next returns the next element of the stream, which is valid until the call after; the header comes as nil. The end of
// the stream is io.EOF, that of the connection alone another error.
func (w *wire) next() (*xmlstream.Element, error) {
	w.buf = w.buf[:copy(w.buf, w.buf[w.used:])]
	w.used = 0
	for {
		event, n, err := w.scanner.Scan(w.buf)
		if err != nil {
			return nil, fmt.Errorf("the server sends %w", err)
		}
		switch event {
		case xmlstream.EventMore:
			if cap(w.buf)-len(w.buf) < 4096 {
				w.buf = append(make([]byte, 0, 2*cap(w.buf)+16384), w.buf...)
			}
			n, err := w.conn.Read(w.buf[len(w.buf):cap(w.buf)])
			if w.buf = w.buf[:len(w.buf)+n]; n == 0 && err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return nil, err
			}
			continue
		case xmlstream.EventElement:
			w.used = n
			return w.scanner.Element(), nil
		case xmlstream.EventHeader:
			w.used = n
			return nil, nil
		case xmlstream.EventFooter:
			return nil, io.EOF
		}
		w.buf = w.buf[:copy(w.buf, w.buf[n:])]
	}
}

// expect reads until an element of that name comes; another one in its place is an error.
func (w *wire) expect(names ...string) (*xmlstream.Element, error) {
	for {
		el, err := w.next()
		if err != nil {
			return nil, err
		}
		if el == nil {
			continue
		}
		for _, name := range names {
			if string(el.Local()) == name {
				return el, nil
			}
		}
		return nil, fmt.Errorf("expected <%s/>, got %s", names[0], el.Raw())
	}
}

func (w *wire) open() error {
	w.scanner.Reset(xmlstream.Limits{})
	w.buf, w.used = w.buf[:0], 0
	err := w.write("<?xml version='1.0'?><stream:stream to='" + domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='" + streamSpace + "'>")
	if err == nil {
		_, err = w.expect("features")
	}
	return err
}

// login authenticates; afterwards a resource can be bound or a stream resumed.
func (w *wire) login(name string) error {
	w.conn.SetReadDeadline(time.Now().Add(patience))
	if err := w.open(); err != nil {
		return err
	}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + password(name)))
	if err := w.write("<auth xmlns='" + saslSpace + "' mechanism='PLAIN'>" + secret + "</auth>"); err != nil {
		return err
	}
	if _, err := w.expect("success"); err != nil {
		return err
	}
	return w.open()
}

func password(name string) string { return "secret-of-" + name }

// resource is that of every client: one that comes back without resuming takes the place of what it was.
const resource = "home"

func (w *wire) bind() error {
	err := w.write("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>")
	if err != nil {
		return err
	}
	el, err := w.expect("iq")
	if err == nil && el.Attr("type") != "result" {
		err = fmt.Errorf("the server answers %s", el.Raw())
	}
	return err
}

// enable begins stream management and returns the id to resume with.
func (w *wire) enable() (id string, err error) {
	if err := w.write("<enable xmlns='" + manageSpace + "' resume='true'/>"); err != nil {
		return "", err
	}
	el, err := w.expect("enabled")
	if err != nil {
		return "", err
	}
	if id = el.Attr("id"); id == "" {
		return "", fmt.Errorf("cannot be resumed: %s", el.Raw())
	}
	return id, nil
}

// resumption is how a server answered <resume/>.
type resumption struct {
	ok    bool
	h     uint32
	knows bool // h was there
}

func (w *wire) resume(id string, got uint32) (r resumption, err error) {
	if err := w.write("<resume xmlns='" + manageSpace + "' previd='" + id + "' h='" + strconv.FormatUint(uint64(got), 10) + "'/>"); err != nil {
		return r, err
	}
	el, err := w.expect("resumed", "failed")
	if err != nil {
		return r, err
	}
	r.ok = string(el.Local()) == "resumed"
	if h, there := el.Lookup("h"); there {
		r.h, err = number(string(h))
		r.knows = true
	}
	switch {
	case err != nil || r.ok && !r.knows:
		return r, fmt.Errorf("no count in %s", el.Raw())
	case r.ok && el.Attr("previd") != id:
		return r, fmt.Errorf("another stream is resumed: %s", el.Raw())
	case !r.ok && len(el.Kids()) == 0:
		return r, errors.New("<failed/> without a condition")
	}
	return r, nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// cut ends the connection as a lost network does.
func (w *wire) cut() {
	if t, ok := w.conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	w.conn.Close()
}
