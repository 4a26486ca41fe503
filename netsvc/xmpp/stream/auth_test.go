package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/xmlstream"
)

func authElement(mechanism, text string) string {
	return "<auth xmlns='" + SASLSpace + "' mechanism='" + mechanism + "'>" + text + "</auth>"
}

func plain(user, password string) string {
	return authElement("PLAIN", sasl.Encode([]byte("\x00"+user+"\x00"+password)))
}

func TestSASLFailures(t *testing.T) {
	long := strings.Repeat("QUJD", 2100) // 6,300 bytes: more than any message, less than the stanza limit
	for _, c := range []struct {
		name string
		say  string
		want sasl.Condition
	}{
		{"wrong password", plain("juliet", "x"), sasl.NotAuthorized},
		{"nobody", plain("nobody", password), sasl.NotAuthorized},
		{"name that cannot be", plain("a b", password), sasl.NotAuthorized},
		{"disabled", plain("ghost", password), sasl.AccountDisabled},
		{"disabled with a wrong password", plain("ghost", "x"), sasl.NotAuthorized},
		{"unknown mechanism", authElement("DIGEST-MD5", ""), sasl.InvalidMechanism},
		{"no mechanism", "<auth xmlns='" + SASLSpace + "'/>", sasl.InvalidMechanism},
		{"lower case", authElement("plain", "AGEAYg=="), sasl.InvalidMechanism},
		{"PLUS without TLS", authElement("SCRAM-SHA-1-PLUS", ""), sasl.InvalidMechanism},
		{"EXTERNAL without a certificate", authElement("EXTERNAL", "="), sasl.InvalidMechanism},
		{"not base64", authElement("PLAIN", "?"), sasl.IncorrectEncoding},
		{"white space in base64", authElement("PLAIN", "AGp1 bGlldA=="), sasl.IncorrectEncoding},
		{"no padding", authElement("PLAIN", "AGp1bGlldA"), sasl.IncorrectEncoding},
		{"bits behind the end", authElement("PLAIN", "AGp1bGlldB=="), sasl.IncorrectEncoding},
		{"other alphabet", authElement("PLAIN", "AGp1bGll_-=="), sasl.IncorrectEncoding},
		{"empty initial response", authElement("PLAIN", "="), sasl.MalformedRequest},
		{"too long", authElement("PLAIN", long), sasl.MalformedRequest},
		{"someone else's authority", authElement("PLAIN", sasl.Encode([]byte("romeo@im.example.com\x00juliet\x00"+password))), sasl.InvalidAuthzid},
		{"response to nothing", "<response xmlns='" + SASLSpace + "'/>", sasl.MalformedRequest},
		{"abort of nothing", "<abort xmlns='" + SASLSpace + "'/>", sasl.Aborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := loopback(t, defaults())
				cl.send("%s", c.say)
				cl.expect(saslError(c.want))
				// The stream goes on, and the client may try again.
				cl.login()
			})
		})
	}
}

func TestSASLConversation(t *testing.T) {
	const begin = "<auth xmlns='" + SASLSpace + "' mechanism='SCRAM-SHA-1'>biwsbj1qdWxpZXQscj1vTXNUQUF3QUFBQU1BQUFBTlAwVEFBQUFBQUJQVTBBQQ==</auth>" // RFC 6120 section 9.1
	const challenge = `<challenge xmlns='` + SASLSpace + `'>[A-Za-z0-9+/=]+</challenge>`
	for _, c := range []struct {
		name  string
		steps func(*client)
	}{
		{"abort", func(c *client) {
			c.send(begin)
			c.expect(challenge)
			c.send("<abort xmlns='%s'/>", SASLSpace)
			c.expect(saslError(sasl.Aborted))
		}},
		{"a second exchange within the first", func(c *client) {
			c.send(begin)
			c.expect(challenge)
			c.send(begin)
			c.expect(saslError(sasl.MalformedRequest))
		}},
		{"bad base64 in a response", func(c *client) {
			c.send(begin)
			c.expect(challenge)
			c.send("<response xmlns='%s'>=A</response>", SASLSpace)
			c.expect(saslError(sasl.IncorrectEncoding))
			c.send("<response xmlns='%s'>biws</response>", SASLSpace)
			c.expect(saslError(sasl.MalformedRequest)) // the exchange is over
		}},
		{"no initial response", func(c *client) {
			c.send("<auth xmlns='%s' mechanism='PLAIN'/>", SASLSpace)
			c.expect("<challenge xmlns='" + SASLSpace + "'/>")
			c.send("<response xmlns='%s'>%s</response>", SASLSpace, sasl.Encode([]byte("\x00juliet\x00x")))
			c.expect(saslError(sasl.NotAuthorized))
		}},
		{"empty response", func(c *client) {
			c.send(begin)
			c.expect(challenge)
			c.send("<response xmlns='%s'/>", SASLSpace)
			c.expect(saslError("(?:malformed-request|not-authorized)"))
		}},
		{"wrong proof", func(c *client) {
			c.send(begin)
			c.expect(challenge)
			c.send("<response xmlns='%s'>%s</response>", SASLSpace, sasl.Encode([]byte("c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")))
			c.expect(saslError(sasl.NotAuthorized))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := loopback(t, defaults())
				c.steps(cl)
				cl.login()
			})
		})
	}
}

func TestTooManyFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loopback(t, defaults())
		for range DefaultFailures {
			c.send("%s", plain("juliet", "x"))
			c.expect(saslError(sasl.NotAuthorized))
		}
		c.expect(streamError(PolicyViolation))
		c.end()
	})
}

// There are clients that go through the whole list before they meet a mechanism
// they can do.
func TestMechanismsTriedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := loopback(t, defaults())
		for range maxFaults - 1 {
			c.send("%s", authElement("X-NONE", ""))
			c.expect(saslError(sasl.InvalidMechanism))
		}
		c.login()
	})
	synctest.Test(t, func(t *testing.T) {
		c := loopback(t, defaults())
		for range maxFaults {
			c.send("%s", authElement("X-NONE", ""))
			c.expect(saslError(sasl.InvalidMechanism))
		}
		c.expect(streamError(PolicyViolation))
	})
}

func TestOwnerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want sasl.Condition
	}{
		"a condition": {&sasl.Error{Condition: sasl.CredentialsExpired}, sasl.CredentialsExpired},
		"a fault":     {errors.New("disk"), sasl.TemporaryAuthFailure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := loopback(t, defaults())
				cl.home.refuse = c.err
				cl.send("%s", plain("juliet", password))
				cl.expect(saslError(c.want))
				cl.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
				cl.expect(streamError(NotAuthorized))
			})
		})
	}
}

func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Guard, o.Failures = guard(), 100
		for _, user := range []string{"juliet", "nobody"} { // the same for both
			c := loopback(t, o)
			for range 5 {
				c.send("%s", plain(user, "x"))
				c.expect(saslError(sasl.NotAuthorized))
			}
			c.send("%s", plain(user, password))
			c.expect(saslError(sasl.TemporaryAuthFailure))
			c.send("%s", authElement("SCRAM-SHA-1", sasl.Encode([]byte("n,,n="+user+",r=abcdefgh"))))
			c.expect(saslError(sasl.TemporaryAuthFailure))
			time.Sleep(5 * time.Second)
			c.send("%s", plain(user, "x"))
			c.expect(saslError(sasl.NotAuthorized))
		}
		c := loopback(t, o)
		c.send("%s", plain("romeo", password))
		c.expect("<success xmlns='" + SASLSpace + "'/>")
	})
}

func TestGuardSlowsAnAccountUnderAttack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Guard = guard()
		juliet := directoryAddress(t, "juliet@im.example.com")
		for i := range 100 {
			o.Guard.Failed(botnet(i), juliet)
		}
		began := time.Now()
		c := loopback(t, o)
		c.send("%s", plain("juliet", "x"))
		c.expect(saslError(sasl.NotAuthorized))
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("a failure took %v", d)
		}
		began = time.Now()
		c.send("%s", plain("juliet", password))
		c.expect("<success xmlns='" + SASLSpace + "'/>")
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("a success took %v", d)
		}
		began = time.Now()
		c = loopback(t, o)
		c.send("%s", plain("juliet", password))
		c.expect("<success xmlns='" + SASLSpace + "'/>")
		if d := time.Since(began); d != 0 {
			t.Errorf("who logged in before waited %v", d)
		}
	})
}

// certificate is a user's, issued by an authority of the test.
func certificate(t *testing.T, parent *x509.Certificate, key *ecdsa.PrivateKey, jids ...string) tls.Certificate {
	t.Helper()
	var names []asn1.RawValue
	for _, j := range jids {
		oid, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5})
		value, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(j)})
		wrapped, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: value})
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(oid, wrapped...)})
	}
	san, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(9), NotBefore: built, NotAfter: built.AddDate(1, 0, 0), Subject: pkix.Name{CommonName: "x"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}},
	}, parent, own.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
}

func TestExternal(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotBefore: built.AddDate(-9, 0, 0), NotAfter: built.AddDate(9, 0, 0), Subject: pkix.Name{CommonName: "users"}, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	k, err := cert.Open(cert.Options{
		Domains: []string{"im.example.com"}, Vault: cert.Memory{}, Built: built, Now: func() time.Time { return built.Add(-time.Hour) },
		TLS: cert.Policy{ClientCertificates: true, ClientRoots: roots},
	})
	if err != nil {
		t.Fatal(err)
	}
	const jul, rom = "juliet@im.example.com", "romeo@im.example.com"
	for _, c := range []struct {
		name  string
		jids  []string
		authz string // base64 or "="
		want  sasl.Condition
		who   string
	}{
		{name: "one JID", jids: []string{jul}, authz: "=", who: jul},
		{name: "one JID, named", jids: []string{jul}, authz: sasl.Encode([]byte(jul)), who: jul},
		{name: "one JID, another named", jids: []string{jul}, authz: sasl.Encode([]byte(rom)), want: sasl.InvalidAuthzid},
		{name: "two JIDs", jids: []string{jul, rom}, authz: "=", want: sasl.InvalidAuthzid},
		{name: "two JIDs, one named", jids: []string{jul, rom}, authz: sasl.Encode([]byte(rom)), who: rom},
		{name: "two JIDs, one of them here", jids: []string{"juliet@example.net", rom}, authz: "=", who: rom},
		{name: "one JID, of another domain here", jids: []string{"juliet@conference.example.com"}, authz: "=", want: sasl.NotAuthorized},
		{name: "two JIDs, the other domain's named", jids: []string{jul, "juliet@conference.example.com"}, authz: sasl.Encode([]byte("juliet@conference.example.com")), want: sasl.InvalidAuthzid},
		{name: "no account", jids: []string{"nobody@im.example.com"}, authz: "=", want: sasl.NotAuthorized},
		{name: "disabled", jids: []string{"ghost@im.example.com"}, authz: "=", want: sasl.NotAuthorized},
		{name: "no JID", authz: sasl.Encode([]byte(jul)), want: sasl.NotAuthorized},
		{name: "a domain", jids: []string{"im.example.com"}, authz: "=", want: sasl.NotAuthorized},
		{name: "full JID", jids: []string{jul + "/x"}, authz: "=", want: sasl.NotAuthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := defaults()
				o.Certs, o.Guard = k, account.NewGuard(account.GuardLimits{Address: 1})
				cl := start(t, o, false)
				config := clientTLS("im.example.com")
				config.Certificates = []tls.Certificate{certificate(t, ca, key, c.jids...)}
				cl.startTLS(config)
				cl.send(open)
				cl.expect(header + "<stream:features><mechanisms xmlns='" + SASLSpace + "'><mechanism>EXTERNAL</mechanism>.*</stream:features>")
				cl.send("%s", authElement("EXTERNAL", c.authz))
				if c.want != "" {
					cl.expect(saslError(c.want))
					if o.Guard.Ask(netip.Addr{}, jid.MustParse(jul)).Refuse {
						t.Error("it counts as a guessed password")
					}
					return
				}
				cl.expect("<success xmlns='" + SASLSpace + "'/>")
				if cl.home.who.String() != c.who {
					t.Errorf("became %v, want %v", cl.home.who, c.who)
				}
			})
		})
	}
}

// session is a stream that has authenticated.
func session(t *testing.T) *client {
	t.Helper()
	c := loopback(t, defaults())
	c.login()
	return c
}

func TestBind(t *testing.T) {
	bind := func(resource string) string {
		return "<iq type='set' id='b'><bind xmlns='" + BindSpace + "'><resource>" + resource + "</resource></bind></iq>"
	}
	failure := func(condition string) string {
		return "<iq type='error' id='b'><error [^>]*><" + condition + " .*</error></iq>"
	}
	for _, c := range []struct {
		name, say, want string
		goesOn          bool // the client may bind after that
	}{
		{"given", bind("balcony"), "<iq type='result' id='b'><bind xmlns='" + BindSpace + "'><jid>juliet@im.example.com/balcony</jid></bind></iq>", false},
		{"generated", "<iq type='set' id='b'><bind xmlns='" + BindSpace + "'/></iq>", "<iq type='result' id='b'>.*/generated</jid></bind></iq>", false},
		{"empty resource", bind(""), "<iq type='result' id='b'>.*/generated</jid></bind></iq>", false},
		{"to be escaped", bind("a&amp;b"), "<iq .*/a&amp;b</jid></bind></iq>", false},
		{"with a recipient", strings.Replace(bind("x"), "id=", "to='im.example.com' id=", 1), "<iq type='result' id='b'>.*</iq>", false},
		{"taken", bind("taken"), failure("conflict"), true},
		{"too many", bind("full"), failure("resource-constraint"), true},
		{"not allowed by RFC 7622", bind("&#xAD;"), failure("bad-request"), true},
		{"too long", bind(strings.Repeat("x", 1024)), failure("bad-request"), true},
		{"get", "<iq type='get' id='b'><bind xmlns='" + BindSpace + "'/></iq>", failure("bad-request"), true},
		{"no id", "<iq type='set'><bind xmlns='" + BindSpace + "'/></iq>", "<iq type='error'><error .*<bad-request .*</iq>", true},
		{"two payloads", "<iq type='set' id='b'><bind xmlns='" + BindSpace + "'/><x xmlns='y'/></iq>", failure("bad-request"), true},
		{"not in an iq", "<bind xmlns='" + BindSpace + "'/>", streamError(UnsupportedStanzaType), false},
		{"account gone", bind("gone"), streamError(NotAuthorized), false},
		{"fault", bind("broken"), streamError(InternalServerError), false},
		{"another iq", "<iq type='get' id='b'><ping xmlns='urn:xmpp:ping'/></iq>", streamError(NotAuthorized), false},
		{"iq without payload", "<iq type='set' id='b'/>", streamError(NotAuthorized), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := session(t)
				cl.send("%s", c.say)
				cl.expect(c.want)
				if c.goesOn {
					cl.send("%s", bind("again"))
					cl.expect("<iq type='result' id='b'>.*/again</jid></bind></iq>")
				}
			})
		})
	}
}

func TestResume(t *testing.T) {
	const failed = "<failed xmlns='urn:xmpp:sm:3'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
	for _, c := range []struct {
		name, say, want string
		goesOn          bool
	}{
		{"known", "<resume xmlns='urn:xmpp:sm:3' previd='old' h='5'/>", "<resumed xmlns='urn:xmpp:sm:3' previd='old' h='0'/>", false},
		{"unknown", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='5'/>", strings.Replace(failed, "%s", "item-not-found", 1), true},
		{"no h", "<resume xmlns='urn:xmpp:sm:3' previd='old'/>", strings.Replace(failed, "%s", "bad-request", 1), true},
		{"h beyond 32 bits", "<resume xmlns='urn:xmpp:sm:3' previd='old' h='4294967296'/>", strings.Replace(failed, "%s", "bad-request", 1), true},
		{"no previd", "<resume xmlns='urn:xmpp:sm:3' h='1'/>", strings.Replace(failed, "%s", "bad-request", 1), true},
		{"enable before bind", "<enable xmlns='urn:xmpp:sm:3'/>", strings.Replace(failed, "%s", "unexpected-request", 1), true},
		{"acknowledged too much", "<resume xmlns='urn:xmpp:sm:3' previd='old' h='6'/>",
			"<stream:error><undefined-condition xmlns='" + ErrorSpace + "'/><handled-count-too-high xmlns='urn:xmpp:sm:3'/></stream:error>" + closing, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := session(t)
				cl.send("%s", c.say)
				cl.expect(c.want)
				if c.goesOn {
					cl.send("<iq type='set' id='b'><bind xmlns='%s'/></iq>", BindSpace)
					cl.expect("<iq type='result' .*</iq>")
				} else if c.name == "known" {
					if err := <-cl.done; err != nil || !cl.home.resumed || !cl.stream.JID.IsZero() {
						t.Errorf("%v, resumed %v", err, cl.home.resumed)
					}
				}
			})
		})
	}
}

// An extension's step does inline what SASL and bind do one after the other, as
// SASL2 with Bind2 will.
func TestInline(t *testing.T) {
	const space = "urn:example:at-once"
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Steps = []Step{{
			Space: space, Local: "login", Early: true,
			Offer: func(_ *Stream, f *Features) { f.More = append(f.More, []byte("<login xmlns='"+space+"'/>")) },
			Handle: func(ctx context.Context, s *Stream, n *xmlstream.Node) (Next, error) {
				message, err := sasl.Decode(n.Text)
				if err != nil {
					return 0, err
				}
				if _, _, err := s.Authenticate(ctx, "PLAIN", message); err != nil {
					s.send([]byte("<no xmlns='" + space + "'/>"))
					return Continue, s.Exhausted()
				}
				if n.Attr("bind") == "" {
					return Refresh, s.send([]byte("<yes xmlns='" + space + "'/>"))
				}
				j, err := s.owner.Bind(ctx, n.Attr("bind"))
				if err != nil {
					return 0, err
				}
				s.send([]byte("<yes xmlns='" + space + "'>" + j.String() + "</yes>"))
				s.owner.Bound()
				return Finished, nil
			},
		}}
		message := sasl.Encode([]byte("\x00juliet\x00" + password))
		c := loopback(t, o)
		c.send("<login xmlns='%s'>%s</login>", space, sasl.Encode([]byte("\x00juliet\x00x")))
		c.expect("<no xmlns='" + space + "'/>")
		c.send("<login xmlns='%s' bind='here'>%s</login>", space, message)
		c.expect("<yes xmlns='" + space + "'>juliet@im.example.com/here</yes>")
		if err := <-c.done; err != nil || c.home.bound != 1 {
			t.Errorf("%v, bound %d times", err, c.home.bound)
		}

		c = loopback(t, o)
		c.send("<login xmlns='%s'>%s</login>", space, message)
		c.expect("<yes xmlns='" + space + "'/><stream:features><bind .*<max-bytes>100000</max-bytes>.*</stream:features>")
		c.send("<iq type='set' id='l'><bind xmlns='%s'/><x xmlns='%s'/></iq>", BindSpace, strings.Repeat("y", EarlyBytes))
		c.expect("<iq type='error' id='l'>.*</iq>") // too much for who has not logged in
		c.send("<iq type='set' id='b'><bind xmlns='%s'/></iq>", BindSpace)
		c.expect("<iq type='result' .*</iq>")
	})
}

// After authentication the limit is the larger one, and exact.
func TestLimits(t *testing.T) {
	fill := func(n int) string {
		head, tail := "<iq type='set' id='b'><bind xmlns='"+BindSpace+"'/><x xmlns='", "'/></iq>"
		return head + strings.Repeat("y", n-len(head)-len(tail)) + tail
	}
	synctest.Test(t, func(t *testing.T) {
		c := session(t)
		c.send("%s", fill(100_000))
		c.expect("<iq type='error' id='b'>.*</iq>")
		c.send("%s", fill(100_001))
		c.expect(streamError(PolicyViolation))
	})
	synctest.Test(t, func(t *testing.T) {
		c := loopback(t, defaults())
		c.send("%s", authElement("PLAIN", strings.Repeat("A", EarlyBytes-len(authElement("PLAIN", "")))))
		c.expect(saslError("(?:malformed-request|incorrect-encoding)"))
		c.send("%s", authElement("PLAIN", strings.Repeat("A", EarlyBytes+1-len(authElement("PLAIN", "")))))
		c.expect(streamError(PolicyViolation))
	})
}

func TestBufferIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := session(t)
		c.send("<iq type='set' id='b'><bind xmlns='%s'/></iq>", BindSpace)
		c.expect("<iq type='result' .*</iq>")
		if err := <-c.done; err != nil || c.stream.buf.Len() != 0 {
			t.Errorf("%v, %d bytes left", err, c.stream.buf.Len())
		}
	})
}
