package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"
)

// nonceLife is how long a nonce is good: RFC 8656 section 5 recommends an hour at most.
const nonceLife = time.Hour

// Nonces makes and knows nonces without keeping any: each carries its age and a signature over that and the client's
// address, so that one client's is of no use to another (RFC 8489 section 9.2). It is safe for concurrent use.
type Nonces struct {
	key   [32]byte
	start time.Time // ages are counted from it, by the clock that nobody can set
}

// NewNonces makes nonces that no other process knows.
func NewNonces() *Nonces {
	n := &Nonces{start: time.Now()}
	rand.Read(n.key[:])
	return n
}

func (n *Nonces) make(from netip.AddrPort) []byte {
	return n.at(from, uint32(time.Since(n.start)/time.Second))
}

func (n *Nonces) at(from netip.AddrPort, age uint32) []byte {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], age)
	h := hmac.New(sha256.New, n.key[:])
	h.Write(b[:4])
	addr := from.Addr().As16()
	h.Write(addr[:])
	h.Write([]byte{byte(from.Port() >> 8), byte(from.Port())})
	copy(b[4:], h.Sum(nil))
	return base64.RawURLEncoding.AppendEncode(nil, b[:])
}

// good reports whether nonce was made for that address within its life.
func (n *Nonces) good(nonce []byte, from netip.AddrPort) bool {
	var b [18]byte
	if len(nonce) != 22 {
		return false
	}
	if k, err := base64.RawURLEncoding.Decode(b[:], nonce); err != nil || k != 16 {
		return false
	}
	age := binary.BigEndian.Uint32(b[:])
	if !hmac.Equal(nonce, n.at(from, age)) {
		return false
	}
	return time.Since(n.start)-time.Duration(age)*time.Second < nonceLife
}
