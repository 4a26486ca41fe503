package usm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

var hashes = [...]func() hash.Hash{SHA1: sha1.New, SHA224: sha256.New224, SHA256: sha256.New, SHA384: sha512.New384, SHA512: sha512.New}

const (
	blockSize = 16
	SaltSize  = 8 // bytes of a message that the cipher begins with
)

// User is a user of one engine with what its messages need. Safe for concurrent use.
type User struct {
	Name string
	Auth Auth
	Priv Priv

	mu    sync.Mutex // guards what follows, which every message changes
	mac   hash.Hash
	sum   [64]byte
	block cipher.Block
	iv    [blockSize]byte
	pad   [blockSize]byte
}

// NewUser returns the user with these keys, which must fit the algorithms.
func NewUser(name string, a Auth, p Priv, keys Keys) (*User, error) {
	if !keys.Fit(a, p) || p != NoPriv && a == NoAuth {
		return nil, errors.New("usm: keys do not fit the algorithms")
	}
	u := &User{Name: name, Auth: a, Priv: p}
	if a != NoAuth {
		u.mac = hmac.New(hashes[a], keys.Auth)
	}
	if p != NoPriv {
		block, err := aes.NewCipher(keys.Priv)
		if err != nil {
			return nil, err
		}
		u.block = block
	}
	return u, nil
}

// Sign writes the code of message into message[at:], where MACSize zeros are.
func (u *User) Sign(message []byte, at int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	copy(message[at:at+u.Auth.MACSize()], u.code(message))
}

// Verify tells whether message carries the right code at that place. It leaves zeros there.
func (u *User) Verify(message []byte, at int) bool {
	size := u.Auth.MACSize()
	if size == 0 || at < 0 || at+size > len(message) {
		return false
	}
	var got [64]byte
	copy(got[:], message[at:at+size])
	clear(message[at : at+size])
	u.mu.Lock()
	defer u.mu.Unlock()
	return subtle.ConstantTimeCompare(got[:size], u.code(message)[:size]) == 1
}

func (u *User) code(message []byte) []byte {
	u.mac.Reset()
	u.mac.Write(message)
	return u.mac.Sum(u.sum[:0])
}

// Encrypt encrypts b in place: RFC 3826 section 3.1.3. No two messages of one engine, boots and time may have
// the same salt.
func (u *User) Encrypt(b []byte, boots, time uint32, salt [SaltSize]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.begin(boots, time, salt[:])
	for len(b) > 0 {
		u.block.Encrypt(u.pad[:], u.iv[:])
		n := subtle.XORBytes(b, b, u.pad[:])
		copy(u.iv[:], b[:n])
		b = b[n:]
	}
}

// Decrypt decrypts b in place; salt has SaltSize bytes.
func (u *User) Decrypt(b []byte, boots, time uint32, salt []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.begin(boots, time, salt)
	for len(b) > 0 {
		u.block.Encrypt(u.pad[:], u.iv[:])
		n := copy(u.iv[:], b)
		subtle.XORBytes(b, b, u.pad[:])
		b = b[n:]
	}
}

func (u *User) begin(boots, time uint32, salt []byte) {
	binary.BigEndian.PutUint32(u.iv[:], boots)
	binary.BigEndian.PutUint32(u.iv[4:], time)
	copy(u.iv[8:], salt)
}
