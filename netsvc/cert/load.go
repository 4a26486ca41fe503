package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxFile bounds what is read from a certificate or key file.
const maxFile = 1 << 20

// expirySoon is how long before its end a certificate file is warned about.
const expirySoon = 14 * 24 * time.Hour

// Load reads a certificate chain and its private key from PEM files; both may be
// the same file. An error names the file, what is wrong with it and what to do.
func Load(certFile, keyFile string) (*tls.Certificate, error) {
	chain, err := readFile("certificate", certFile)
	if err != nil {
		return nil, err
	}
	key, err := readFile("key", keyFile)
	if err != nil {
		return nil, err
	}
	c, err := parsePair(chain, key, certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Parse is Load for PEM bytes that are already in memory.
func Parse(chain, key []byte) (*tls.Certificate, error) {
	return parsePair(chain, key, "", "")
}

func readFile(what, name string) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("no %s file is named: certificate and key must both be given", what)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s file %s does not exist: correct the name, or remove both names to use the local CA", what, name)
	case err != nil:
		return nil, fmt.Errorf("%s file %s cannot be read: %w", what, name, err)
	case info.IsDir():
		return nil, fmt.Errorf("%s file %s is a directory: name the PEM file in it (often fullchain.pem and privkey.pem)", what, name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s file %s has %d bytes: no PEM file with certificates is that large", what, name, info.Size())
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s file %s may not be read by this user: give it to the user or group that runs the server", what, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s file %s cannot be read: %w", what, name, err)
	}
	return b, nil
}

// parsePair does what tls.X509KeyPair does, with errors for the operator.
func parsePair(chainPEM, keyPEM []byte, certFile, keyFile string) (*tls.Certificate, error) {
	certName, keyName := label("certificate file", certFile), label("key file", keyFile)
	var c tls.Certificate
	seen := ""
	for rest := chainPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			c.Certificate = append(c.Certificate, block.Bytes)
		} else if seen == "" {
			seen = block.Type
		}
	}
	switch {
	case len(c.Certificate) == 0 && strings.HasSuffix(seen, "PRIVATE KEY"):
		return nil, fmt.Errorf("%s holds a private key and no certificate: are the two names swapped?", certName)
	case len(c.Certificate) == 0 && seen != "":
		return nil, fmt.Errorf("%s holds %q and no CERTIFICATE block", certName, seen)
	case len(c.Certificate) == 0:
		return nil, fmt.Errorf("%s holds no PEM block: convert it with \"openssl x509 -inform der\" if it is binary", certName)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("%s: the first certificate is damaged: %w", certName, err)
	}
	c.Leaf = leaf
	for i, der := range c.Certificate[1:] {
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%s: certificate %d is damaged: %w", certName, i+2, err)
		}
	}
	key, err := parseKey(keyPEM, keyName)
	if err != nil {
		return nil, err
	}
	if !samePublic(leaf.PublicKey, key.Public()) {
		return nil, fmt.Errorf("%s does not belong to %s (for %s): take both from the same order or renewal, and put the server's certificate first",
			keyName, certName, subject(leaf))
	}
	c.PrivateKey = key
	return &c, nil
}

func label(what, file string) string {
	if file == "" {
		return what
	}
	return what + " " + file
}

func parseKey(b []byte, name string) (crypto.Signer, error) {
	seen := ""
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, fmt.Errorf("%s is protected by a passphrase: write a copy without one with \"openssl pkey -in FILE -out FILE\"", name)
		}
		switch block.Type {
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s is damaged or of an unknown kind: %w", name, err)
			}
			return usable(k, name)
		case "EC PRIVATE KEY":
			k, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s is damaged: %w", name, err)
			}
			return usable(k, name)
		case "RSA PRIVATE KEY":
			k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s is damaged: %w", name, err)
			}
			return usable(k, name)
		}
		if seen == "" {
			seen = block.Type
		}
	}
	switch seen {
	case "":
		return nil, fmt.Errorf("%s holds no PEM block: convert it with \"openssl pkey -inform der\" if it is binary", name)
	case "CERTIFICATE":
		return nil, fmt.Errorf("%s holds a certificate and no private key: are the two names swapped?", name)
	}
	return nil, fmt.Errorf("%s holds %q and no private key", name, seen)
}

func usable(key any, name string) (crypto.Signer, error) {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("%s is of a kind that TLS does not use: make an ECDSA P-256 key", name)
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// subject names a certificate for the operator.
func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return strings.Join(c.DNSNames, ", ")
	}
	return c.Subject.String()
}

// Check lists what an operator should know about a loaded certificate, for the
// domains it is to serve: none of it keeps the server from starting. A zero now
// means that the clock is unset; nothing is said about dates then.
func Check(c *tls.Certificate, domains []string, now time.Time) []string {
	var warn []string
	leaf := c.Leaf
	for _, d := range domains {
		if !Covers(leaf, d) {
			warn = append(warn, fmt.Sprintf("the certificate for %s does not cover %s: clients will refuse it", subject(leaf), d))
		}
	}
	if !now.IsZero() {
		switch {
		case now.After(leaf.NotAfter):
			warn = append(warn, fmt.Sprintf("the certificate for %s expired on %s: renew it", subject(leaf), day(leaf.NotAfter)))
		case now.Add(expirySoon).After(leaf.NotAfter):
			warn = append(warn, fmt.Sprintf("the certificate for %s expires on %s: renew it", subject(leaf), day(leaf.NotAfter)))
		case now.Before(leaf.NotBefore):
			warn = append(warn, fmt.Sprintf("the certificate for %s begins on %s only: check the clock", subject(leaf), day(leaf.NotBefore)))
		}
	}
	if len(c.Certificate) == 1 && string(leaf.RawIssuer) != string(leaf.RawSubject) {
		warn = append(warn, fmt.Sprintf("the certificate file for %s holds no intermediate certificate: servers of others will refuse it unless its issuer is a root (use fullchain.pem)", subject(leaf)))
	}
	for i := 1; i < len(c.Certificate); i++ {
		below, err1 := x509.ParseCertificate(c.Certificate[i-1])
		above, err2 := x509.ParseCertificate(c.Certificate[i])
		if err1 == nil && err2 == nil && string(below.RawIssuer) != string(above.RawSubject) {
			warn = append(warn, fmt.Sprintf("the certificate file for %s is out of order: certificate %d did not issue the one before it", subject(leaf), i+1))
			break
		}
	}
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
		warn = append(warn, fmt.Sprintf("the key of the certificate for %s has %d bits only: make an ECDSA P-256 key", subject(leaf), k.N.BitLen()))
	}
	return warn
}

// day prints a date for the operator.
func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// looseKey warns about a key file that every user of the machine can read.
func looseKey(name string) []string {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("key file %s can be read by every user: chmod o-r %s", name, name)}
}

// Fingerprint is the SHA-256 fingerprint of a DER certificate, in the form that
// clients and browsers show: upper-case pairs with colons.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(digits[i : i+2])
	}
	return b.String()
}
