package stream

import (
	"context"
	"iter"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// Next says how negotiation goes on after a step.
type Next uint8

// The ways.
const (
	Continue Next = iota // on the same stream
	Restart              // with a new header of the client
	Refresh              // on the same stream, with features anew (SASL2)
	Finished             // negotiation is over
)

// Step is one thing that can be negotiated.
type Step struct {
	// Space and Local name the element that asks for it: one of the stream itself,
	// or the payload of an IQ.
	Space, Local string
	IQ           bool
	// Early steps are for clients that have not authenticated, others for those
	// that have.
	Early bool
	// Offer adds the feature; nil offers nothing. It is called for each header.
	Offer func(*Stream, *Features)
	// Handle does it. n is the element or the whole IQ. The error is an *Error
	// for the peer, or what ends the connection.
	Handle func(ctx context.Context, s *Stream, n *xmlstream.Node) (Next, error)
}

// own are the steps of this package, in the order of their features.
var own = [...]*Step{&startTLS, &saslStart, &saslResponse, &saslAbort, &bind, &resume}

// steps lists all steps, ours first.
func (s *Stream) steps() iter.Seq[*Step] {
	return func(yield func(*Step) bool) {
		for _, t := range own {
			if !yield(t) {
				return
			}
		}
		for i := range s.o.Steps {
			if !yield(&s.o.Steps[i]) {
				return
			}
		}
	}
}

// features are what the stream can offer now. While TLS is required and absent,
// nothing else is offered: a client must not be tempted.
func (s *Stream) features() *Features {
	f := new(Features)
	early := s.Identity.IsZero()
	if early && !s.Secure() && s.o.Certs != nil {
		f.StartTLS, f.TLSRequired = true, !s.o.Insecure
		if f.TLSRequired {
			return f
		}
	}
	for t := range s.steps() {
		if t.Early == early && t.Offer != nil {
			t.Offer(s, f)
		}
	}
	if early {
		f.MaxBytes = s.o.early().Bytes
	} else {
		f.MaxBytes, f.Idle = s.o.Limits.Bytes, s.o.Idle
		f.More = append(f.More, s.owner.Features()...)
	}
	return f
}

// maxElements is how many elements a client may send until it has a session. The
// usual one needs half a dozen; one that registers, mistypes and tries mechanisms
// in vain, thirty.
const maxElements = 64

// element hands an element to its step.
func (s *Stream) element(ctx context.Context) (Next, error) {
	if s.elements++; s.elements > maxElements {
		return 0, Fail(PolicyViolation, "too many requests without a session")
	}
	n := s.scan.Element().Node()
	name, iq := n.Name, false
	if n.Is(xmlstream.ClientSpace, "iq") && s.mayAsk(n) {
		if first := n.First(); first != nil {
			name, iq = first.Name, true
		}
	}
	early := s.Identity.IsZero()
	for t := range s.steps() {
		if t.Early == early && t.IQ == iq && t.Space == name.Space && t.Local == name.Local {
			return t.Handle(ctx, s, n)
		}
	}
	switch {
	case iq || isStanza(n):
		// RFC 6120 sections 4.9.3.12 and 7.1: neither before authentication nor
		// before a resource is bound.
		return 0, Fail(NotAuthorized, "")
	case n.Is(manageSpace, "enable") || n.Is(manageSpace, "resume"):
		// XEP-0198 section 3: to enable comes behind binding, to resume behind SASL.
		return Continue, s.send(manageFailed("unexpected-request"))
	case n.Is(Space, "error"):
		return 0, ErrClosed // the client has given up
	case n.Name.Space == SASLSpace || n.Name.Space == TLSSpace:
		return 0, Fail(PolicyViolation, "negotiated already")
	}
	return 0, Fail(UnsupportedStanzaType, "")
}

// mayAsk reports whether an IQ is a request to the server or to the client's own
// account: to others nothing goes without a resource (RFC 6120 section 7.1).
func (s *Stream) mayAsk(iq *xmlstream.Node) bool {
	switch iq.Attr("type") {
	case "result", "error": // nobody asked
		return false
	}
	text, given := iq.Lookup("to")
	if !given {
		return true
	}
	to, err := jid.Parse(text)
	return err == nil && (to.IsHost() && to.Domain() == s.host || to == s.Identity)
}

func isStanza(n *xmlstream.Node) bool {
	if n.Name.Space != xmlstream.ClientSpace {
		return false
	}
	switch n.Name.Local {
	case "iq", "message", "presence":
		return true
	}
	return false
}
