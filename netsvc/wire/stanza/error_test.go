package stanza

import (
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// TestFail follows the examples of RFC 6120, 8.3.
func TestFail(t *testing.T) {
	const ns = " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
	tests := []struct {
		name, in string
		e        *Error
		want     string // "" for no reply
	}{
		{"message", "<message from='juliet@im.example.com/churchyard' id='sj2b371v' to='romeo@example.net/churchyard' type='chat' xml:lang='en'><body>Thy lips are warm.</body></message>",
			NewError(ServiceUnavailable, ""),
			"<message from='romeo@example.net/churchyard' to='juliet@im.example.com/churchyard' id='sj2b371v' type='error'><error type='cancel'><service-unavailable" + ns + "/></error></message>"},
		{"who raised it, and a text", "<message from='a@b/c' to='d@e'/>",
			&Error{Type: Modify, Condition: PolicyViolation, Text: "too <long>", By: jid.MustParse("e")},
			"<message from='d@e' to='a@b/c' type='error'><error by='e' type='modify'><policy-violation" + ns + "/><text" + ns + " xml:lang='en'>too &lt;long&gt;</text></error></message>"},
		{"condition of an extension", "<iq from='a@b/c' id='1' type='set'><x xmlns='u'/></iq>",
			&Error{Type: Wait, Condition: ResourceConstraint, App: []byte("<full xmlns='urn:x'/>")},
			"<iq to='a@b/c' id='1' type='error'><error type='wait'><resource-constraint" + ns + "/><full xmlns='urn:x'/></error></iq>"},
		{"new address", "<message from='a@b/c' to='d@e'/>",
			&Error{Type: Cancel, Condition: Gone, URI: "xmpp:f@g?a&b"},
			"<message from='d@e' to='a@b/c' type='error'><error type='cancel'><gone" + ns + ">xmpp:f@g?a&amp;b</gone></error></message>"},
		{"presence", "<presence from='a@b' to='c@d' type='subscribe'/>", NewError(RemoteServerNotFound, ""),
			"<presence from='c@d' to='a@b' type='error'><error type='cancel'><remote-server-not-found" + ns + "/></error></presence>"},
		{"to nobody", "<message/>", NewError(Forbidden, ""), "<message type='error'><error type='auth'><forbidden" + ns + "/></error></message>"},
		{"error", "<message type='error'/>", NewError(BadRequest, ""), ""},
		{"error of IQ", "<iq type='error' id='1'/>", NewError(BadRequest, ""), ""},
		{"result", "<iq type='result' id='1'/>", NewError(BadRequest, ""), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := read(t, clientTag, test.in)
			reply := s.Fail(test.e)
			if test.want == "" {
				if reply != nil {
					t.Errorf("reply %s", reply.AppendTo(nil))
				}
				return
			}
			if got := string(reply.AppendTo(nil)); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			if reply.Fail(test.e) != nil {
				t.Error("an error is answered")
			}
			got := reply.Failure()
			if got == nil || got.Type != test.e.Type || got.Condition != test.e.Condition || got.Text != test.e.Text || got.By != test.e.By ||
				got.URI != test.e.URI || string(got.App) != string(test.e.App) {
				t.Errorf("read again %+v, was %+v", got, test.e)
			}
		})
	}
}

// TestConditions: each has its name and, in RFC 6120, 8.3.3, its type.
func TestConditions(t *testing.T) {
	const rfc = `bad-request modify; conflict cancel; feature-not-implemented cancel; forbidden auth; gone cancel; internal-server-error cancel;
		item-not-found cancel; jid-malformed modify; not-acceptable modify; not-allowed cancel; not-authorized auth; policy-violation modify;
		recipient-unavailable wait; redirect modify; registration-required auth; remote-server-not-found cancel; remote-server-timeout wait;
		resource-constraint wait; service-unavailable cancel; subscription-required auth; undefined-condition cancel; unexpected-request wait`
	want := map[string]string{}
	for _, line := range strings.Split(rfc, ";") {
		name, usual, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[name] = usual
	}
	if len(want) != len(conditions) {
		t.Errorf("%d conditions, the RFC has %d", len(conditions), len(want))
	}
	for c := range conditions {
		e := NewError(Condition(c), "x")
		if got := e.Type.String(); got != want[e.Condition.String()] {
			t.Errorf("%s has type %s, want %s", e.Condition, got, want[e.Condition.String()])
		}
	}
	if got := NewError(Gone, "").Error() + NewError(Gone, "x").Error(); got != "stanza: gonestanza: gone: x" {
		t.Error(got)
	}
}

// TestFailureOfStrangers: what others send as an error.
func TestFailureOfStrangers(t *testing.T) {
	tests := []struct {
		name, in string
		want     *Error
	}{
		{"none", "<message/>", nil},
		{"no element", "<message type='error'/>", &Error{Type: Cancel}},
		{"empty", "<message type='error'><error/></message>", &Error{Type: Cancel}},
		{"type nobody knows", "<message type='error'><error type='x'><x xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>", &Error{Type: Cancel}},
		{"address that is none", "<message type='error'><error type='wait' by='@'/></message>", &Error{Type: Wait}},
		{"text before the condition", "<message type='error'><error type='auth'><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>x</text><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
			&Error{Type: Auth, Condition: Gone, Text: "x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := read(t, clientTag, test.in)
			got := s.Failure()
			if (got == nil) != (test.want == nil) {
				t.Fatalf("%+v", got)
			}
			if got != nil && (got.Type != test.want.Type || got.Condition != test.want.Condition || got.Text != test.want.Text || !got.By.IsZero() || got.App != nil) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// TestFailEchoesNothing: a payload does not come back to where it came from.
func TestFailEchoesNothing(t *testing.T) {
	s, _ := read(t, clientTag, mixed)
	if reply := s.Fail(NewError(NotAllowed, "")); reply.Has("urn:s", "active") || !reply.Has(xmlstream.ClientSpace, "error") || len(reply.kids) != 1 {
		t.Errorf("%s", reply.AppendTo(nil))
	}
}
