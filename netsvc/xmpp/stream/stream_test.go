package stream

import (
	"context"
	"crypto/sha512"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"linnet/netsvc/cert"
	"linnet/netsvc/wire/sasl"
)

// TestExample follows RFC 6120 section 9.1, but for DIGEST-MD5's successor and
// resource names that are ours.
func TestExample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send(`<stream:stream from='juliet@im.example.com' to='im.example.com' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`)
		c.expect(`<\?xml version='1.0'\?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='[^']+' from='im.example.com' to='juliet@im.example.com' xml:lang='en' version='1.0'>`)
		c.expect(tlsOnly)
		c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		c.expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		state := c.wrap(clientTLS("im.example.com")).ConnectionState()
		c.send(open)
		c.expect(header + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` +
			`<mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>` +
			`<mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>` +
			`<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/><channel-binding type='tls-server-end-point'/></sasl-channel-binding>` +
			`<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits></stream:features>`)
		c.scram(sasl.SHA1, "juliet", password, nil)
		c.send(open)
		c.expect(header + `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>` +
			`<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>100000</max-bytes></limits><sm xmlns='urn:xmpp:sm:3'/></stream:features>`)
		c.send(`<iq id='yhc13a95' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq><presence/>`)
		c.expect(`<iq type='result' id='yhc13a95'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@im.example.com/balcony</jid></bind></iq>`)
		if err := <-c.done; err != nil {
			t.Fatal(err)
		}
		if c.stream.JID.String() != "juliet@im.example.com/balcony" || c.home.bound != 1 || !c.stream.Secure() || c.stream.Host() != "im.example.com" {
			t.Errorf("bound %v, %d times", c.stream.JID, c.home.bound)
		}
		if got := string(c.stream.buf.Bytes()); got != "<presence/>" {
			t.Errorf("left for the session: %q", got)
		}
		_ = state
	})
}

// scram logs in with a client that is not ours; binding nil uses none.
func (c *client) scram(h sasl.Hash, user, password string, binding *scram.ChannelBinding) {
	c.t.Helper()
	hash := map[sasl.Hash]scram.HashGeneratorFcn{sasl.SHA1: scram.SHA1, sasl.SHA256: scram.SHA256, sasl.SHA512: sha512.New}[h]
	cl, err := hash.NewClient(user, password, "")
	if err != nil {
		c.t.Fatal(err)
	}
	conv := cl.NewConversation()
	if binding != nil {
		conv = cl.NewConversationWithChannelBinding(*binding)
	}
	first, err := conv.Step("")
	if err != nil {
		c.t.Fatal(err)
	}
	c.send("<auth xmlns='%s' mechanism='%s'>%s</auth>", SASLSpace, h.Mechanism(binding != nil), sasl.Encode([]byte(first)))
	challenge := c.expect(`<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>([^<]*)</challenge>`)[0]
	text, _ := sasl.Decode(challenge)
	final, err := conv.Step(string(text))
	if err != nil {
		c.t.Fatal(err)
	}
	c.send("<response xmlns='%s'>%s</response>", SASLSpace, sasl.Encode([]byte(final)))
	success := c.expect(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>([^<]*)</success>`)[0]
	text, _ = sasl.Decode(success)
	if _, err := conv.Step(string(text)); err != nil || !conv.Valid() {
		c.t.Fatalf("the server's proof: %v", err)
	}
}

func TestSCRAM(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, direct := range []bool{false, true} {
			for _, h := range []sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512} {
				for _, binding := range []string{"", "tls-exporter", "tls-server-end-point"} {
					if binding == "tls-exporter" && version != tls.VersionTLS13 {
						continue
					}
					t.Run(strings.Join([]string{tls.VersionName(version), h.String(), binding}, " "), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							c := start(t, defaults(), direct)
							config := clientTLS("im.example.com")
							config.MaxVersion = version
							var state tls.ConnectionState
							if direct {
								config.NextProtos = []string{"xmpp-client"}
								state = c.wrap(config).ConnectionState()
							} else {
								state = c.startTLS(config).ConnectionState()
							}
							c.send(open)
							c.expect(header + `<stream:features><mechanisms.*</stream:features>`)
							var cb *scram.ChannelBinding
							var made scram.ChannelBinding
							var err error
							switch binding {
							case "tls-exporter":
								made, err = scram.NewTLSExporterBinding(&state)
								cb = &made
							case "tls-server-end-point":
								made, err = scram.NewTLSServerEndpointBinding(&state)
								cb = &made
							}
							if err != nil {
								t.Fatal(err)
							}
							c.scram(h, "Romeo", password, cb)
							c.send(open)
							c.expect(header + `<stream:features><bind.*</stream:features>`)
							if c.home.who.String() != "romeo@im.example.com" {
								t.Errorf("authenticated %v", c.home.who)
							}
						})
					})
				}
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	const ns = ` xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	for _, c := range []struct {
		name, header string
		want         Condition // "" = features
	}{
		{"good", `<stream:stream to='im.example.com' version='1.0'` + ns, ""},
		{"XML declaration", `<?xml version='1.0' encoding='utf-8'?><stream:stream to='im.example.com' version='1.0'` + ns, ""},
		{"other prefix", `<s:stream to='im.example.com' version='1.0' xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>`, ""},
		{"prefix-free (RFC 6120 4.8.5)", `<stream to='im.example.com' version='1.0' xmlns='http://etherx.jabber.org/streams'>`, ""},
		{"upper case", `<stream:stream to='IM.Example.COM' version='1.0'` + ns, ""},
		{"later minor version", `<stream:stream to='im.example.com' version='1.7'` + ns, ""},
		{"later major version", `<stream:stream to='im.example.com' version='2.0'` + ns, ""},
		{"no version", `<stream:stream to='im.example.com'` + ns, UnsupportedVersion},
		{"version 0.9", `<stream:stream to='im.example.com' version='0.9'` + ns, UnsupportedVersion},
		{"version 11e1", `<stream:stream to='im.example.com' version='11e1'` + ns, UnsupportedVersion},
		{"no to", `<stream:stream version='1.0'` + ns, ImproperAddressing},
		{"foreign domain", `<stream:stream to='example.net' version='1.0'` + ns, HostUnknown},
		{"user as domain", `<stream:stream to='a@im.example.com' version='1.0'` + ns, HostUnknown},
		{"malformed to", `<stream:stream to='@' version='1.0'` + ns, HostUnknown},
		{"malformed from", `<stream:stream to='im.example.com' from='@' version='1.0'` + ns, InvalidFrom},
		{"server's content", `<stream:stream to='im.example.com' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>`, InvalidNamespace},
		{"foreign content", `<stream:stream to='im.example.com' version='1.0' xmlns='x' xmlns:stream='http://etherx.jabber.org/streams'>`, InvalidNamespace},
		{"wrong stream namespace", `<stream:stream to='im.example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://wrong.namespace.example.org/'>`, InvalidNamespace},
		{"no stream", `<message to='im.example.com' xmlns='jabber:client'>`, InvalidNamespace},
		{"not a stream tag", `<stream:features` + ns, BadFormat},
		{"another protocol", "GET / HTTP/1.1\r\n\r\n", BadFormat},
		{"UTF-16", `<?xml version='1.0' encoding='UTF-16'?>`, UnsupportedEncoding},
		{"comment", `<!-- hello -->`, RestrictedXML},
		{"document type", `<!DOCTYPE x>`, RestrictedXML},
		{"unbound prefix", `<stream:stream to='im.example.com' version='1.0'>`, BadNamespacePrefix},
		{"largest", `<stream:stream to='im.example.com' version='1.0' a='` + strings.Repeat("x", EarlyBytes-len(`<stream:stream to='im.example.com' version='1.0' a=''`+ns)) + `'` + ns, ""},
		{"too large", `<stream:stream to='im.example.com' version='1.0' a='` + strings.Repeat("x", EarlyBytes+1-len(`<stream:stream to='im.example.com' version='1.0' a=''`+ns)) + `'` + ns, PolicyViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := start(t, defaults(), false)
				cl.send("%s", c.header)
				if c.want == "" {
					cl.expect(header + tlsOnly)
					return
				}
				cl.expect(header + streamError(c.want)) // RFC 6120 section 4.9.1.1: the header first
				err := cl.end()
				var e *Error
				if !errors.As(err, &e) && asError(err) == nil {
					t.Errorf("Negotiate returned %v", err)
				}
			})
		})
	}
}

func TestStreamErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps func(*client)
		want  Condition
	}{
		{"message before TLS", func(c *client) { c.send(open + "<message/>"); c.expect(header + tlsOnly) }, NotAuthorized},
		{"IQ before TLS", func(c *client) {
			c.send(open + "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>")
			c.expect(header + tlsOnly)
		}, NotAuthorized},
		{"bind before TLS", func(c *client) {
			c.send(open + "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
			c.expect(header + tlsOnly)
		}, NotAuthorized},
		{"unknown element", func(c *client) { c.send(open + "<x xmlns='y'/>"); c.expect(header + tlsOnly) }, UnsupportedStanzaType},
		{"text", func(c *client) { c.send(open + "hello"); c.expect(header + tlsOnly) }, "(?:not-well-formed|bad-format)"},
		{"malformed", func(c *client) { c.send(open + "<a></b>"); c.expect(header + tlsOnly) }, NotWellFormed},
		{"stream in stream", func(c *client) {
			c.send(open + "<stream:stream to='im.example.com' version='1.0'></stream:stream>")
			c.expect(header + tlsOnly)
		}, "(?:invalid-xml|unsupported-stanza-type|bad-format)"},
		{"too large", func(c *client) {
			c.send(open + "<x>" + strings.Repeat("y", EarlyBytes))
			c.expect(header + tlsOnly)
		}, PolicyViolation},
		{"too deep", func(c *client) {
			c.send(open + strings.Repeat("<x>", 17))
			c.expect(header + tlsOnly)
		}, PolicyViolation},
		{"message before bind", func(c *client) {
			c.startTLS(clientTLS("im.example.com"))
			c.send(open)
			c.expect(header + `<stream:features>.*</stream:features>`)
			c.login()
			c.send("<message/>")
		}, NotAuthorized},
		{"auth when authenticated", func(c *client) {
			c.startTLS(clientTLS("im.example.com"))
			c.send(open)
			c.expect(header + `<stream:features>.*</stream:features>`)
			c.login()
			c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>x</auth>")
		}, PolicyViolation},
		{"another domain after authentication", func(c *client) {
			c.startTLS(clientTLS("im.example.com"))
			c.send(open)
			c.expect(header + `<stream:features>.*</stream:features>`)
			c.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>", SASLSpace, sasl.Encode([]byte("\x00juliet\x00"+password)))
			c.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
			c.send(strings.Replace(open, "im.example", "conference.example", 1))
			c.expect(header)
		}, HostUnknown},
		{"another from after authentication", func(c *client) {
			c.startTLS(clientTLS("im.example.com"))
			c.send(open)
			c.expect(header + `<stream:features>.*</stream:features>`)
			c.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>", SASLSpace, sasl.Encode([]byte("\x00juliet\x00"+password)))
			c.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
			c.send(strings.Replace(open, "to=", "from='romeo@im.example.com' to=", 1))
			c.expect(header)
		}, InvalidFrom},
		{"bytes before the handshake", func(c *client) {
			c.send(open + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>")
			c.expect(header + tlsOnly + "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		}, PolicyViolation},
		{"TLS in TLS", func(c *client) {
			c.startTLS(clientTLS("im.example.com"))
			c.send(open)
			c.expect(header + `<stream:features>.*</stream:features>`)
			c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			c.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		}, PolicyViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := start(t, defaults(), false)
				c.steps(cl)
				cl.expect(streamError(c.want))
				if err := cl.end(); asError(err) == nil {
					t.Errorf("Negotiate returned %v", err)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send(open)
		c.expect(header + tlsOnly)
		c.send(" \n " + closing)
		c.expect(closing)
		if err := c.end(); err != ErrClosed {
			t.Errorf("got %v", err)
		}
	})
}

func TestConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send(open)
		c.expect(header + tlsOnly)
		c.conn.Close()
		if err := <-c.done; err == nil || asError(err) != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestTimeout(t *testing.T) {
	for name, sent := range map[string]string{"silent": "", "half a header": "<stream:stream to=", "after the header": open} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				o := defaults()
				o.Timeout = 15 * time.Second
				c := start(t, o, false)
				c.send("%s", sent)
				if sent == open {
					c.expect(header + tlsOnly)
				} else {
					time.Sleep(14 * time.Second)
					c.expect(header)
				}
				c.expect(streamError(ConnectionTimeout))
				if d := time.Since(began); d != 15*time.Second {
					t.Errorf("after %v", d)
				}
				c.end()
			})
		})
	}
}

func TestTimeoutInTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := start(t, defaults(), true)
		if err := <-c.done; err == nil {
			t.Error("no error")
		}
		if d := time.Since(began); d > DefaultTimeout+closeGrace {
			t.Errorf("after %v", d)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := startContext(t, ctx, defaults(), false)
		c.send(open)
		c.expect(header + tlsOnly)
		cancel()
		c.expect(streamError(SystemShutdown))
		if err := c.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A client that does not close its side does not keep the program from its end.
func TestShutdownDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := startContext(t, ctx, defaults(), false)
		c.send(open)
		c.expect(header + tlsOnly)
		began := time.Now()
		cancel()
		c.expect(streamError(SystemShutdown))
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > shutdownGrace {
			t.Errorf("after %v", d)
		}
	})
}

func TestWithoutCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Certs = nil
		c := start(t, o, false)
		c.send(open)
		c.expect(header + `<stream:features><limits[^>]*><max-bytes>10000</max-bytes></limits></stream:features>`)
		c.send("<auth xmlns='%s' mechanism='PLAIN'>x</auth>", SASLSpace)
		c.expect(saslError("encryption-required"))
		c.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		c.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + streamError(PolicyViolation))
	})
}

// A certificate change between handshake and login must not show.
func TestCertificatesSwappedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		co := cert.Options{Domains: []string{"im.example.com"}, Vault: cert.Memory{}, Now: func() time.Time { return time.Unix(0, 0) }, Built: built}
		k, err := cert.Open(co)
		if err != nil {
			t.Fatal(err)
		}
		o.Certs = k
		c := start(t, o, false)
		state := c.startTLS(clientTLS("im.example.com")).ConnectionState()
		co.Vault = cert.Memory{}
		if err := k.Use(co); err != nil {
			t.Fatal(err)
		}
		c.send(open)
		c.expect(header + `<stream:features>.*</stream:features>`)
		cb, err := scram.NewTLSServerEndpointBinding(&state)
		if err != nil {
			t.Fatal(err)
		}
		c.scram(sasl.SHA256, "juliet", password, &cb)
	})
}

// A client may declare prefixes in its header and use them in elements.
func TestPrefixesOfTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send(strings.Replace(open, " to=", " xmlns:t='urn:ietf:params:xml:ns:xmpp-tls' to=", 1))
		c.expect(header + tlsOnly)
		c.send("<t:starttls/>")
		c.expect("<proceed ")
	})
}

// Some clients end their last element with a line feed, and begin the next stream
// with an XML declaration: no error, though XML has it in the first place only.
func TestSpaceBeforeTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Insecure, o.Certs = true, nil
		c := start(t, o, false)
		c.send(" ")
		synctest.Wait()
		c.send("\r\n" + open)
		c.expect(header + "<stream:features><mechanisms.*</stream:features>")
		c.send("%s", plain("juliet", password)+"\n"+open)
		c.expect("<success xmlns='" + SASLSpace + "'/>" + header + "<stream:features><bind .*</stream:features>")
	})
}

// What a client said of itself before TLS is forgotten: anybody may have said it.
func TestFromBeforeTLSIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send("%s", strings.Replace(open, " to=", " from='romeo@im.example.com' to=", 1))
		if got := c.expect("(.*)" + tlsOnly); !strings.Contains(got[0], " to='romeo@im.example.com'") {
			t.Errorf("before TLS: %s", got[0])
		}
		c.send("<starttls xmlns='" + TLSSpace + "'/>")
		c.expect("<proceed xmlns='" + TLSSpace + "'/>")
		c.wrap(clientTLS("im.example.com"))
		c.send(open)
		if got := c.expect("(.*)<stream:features>"); strings.Contains(got[0], " to=") {
			t.Errorf("inside TLS: %s", got[0])
		}
	})
}

// Where TLS is to be had but not required, what is offered inside is made for TLS.
func TestTLSWhereItIsNotRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.Insecure = true
		c := start(t, o, false)
		c.send(open)
		if got := c.expect(header + "(<stream:features><starttls .*</stream:features>)"); !strings.Contains(got[0], "<mechanism>SCRAM-SHA-256</mechanism>") || strings.Contains(got[0], "-PLUS") {
			t.Errorf("before TLS: %s", got[0])
		}
		c.send("<starttls xmlns='" + TLSSpace + "'/>")
		c.expect("<proceed xmlns='" + TLSSpace + "'/>")
		c.wrap(clientTLS("im.example.com"))
		c.send(open)
		if got := c.expect(header + "(.*</stream:features>)"); !strings.Contains(got[0], "<mechanism>SCRAM-SHA-256-PLUS</mechanism>") || strings.Contains(got[0], "<starttls") {
			t.Errorf("inside TLS: %s", got[0])
		}
	})
}
