package cert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// Protocol is what speaks inside TLS.
type Protocol uint8

// The kinds of connection.
const (
	StartTLS     Protocol = iota // upgraded in the stream: no ALPN (RFC 6120 section 5)
	DirectClient                 // XEP-0368 "xmpp-client"
	DirectServer                 // XEP-0368 "xmpp-server"
	protocols
)

// Exchange is a choice of key exchanges.
type Exchange uint8

// The choices of the option.
const (
	// Classic offers X25519 and the NIST curves P-256 and P-384, and is the
	// default. A full handshake costs 350 to 390 µs of CPU against 590 µs with a
	// hybrid, which at a reconnect storm after a power cut is the difference
	// between 2,000 and 1,200 logins a second, and on a 580 MHz MIPS board some
	// hundred milliseconds of each login. What is given up is secrecy against one who records
	// now and owns a quantum computer later.
	Classic Exchange = iota
	// Hybrid puts X25519MLKEM768 before the classic ones.
	Hybrid
)

// ParseExchange reads the option's value.
func ParseExchange(s string) (Exchange, error) {
	switch s {
	case "classic":
		return Classic, nil
	case "hybrid":
		return Hybrid, nil
	}
	return 0, fmt.Errorf("unknown key exchange %q: use classic or hybrid", s)
}

// Policy is what listeners agree to. The zero Policy is the default.
type Policy struct {
	Exchange Exchange
	// ClientCertificates asks clients for a certificate (SASL EXTERNAL). None is
	// required, and none is verified in the handshake: Set.Peer does it.
	// Off by default, since some clients ask their user at each such request.
	ClientCertificates bool
	ClientRoots        *x509.CertPool // beside the local CA; nil = none
}

// suites are the cipher suites of TLS 1.2: forward secret and authenticated
// encryption only (RFC 9325 section 4.2). Those of TLS 1.3 cannot be chosen.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Config is the server side configuration for a connection of protocol p.
// domain is the one that the stream header named, or "": it is shown to clients
// that name none in the handshake. The result is shared and must not be changed;
// session tickets are good for one Set, domain and protocol.
func (s *Set) Config(p Protocol, domain string) *tls.Config {
	if e := s.byName[asciiName(domain)]; e != nil {
		return e.configs[p]
	}
	return s.entries[0].configs[p]
}

func (s *Set) config(fallback *entry, p Protocol) *tls.Config {
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.pick(h.ServerName, fallback).cert, nil
		},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
		Time:             s.opts.Now,
	}
	if s.opts.TLS.Exchange == Hybrid {
		c.CurvePreferences = append([]tls.CurveID{tls.X25519MLKEM768}, c.CurvePreferences...)
	}
	if s.opts.TLS.ClientCertificates {
		c.ClientAuth = tls.RequestClientCert
	}
	switch p {
	case DirectClient:
		c.NextProtos = []string{"xmpp-client"}
	case DirectServer:
		c.NextProtos = []string{"xmpp-server"}
	}
	return c
}
