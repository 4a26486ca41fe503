package sasl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
)

// certify makes a self-signed certificate.
func certify(t *testing.T, key crypto.Signer, algorithm x509.SignatureAlgorithm) (*x509.Certificate, tls.Certificate) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, SignatureAlgorithm: algorithm}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// RFC 5929 section 4.1.
func TestEndPointBinding(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, noHash, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum256 := func(raw []byte) []byte { sum := sha256.Sum256(raw); return sum[:] }
	sum384 := func(raw []byte) []byte { sum := sha512.Sum384(raw); return sum[:] }
	sum512 := func(raw []byte) []byte { sum := sha512.Sum512(raw); return sum[:] }
	tests := []struct {
		name      string
		key       crypto.Signer
		algorithm x509.SignatureAlgorithm
		claimed   x509.SignatureAlgorithm // in place of it, where we could not sign
		sum       func([]byte) []byte
	}{
		{"sha-256", key, x509.ECDSAWithSHA256, 0, sum256},
		{"sha-384", key, x509.ECDSAWithSHA384, 0, sum384},
		{"sha-512", key, x509.ECDSAWithSHA512, 0, sum512},
		{"sha-1", key, x509.ECDSAWithSHA256, x509.ECDSAWithSHA1, sum256},
		{"md5", key, x509.ECDSAWithSHA256, x509.MD5WithRSA, sum256},
		{"pss", key, x509.ECDSAWithSHA256, x509.SHA384WithRSAPSS, sum384},
		{"ed25519", noHash, x509.PureEd25519, 0, nil},
	}
	for _, test := range tests {
		certificate, _ := certify(t, test.key, test.algorithm)
		if test.claimed != 0 {
			certificate.SignatureAlgorithm = test.claimed
		}
		got, ok := EndPointBinding(certificate)
		if ok != (test.sum != nil) {
			t.Errorf("%s: %v", test.name, ok)
			continue
		}
		if ok && (got.Type != TLSServerEndPoint || !bytes.Equal(got.Data, test.sum(certificate.Raw))) {
			t.Errorf("%s: %s %x", test.name, got.Type, got.Data)
		}
	}
}

// RFC 9266: both ends of a channel have the same binding, another channel has
// another.
func TestExporterBinding(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, certificate := certify(t, key, x509.ECDSAWithSHA256)
	connect := func(version uint16) (client, server tls.ConnectionState) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		ours := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: version, SessionTicketsDisabled: true})
		theirs := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		failed := make(chan error, 1)
		go func() { failed <- ours.Handshake() }()
		if err := theirs.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		return theirs.ConnectionState(), ours.ConnectionState()
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := connect(version)
		ours, ok := ExporterBinding(&server)
		if !ok || ours.Type != TLSExporter || len(ours.Data) != 32 {
			t.Fatalf("%x: %v, %+v", version, ok, ours)
		}
		if theirs, ok := ExporterBinding(&client); !ok || !bytes.Equal(theirs.Data, ours.Data) {
			t.Fatalf("%x: the ends differ", version)
		}
		_, another := connect(version)
		if other, ok := ExporterBinding(&another); !ok || bytes.Equal(other.Data, ours.Data) {
			t.Fatalf("%x: two channels have one binding", version)
		}
	}
	if _, ok := ExporterBinding(&tls.ConnectionState{}); ok {
		t.Fatal("a binding without a handshake")
	}
}
