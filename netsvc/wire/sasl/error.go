package sasl

import "errors"

// constError is an error that can be a constant.
type constError string

func (e constError) Error() string { return string(e) }

// Condition is a SASL error condition of RFC 6120 section 6.5, as the name of
// its element.
type Condition string

// The conditions of RFC 6120 section 6.5, but encryption-required, which is
// decided before a mechanism is.
const (
	Aborted              Condition = "aborted"
	AccountDisabled      Condition = "account-disabled"
	CredentialsExpired   Condition = "credentials-expired"
	IncorrectEncoding    Condition = "incorrect-encoding"
	InvalidAuthzid       Condition = "invalid-authzid"
	InvalidMechanism     Condition = "invalid-mechanism"
	MalformedRequest     Condition = "malformed-request"
	MechanismTooWeak     Condition = "mechanism-too-weak"
	NotAuthorized        Condition = "not-authorized"
	TemporaryAuthFailure Condition = "temporary-auth-failure"
)

// Error ends an exchange. Condition and Text, which may be empty, are for the
// peer; Cause, which may be nil, is for the log alone.
type Error struct {
	Condition Condition
	Text      string
	Cause     error
}

func (e *Error) Error() string {
	s := "sasl: " + string(e.Condition)
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// ErrUnknownUser is what a Directory answers where it has no keys.
const ErrUnknownUser = constError("sasl: unknown user")

func fail(condition Condition, text string) error {
	return &Error{Condition: condition, Text: text}
}

func wrap(condition Condition, cause error) error {
	return &Error{Condition: condition, Cause: cause}
}

// classify makes an *Error of what a callback returned.
func classify(err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	return wrap(TemporaryAuthFailure, err)
}
