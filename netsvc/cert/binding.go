package cert

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"

	"linnet/netsvc/wire/sasl"
)

// Bindings are the channel bindings of a connection that was accepted with
// s.Config(…, domain), the stronger first. XEP-0440 wants tls-server-end-point
// offered always.
func (s *Set) Bindings(cs *tls.ConnectionState, domain string) []sasl.Binding {
	var list []sasl.Binding
	if b, ok := Exporter(cs); ok {
		list = append(list, b)
	}
	if e := s.pick(cs.ServerName, s.fallback(domain)); len(e.endPoint.Data) > 0 {
		list = append(list, e.endPoint)
	}
	return list
}

// Exporter is the binding "tls-exporter" (RFC 9266) of a connection, on either
// side. It is given for TLS 1.3 only: below, peers disagree whether an
// empty context is a context (RFC 5705 section 4), and a login that fails is
// worse than the other binding.
func Exporter(cs *tls.ConnectionState) (b sasl.Binding, ok bool) {
	if cs.Version < tls.VersionTLS13 || !cs.HandshakeComplete {
		return b, false
	}
	data, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	return sasl.Binding{Type: sasl.TLSExporter, Data: data}, err == nil
}

// EndPoint is the binding "tls-server-end-point" (RFC 5929) of a connection
// whose server showed c: its hash with the hash function of its signature, or
// with SHA-256 in place of MD5 and SHA-1. ok is false where the RFC defines none
// (Ed25519).
func EndPoint(c *x509.Certificate) (b sasl.Binding, ok bool) {
	b.Type = sasl.TLSServerEndPoint
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(c.Raw)
		b.Data = sum[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(c.Raw)
		b.Data = sum[:]
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return b, false
	default:
		sum := sha256.Sum256(c.Raw)
		b.Data = sum[:]
	}
	return b, true
}

func (s *Set) fallback(domain string) *entry {
	if e := s.byName[asciiName(domain)]; e != nil {
		return e
	}
	return s.entries[0]
}
