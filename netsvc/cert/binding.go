package cert

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Binding is one kind of channel binding data of a TLS connection.
type Binding struct {
	Type string // "tls-exporter", "tls-server-end-point"
	Data []byte
}

// Bindings are the channel bindings of a connection that was accepted with
// s.Config(…, domain), the stronger first. XEP-0440 wants tls-server-end-point
// offered always.
func (s *Set) Bindings(cs *tls.ConnectionState, domain string) []Binding {
	var list []Binding
	if data, err := Exporter(cs); err == nil {
		list = append(list, Binding{"tls-exporter", data})
	}
	if e := s.pick(cs.ServerName, s.fallback(domain)); len(e.endPoint) > 0 {
		list = append(list, Binding{"tls-server-end-point", e.endPoint})
	}
	return list
}

// Exporter is the data of "tls-exporter" (RFC 9266), either side. It is given
// for TLS 1.3 only: below, peers disagree whether an empty context is a context
// (RFC 5705 section 4), and a failed login is worse than the other binding.
func Exporter(cs *tls.ConnectionState) ([]byte, error) {
	if cs.Version < tls.VersionTLS13 {
		return nil, errors.New("tls-exporter is bound to TLS 1.3")
	}
	return cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
}

// EndPoint is the data of "tls-server-end-point" (RFC 5929) for the client of a
// connection: the hash of the certificate that the server showed.
func EndPoint(cs *tls.ConnectionState) ([]byte, error) {
	if len(cs.PeerCertificates) == 0 {
		return nil, errors.New("the server showed no certificate")
	}
	data := endPoint(cs.PeerCertificates[0])
	if data == nil {
		return nil, errors.New("the certificate's signature has no single hash function")
	}
	return data, nil
}

// endPoint hashes a certificate with the hash of its signature, or SHA-256 in
// place of MD5 and SHA-1 (RFC 5929 section 4.1). It is nil where the
// RFC leaves it undefined (Ed25519).
func endPoint(c *x509.Certificate) []byte {
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(c.Raw)
		return sum[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(c.Raw)
		return sum[:]
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil
	}
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}

func (s *Set) fallback(domain string) *entry {
	if e := s.byName[asciiName(domain)]; e != nil {
		return e
	}
	return s.entries[0]
}
