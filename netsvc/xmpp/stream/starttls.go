package stream

import (
	"context"
	"strings"

	"linnet/netsvc/cert"
	"linnet/netsvc/wire/xmlstream"
)

// startTLS is RFC 6120 section 5. Its feature is made by Stream.features, since
// it silences all others.
var startTLS = Step{Space: TLSSpace, Local: "starttls", Early: true, Handle: takeStartTLS}

func takeStartTLS(ctx context.Context, s *Stream, _ *xmlstream.Node) (Next, error) {
	s.used()
	switch {
	case s.Secure() || s.o.Certs == nil:
		return s.refuseTLS("not offered")
	case strings.Trim(string(s.buf.Bytes()), " \t\r\n") != "":
		// Bytes that came before the handshake would pass for protected ones.
		return s.refuseTLS("something was sent before the answer")
	}
	s.buf.Discard(s.buf.Len())
	if err := s.send([]byte("<proceed xmlns='" + TLSSpace + "'/>")); err != nil {
		return 0, err
	}
	if err := s.handshake(ctx, cert.StartTLS); err != nil {
		return 0, err
	}
	return Restart, nil
}

// refuseTLS is the failure case of RFC 6120 section 5.4.2.2: the stream ends.
func (s *Stream) refuseTLS(why string) (Next, error) {
	s.send([]byte("<failure xmlns='" + TLSSpace + "'/>"))
	return 0, Fail(PolicyViolation, "STARTTLS: "+why)
}

// handshake protects the connection. The certificates of this moment are the
// stream's for good: what it binds to is what it showed.
func (s *Stream) handshake(ctx context.Context, p cert.Protocol) error {
	set := s.o.Certs.Current()
	if err := s.conn.StartTLS(ctx, set.Config(p, s.host)); err != nil {
		return err
	}
	s.set, s.tlsHost = set, s.host
	s.host, s.from = "", s.from.Bare()
	s.auth.options = nil
	return nil
}
