package sasl

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// plain is RFC 4616: authzid NUL authcid NUL password.
type plain struct {
	options *Options
}

func (p *plain) step(x *Exchange, in []byte) ([]byte, bool, error) {
	authzid, rest, ok := bytes.Cut(in, []byte{0})
	user, password, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(password) == 0 || bytes.IndexByte(password, 0) >= 0 || !utf8.Valid(in) {
		return nil, false, fail(MalformedRequest, "")
	}
	if err := x.claim(p.options, string(user), string(authzid)); err != nil {
		return nil, false, err
	}
	hash, keys, known, err := p.lookup(x)
	if err != nil {
		return nil, false, classify(err)
	}
	// The fake keys of an unknown user cost the same to compare with.
	if !keys.Matches(hash, string(password)) || !known {
		return nil, false, fail(NotAuthorized, "")
	}
	if err := x.admit(p.options); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// lookup finds keys for any hash, or makes fake ones. The oldest hash is tried
// first: it costs a small board least, and to somebody who was given the
// password it is as good as any.
func (p *plain) lookup(x *Exchange) (hash Hash, keys Keys, known bool, err error) {
	for _, hash = range slices.Backward(p.options.hashes()) {
		keys, err = p.options.Directory.Keys(x.claimed, hash)
		if !errors.Is(err, ErrUnknownUser) {
			return hash, keys, err == nil, err
		}
	}
	return hash, fakeKeys(p.options, hash, x.claimed), false, nil
}
