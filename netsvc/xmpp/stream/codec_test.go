package stream

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

func directoryAddress(t *testing.T, s string) jid.JID {
	t.Helper()
	if directory()[s] == nil {
		t.Fatalf("%s is nobody", s)
	}
	return jid.MustParse(s)
}

func botnet(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// read parses an element that uses the prefix "stream".
func read(t *testing.T, b []byte) *xmlstream.Node {
	t.Helper()
	n, err := xmlstream.Parse([]byte("<x xmlns:stream='"+Space+"'>"+string(b)+"</x>"), xmlstream.ClientSpace)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return n.First()
}

func TestErrorCodec(t *testing.T) {
	for _, e := range []*Error{
		{Condition: HostUnknown},
		{Condition: PolicyViolation, Text: "a < b & 'c'"},
		{Condition: SeeOtherHost, Host: "[2001:41D0:1:A49b::1]:9222"},
		{Condition: UndefinedCondition, Text: "x", App: []byte("<too-high xmlns='urn:xmpp:sm:3' h='9'/>")},
	} {
		b := e.Append(nil)
		if got := ParseError(read(t, b)); !reflect.DeepEqual(got, e) {
			t.Errorf("%s: got %+v, want %+v", b, got, e)
		}
	}
	for _, c := range known {
		if got := ParseError(read(t, Fail(c, "").Append(nil))); got.Condition != c {
			t.Errorf("%s became %s", c, got.Condition)
		}
	}
	for in, want := range map[string]Condition{
		"<stream:error/>": UndefinedCondition,
		"<stream:error><xml-not-well-formed xmlns='" + ErrorSpace + "'/></stream:error>": UndefinedCondition,
		"<stream:error><conflict xmlns='other'/></stream:error>":                         UndefinedCondition,
	} {
		if got := ParseError(read(t, []byte(in))); got.Condition != want {
			t.Errorf("%s: got %s", in, got.Condition)
		}
	}
	if got := string(Farewell(nil)); got != "</stream:stream>" {
		t.Errorf("polite end: %s", got)
	}
	if got := string(Farewell(Fail(Conflict, ""))); got != "<stream:error><conflict xmlns='"+ErrorSpace+"'/></stream:error></stream:stream>" {
		t.Errorf("end with an error: %s", got)
	}
}

func TestFeaturesCodec(t *testing.T) {
	for _, f := range []*Features{
		{},
		{StartTLS: true},
		{StartTLS: true, TLSRequired: true},
		{Mechanisms: []string{"SCRAM-SHA-1", "PLAIN"}, Bindings: []string{"tls-exporter"}, MaxBytes: 10000},
		{Bind: true, MaxBytes: 1 << 20, Idle: 5 * time.Minute, More: [][]byte{[]byte("<sm xmlns='urn:xmpp:sm:3'/>"), []byte("<ver xmlns='urn:xmpp:features:rosterver'/>")}},
	} {
		b := f.Append(nil)
		if got := ParseFeatures(read(t, b)); !reflect.DeepEqual(got, f) {
			t.Errorf("%s\ngot  %+v\nwant %+v", b, got, f)
		}
	}
}

func TestHeaderCodec(t *testing.T) {
	for _, h := range []Header{
		{Content: xmlstream.ClientSpace, To: "im.example.com"},
		{Content: xmlstream.ServerSpace, To: "a.example", From: "b.example", ID: "x", Lang: "de", Extra: " xmlns:db='jabber:server:dialback'"},
		{Content: xmlstream.ClientSpace, From: "im.example.com", To: "o'neill&co@im.example.com", ID: "++TR84Sm6A3hnt3Q065SnAbbk3Y="},
	} {
		var s xmlstream.Scanner
		b := h.Append(nil)
		ev, n, err := s.Scan(b)
		if err != nil || ev != xmlstream.EventHeader || n != len(b) {
			t.Fatalf("%s: %v, %d of %d, %v", b, ev, n, len(b), err)
		}
		got := s.Header()
		if got.To != h.To || got.From != h.From || got.ID != h.ID || got.Lang != h.Lang || got.Content != h.Content || got.Version != "1.0" {
			t.Errorf("%s: got %+v", b, got)
		}
		if h.Extra != "" && got.Bound("db") != "jabber:server:dialback" {
			t.Errorf("%s: db is %q", b, got.Bound("db"))
		}
	}
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if seen[id] || len(id) != 20 || strings.ContainsAny(id, "<>&'\"") {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
