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
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"linnet/netsvc/wire/sasl"
)

// ends are two ends of a loopback connection. A pipe will not do: in a resumed
// handshake both sides write before they read, and it holds nothing.
func ends() (server, client net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	server, err = l.Accept()
	return server, client, err
}

// talk makes a handshake and sends one byte each way, so that session tickets
// arrive. It returns both ends' states.
func talk(server, client *tls.Config) (s, c tls.ConnectionState, err error) {
	here, there, err := ends()
	if err != nil {
		return s, c, err
	}
	defer there.Close()
	sc, cc := tls.Server(here, server), tls.Client(there, client)
	done := make(chan error, 1)
	go func() { done <- echo(sc) }()
	err = cc.Handshake()
	if err == nil {
		_, err1 := cc.Write([]byte{1})
		_, err2 := io.ReadFull(cc, make([]byte, 1))
		err = errors.Join(err1, err2)
	}
	there.Close()
	return sc.ConnectionState(), cc.ConnectionState(), errors.Join(err, <-done)
}

func echo(c *tls.Conn) error {
	defer c.NetConn().Close()
	if err := c.Handshake(); err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err1 := io.ReadFull(c, b)
	_, err2 := c.Write(b)
	return errors.Join(err1, err2)
}

func keeper(t testing.TB, p Policy, domains ...string) *Keeper {
	t.Helper()
	k, err := Open(Options{Domains: domains, Vault: Memory{}, TLS: p})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trusting(s *Set, name string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Authority().Certificate)
	return &tls.Config{RootCAs: roots, ServerName: name, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
}

func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		name     string
		policy   Policy
		protocol Protocol
		domain   string // what the stream header said
		client   func(*tls.Config)
		shown    string
		curve    tls.CurveID
		alpn     string
		fails    bool
	}{
		{name: "by SNI", client: func(c *tls.Config) { c.ServerName = "two.example" }, shown: "two.example"},
		{name: "SNI in upper case", client: func(c *tls.Config) { c.ServerName = "TWO.example" }, shown: "two.example"},
		{name: "SNI before stream header", domain: "one.example", client: func(c *tls.Config) { c.ServerName = "two.example" }, shown: "two.example"},
		{name: "no SNI, stream header", domain: "two.example", client: func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true }, shown: "two.example"},
		{name: "no SNI", client: func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true }, shown: "one.example"},
		{name: "unknown SNI", client: func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "x.example", true }, shown: "one.example"},
		{name: "TLS 1.2", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, shown: "one.example"},
		{name: "TLS 1.1", client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, fails: true},
		{name: "CBC suite", client: func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, fails: true},
		{name: "classic by default", client: func(*tls.Config) {}, shown: "one.example", curve: tls.X25519},
		{name: "hybrid", policy: Policy{Exchange: Hybrid}, client: func(*tls.Config) {}, shown: "one.example", curve: tls.X25519MLKEM768},
		{name: "P-256 alone", client: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, shown: "one.example", curve: tls.CurveP256},
		{name: "ALPN", protocol: DirectClient, client: func(c *tls.Config) { c.NextProtos = []string{"h2", "xmpp-client"} }, shown: "one.example", alpn: "xmpp-client"},
		{name: "ALPN of a server", protocol: DirectServer, client: func(c *tls.Config) { c.NextProtos = []string{"xmpp-server"} }, shown: "one.example", alpn: "xmpp-server"},
		{name: "direct without ALPN", protocol: DirectClient, client: func(*tls.Config) {}, shown: "one.example"},
		{name: "ALPN of another protocol", protocol: DirectClient, client: func(c *tls.Config) { c.NextProtos = []string{"h2"} }, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := keeper(t, c.policy, "one.example", "two.example").Current()
			client := trusting(set, "one.example")
			c.client(client)
			s, cl, err := talk(set.Config(c.protocol, c.domain), client)
			if c.fails {
				if err == nil {
					t.Fatal("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := cl.PeerCertificates[0].DNSNames[0]; got != c.shown {
				t.Errorf("shown %s, want %s", got, c.shown)
			}
			if c.curve != 0 && s.CurveID != c.curve {
				t.Errorf("curve %v, want %v", s.CurveID, c.curve)
			}
			if s.NegotiatedProtocol != c.alpn {
				t.Errorf("protocol %q, want %q", s.NegotiatedProtocol, c.alpn)
			}
			checkBindings(t, set, &s, &cl, c.domain)
		})
	}
}

// checkBindings compares what the server says with what the client computes.
func checkBindings(t *testing.T, set *Set, s, c *tls.ConnectionState, domain string) {
	t.Helper()
	got := set.Bindings(s, domain)
	var want []sasl.Binding
	if b, ok := Exporter(c); ok {
		want = append(want, b)
	}
	b, ok := EndPoint(c.PeerCertificates[0])
	if !ok {
		t.Fatal("no end point")
	}
	want = append(want, b)
	if !slices.EqualFunc(got, want, func(a, b sasl.Binding) bool {
		return a.Type == b.Type && bytes.Equal(a.Data, b.Data) && len(a.Data) >= 32
	}) {
		t.Errorf("server has %x, client %x", got, want)
	}
	if s.Version == tls.VersionTLS13 != (len(got) == 2) {
		t.Errorf("%d bindings with version %x", len(got), s.Version)
	}
}

func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		k := keeper(t, Policy{}, "one.example", "two.example")
		set := k.Current()
		client := trusting(set, "two.example")
		client.MaxVersion = version
		for i, resumed := range []bool{false, true, true} {
			s, c, err := talk(set.Config(StartTLS, "one.example"), client)
			if err != nil || s.DidResume != resumed {
				t.Fatalf("%x, connection %d: resumed %v, error %v", version, i, s.DidResume, err)
			}
			checkBindings(t, set, &s, &c, "one.example")
		}
		// Other certificates: no ticket may carry the old one's end point over.
		if err := k.Use(Options{Domains: []string{"one.example", "two.example"}, Vault: Memory{}}); err != nil {
			t.Fatal(err)
		}
		client.InsecureSkipVerify = true
		s, c, err := talk(k.Current().Config(StartTLS, "one.example"), client)
		if err != nil || s.DidResume {
			t.Fatalf("%x, after a swap: resumed %v, error %v", version, s.DidResume, err)
		}
		checkBindings(t, k.Current(), &s, &c, "one.example")
	}
}

func TestEndPointHash(t *testing.T) {
	raw := []byte("certificate")
	sum := sha256.Sum256(raw)
	for _, c := range []struct {
		algorithm x509.SignatureAlgorithm
		size      int
	}{
		{x509.MD5WithRSA, 32}, {x509.SHA1WithRSA, 32}, {x509.ECDSAWithSHA1, 32}, {x509.SHA256WithRSA, 32}, {x509.ECDSAWithSHA256, 32},
		{x509.SHA384WithRSA, 48}, {x509.ECDSAWithSHA384, 48}, {x509.SHA512WithRSAPSS, 64}, {x509.PureEd25519, 0},
	} {
		got, ok := EndPoint(&x509.Certificate{Raw: raw, SignatureAlgorithm: c.algorithm})
		if len(got.Data) != c.size || ok != (c.size > 0) {
			t.Errorf("%v: %d bytes, want %d", c.algorithm, len(got.Data), c.size)
		}
		if c.size == 32 && !bytes.Equal(got.Data, sum[:]) {
			t.Errorf("%v: not SHA-256", c.algorithm)
		}
	}
}

// userCertificate is a client certificate with the given xmppAddr names.
func userCertificate(t *testing.T, a *Authority, usage x509.ExtKeyUsage, until time.Time, jids ...string) tls.Certificate {
	t.Helper()
	var names []asn1.RawValue
	for _, j := range jids {
		oid, _ := asn1.Marshal(oidXMPPAddr)
		value, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(j)})
		wrapped, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: value})
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagOtherName, IsCompound: true, Bytes: append(oid, wrapped...)})
	}
	names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagEmail, Bytes: []byte("juliet@mail.example")})
	san, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: until.Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: san}},
	}, a.Certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestPeer(t *testing.T) {
	set := keeper(t, Policy{ClientCertificates: true}, "one.example").Current()
	stranger, err := OpenAuthority(Memory{}, "stranger")
	if err != nil {
		t.Fatal(err)
	}
	soon, past := time.Now().Add(time.Minute), time.Now().Add(-time.Minute)
	auth := x509.ExtKeyUsageClientAuth
	for _, c := range []struct {
		name string
		cert *tls.Certificate
		want []string
		err  error // errors.New("") = any
	}{
		{name: "one JID", cert: ptr(userCertificate(t, set.authority, auth, soon, "juliet@one.example")), want: []string{"juliet@one.example"}},
		{name: "two JIDs", cert: ptr(userCertificate(t, set.authority, auth, soon, "a@one.example", "b@one.example")), want: []string{"a@one.example", "b@one.example"}},
		{name: "no JID", cert: ptr(userCertificate(t, set.authority, auth, soon))},
		{name: "none", err: ErrNoCertificate},
		{name: "unknown authority", cert: ptr(userCertificate(t, stranger, auth, soon, "juliet@one.example")), err: errors.New("")},
		{name: "expired", cert: ptr(userCertificate(t, set.authority, auth, past, "juliet@one.example")), err: errors.New("")},
		{name: "for servers only", cert: ptr(userCertificate(t, set.authority, x509.ExtKeyUsageServerAuth, soon, "juliet@one.example")), err: errors.New("")},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := trusting(set, "one.example")
			if c.cert != nil {
				client.Certificates = []tls.Certificate{*c.cert}
			}
			for range 2 { // the second handshake is resumed
				s, _, err := talk(set.Config(StartTLS, ""), client)
				if err != nil {
					t.Fatal(err)
				}
				n, err := set.Peer(&s)
				if (err != nil) != (c.err != nil) || c.err == ErrNoCertificate && err != c.err {
					t.Fatalf("got error %v, want %v", err, c.err)
				}
				if !slices.Equal(n.XMPP, c.want) {
					t.Errorf("got %q, want %q", n.XMPP, c.want)
				}
				if err == nil && !slices.Equal(n.Email, []string{"juliet@mail.example"}) {
					t.Errorf("mail %q", n.Email)
				}
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestPeerIgnoresDatesWhileTheClockIsUnset(t *testing.T) {
	o := Options{Domains: []string{"one.example"}, Vault: Memory{}, Now: func() time.Time { return time.Unix(5, 0) }, Built: built, TLS: Policy{ClientCertificates: true}}
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(k.Current(), "one.example")
	client.Certificates = []tls.Certificate{userCertificate(t, k.Current().authority, x509.ExtKeyUsageClientAuth, today, "juliet@one.example")}
	s, _, err := talk(k.Current().Config(StartTLS, ""), client)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := k.Current().Peer(&s); err != nil || len(n.XMPP) != 1 {
		t.Errorf("%v, %v", n, err)
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, c := range []struct {
		name   string
		policy Policy
		resume bool
	}{{name: "classic"}, {name: "hybrid", policy: Policy{Exchange: Hybrid}}, {name: "resumed", resume: true}} {
		b.Run(c.name, func(b *testing.B) {
			set := keeper(b, c.policy, "one.example").Current()
			client := trusting(set, "one.example")
			if !c.resume {
				client.ClientSessionCache = nil
			}
			config := set.Config(StartTLS, "")
			for b.Loop() {
				if _, _, err := talk(config, client); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
