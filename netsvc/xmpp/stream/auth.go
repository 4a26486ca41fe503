package stream

import (
	"context"
	"errors"
	"slices"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/xmlstream"
)

// auth is what a stream keeps of its client's attempts to authenticate.
type auth struct {
	options  *sasl.Options // of the present stream; nil until needed
	exchange *sasl.Exchange
	verdict  account.Verdict
	guesses  int // failed proofs
	faults   int // exchanges that came to no proof
}

// The steps of RFC 6120 section 6.
var (
	saslStart    = Step{Space: SASLSpace, Local: "auth", Early: true, Offer: (*Stream).offerSASL, Handle: takeAuth}
	saslResponse = Step{Space: SASLSpace, Local: "response", Early: true, Handle: takeResponse}
	saslAbort    = Step{Space: SASLSpace, Local: "abort", Early: true, Handle: takeAbort}
)

// saslOptions are what the mechanisms are told of this stream.
func (s *Stream) saslOptions() *sasl.Options {
	if o := s.auth.options; o != nil && o.Host.Domain() == s.host {
		return o
	}
	host, _ := jid.New("", s.host, "")
	o := &sasl.Options{
		Host: host, Directory: guarded{s}, Secret: s.o.Secret, Iterations: s.o.Iterations,
		Plain: s.o.Plain && s.Secure() || s.o.Insecure,
	}
	if s.Secure() {
		cs := s.conn.TLS()
		o.Bindings = s.set.Bindings(cs, s.tlsHost)
		if names, err := s.set.Peer(cs); err == nil { // RFC 6120 section 6.3.4: only what can work is offered
			o.External = func(as jid.JID) (jid.JID, error) { return s.external(names, as) }
		}
	}
	s.auth.options = o
	return o
}

// mayAuthenticate reports whether credentials may be sent over this connection.
func (s *Stream) mayAuthenticate() bool { return s.Secure() || s.o.Insecure }

func (s *Stream) offerSASL(f *Features) {
	if !s.mayAuthenticate() {
		return
	}
	o := s.saslOptions()
	f.Mechanisms = o.Offer()
	for _, b := range o.Bindings {
		f.Bindings = append(f.Bindings, b.Type)
	}
}

// Authenticate begins an exchange by a mechanism; initial is the client's first
// message, nil if it sent none. It is what SASL's auth element and SASL2's
// authenticate have in common; see Respond for the results.
func (s *Stream) Authenticate(ctx context.Context, mechanism string, initial []byte) (out []byte, done bool, err error) {
	if s.auth.exchange != nil {
		s.auth.exchange = nil
		return nil, false, &sasl.Error{Condition: sasl.MalformedRequest, Text: "another exchange is under way"}
	}
	x, err := sasl.New(mechanism, s.saslOptions())
	if err != nil {
		return nil, false, s.notAuthenticated(ctx, nil, err)
	}
	s.auth.exchange, s.auth.verdict = x, account.Verdict{}
	return s.Respond(ctx, initial)
}

// Respond takes the client's next message. While done is false, out is a
// challenge; when it is true the client is Identity, and out, unless nil, goes
// with the success. The error is an *sasl.Error, which ends the exchange, or an
// *Error, which ends the stream.
func (s *Stream) Respond(ctx context.Context, message []byte) (out []byte, done bool, err error) {
	x := s.auth.exchange
	if x == nil {
		return nil, false, &sasl.Error{Condition: sasl.MalformedRequest, Text: "no exchange is under way"}
	}
	out, done, err = x.Step(message)
	if err != nil {
		return nil, false, s.notAuthenticated(ctx, x, err)
	}
	if !done {
		return out, false, nil
	}
	if err := s.wait(ctx, s.auth.verdict.Wait); err != nil {
		return nil, false, err
	}
	s.auth.exchange = nil
	who := x.Identity()
	if err := s.owner.Authenticated(ctx, who); err != nil {
		var e *sasl.Error
		if !errors.As(err, &e) {
			err = &sasl.Error{Condition: sasl.TemporaryAuthFailure, Cause: err}
		}
		return nil, false, s.notAuthenticated(ctx, x, err)
	}
	if s.o.Guard != nil && x.Name() != sasl.External {
		s.o.Guard.Succeeded(s.address(), who)
	}
	s.Identity = who
	return out, true, nil
}

// GiveUp ends the exchange at the client's wish.
func (s *Stream) GiveUp(ctx context.Context) error {
	x := s.auth.exchange
	if x == nil {
		return &sasl.Error{Condition: sasl.Aborted}
	}
	return s.notAuthenticated(ctx, x, x.Abort())
}

// notAuthenticated counts a failure, and makes it the end of the stream if it
// is one too many.
func (s *Stream) notAuthenticated(ctx context.Context, x *sasl.Exchange, err error) error {
	s.auth.exchange = nil
	var e *sasl.Error
	guess := errors.As(err, &e) && e.Condition == sasl.NotAuthorized
	if guess {
		s.auth.guesses++
	} else {
		s.auth.faults++
	}
	if guess && s.o.Guard != nil && x != nil && x.Name() != sasl.External {
		s.o.Guard.Failed(s.address(), x.Claimed())
	}
	if err := s.wait(ctx, s.auth.verdict.Wait); err != nil {
		return err
	}
	return err
}

// maxFaults is how many mechanisms a client may try in vain before it comes to a
// proof. There are clients that go through the whole list, because they do not
// know the channel bindings of TLS 1.3; they should get in by the last one.
const maxFaults = 10

// Exhausted is the end of a stream whose client failed too often (RFC 6120
// section 6.4.5), nil before. It is asked after the failure was sent.
func (s *Stream) Exhausted() error {
	if s.auth.guesses >= s.o.failures() || s.auth.faults >= maxFaults {
		return Fail(PolicyViolation, "too many failed logins")
	}
	return nil
}

// wait lets time pass before an answer.
func (s *Stream) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guarded is the Directory behind the guard: whoever guesses too often is turned
// away before his guess is looked at.
type guarded struct{ s *Stream }

func (g guarded) Keys(user jid.JID, h sasl.Hash) (sasl.Keys, error) {
	s := g.s
	if s.o.Guard != nil {
		s.auth.verdict = s.o.Guard.Ask(s.address(), user)
		if s.auth.verdict.Refuse {
			return sasl.Keys{}, &sasl.Error{Condition: sasl.TemporaryAuthFailure, Text: "too many failed logins, try again later"}
		}
	}
	return s.o.Directory.Keys(user, h)
}

func (g guarded) Admit(user jid.JID) error { return g.s.o.Directory.Admit(user) }

// external is XEP-0178 section 2: whom a verified certificate lets the client be.
func (s *Stream) external(names cert.Names, as jid.JID) (jid.JID, error) {
	var own []jid.JID
	for _, name := range names.XMPP {
		j, err := jid.Parse(name)
		if err != nil || !j.IsBare() || j.Local() == "" || j.Domain() != s.host || slices.Contains(own, j) {
			continue
		}
		if s.o.Directory.Admit(j) == nil {
			own = append(own, j)
		}
	}
	switch {
	case len(own) == 0:
		return jid.JID{}, &sasl.Error{Condition: sasl.NotAuthorized}
	case as.IsZero() && len(own) == 1:
		return own[0], nil
	case slices.Contains(own, as):
		return as, nil
	}
	return jid.JID{}, &sasl.Error{Condition: sasl.InvalidAuthzid}
}

// takeAuth is the auth element.
func takeAuth(ctx context.Context, s *Stream, n *xmlstream.Node) (Next, error) {
	if !s.mayAuthenticate() {
		return s.saslFailed(&sasl.Error{Condition: "encryption-required"})
	}
	initial, err := sasl.DecodeInitial(n.Text)
	if err != nil {
		return s.saslFailed(s.notAuthenticated(ctx, nil, err))
	}
	return s.saslAnswer(s.Authenticate(ctx, n.Attr("mechanism"), initial))
}

// takeResponse is the response element. An empty one is an empty message.
func takeResponse(ctx context.Context, s *Stream, n *xmlstream.Node) (Next, error) {
	message, err := sasl.Decode(n.Text)
	if err != nil {
		return s.saslFailed(s.notAuthenticated(ctx, nil, err))
	}
	if message == nil {
		message = []byte{}
	}
	return s.saslAnswer(s.Respond(ctx, message))
}

// takeAbort is the abort element.
func takeAbort(ctx context.Context, s *Stream, _ *xmlstream.Node) (Next, error) {
	return s.saslFailed(s.GiveUp(ctx))
}

func (s *Stream) saslAnswer(out []byte, done bool, err error) (Next, error) {
	if err != nil {
		return s.saslFailed(err)
	}
	name := "challenge"
	if done {
		name = "success"
	}
	b := append([]byte("<"), name...)
	b = append(b, " xmlns='"+SASLSpace+"'"...)
	if len(out) == 0 {
		b = append(b, "/>"...)
	} else {
		b = append(append(append(b, '>'), sasl.Encode(out)...), "</"...)
		b = append(append(b, name...), '>')
	}
	if err := s.send(b); err != nil {
		return 0, err
	}
	if done {
		return Restart, nil
	}
	return Continue, nil
}

// saslFailed answers with a failure; err may be what ends the stream instead.
func (s *Stream) saslFailed(err error) (Next, error) {
	var e *sasl.Error
	if !errors.As(err, &e) {
		return 0, err
	}
	b := append([]byte("<failure xmlns='"+SASLSpace+"'><"), e.Condition...)
	b = append(b, "/>"...)
	if e.Text != "" {
		b = append(b, "<text xml:lang='en'>"...)
		b = append(xmlstream.AppendText(b, e.Text), "</text>"...)
	}
	if err := s.send(append(b, "</failure>"...)); err != nil {
		return 0, err
	}
	return Continue, s.Exhausted()
}
