package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strings"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/precis"
)

// Hash is one of the hash functions of SCRAM. The numbers may be stored.
type Hash uint8

// The hash functions, in the order of their age.
const (
	SHA1   Hash = 1
	SHA256 Hash = 2
	SHA512 Hash = 3
)

// Counts of PBKDF2 iterations.
const (
	// MinIterations is the least that a client must accept (RFC 5802 section
	// 5.1).
	MinIterations = 4096
	// DefaultIterations is what current servers use: a small board takes a
	// fair part of a second for it, which only the client spends in SCRAM.
	DefaultIterations = 10000
	// SaltSize is the length of the salts that NewSalt makes, in bytes.
	SaltSize = 16
)

// String returns the name of the hash function, as in a mechanism's name.
func (h Hash) String() string {
	switch h {
	case SHA1:
		return "SHA-1"
	case SHA256:
		return "SHA-256"
	case SHA512:
		return "SHA-512"
	}
	return "unknown hash"
}

// Mechanism returns the name of the SCRAM mechanism with this hash, plus
// channel binding or not.
func (h Hash) Mechanism(plus bool) string {
	name := "SCRAM-" + h.String()
	if plus {
		name += "-PLUS"
	}
	return name
}

// Size returns the length of a digest in bytes.
func (h Hash) Size() int { return h.new().Size() }

func (h Hash) new() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return sha512.New()
}

func (h Hash) sum(data []byte) []byte {
	digest := h.new()
	digest.Write(data)
	return digest.Sum(nil)
}

func (h Hash) mac(key []byte, parts ...string) []byte {
	mac := hmac.New(h.new, key)
	for _, part := range parts {
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// Keys are what a server keeps of a password for one hash (RFC 5802 section
// 3). Who has them can pose as the server, and as the client towards a PLAIN
// server only after guessing; they are secrets all the same.
type Keys struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// ErrPassword is a password that OpaqueString of RFC 8265 does not allow: it
// is empty, or holds control characters or what is not UTF-8.
const ErrPassword = constError("sasl: password is empty or holds characters that are not allowed")

// NewSalt returns a fresh random salt.
func NewSalt() []byte {
	salt := make([]byte, SaltSize)
	rand.Read(salt) // never fails
	return salt
}

// Derive makes the keys of a password. It takes as long as Iterations demand,
// which on a small board is much: never call it under a lock.
func Derive(h Hash, password string, salt []byte, iterations int) (Keys, error) {
	prepared, err := PreparePassword(password)
	if err != nil {
		return Keys{}, err
	}
	return derive(h, prepared, salt, iterations)
}

// derive is Derive of a prepared password.
func derive(h Hash, prepared string, salt []byte, iterations int) (Keys, error) {
	salted, err := pbkdf2.Key(h.new, prepared, salt, iterations, h.Size())
	if err != nil {
		return Keys{}, err
	}
	return Keys{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  h.sum(h.mac(salted, "Client Key")),
		ServerKey:  h.mac(salted, "Server Key"),
	}, nil
}

// Matches reports whether password is the one that k was derived from. It
// takes as long as Derive.
func (k Keys) Matches(h Hash, password string) bool {
	derived, err := Derive(h, password, k.Salt, k.Iterations)
	return err == nil && subtle.ConstantTimeCompare(derived.StoredKey, k.StoredKey) == 1
}

// PreparePassword applies the OpaqueString profile of RFC 8265 section 4.2.
// Clients that follow RFC 5802 to the letter apply SASLprep instead; the two
// agree on ASCII, and on most of what people type.
func PreparePassword(password string) (string, error) {
	if password == "" || strings.ToValidUTF8(password, "") != password {
		return "", ErrPassword
	}
	prepared, err := precis.Opaque(password)
	if err != nil || prepared == "" {
		return "", ErrPassword
	}
	return prepared, nil
}

// fakeKeys makes keys for an account that does not exist: the same each time,
// and known to nobody who does not have the secret.
func fakeKeys(o *Options, h Hash, user jid.JID) Keys {
	iterations := o.Iterations
	if iterations <= 0 {
		iterations = DefaultIterations
	}
	// Each key is bound to its purpose; a hash's name holds no zero byte, so
	// nothing can be moved from one part to the next.
	key := func(purpose string) []byte {
		return h.mac(o.Secret, purpose, "\x00", h.String(), "\x00", user.String())
	}
	return Keys{
		Salt:       key("salt")[:SaltSize],
		Iterations: iterations,
		StoredKey:  key("stored"),
		ServerKey:  key("server"),
	}
}
