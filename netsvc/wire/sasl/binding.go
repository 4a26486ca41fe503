package sasl

import (
	"crypto"
	_ "crypto/sha256" // the hashes that certificates are signed with
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// The types of channel binding that Go can give a server.
const (
	TLSExporter       = "tls-exporter"         // RFC 9266
	TLSServerEndPoint = "tls-server-end-point" // RFC 5929 section 4
)

// Binding is what both ends know of one TLS channel and nobody between them.
type Binding struct {
	Type string
	Data []byte
}

// ExporterBinding returns the tls-exporter binding of a connection. ok is
// false where TLS gives none: below 1.3 without the extended master secret.
func ExporterBinding(state *tls.ConnectionState) (b Binding, ok bool) {
	if !state.HandshakeComplete {
		return Binding{}, false
	}
	// An empty context, not an absent one: in TLS 1.2 they differ.
	data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil {
		return Binding{}, false
	}
	return Binding{Type: TLSExporter, Data: data}, true
}

// EndPointBinding returns the tls-server-end-point binding of the certificate
// that this end showed in the handshake. ok is false where RFC 5929 defines
// none: for signature algorithms that name no hash, as Ed25519.
//
// It survives a proxy that holds the certificate, but binds the client to the
// server's name, not to one channel: weaker than tls-exporter.
func EndPointBinding(certificate *x509.Certificate) (b Binding, ok bool) {
	hash := endPointHash(certificate.SignatureAlgorithm)
	if hash == 0 {
		return Binding{}, false
	}
	digest := hash.New()
	digest.Write(certificate.Raw)
	return Binding{Type: TLSServerEndPoint, Data: digest.Sum(nil)}, true
}

// endPointHash returns the hash of a signature algorithm, SHA-256 for those
// that are broken.
func endPointHash(algorithm x509.SignatureAlgorithm) crypto.Hash {
	switch algorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
