package sasl

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
)

// nonceSize is how many random bytes the server adds to the client's nonce.
const nonceSize = 18

// scramMachine is the server's side of RFC 5802.
type scramMachine struct {
	options *Options
	hash    Hash
	plus    bool
	binding []byte // of the channel, where the client binds to it

	nonce   string // ours; empty until the first message, or set by a test
	first   clientFirst
	answer  string // our first message
	keys    Keys
	unknown bool // keys are fake: what follows cannot succeed
	second  bool // the next message is the client's final one
}

func newSCRAM(name string, o *Options) *scramMachine {
	base, plus := strings.CutSuffix(name, "-PLUS")
	s := &scramMachine{options: o, plus: plus}
	for _, hash := range o.hashes() {
		if hash.Mechanism(false) == base {
			s.hash = hash
		}
	}
	return s
}

func (s *scramMachine) step(x *Exchange, in []byte) ([]byte, bool, error) {
	if !s.second {
		s.second = true
		out, err := s.begin(x, string(in))
		return out, false, err
	}
	out, err := s.finish(x, string(in))
	return out, err == nil, err
}

// begin answers the client-first-message with salt, count and nonce.
func (s *scramMachine) begin(x *Exchange, message string) ([]byte, error) {
	first, err := parseClientFirst(message)
	if err != nil {
		return nil, err
	}
	s.first = first
	if err := s.checkFlag(); err != nil {
		return nil, err
	}
	if err := x.claim(s.options, first.user, first.authzid); err != nil {
		return nil, err
	}
	s.keys, err = s.options.Directory.Keys(x.claimed, s.hash)
	if errors.Is(err, ErrUnknownUser) {
		s.unknown, err = true, nil
		s.keys = fakeKeys(s.options, s.hash, x.claimed)
	}
	if err != nil {
		return nil, classify(err)
	}
	if s.nonce == "" {
		if s.nonce, err = newNonce(s.options.Random); err != nil {
			return nil, wrap(TemporaryAuthFailure, err)
		}
	}
	s.nonce = first.nonce + s.nonce
	s.answer = "r=" + s.nonce +
		",s=" + base64.StdEncoding.EncodeToString(s.keys.Salt) +
		",i=" + strconv.Itoa(s.keys.Iterations)
	return []byte(s.answer), nil
}

// checkFlag holds what the client says of channel binding against what we
// offered (RFC 5802 section 6). The conditions are those of a request that
// makes no sense rather than not-authorized, which would make clients ask for
// another password.
func (s *scramMachine) checkFlag() error {
	switch flag := s.first.flag; {
	case s.plus != (flag == 'p'):
		return fail(MalformedRequest, "channel binding and mechanism do not agree")
	case flag == 'y' && len(s.options.Bindings) > 0:
		// We announced -PLUS, and the client, which could bind, did not see
		// it: somebody took it out.
		return fail(MalformedRequest, "server does support channel binding")
	case flag == 'p':
		for _, binding := range s.options.Bindings {
			if binding.Type == s.first.bindingType {
				s.binding = binding.Data
				return nil
			}
		}
		return fail(MalformedRequest, "unsupported channel binding type")
	}
	return nil
}

// finish checks the proof of the client-final-message and answers with ours.
func (s *scramMachine) finish(x *Exchange, message string) ([]byte, error) {
	final, err := parseClientFinal(message)
	if err != nil {
		return nil, err
	}
	if final.nonce != s.nonce {
		return nil, fail(NotAuthorized, "")
	}
	expected := append([]byte(s.first.header), s.binding...)
	bound := subtle.ConstantTimeCompare(final.binding, expected) == 1

	auth := s.first.bare + "," + s.answer + "," + final.withoutProof
	proven := s.prove(final.proof, auth)
	// Everything was computed before anything is told.
	if !bound || !proven || s.unknown {
		return nil, fail(NotAuthorized, "")
	}
	if err := x.admit(s.options); err != nil {
		return nil, err
	}
	signature := s.hash.mac(s.keys.ServerKey, auth)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}

// prove reports whether the proof yields the key that we store the hash of.
func (s *scramMachine) prove(proof []byte, auth string) bool {
	if len(proof) != s.hash.Size() {
		return false
	}
	key := make([]byte, len(proof))
	subtle.XORBytes(key, proof, s.hash.mac(s.keys.StoredKey, auth))
	return subtle.ConstantTimeCompare(s.hash.sum(key), s.keys.StoredKey) == 1
}

func newNonce(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var raw [nonceSize]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw[:]), nil
}
