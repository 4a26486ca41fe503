package stanza

import (
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// errorSpace qualifies the conditions (RFC 6120, 8.3.2).
const errorSpace = "urn:ietf:params:xml:ns:xmpp-stanzas"

// ErrorType tells the sender what to do about an error (RFC 6120, 8.3.2).
type ErrorType uint8

const (
	Auth     ErrorType = iota // retry with credentials
	Cancel                    // do not retry
	Continue                  // go on, it was a warning
	Modify                    // retry with another stanza
	Wait                      // retry later
)

var errorTypeNames = [...]string{Auth: "auth", Cancel: "cancel", Continue: "continue", Modify: "modify", Wait: "wait"}

func (t ErrorType) String() string { return errorTypeNames[t] }

// Condition is a defined condition (RFC 6120, 8.3.3).
type Condition uint8

const (
	UndefinedCondition Condition = iota
	BadRequest
	Conflict
	FeatureNotImplemented
	Forbidden
	Gone
	InternalServerError
	ItemNotFound
	JIDMalformed
	NotAcceptable
	NotAllowed
	NotAuthorized
	PolicyViolation
	RecipientUnavailable
	Redirect
	RegistrationRequired
	RemoteServerNotFound
	RemoteServerTimeout
	ResourceConstraint
	ServiceUnavailable
	SubscriptionRequired
	UnexpectedRequest
)

// conditions names each condition and the type that RFC 6120 associates with it; where it leaves
// a choice, the first it names.
var conditions = [...]struct {
	name  string
	usual ErrorType
}{
	UndefinedCondition:    {"undefined-condition", Cancel},
	BadRequest:            {"bad-request", Modify},
	Conflict:              {"conflict", Cancel},
	FeatureNotImplemented: {"feature-not-implemented", Cancel},
	Forbidden:             {"forbidden", Auth},
	Gone:                  {"gone", Cancel},
	InternalServerError:   {"internal-server-error", Cancel},
	ItemNotFound:          {"item-not-found", Cancel},
	JIDMalformed:          {"jid-malformed", Modify},
	NotAcceptable:         {"not-acceptable", Modify},
	NotAllowed:            {"not-allowed", Cancel},
	NotAuthorized:         {"not-authorized", Auth},
	PolicyViolation:       {"policy-violation", Modify},
	RecipientUnavailable:  {"recipient-unavailable", Wait},
	Redirect:              {"redirect", Modify},
	RegistrationRequired:  {"registration-required", Auth},
	RemoteServerNotFound:  {"remote-server-not-found", Cancel},
	RemoteServerTimeout:   {"remote-server-timeout", Wait},
	ResourceConstraint:    {"resource-constraint", Wait},
	ServiceUnavailable:    {"service-unavailable", Cancel},
	SubscriptionRequired:  {"subscription-required", Auth},
	UnexpectedRequest:     {"unexpected-request", Wait},
}

// String gives the condition's element name.
func (c Condition) String() string { return conditions[c].name }

// Error is a stanza error. It may be shown to the peer.
type Error struct {
	Type      ErrorType
	Condition Condition
	Text      string  // in English, or ""
	By        jid.JID // who raised it, if that is not clear from the sender
	URI       string  // the new address, for Gone and Redirect
	App       []byte  // one element: a condition that an extension defines
}

// NewError makes an error with the condition's usual type.
func NewError(c Condition, text string) *Error {
	return &Error{Type: conditions[c].usual, Condition: c, Text: text}
}

// Error gives the condition and the text.
func (e *Error) Error() string {
	if e.Text == "" {
		return "stanza: " + e.Condition.String()
	}
	return "stanza: " + e.Condition.String() + ": " + e.Text
}

// Append appends the element <error/>, for the default namespace jabber:client.
func (e *Error) Append(dst []byte) []byte {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start("", "error").AttrIf("by", e.By.String()).Attr("type", e.Type.String())
	w.Leaf(errorSpace, e.Condition.String(), e.URI)
	if e.Text != "" {
		w.Start(errorSpace, "text").Attr("xml:lang", "en").Text(e.Text).End()
	}
	w.Raw(e.App).End()
	return append(dst, w.Bytes()...)
}

// Failure reads the error that an error stanza carries; nil when s is none. A condition that is
// missing or unknown is UndefinedCondition (RFC 6120, 8.3.2), and an unknown type is Cancel.
func (s *Stanza) Failure() *Error {
	if s.Type != TypeError {
		return nil
	}
	e := &Error{Type: Cancel}
	n := s.Node(xmlstream.ClientSpace, "error")
	for t, name := range errorTypeNames {
		if n.Attr("type") == name {
			e.Type = ErrorType(t)
		}
	}
	e.By, _ = jid.Parse(n.Attr("by"))
	if n == nil {
		return e
	}
	for _, kid := range n.Kids {
		switch {
		case kid.Is(errorSpace, "text"):
			e.Text = kid.Text
		case kid.Name.Space == errorSpace:
			for c := range conditions {
				if conditions[c].name == kid.Name.Local {
					e.Condition, e.URI = Condition(c), kid.Text
				}
			}
		case e.App == nil:
			e.App = kid.Raw
		}
	}
	return e
}
