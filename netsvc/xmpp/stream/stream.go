package stream

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// Options are what an edge asks of all its streams, in one generation.
type Options struct {
	IsHost func(domain string) bool
	Main   string // the domain that speaks where the client named none that is served

	// Certs is where TLS comes from; nil means that there is none.
	Certs *cert.Keeper
	// Insecure permits credentials without TLS: on a loopback port only.
	Insecure bool

	Directory  sasl.Directory
	Secret     []byte // see sasl.Options
	Iterations int
	Plain      bool           // offer PLAIN inside TLS
	Guard      *account.Guard // nil: guessing costs nothing

	Steps []Step // beside those that this package has

	Timeout  time.Duration    // of the whole negotiation; 0 = 60 s
	Early    xmlstream.Limits // until authenticated; zero = 10,000 bytes
	Limits   xmlstream.Limits // afterwards
	Idle     time.Duration    // told to the client (XEP-0478); 0 = not
	Failures int              // failed logins of one stream; 0 = 3, RFC 6120 section 6.4.5 wants 2 to 5
}

// The defaults.
const (
	DefaultTimeout  = 60 * time.Second
	DefaultFailures = 3
	EarlyBytes      = 10_000
)

// closeGrace is how long a peer has to take an error and close its side; shutdownGrace
// the same where the program that has to wait for it is about to end.
const (
	closeGrace    = 2 * time.Second
	shutdownGrace = 50 * time.Millisecond
)

func (o *Options) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return DefaultTimeout
}

func (o *Options) failures() int {
	if o.Failures > 0 {
		return o.Failures
	}
	return DefaultFailures
}

func (o *Options) early() xmlstream.Limits {
	if o.Early != (xmlstream.Limits{}) {
		return o.Early
	}
	return xmlstream.Limits{Bytes: EarlyBytes, Depth: 16, Attrs: 32, Kids: 32}
}

// Owner is the edge's side of one stream: what the steps cause. Its methods are
// called on the goroutine of Negotiate and may wait.
type Owner interface {
	// Authenticated says who the client proved to be, before it is told. An
	// error, an *sasl.Error as a rule, fails the authentication after all.
	Authenticated(ctx context.Context, who jid.JID) error
	// Features are offered to the authenticated client beside bind, each a
	// whole element.
	Features() [][]byte
	// Bind makes a session for the resource; "" means that the server chooses.
	// The error is a *stanza.Error for the client, or an *Error that ends the
	// stream; anything else is internal-server-error.
	Bind(ctx context.Context, resource string) (jid.JID, error)
	// Bound says that the client's answer stands in the outbox: stanzas may
	// follow it.
	Bound()
	// Resume gives an earlier session this connection, and writes the answer
	// and what is owed itself. If it cannot it returns the answer to be
	// written, and the client may bind; an *Error ends the stream.
	Resume(ctx context.Context, previous string, handled uint32) (resumed bool, failed []byte, err error)
}

// Stream is one client's stream while it is negotiated. The goroutine that calls
// Negotiate owns it.
type Stream struct {
	conn  *flow.Conn
	buf   *flow.Buffer
	scan  *xmlstream.Scanner
	o     *Options
	owner Owner

	// Identity is whom the client proved to be; zero until then.
	Identity jid.JID
	// JID is the bound address; zero until then, and after a resumption.
	JID jid.JID

	taken    int       // bytes at the front of buf that were used
	begun    bool      // the scanner is within an item
	elements int       // taken from the client so far
	greeted  bool      // our header of the present stream has been sent
	host     string    // the domain that the client named
	from     jid.JID   // what it says of itself
	set      *cert.Set // the certificates that TLS began with
	tlsHost  string    // and the domain asked for then

	auth     auth
	guest    *xmpp.Guest // nil until an extension looks
	requests int         // of the guest
}

// New makes a stream of an accepted connection. buf and scan are empty, and the
// caller's again when Negotiate has returned.
func New(conn *flow.Conn, buf *flow.Buffer, scan *xmlstream.Scanner, o *Options, owner Owner) *Stream {
	return &Stream{conn: conn, buf: buf, scan: scan, o: o, owner: owner}
}

// ErrClosed is the error of a stream that the client closed in good order.
var ErrClosed = errors.New("stream: closed by the client")

// Host is the served domain that the client named.
func (s *Stream) Host() string { return s.host }

// Secure reports whether TLS protects the stream.
func (s *Stream) Secure() bool { return s.set != nil }

// Negotiate does all there is to do until a resource is bound or a session
// resumed, and returns nil then: the bytes that are left in the buffer begin
// with the client's first stanza. Otherwise the connection is closed when it
// returns; the error is ErrClosed, an *Error that the peer was told, or what
// ended the connection. direct makes TLS the first thing (XEP-0368).
//
// A canceled ctx ends the stream with system-shutdown.
func (s *Stream) Negotiate(ctx context.Context, direct bool) error {
	limited, cancel := context.WithTimeout(ctx, s.o.timeout())
	defer cancel()
	stop := context.AfterFunc(limited, s.conn.Kick)
	defer stop()
	s.scan.Reset(s.o.early())

	err := s.run(limited, direct)
	if err == nil {
		// Not before: who logs in and stops there is bounded by no number of
		// sessions.
		s.conn.Admitted()
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = Fail(ConnectionTimeout, "negotiation took too long")
	} else if errors.Is(err, context.Canceled) {
		err = &Error{Condition: SystemShutdown, Cause: ctx.Err()}
	}
	if told := asError(err); told != nil {
		err = told
	}
	s.close(err)
	return err
}

func (s *Stream) run(ctx context.Context, direct bool) error {
	if direct {
		if s.o.Certs == nil {
			return errors.New("stream: direct TLS without certificates")
		}
		if err := s.handshake(ctx, cert.DirectClient); err != nil {
			return err
		}
	}
	for {
		ev, err := s.next(ctx)
		if err != nil {
			return err
		}
		switch ev {
		case xmlstream.EventHeader:
			err = s.open()
		case xmlstream.EventElement:
			var next Next
			if next, err = s.element(ctx); err != nil {
				return err
			}
			switch next {
			case Finished:
				s.used()
				return nil
			case Restart:
				s.restart()
			case Refresh:
				s.scan.SetLimits(s.limits())
				err = s.send(s.features().Append(nil))
			}
		case xmlstream.EventFooter:
			err = ErrClosed
		}
		if err != nil {
			return err
		}
	}
}

// next reads one item.
func (s *Stream) next(ctx context.Context) (xmlstream.Event, error) {
	s.used()
	for {
		if !s.greeted && !s.begun {
			s.skipSpace()
		}
		if s.buf.Len() > 0 {
			ev, n, err := s.scan.Scan(s.buf.Bytes())
			if err != nil || ev != xmlstream.EventMore {
				s.taken, s.begun = n, false
				return ev, err
			}
			s.begun = true
		}
		if err := s.fill(ctx); err != nil {
			return 0, err
		}
	}
}

func (s *Stream) fill(ctx context.Context) error {
	for {
		err := s.conn.Fill(s.buf)
		switch {
		case err == flow.ErrKicked || err == os.ErrDeadlineExceeded:
			if ctx.Err() != nil {
				return ctx.Err()
			}
		case err == flow.ErrBufferFull:
			return Fail(PolicyViolation, "too much at once")
		default:
			return err
		}
	}
}

// skipSpace drops white space in front of a header. No XML declaration may follow
// it, but some clients end their last element of the stream before with a line feed,
// and begin the next one with a declaration.
func (s *Stream) skipSpace() {
	b := s.buf.Bytes()
	n := len(b) - len(bytes.TrimLeft(b, " \t\r\n"))
	s.buf.Discard(n)
}

// used gives back the bytes of the last item.
func (s *Stream) used() {
	s.buf.Discard(s.taken)
	s.taken = 0
}

// restart makes the next item a header again.
func (s *Stream) restart() {
	s.used()
	s.greeted = false
	s.scan.Reset(s.limits())
}

func (s *Stream) limits() xmlstream.Limits {
	if s.Identity.IsZero() {
		return s.o.early()
	}
	return s.o.Limits
}

// open answers the client's header.
func (s *Stream) open() error {
	if s.greeted {
		return Fail(InvalidXML, "a stream within a stream")
	}
	fault := s.checkHeader(s.scan.Header())
	out := s.greet(make([]byte, 0, 1024)) // room for the features too
	if fault != nil {
		s.send(out)
		return fault
	}
	f := s.features()
	return s.send(f.Append(out))
}

// greet appends our header.
func (s *Stream) greet(dst []byte) []byte {
	s.greeted = true
	h := Header{Content: xmlstream.ClientSpace, From: s.host, To: s.from.String(), ID: newID(), Lang: "en"}
	if h.From == "" {
		h.From = s.o.Main
	}
	return h.Append(dst)
}

// send queues bytes, which must not change afterwards.
func (s *Stream) send(b []byte) error {
	if !s.conn.Outbox().AddBytes(b) {
		return net.ErrClosed
	}
	return nil
}

// close ends the stream as the error demands, and waits for the peer's end.
func (s *Stream) close(err error) {
	var out []byte
	fault := asError(err)
	if fault == nil && err != ErrClosed {
		s.conn.Close()
		return
	}
	if !s.greeted {
		out = s.greet(out) // RFC 6120 section 4.9.1.1
	}
	grace := closeGrace
	if fault != nil && fault.Condition == SystemShutdown {
		grace = shutdownGrace
	}
	s.conn.Outbox().Close(grace, append(out, Farewell(fault)...), nil)
	// What the peer sends meanwhile is read, or the kernel would answer it with
	// a reset that overtakes the farewell.
	for {
		s.buf.Discard(s.buf.Len())
		if err := s.conn.Fill(s.buf); err != nil && err != flow.ErrKicked && err != os.ErrDeadlineExceeded {
			s.buf.Release()
			return
		}
	}
}

// address is the peer's, for the guard; no address where there is no network.
func (s *Stream) address() netip.Addr {
	if a, ok := s.conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}
