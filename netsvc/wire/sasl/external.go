package sasl

import (
	"bytes"
	"unicode/utf8"

	"linnet/netsvc/wire/jid"
)

// external is RFC 4422 appendix A: the message is the authzid, or nothing.
// XEP-0178 says which one a certificate gives; that is the callback's matter.
type external struct {
	options *Options
}

func (e *external) step(x *Exchange, in []byte) ([]byte, bool, error) {
	if !utf8.Valid(in) || bytes.IndexByte(in, 0) >= 0 {
		return nil, false, fail(MalformedRequest, "")
	}
	if len(in) > 0 {
		claimed, err := jid.Parse(string(in))
		if err != nil || claimed.IsFull() {
			return nil, false, wrap(InvalidAuthzid, err)
		}
		x.claimed = claimed
	}
	identity, err := e.options.External(x.claimed)
	if err != nil {
		return nil, false, classify(err)
	}
	if identity.IsZero() {
		return nil, false, fail(NotAuthorized, "")
	}
	x.claimed, x.identity = identity, identity
	return nil, true, nil
}
