package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// What a client without a session may not send, and how often it may send the
// rest.

func TestRequestsToOthers(t *testing.T) {
	bind := func(attributes string) string {
		return "<iq id='b' " + attributes + "><bind xmlns='" + BindSpace + "'/></iq>"
	}
	const tooEarly = "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
	for _, c := range []struct {
		name, say string
		early     bool // before authentication
		want      string
	}{
		{"to the server", bind("type='set' to='im.example.com'"), false, "<iq type='result' .*"},
		{"to the own account", bind("type='set' to='juliet@im.example.com'"), false, "<iq type='result' .*"},
		{"to somebody", bind("type='set' to='romeo@im.example.com'"), false, streamError(NotAuthorized)},
		{"to another server", bind("type='set' to='example.net'"), false, streamError(NotAuthorized)},
		{"to another domain of this server", bind("type='set' to='conference.example.com'"), false, streamError(NotAuthorized)},
		{"to a resource", bind("type='set' to='im.example.com/x'"), false, streamError(NotAuthorized)},
		{"to no address", bind("type='set' to='@'"), false, streamError(NotAuthorized)},
		{"to nothing", bind("type='set' to=''"), false, streamError(NotAuthorized)},
		{"a result nobody asked for", bind("type='result'"), false, streamError(NotAuthorized)},
		{"an error nobody asked for", bind("type='error'"), false, streamError(NotAuthorized)},
		{"resumption in an iq", "<iq type='set' id='b' previd='old' h='5'><resume xmlns='urn:xmpp:sm:3' previd='old' h='5'/></iq>", false, streamError(NotAuthorized)},
		{"login in an iq", "<iq type='set' id='b' mechanism='PLAIN'>" + plain("juliet", password) + "</iq>", true, streamError(NotAuthorized)},
		{"resumption before login", "<resume xmlns='urn:xmpp:sm:3' previd='old' h='5'/>", true, tooEarly},
		{"stream management before login", "<enable xmlns='urn:xmpp:sm:3'/>", true, tooEarly},
		{"a count before login", "<a xmlns='urn:xmpp:sm:3' h='5'/>", true, streamError(UnsupportedStanzaType)},
		{"STARTTLS in an iq", "<iq type='set' id='b'><starttls xmlns='" + TLSSpace + "'/></iq>", true, streamError(NotAuthorized)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := loopback(t, defaults())
				if !c.early {
					cl.login()
				}
				cl.send("%s", c.say)
				cl.expect(c.want)
			})
		})
	}
}

// registrar is an extension that answers guests, and counts them.
func registrar(answered *int) Step {
	return Guest(xmpp.GuestIQ{
		Space: "jabber:iq:register", Local: "query",
		Feature: func(*xmpp.Guest) []byte { return []byte("<register xmlns='http://jabber.org/features/iq-register'/>") },
		Answer: func(context.Context, *xmpp.Guest, stanza.Type, *xmlstream.Node) ([]byte, *stanza.Error) {
			*answered++
			return nil, nil
		},
	})
}

func TestGuestsAskOnlySoOften(t *testing.T) {
	const ask = "<iq type='get' id='r' to='im.example.com'><query xmlns='jabber:iq:register'/></iq>"
	synctest.Test(t, func(t *testing.T) {
		answered := 0
		o := defaults()
		o.Steps = []Step{registrar(&answered)}
		c := loopback(t, o)
		for range maxRequests {
			c.send(ask)
			c.expect("<iq type='result' id='r'/>")
		}
		c.send(ask)
		c.expect("<iq type='error' id='r'><error type='modify'><not-acceptable .*</iq>")
		if answered != maxRequests {
			t.Errorf("%d requests were answered, not %d", answered, maxRequests)
		}
		c.login() // it may still log in
	})
}

func TestGuestsAreChecked(t *testing.T) {
	for _, c := range []struct{ name, say, want string }{
		{"no id", "<iq type='get'><query xmlns='jabber:iq:register'/></iq>", "<iq type='error'><error .*<bad-request .*</iq>"},
		{"no type", "<iq id='r'><query xmlns='jabber:iq:register'/></iq>", "<iq type='error' id='r'><error .*<bad-request .*</iq>"},
		{"two payloads", "<iq type='get' id='r'><query xmlns='jabber:iq:register'/><x xmlns='y'/></iq>", "<iq type='error' id='r'><error .*<bad-request .*</iq>"},
		{"not in an iq", "<query xmlns='jabber:iq:register'/>", streamError(UnsupportedStanzaType)},
		{"to another server", "<iq type='get' id='r' to='example.net'><query xmlns='jabber:iq:register'/></iq>", streamError(NotAuthorized)},
		{"another payload", "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", streamError(NotAuthorized)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answered := 0
				o := defaults()
				o.Steps = []Step{registrar(&answered)}
				cl := loopback(t, o)
				cl.send("%s", c.say)
				cl.expect(c.want)
				if answered != 0 {
					t.Error("the extension was asked")
				}
			})
		})
	}
}

// Requests that fail are bounded by their number too, not by the time alone.
func TestElementsWithoutSession(t *testing.T) {
	for _, c := range []struct{ name, say, want string }{
		{"aborts", "<abort xmlns='" + SASLSpace + "'/>", saslError(sasl.Aborted)},
		{"responses to nothing", "<response xmlns='" + SASLSpace + "'>YQ==</response>", saslError(sasl.MalformedRequest)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := loopback(t, defaults())
				for range maxElements {
					cl.send("%s", c.say)
					cl.expect(c.want)
				}
				cl.send("%s", c.say)
				cl.expect(streamError(PolicyViolation))
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		cl := session(t) // took one
		for range maxElements - 1 {
			cl.send("<resume xmlns='urn:xmpp:sm:3' previd='guess' h='0'/>")
			cl.expect("<failed .*</failed>")
		}
		cl.send("<resume xmlns='urn:xmpp:sm:3' previd='old' h='0'/>")
		cl.expect(streamError(PolicyViolation))
	})
}

func TestNegotiateReturnsWhatThePeerWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, defaults(), false)
		c.send("%s", open+strings.Repeat("<x>", 17))
		c.expect(header + tlsOnly + streamError(PolicyViolation))
		var e *Error
		if err := c.end(); !errors.As(err, &e) || e.Condition != PolicyViolation {
			t.Errorf("got %v", err)
		}
	})
}
