package usm

import (
	"errors"
	"strconv"

	"github.com/gosnmp/gosnmp"
)

// Auth is a way to authenticate.
type Auth uint8

// The ways to authenticate.
const (
	NoAuth Auth = iota
	SHA1
	SHA224
	SHA256
	SHA384
	SHA512
)

// Priv is a way to encrypt.
type Priv uint8

// The ways to encrypt.
const (
	NoPriv Priv = iota
	AES128
	AES192 // Blumenthal
	AES256 // Blumenthal
	AES192C
	AES256C // Reeder, Cisco
)

// AuthNames and PrivNames are what the algorithms are called in a configuration, by their numbers.
var (
	AuthNames = []string{"none", "sha1", "sha224", "sha256", "sha384", "sha512"}
	PrivNames = []string{"none", "aes128", "aes192", "aes256", "aes192c", "aes256c"}
)

var auths = [...]struct {
	gosnmp gosnmp.SnmpV3AuthProtocol
	key    int // bytes of a key
	mac    int // bytes of the code in a message
}{
	NoAuth: {gosnmp.NoAuth, 0, 0},
	SHA1:   {gosnmp.SHA, 20, 12},
	SHA224: {gosnmp.SHA224, 28, 16},
	SHA256: {gosnmp.SHA256, 32, 24},
	SHA384: {gosnmp.SHA384, 48, 32},
	SHA512: {gosnmp.SHA512, 64, 48},
}

var privs = [...]struct {
	gosnmp gosnmp.SnmpV3PrivProtocol
	key    int
}{
	NoPriv:  {gosnmp.NoPriv, 0},
	AES128:  {gosnmp.AES, 16},
	AES192:  {gosnmp.AES192, 24},
	AES256:  {gosnmp.AES256, 32},
	AES192C: {gosnmp.AES192C, 24},
	AES256C: {gosnmp.AES256C, 32},
}

// String names the algorithm as a configuration does.
func (a Auth) String() string { return AuthNames[a] }

// String names the algorithm as a configuration does.
func (p Priv) String() string { return PrivNames[p] }

// MACSize returns how many bytes of a message authenticate it.
func (a Auth) MACSize() int { return auths[a].mac }

// Limits of what an operator may write.
const (
	MinSecret = 8  // RFC 3414 section 11.2; net-snmp refuses shorter ones
	MaxName   = 32 // bytes of a user's name
	MaxEngine = 32 // bytes of an engine's identifier
)

// Keys are the localised keys of one user for one engine. They are as good as the pass-phrase for that engine
// and tell nothing about others.
type Keys struct {
	Auth []byte
	Priv []byte
}

// Check tells what cannot be about a choice of algorithms and secrets.
func Check(a Auth, p Priv, authSecret, privSecret string) error {
	switch {
	case p != NoPriv && a == NoAuth:
		return errors.New("encryption needs authentication")
	case a != NoAuth && len(authSecret) < MinSecret:
		return errors.New("the secret of authentication needs " + strconv.Itoa(MinSecret) + " characters")
	case p != NoPriv && len(privSecret) < MinSecret:
		return errors.New("the secret of encryption needs " + strconv.Itoa(MinSecret) + " characters")
	}
	return nil
}

// Localize makes the keys of a user for an engine. It takes as long as hashing one to four megabytes does.
func Localize(a Auth, p Priv, authSecret, privSecret string, engine []byte) (Keys, error) {
	if err := Check(a, p, authSecret, privSecret); err != nil || a == NoAuth {
		return Keys{}, err
	}
	gosnmp.PasswordCaching(false) // its cache holds pass-phrases, and never shrinks
	sp := gosnmp.UsmSecurityParameters{
		AuthoritativeEngineID:  string(engine),
		AuthenticationProtocol: auths[a].gosnmp, AuthenticationPassphrase: authSecret,
		PrivacyProtocol: privs[p].gosnmp, PrivacyPassphrase: privSecret,
	}
	if p == AES128 {
		// For 16 bytes no key is ever extended, but gosnmp would do so all the same: a second megabyte.
		sp.PrivacyProtocol = gosnmp.DES
	}
	if err := sp.InitSecurityKeys(); err != nil {
		return Keys{}, err
	}
	keys := Keys{Auth: sp.SecretKey, Priv: sp.PrivacyKey}
	if p != NoPriv {
		keys.Priv = keys.Priv[:privs[p].key]
	}
	return keys, nil
}

// Fit tells whether keys have the sizes that the algorithms need.
func (k Keys) Fit(a Auth, p Priv) bool {
	return len(k.Auth) == auths[a].key && len(k.Priv) == privs[p].key
}
