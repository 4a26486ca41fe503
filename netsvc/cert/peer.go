package cert

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// ErrNoCertificate is the answer of Peer when the other side showed none.
var ErrNoCertificate = errors.New("the peer showed no certificate")

// Peer verifies the certificate that a client showed in the handshake and
// returns its names. It is called when the client wants SASL EXTERNAL, so that
// nobody else pays for the verification. While the clock is unset, dates are not
// looked at.
//
// XEP-0178: of a user, Names.XMPP are the accounts it stands for; of a server,
// Names.XMPP, SRV and DNS the domains.
func (s *Set) Peer(cs *tls.ConnectionState) (Names, error) {
	if len(cs.PeerCertificates) == 0 {
		return Names{}, ErrNoCertificate
	}
	leaf := cs.PeerCertificates[0]
	opts := x509.VerifyOptions{
		Roots:         s.roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   s.opts.now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if opts.CurrentTime.IsZero() {
		opts.CurrentTime = leaf.NotAfter
	}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return Names{}, fmt.Errorf("the peer's certificate is not good: %w", err)
	}
	return NamesOf(leaf), nil
}
