// Package credential issues and knows the credentials of TURN: time-limited ones for users of this device, and fixed
// ones of users that the operator has made.
//
// A time-limited username is "EXPIRY:KID.OPAQUE": seconds since 1970, the number of the secret that the password was
// derived with, and the account's number, encrypted so that neither the relay's peers nor one who listens learns who
// calls, or whether two calls are one person's. The password is the base64 of HMAC-SHA1(secret, username), as in "A
// REST API For Access To TURN Services" (draft-uberti-behave-turn-rest-00), so nothing is kept for each credential.
//
// The account's own password is never good for TURN: what is stored of it (SCRAM keys) cannot make the key that STUN
// signs with, and it should not.
package credential

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/account"
)

// Longest is the longest life that a credential may have, whatever was configured when it was issued.
const Longest = 7 * 24 * time.Hour

// Secret is what credentials are derived from. It is not changed after it was made.
type Secret struct {
	ID    uint32
	Key   []byte // 32 random bytes
	Made  time.Time
	Until time.Time // when credentials of it end; zero for the current one
}

// NewSecret makes the secret with that number.
func NewSecret(id uint32, now time.Time) *Secret {
	s := &Secret{ID: id, Key: make([]byte, 32), Made: now}
	rand.Read(s.Key)
	return s
}

// derive makes a key for one use of the secret.
func (s *Secret) derive(use string) []byte {
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte(use))
	return h.Sum(nil)
}

// Credential is a name with its password.
type Credential struct {
	Name, Password string
	Expires        time.Time
}

// Issue makes a credential of the account that is good for so long.
func (s *Secret) Issue(id account.ID, now time.Time, life time.Duration) Credential {
	expires := now.Add(life).Truncate(time.Second)
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[:], uint64(id))
	rand.Read(block[8:])
	s.cipher(block[:], true)
	name := strconv.FormatInt(expires.Unix(), 10) + ":" + strconv.FormatUint(uint64(s.ID), 36) + "." + base64.RawURLEncoding.EncodeToString(block[:])
	return Credential{Name: name, Password: s.password(name), Expires: expires}
}

// cipher en- or decrypts one block.
func (s *Secret) cipher(b []byte, encrypt bool) {
	c, err := aes.NewCipher(s.derive("account")[:16])
	if err != nil {
		panic(err) // the length is right
	}
	if encrypt {
		c.Encrypt(b, b)
	} else {
		c.Decrypt(b, b)
	}
}

func (s *Secret) password(name string) string {
	h := hmac.New(sha1.New, s.derive("password"))
	h.Write([]byte(name))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Name is a username that was taken apart. Whether it was issued here only its password tells.
type Name struct {
	Expires time.Time
	Secret  uint32
	opaque  [aes.BlockSize]byte
}

// Parse takes a username apart; ok is false for what cannot be one of ours.
func Parse(name string) (n Name, ok bool) {
	expiry, rest, ok := strings.Cut(name, ":")
	kid, opaque, found := strings.Cut(rest, ".")
	if !ok || !found || len(name) > 64 {
		return n, false
	}
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != expiry { // one spelling only: no signs, no zeros before it
		return n, false
	}
	id, err := strconv.ParseUint(kid, 36, 32)
	if err != nil || strconv.FormatUint(id, 36) != kid {
		return n, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(opaque) // which passes over line ends
	if err != nil || len(b) != aes.BlockSize || len(opaque) != base64.RawURLEncoding.EncodedLen(aes.BlockSize) {
		return n, false
	}
	n = Name{Expires: time.Unix(seconds, 0), Secret: uint32(id)}
	copy(n.opaque[:], b)
	return n, true
}

// Account is the account that the name is about, if the secret is the one it was made with.
func (n Name) Account(s *Secret) account.ID {
	b := n.opaque
	s.cipher(b[:], false)
	return account.ID(binary.BigEndian.Uint64(b[:8]))
}

// Good reports whether the name may begin something now: within its time, and not of a time that this device never
// gives, as a clock that has not been set would see it.
func (n Name) Good(s *Secret, now time.Time) bool {
	left := n.Expires.Sub(now)
	return left > 0 && left <= Longest && (s.Until.IsZero() || now.Before(s.Until))
}

// KeyOf is the key that messages under a name of this secret are signed with.
func (s *Secret) KeyOf(name, realm string) []byte { return Key(name, realm, s.password(name)) }

// Key is the key of a long-term credential, RFC 8489 section 9.2.2: MD5 of name, realm and password.
func Key(name, realm, password string) []byte {
	sum := md5.Sum([]byte(name + ":" + realm + ":" + password))
	return sum[:]
}
