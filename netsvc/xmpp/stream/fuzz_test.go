package stream

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/xmlstream"
)

// FuzzNegotiate feeds a stream with anything. What comes out must be a stream
// that we would accept ourselves, and nobody gets in without a password.
func FuzzNegotiate(f *testing.F) {
	f.Add([]byte(open + closing))
	f.Add([]byte(open + plain("juliet", "x") + closing))
	f.Add([]byte(open + authElement("SCRAM-SHA-1", sasl.Encode([]byte("n,,n=juliet,r=abc"))) + "<response xmlns='" + SASLSpace + "'>YQ==</response>"))
	f.Add([]byte(open + plain("juliet", password) + open + "<iq type='set' id='1'><bind xmlns='" + BindSpace + "'/></iq>"))
	f.Add([]byte(open + "<starttls xmlns='" + TLSSpace + "'/>"))
	f.Add([]byte("<?xml version='1.0'?><stream:stream"))
	f.Fuzz(func(t *testing.T, in []byte) {
		tape := &tape{in: in}
		conn := (*flow.Pump)(nil).NewConn(tape)
		o := defaults()
		o.Insecure, o.Certs = true, nil
		owner := &home{taken: map[string]bool{}, sleeps: map[string]uint32{}, out: func([]byte) error { return nil }}
		s := New(conn, new(flow.Buffer), new(xmlstream.Scanner), o, owner)
		s.Negotiate(t.Context(), false)
		conn.Close()
		out := tape.written()
		checkOutput(t, out)
		if !owner.who.IsZero() && !strings.Contains(string(in), "PLAIN") {
			t.Errorf("%v got in by %q", owner.who, in)
		}
	})
}

// tape is a connection whose peer has said all it will say and is gone.
type tape struct {
	net.Conn
	in  []byte
	mu  sync.Mutex
	out []byte
}

func (c *tape) Read(b []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	return len(b), nil
}

func (c *tape) written() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.out)
}

func (c *tape) Close() error                     { return nil }
func (c *tape) RemoteAddr() net.Addr             { return nil }
func (c *tape) LocalAddr() net.Addr              { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// checkOutput reads what the server wrote, header after header.
func checkOutput(t *testing.T, out []byte) {
	t.Helper()
	for _, document := range strings.SplitAfter(string(out), "<?xml version='1.0'?>")[min(1, strings.Count(string(out), "<?xml")):] {
		document = strings.TrimSuffix(document, "<?xml version='1.0'?>")
		var s xmlstream.Scanner
		for first := true; document != ""; first = false {
			ev, n, err := s.Scan([]byte(document))
			if err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			if ev == xmlstream.EventMore {
				t.Fatalf("%q is not complete", document)
			}
			if first != (ev == xmlstream.EventHeader) {
				t.Fatalf("%q: event %v", out, ev)
			}
			document = document[n:]
		}
	}
}

// FuzzSASLText feeds the text of SASL elements.
func FuzzSASLText(f *testing.F) {
	for _, s := range []string{"", "=", "AGEAYg==", "biwsbj1hLHI9Yg==", "====", "A", "AA==\n"} {
		f.Add("PLAIN", s)
		f.Add("SCRAM-SHA-256", s)
	}
	f.Fuzz(func(t *testing.T, mechanism, text string) {
		message, err := sasl.DecodeInitial(text)
		if err != nil {
			return
		}
		o := defaults()
		o.Insecure, o.Certs = true, nil
		a, b := net.Pipe()
		defer b.Close()
		conn := (*flow.Pump)(nil).NewConn(a)
		defer conn.Close()
		s := New(conn, new(flow.Buffer), new(xmlstream.Scanner), o, &home{})
		s.host = o.Main
		_, done, err := s.Authenticate(t.Context(), mechanism, message)
		if done && !strings.Contains(string(message), password) {
			t.Errorf("%s got in by %q", s.Identity, message)
		}
		if done == s.Identity.IsZero() {
			t.Errorf("done %v, identity %v, error %v", done, s.Identity, err)
		}
	})
}
