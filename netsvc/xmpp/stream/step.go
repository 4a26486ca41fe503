package stream

import (
	"context"
	"iter"

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
	// Space and Local name the element that asks for it; of an IQ, its payload.
	Space, Local string
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
var own = [...]*Step{&startTLS, &saslStart, &saslResponse, &saslAbort, &bind, &resume, &manage}

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

// element hands an element to its step.
func (s *Stream) element(ctx context.Context) (Next, error) {
	n, err := s.node(s.scan.Element())
	if err != nil {
		return 0, err
	}
	name, stanza := n.Name, isStanza(n)
	if stanza && n.Name.Local == "iq" {
		if first := n.First(); first != nil {
			name = first.Name
		}
	}
	early := s.Identity.IsZero()
	for t := range s.steps() {
		if t.Early == early && t.Space == name.Space && t.Local == name.Local {
			return t.Handle(ctx, s, n)
		}
	}
	switch {
	case stanza:
		// RFC 6120 sections 4.9.3.12 and 7.1: neither before authentication nor
		// before a resource is bound.
		return 0, Fail(NotAuthorized, "")
	case n.Is(Space, "error"):
		return 0, ErrClosed // the client has given up
	case n.Name.Space == SASLSpace || n.Name.Space == TLSSpace:
		return 0, Fail(PolicyViolation, "negotiated already")
	}
	return 0, Fail(UnsupportedStanzaType, "")
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

// node reads an element into a tree. Prefixes that the client declared in its
// header, which is legal and rare, are declared around it.
func (s *Stream) node(el *xmlstream.Element) (*xmlstream.Node, error) {
	h := s.scan.Header()
	around := h.Bound("")
	if n, err := xmlstream.Parse(el.Raw(), around); err == nil {
		return n, nil
	}
	wrapped := []byte("<x")
	for _, b := range h.Bindings {
		wrapped = append(wrapped, " xmlns"...)
		if b.Prefix != "" {
			wrapped = append(append(wrapped, ':'), b.Prefix...)
		}
		wrapped = append(wrapped, "='"...)
		wrapped = append(xmlstream.AppendAttr(wrapped, b.Space), '\'')
	}
	wrapped = append(append(append(wrapped, '>'), el.Raw()...), "</x>"...)
	n, err := xmlstream.Parse(wrapped, around)
	if err != nil {
		return nil, err
	}
	if n = n.First(); n == nil {
		return nil, Fail(InvalidXML, "")
	}
	return n, nil
}
