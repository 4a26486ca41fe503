package stream

import (
	"errors"

	"linnet/netsvc/wire/xmlstream"
)

// The namespaces of streams.
const (
	Space      = "http://etherx.jabber.org/streams"
	ErrorSpace = "urn:ietf:params:xml:ns:xmpp-streams"
)

// Condition is a stream error condition of RFC 6120 section 4.9.3.
type Condition string

// The conditions.
const (
	BadFormat              Condition = "bad-format"
	BadNamespacePrefix     Condition = "bad-namespace-prefix"
	Conflict               Condition = "conflict"
	ConnectionTimeout      Condition = "connection-timeout"
	HostGone               Condition = "host-gone"
	HostUnknown            Condition = "host-unknown"
	ImproperAddressing     Condition = "improper-addressing"
	InternalServerError    Condition = "internal-server-error"
	InvalidFrom            Condition = "invalid-from"
	InvalidNamespace       Condition = "invalid-namespace"
	InvalidXML             Condition = "invalid-xml"
	NotAuthorized          Condition = "not-authorized"
	NotWellFormed          Condition = "not-well-formed"
	PolicyViolation        Condition = "policy-violation"
	RemoteConnectionFailed Condition = "remote-connection-failed"
	Reset                  Condition = "reset"
	ResourceConstraint     Condition = "resource-constraint"
	RestrictedXML          Condition = "restricted-xml"
	SeeOtherHost           Condition = "see-other-host"
	SystemShutdown         Condition = "system-shutdown"
	UndefinedCondition     Condition = "undefined-condition"
	UnsupportedEncoding    Condition = "unsupported-encoding"
	UnsupportedFeature     Condition = "unsupported-feature"
	UnsupportedStanzaType  Condition = "unsupported-stanza-type"
	UnsupportedVersion     Condition = "unsupported-version"
)

// known are all conditions; what a peer sends beside them means
// undefined-condition.
var known = [...]Condition{
	BadFormat, BadNamespacePrefix, Conflict, ConnectionTimeout, HostGone, HostUnknown, ImproperAddressing,
	InternalServerError, InvalidFrom, InvalidNamespace, InvalidXML, NotAuthorized, NotWellFormed, PolicyViolation,
	RemoteConnectionFailed, Reset, ResourceConstraint, RestrictedXML, SeeOtherHost, SystemShutdown, UndefinedCondition,
	UnsupportedEncoding, UnsupportedFeature, UnsupportedStanzaType, UnsupportedVersion,
}

// Error ends a stream. The peer sees Condition, Text, Host and App; Cause is for
// the log alone.
type Error struct {
	Condition Condition
	Text      string // short, English; may be empty
	Host      string // of see-other-host: where to connect instead
	App       []byte // an element with an application's condition, with its xmlns
	Cause     error
}

// Fail makes an Error.
func Fail(c Condition, text string) *Error { return &Error{Condition: c, Text: text} }

func (e *Error) Error() string {
	s := "stream: " + string(e.Condition)
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Append writes the error element. The prefix "stream" must be bound around it,
// as Header.Append binds it.
func (e *Error) Append(dst []byte) []byte {
	c := e.Condition
	if c == "" {
		c = UndefinedCondition
	}
	dst = append(append(append(dst, "<stream:error><"...), c...), " xmlns='"+ErrorSpace+"'"...)
	if e.Host != "" && c == SeeOtherHost {
		dst = xmlstream.AppendText(append(dst, '>'), e.Host)
		dst = append(append(append(dst, "</"...), c...), '>')
	} else {
		dst = append(dst, "/>"...)
	}
	if e.Text != "" {
		dst = append(dst, "<text xmlns='"+ErrorSpace+"' xml:lang='en'>"...)
		dst = append(xmlstream.AppendText(dst, e.Text), "</text>"...)
	}
	return append(append(dst, e.App...), "</stream:error>"...)
}

// footer ends a stream.
const footer = "</stream:stream>"

// Farewell is how a stream ends: the error, if any, and the close tag. It is
// what an edge gives to flow.Outbox.Close.
func Farewell(e *Error) []byte {
	if e == nil {
		return []byte(footer)
	}
	return append(e.Append(nil), footer...)
}

// ParseError reads an error element of a peer.
func ParseError(n *xmlstream.Node) *Error {
	e := &Error{Condition: UndefinedCondition}
	for _, k := range n.Kids {
		switch {
		case k.Name.Space != ErrorSpace:
			if e.App == nil {
				e.App = k.Raw
			}
		case k.Name.Local == "text":
			e.Text = k.Text
		default:
			for _, c := range known {
				if k.Name.Local == string(c) {
					e.Condition = c
				}
			}
			e.Host = k.Text
		}
	}
	if e.Condition != SeeOtherHost {
		e.Host = ""
	}
	return e
}

// asError is what to tell the peer about an error, nil where nothing can be
// told: the connection is gone.
func asError(err error) *Error {
	var e *Error
	var x *xmlstream.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &x):
		return &Error{Condition: Condition(x.Condition), Text: x.Text}
	}
	return nil
}
