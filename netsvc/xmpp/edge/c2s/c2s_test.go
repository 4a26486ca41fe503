package c2s

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// trap is an extension with a mistake in it.
type trap struct{}

func (trap) Setup(h xmpp.Host) error {
	h.Nonza("urn:example:trap", func(xmpp.Session, *xmlstream.Node) { panic("a mistake") })
	return nil
}

func init() {
	xmpp.Register(xmpp.Info{Name: "trap", New: func() xmpp.Module { return trap{} }})
}

const (
	mechanisms = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
	plain      = "<mechanism>PLAIN</mechanism>"
)

// RFC 6120 section 5.3.1: until there is TLS, nothing else is offered, and nothing else
// is to be had; afterwards it is not offered again.
func TestSTARTTLS(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		p := n.dial("c2s", "")
		got := p.send(header).expect("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>")
		if strings.Contains(got, "mechanism") {
			t.Errorf("before TLS there is %s", got)
		}
		p.startTLS()
		if p.conn.(*tls.Conn).ConnectionState().Version < tls.VersionTLS12 {
			t.Error("an old version of TLS")
		}
		got = p.send(header).expect("<stream:features>", mechanisms, "<mechanism>SCRAM-SHA-256-PLUS</mechanism>", plain)
		if strings.Contains(got, "starttls") {
			t.Errorf("inside TLS there is %s", got)
		}
		p.authenticate("romeo").bind("orchard").alive()
		n.counts(1, 1, 0)

		p = n.dial("c2s", "").open()
		p.send(auth("romeo")).expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><encryption-required/></failure>")
		p.wire.Close()
		p = n.dial("c2s", "").open()
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "</stream:stream>") // it would pass for protected
		p.wire.Close()
		n.counts(3, 1, 2)
		if n.accepted("c2s") != 3 {
			t.Error("they are counted elsewhere")
		}
	})
}

// XEP-0368: TLS from the first byte, with ALPN.
func TestDirectTLS(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		p := n.dial("direct", "")
		if got := p.handshake("xmpp-client").ConnectionState().NegotiatedProtocol; got != "xmpp-client" {
			t.Errorf("the protocol is %q", got)
		}
		got := p.send(header).expect("<stream:features>", mechanisms, plain)
		if strings.Contains(got, "starttls") {
			t.Errorf("offered is %s", got)
		}
		p.authenticate("romeo").bind("orchard").alive()

		n.dial("direct", "").handshake() // a client need not know of ALPN
		p = n.dial("direct", "")
		if err := tls.Client(p.wire, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-server"}}).Handshake(); err == nil {
			t.Error("a server is let in as a client")
		}
		p = n.dial("direct", "")
		p.send(header)
		if got := p.take(); strings.Contains(got, "stream") || !p.over {
			t.Errorf("without TLS there is %q, closed: %v", got, p.over)
		}
		n.counts(4, 1, 2)
	})
}

// The port without TLS offers none, and all else.
func TestWithoutTLS(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		p := n.dial("plain", "")
		got := p.send(header).expect("<stream:features>", mechanisms, plain)
		if strings.Contains(got, "starttls") || strings.Contains(got, "-PLUS") {
			t.Errorf("offered is %s", got)
		}
		p.authenticate("romeo").bind("orchard").alive()
		p = n.dial("plain", "").open()
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	})
}

// [c2s] sasl_plain takes PLAIN away, also from who does not ask what is offered.
func TestWithoutPLAIN(t *testing.T) {
	run(t, options("c2s/sasl_plain", "false"), func(t *testing.T, n *node) {
		p := n.dial("c2s", "").open().startTLS()
		if got := p.send(header).expect("<stream:features>", mechanisms); strings.Contains(got, plain) {
			t.Errorf("offered is %s", got)
		}
		p.send(auth("romeo")).expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism-too-weak/>")
		n.Again(options())
		p = n.dial("c2s", "").open().startTLS()
		p.send(header).expect(plain)
	})
}

// While memory is scarce nobody new is let in, and who is there goes on.
func TestPressure(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		romeo := n.login("romeo/orchard")
		n.Press(module.Yellow)
		n.login("juliet/balcony").alive()
		n.Press(module.Red)
		for _, listener := range []string{"c2s", "plain"} {
			p := n.dial(listener, "")
			if got := p.take(); got != refusal || !p.over {
				t.Errorf("%s got %q, closed: %v", listener, got, p.over)
			}
		}
		n.dial("direct", "").ends() // it would understand nothing
		if got := n.Metric("memoryRefused"); got != 3 {
			t.Errorf("%d refusals are counted", got)
		}
		n.counts(5, 2, 0)
		romeo.alive()
		n.Press(module.Green)
		n.login("juliet/chamber").alive()
		romeo.alive()
	})
}

// What a refused client gets is a whole stream.
func TestRefusal(t *testing.T) {
	var s xmlstream.Scanner
	s.Reset(xmlstream.Limits{Bytes: 1000})
	b := []byte(refusal)
	for _, want := range []xmlstream.Event{xmlstream.EventHeader, xmlstream.EventElement, xmlstream.EventFooter} {
		event, used, err := s.Scan(b)
		if err != nil || event != want {
			t.Fatalf("%s: %v, %v", b, event, err)
		}
		b = b[used:]
	}
	if len(b) > 0 {
		t.Errorf("behind it is %s", b)
	}
}

// The gate: how many may be without a session, in all and of one customer, whose IPv6
// addresses are a /64. A login gives the place back; so does the end.
func TestGate(t *testing.T) {
	run(t, options("c2s/unauthenticated", "5", "c2s/unauthenticated_per_address", "2"), func(t *testing.T, n *node) {
		inside := func(want int64) {
			t.Helper()
			synctest.Wait()
			if got := n.Metric("clientsUnauthenticated"); got != want {
				t.Fatalf("%d are inside, not %d", got, want)
			}
		}
		first, second := n.dial("c2s", "2001:db8::1"), n.dial("plain", "2001:db8::ffff:1")
		n.dial("plain", "2001:db8::2").ends()
		other := n.dial("plain", "2001:db8:0:1::1").open()
		inside(3)
		four, mapped := n.dial("plain", "198.51.100.1").open(), n.dial("plain", "::ffff:198.51.100.1").open()
		inside(5)
		n.dial("plain", "203.0.113.1").ends() // too many in all
		if got := n.Metric("gateRefused"); got != 2 {
			t.Errorf("%d refusals are counted", got)
		}
		second.open().authenticate("romeo")
		inside(5) // not before there is a session
		second.bind("orchard")
		inside(4)
		first.wire.Close()
		inside(3)
		n.dial("plain", "2001:db8::2").open()
		n.dial("plain", "2001:db8::3").open()
		inside(5)

		n.Again(options("c2s/unauthenticated", "6", "c2s/unauthenticated_per_address", "3")) // in force at once
		n.dial("plain", "2001:db8::4").open()
		n.dial("plain", "2001:db8:0:2::1").ends()
		n.Again(options("c2s/unauthenticated", "1")) // who is in stays
		for _, p := range []*peer{other, four, mapped} {
			p.authenticate("romeo").bind("r").alive()
		}
	})
}

// Who does not get to a session in time is told so.
func TestNegotiationTime(t *testing.T) {
	run(t, options("c2s/negotiation", "10s"), func(t *testing.T, n *node) {
		silent, slow, late := n.dial("c2s", ""), n.dial("plain", "").open(), n.dial("direct", "")
		in := n.login("romeo/orchard")
		time.Sleep(10*time.Second - 1)
		silent.expect()
		slow.expect()
		slow.authenticate("juliet")
		time.Sleep(1)
		silent.fails("connection-timeout")
		slow.fails("connection-timeout")
		if got := late.take(); strings.Contains(got, "stream") || !late.over {
			t.Errorf("without TLS there is %q, closed: %v", got, late.over)
		}
		n.counts(4, 1, 3)
		time.Sleep(24 * time.Hour)
		in.alive() // idle, and that is all right here
	})
}

// The limits of [c2s] stanza and stanza_early, at their number and beyond it, as they
// are advertised (XEP-0478).
func TestStanzaLimits(t *testing.T) {
	iq := func(size int) string {
		const frame = "<iq type='get' id='1' to='montague.lit'><x xmlns='urn:example'></x></iq>"
		return strings.Replace(frame, "></x>", ">"+strings.Repeat("x", size-len(frame))+"</x>", 1)
	}
	run(t, options("c2s/stanza", "20000", "c2s/stanza_early", "10000"), func(t *testing.T, n *node) {
		p := n.dial("plain", "")
		p.send(header).expect("<max-bytes>10000</max-bytes>")
		p.send(iq(10000)).fails("not-authorized") // read, and out of place
		n.dial("plain", "").open().send(iq(10001)).fails("policy-violation")
		p = n.dial("plain", "").open()
		p.send(auth("romeo")).expect("<success ")
		p.send(header).expect("<max-bytes>20000</max-bytes>")
		p.bind("orchard").send(iq(20000)).expect("<iq ", "type='error'")
		p.send(iq(20001)).fails("policy-violation")
		n.counts(3, 1, 2)
	})
}

// Who sends faster than [c2s] rate waits, exactly as long as that takes; all others
// do not.
func TestRate(t *testing.T) {
	run(t, options("c2s/rate", "10000", "c2s/burst", fmt.Sprint(256<<10)), func(t *testing.T, n *node) {
		romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony")
		ping := "<iq type='get' id='1' to='montague.lit'><x xmlns='urn:example'>" + strings.Repeat("x", 9900) + "</x></iq>"
		count := func(p *peer) int { return strings.Count(p.take(), "id='1'") }
		for range 256 << 10 / len(ping) {
			romeo.send(ping)
		}
		if got := count(romeo); got != 256<<10/len(ping) || n.Metric("clientsSlowed") > 1 {
			t.Fatalf("%d answers at once, slowed down %d times", got, n.Metric("clientsSlowed"))
		}
		began, answers := time.Now(), 0
		for range 60 {
			romeo.send(ping)
		}
		for answers < 60 {
			time.Sleep(100 * time.Millisecond)
			answers += count(romeo)
			juliet.alive()
		}
		// 60 of 10,000 bytes at 10,000 bytes a second, but what one turn takes of them
		// is answered before it is paid for.
		if took := time.Since(began); took > time.Minute || took < 40*time.Second {
			t.Errorf("answered after %v", took)
		}
		if n.Metric("clientsSlowed") == 0 {
			t.Error("nobody is counted")
		}
	})
	run(t, options("c2s/rate", "0", "c2s/burst", fmt.Sprint(256<<10)), func(t *testing.T, n *node) {
		romeo := n.login("romeo/orchard")
		ping := "<iq type='get' id='1' to='montague.lit'><x xmlns='urn:example'>" + strings.Repeat("x", 9900) + "</x></iq>"
		answers := 0
		for range 100 {
			answers += strings.Count(romeo.send(ping).take(), "id='1'")
		}
		if answers != 100 || n.Metric("clientsSlowed") != 0 {
			t.Errorf("%d answers at once without a limit", answers)
		}
	})
}

// Elements that are no stanzas: to stream management, to extensions, to nobody.
func TestOtherElements(t *testing.T) {
	for _, tc := range []struct{ name, element, condition string }{
		{"unknown", "<x xmlns='urn:example'/>", "unsupported-stanza-type"},
		{"unknown of stream management", "<x xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"},
		{"an acknowledgement of nothing", "<a xmlns='urn:xmpp:sm:3'/>", "bad-format"},
		{"an acknowledgement below nothing", "<a xmlns='urn:xmpp:sm:3' h='-1'/>", "bad-format"},
		{"an acknowledgement beyond 32 bits", "<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", "bad-format"},
		{"a stanza of another namespace", "<message xmlns='jabber:server' to='montague.lit'/>", "unsupported-stanza-type"},
		{"another one's address", "<message from='juliet@montague.lit' to='montague.lit'/>", "invalid-from"},
		{"another client's address", "<message from='romeo@montague.lit/street' to='montague.lit'/>", "invalid-from"},
		{"no address", "<message from='@' to='montague.lit'/>", "invalid-from"},
		{"not well-formed", "<message></iq>", "not-well-formed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, options(), func(t *testing.T, n *node) {
				p := n.login("romeo/orchard")
				p.send("<presence from='romeo@montague.lit/orchard' to='nobody@example.com'/><presence from='ROMEO@montague.lit' to='nobody@example.com'/>")
				p.take()
				p.alive()
				p.send(tc.element).fails(tc.condition)
			})
		})
	}
}

// What a client says of stream management, and how little of it is required.
func TestEnable(t *testing.T) {
	const failed = "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	for _, tc := range []struct{ name, say, want string }{
		{"no resumption", "<enable xmlns='urn:xmpp:sm:3'/>", "<enabled xmlns='urn:xmpp:sm:3'/>"},
		{"none, in words", "<enable xmlns='urn:xmpp:sm:3' resume='false'/>", "<enabled xmlns='urn:xmpp:sm:3'/>"},
		{"none, in a digit", "<enable xmlns='urn:xmpp:sm:3' resume='0' max='60'/>", "<enabled xmlns='urn:xmpp:sm:3'/>"},
		{"resumption", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", " resume='true' max='600'/>"},
		{"the other spelling", "<enable xmlns='urn:xmpp:sm:3' resume='1'/>", " resume='true' max='600'/>"},
		{"for a minute", "<enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/>", " resume='true' max='60'/>"},
		{"for longer than we like", "<enable xmlns='urn:xmpp:sm:3' resume='true' max='4294967295'/>", " resume='true' max='600'/>"},
		{"for nobody knows how long", "<enable xmlns='urn:xmpp:sm:3' resume='true' max='-1'/>", " resume='true' max='600'/>"},
		{"a resumption behind the resource", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, options(), func(t *testing.T, n *node) {
				p := n.login("romeo/orchard")
				p.send(tc.say).expect(tc.want)
				p.alive()
			})
		})
	}
}

// A session that was resumed elsewhere does not care what the connection before says.
func TestResumedElsewhere(t *testing.T) {
	for _, tc := range []struct{ name, late string }{
		{"no XML", "<<"},
		{"an unknown element", "<x xmlns='urn:example'/>"},
		{"another one's address", "<message from='juliet@montague.lit' to='montague.lit'/>"},
		{"an acknowledgement of nothing", "<a xmlns='urn:xmpp:sm:3'/>"},
		{"an error of the stream", streamError},
		{"its end", "</stream:stream>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, options(), func(t *testing.T, n *node) {
				first := n.login("romeo/orchard")
				got := first.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").expect("<enabled ", " id='")
				_, id, _ := strings.Cut(got, " id='")
				id, _, _ = strings.Cut(id, "'")
				second := n.dial("plain", "").open().authenticate("romeo")
				second.send("<resume xmlns='urn:xmpp:sm:3' h='0' previd='" + id + "'/>").expect("<resumed ")
				first.expect("<stream:error><conflict ", "</stream:stream>")
				first.send(tc.late).expect()
				second.alive()
			})
		})
	}
}

const streamError = "<stream:error><undefined-condition xmlns='" + errs + "'/></stream:error>"

// The end of a stream, by either side. A client that ends it with an error gets none
// in return.
func TestEnd(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		p := n.login("romeo/orchard")
		p.send("</stream:stream>").expect("</stream:stream>")
		p.wire.CloseWrite()
		p.ends()
		p = n.login("romeo/orchard")
		p.send(streamError + "</stream:stream>")
		if got := p.take(); got != "</stream:stream>" {
			t.Errorf("an error is answered with %s", got)
		}
		n.login("romeo/orchard").send("<stream:features/>").fails("unsupported-stanza-type")
		p = n.login("romeo/orchard")
		p.wire.Close() // lost
		synctest.Wait()
		if a, ok, err := n.parts.edge().server.Account(jid.MustParse("romeo@montague.lit")); err != nil || !ok || len(a.Sessions()) > 0 {
			t.Errorf("a session is left")
		}
		p = n.dial("plain", "").open()
		p.send("</stream:stream>").expect("</stream:stream>")
		p.wire.CloseWrite()
		p.ends()
		n.counts(5, 4, 1)
	})
}

// A mistake of ours ends the session of who met it, and is counted.
func TestPanic(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony")
		romeo.send("<x xmlns='urn:example:trap'/>")
		romeo.take()
		if !romeo.over {
			t.Error("the session goes on")
		}
		if got := n.Metric("clientPanics"); got != 1 {
			t.Errorf("%d are counted", got)
		}
		juliet.alive()
		n.login("romeo/orchard").alive()
	})
}

// What happens to the account while its client logs in.
func TestAccountGone(t *testing.T) {
	run(t, options("c2s.xmpp/sessions", "2"), func(t *testing.T, n *node) {
		p := n.dial("plain", "").open().authenticate("juliet")
		if err := n.accounts().Delete(t.Context(), jid.MustParse("juliet@montague.lit")); err != nil {
			t.Fatal(err)
		}
		p.send(bind("balcony")).fails("not-authorized")

		first, second := n.login("romeo/one"), n.login("romeo/two")
		p = n.dial("plain", "").open().authenticate("romeo")
		p.send(bind("three")).expect("<iq ", "type='error'", "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>")
		second.wire.Close()
		synctest.Wait()
		p.bind("three").alive() // there is room now
		first.alive()
		n.counts(4, 3, 1)
	})
}

// A resource that the server chooses is long, and never the same.
func TestChosenResource(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		var seen []string
		for range 3 {
			p := n.dial("plain", "").open().authenticate("romeo")
			got := p.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>").expect("<jid>romeo@montague.lit/")
			_, rest, _ := strings.Cut(got, "<jid>romeo@montague.lit/")
			resource, _, _ := strings.Cut(rest, "<")
			if len(resource) != 12 || slices.Contains(seen, resource) {
				t.Errorf("chosen is %q after %v", resource, seen)
			}
			seen = append(seen, resource)
		}
	})
}

// The end of the program: who has no session yet is told so at once and keeps nobody
// waiting, whatever he does; the others are the server's.
func TestStop(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		silent, greeted, secret := n.dial("c2s", ""), n.dial("c2s", "").open(), n.dial("c2s", "").open().startTLS().open()
		halfway, shaking := n.dial("plain", "").open().authenticate("romeo"), n.dial("direct", "")
		in := n.login("juliet/balcony")
		began := time.Now()
		if err := n.parts.edge().Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
		for _, p := range []*peer{silent, greeted, secret, halfway} {
			p.fails("system-shutdown")
			if !p.over {
				t.Error("a connection is left")
			}
		}
		if got := shaking.take(); strings.Contains(got, "stream") || !shaking.over {
			t.Errorf("without TLS there is %q, closed: %v", got, shaking.over)
		}
		if got := n.Metric("clientsUnauthenticated"); got != 0 {
			t.Errorf("%d are inside the gate", got)
		}
		n.counts(6, 1, 5)
		in.alive()
		late := n.dial("plain", "") // accepted just before
		if got := late.take(); got != "" || !late.over {
			t.Errorf("who comes late gets %q, closed: %v", got, late.over)
		}
	})
}

// A Stop that has no time says so.
func TestStopWithoutTime(t *testing.T) {
	run(t, options(), func(t *testing.T, n *node) {
		n.dial("c2s", "").open()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.parts.edge().Stop(ctx); err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}
