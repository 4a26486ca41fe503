package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"slices"
	"time"
)

var (
	// longStart is before every clock a client may have, and before July 2019:
	// Apple's systems refuse younger leaf certificates of more than 825 days.
	longStart = time.Date(2019, time.June, 1, 0, 0, 0, 0, time.UTC)
	// longEnd is the last moment that RFC 5280 writes with a two-digit year.
	longEnd = time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC)
)

// backdate is how far a client's clock may be behind ours.
const backdate = 24 * time.Hour

// authorityFile holds the CA's key and certificate in one file, so that no crash
// leaves one without the other.
const authorityFile = "authority.pem"

// Authority is the local CA of one device. It is immutable.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	vault       Vault
}

// OpenAuthority reads the local CA from the vault, or makes it there. name is
// shown in the client's list of authorities. The CA is valid from 2019 to 2049,
// whatever the clock says: its life ends when the operator removes it.
func OpenAuthority(v Vault, name string) (*Authority, error) {
	b, err := v.Read(authorityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return newAuthority(v, name)
	}
	if err != nil {
		return nil, fmt.Errorf("the local CA cannot be read: %w", err)
	}
	c, err := Parse(b, b)
	if err != nil {
		return nil, fmt.Errorf("the local CA (%s) is damaged, restore it from a backup or remove it to make a new one: %w", authorityFile, err)
	}
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !c.Leaf.IsCA {
		return nil, fmt.Errorf("the local CA (%s) is not an ECDSA authority: restore it from a backup or remove it", authorityFile)
	}
	return &Authority{Certificate: c.Leaf, key: key, vault: v}, nil
}

func newAuthority(v Vault, name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial tells two devices apart that have the same name.
		Subject:               pkix.Name{CommonName: name + " local CA " + hex.EncodeToString(serial.Bytes()[:3])},
		NotBefore:             longStart,
		NotAfter:              longEnd,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it issues leaves only
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	b, err := encode(key, der)
	if err != nil {
		return nil, err
	}
	if err := v.Write(authorityFile, b); err != nil {
		return nil, fmt.Errorf("the local CA cannot be kept: %w", err)
	}
	return &Authority{Certificate: c, key: key, vault: v}, nil
}

// PEM is the CA's certificate in the form that clients install.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// Fingerprint identifies the CA to the user who installs it.
func (a *Authority) Fingerprint() string { return Fingerprint(a.Certificate.Raw) }

// leaf returns a certificate for the domain: the kept one while it is good, or
// a new one, which is kept. A zero now means that the clock is unset.
//
// Leaves are kept over a restart: clients that remember a certificate would ask
// their users again, and a board would write its flash at each boot.
func (a *Authority) leaf(domain string, addrs []netip.Addr, now time.Time, life time.Duration) (*tls.Certificate, error) {
	name := leafFile(domain, now.IsZero())
	if b, err := a.vault.Read(name); err == nil {
		if c, err := Parse(b, b); err == nil && a.good(c, domain, addrs, now, life) {
			return c, nil
		}
	} // what cannot be read is made again
	c, b, err := a.issue(domain, addrs, now, life)
	if err != nil {
		return nil, fmt.Errorf("a certificate for %s cannot be made: %w", domain, err)
	}
	if err := a.vault.Write(name, b); err != nil {
		return nil, fmt.Errorf("the certificate for %s cannot be kept: %w", domain, err)
	}
	return c, nil
}

// good reports whether a kept leaf is ours, names what it should, and is not due.
func (a *Authority) good(c *tls.Certificate, domain string, addrs []netip.Addr, now time.Time, life time.Duration) bool {
	want, err := altNames(domain, addrs)
	if err != nil || c.Leaf.CheckSignatureFrom(a.Certificate) != nil {
		return false
	}
	if !slices.ContainsFunc(c.Leaf.Extensions, func(e pkix.Extension) bool {
		return e.Id.Equal(oidSubjectAltName) && bytes.Equal(e.Value, want.Value)
	}) {
		return false
	}
	if now.IsZero() {
		return true
	}
	return !now.Before(c.Leaf.NotBefore) && now.Before(renewal(c.Leaf)) && c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) <= life+backdate
}

// renewal is the moment after which a leaf is made anew: two thirds of its life.
func renewal(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

func (a *Authority) issue(domain string, addrs []netip.Addr, now time.Time, life time.Duration) (*tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	names, err := altNames(domain, addrs)
	if err != nil {
		return nil, nil, err
	}
	from, to := longStart, longEnd
	if !now.IsZero() {
		from, to = now.Add(-backdate), now.Add(life)
		if to.After(longEnd) {
			to = longEnd
		}
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName(domain)},
		NotBefore:             from.UTC().Truncate(time.Second),
		NotAfter:              to.UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, // servers call each other
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{names},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	b, err := encode(key, der)
	if err != nil {
		return nil, nil, err
	}
	c, err := Parse(b, b)
	return c, b, err
}

// commonName is for people who look at the certificate; RFC 5280 allows 64
// characters, and no client compares it.
func commonName(domain string) string {
	name := asciiName(domain)
	return name[:min(len(name), 64)]
}

// newSerial draws a positive serial number of 16 octets (RFC 5280 section 4.1.2.2
// allows 20) whose first octet is not zero.
func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// encode writes a key and its certificate into one PEM file.
func encode(key *ecdsa.PrivateKey, der []byte) ([]byte, error) {
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}

// leafFile names the file of a domain's leaf. Characters that a file system
// could take for something else are written in hex.
func leafFile(domain string, undated bool) string {
	var b []byte
	for _, c := range []byte(asciiName(domain)) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.' && len(b) > 0:
			b = append(b, c)
		default:
			b = append(b, '_')
			b = hex.AppendEncode(b, []byte{c})
		}
	}
	if len(b) > 200 { // a file name has at most 255 bytes
		sum := sha256.Sum256(b)
		b = hex.AppendEncode(nil, sum[:])
	}
	if undated {
		return string(b) + ".undated.pem"
	}
	return string(b) + ".leaf.pem"
}
