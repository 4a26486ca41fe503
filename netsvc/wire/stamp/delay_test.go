package stamp

import (
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

func TestDelay(t *testing.T) {
	moment := time.Date(2002, 9, 10, 23, 8, 25, 0, time.UTC)
	tests := []struct {
		name, xml string
		want      Delay
		err       error
		written   string // as we write it, where that differs
	}{
		{
			// XEP-0203 section 3, example 1.
			name:    "offline message",
			xml:     "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>",
			want:    Delay{From: jid.MustParse("capulet.com"), Time: moment, Reason: "Offline Storage"},
			written: "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25.000Z'>Offline Storage</delay>",
		},
		{
			name: "no from, no reason",
			xml:  "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25.000Z'/>",
			want: Delay{Time: moment},
		},
		{
			name: "clock not set",
			xml:  "<delay xmlns='urn:xmpp:delay' from='b' stamp='1970-01-01T00:00:07.000Z'>clock not set</delay>",
			want: Delay{From: jid.MustParse("b"), Time: time.Unix(7, 0).UTC(), Unset: true},
		},
		{name: "no stamp", xml: "<delay xmlns='urn:xmpp:delay' from='b'/>", err: ErrSyntax},
		{name: "bad stamp", xml: "<delay xmlns='urn:xmpp:delay' stamp='2002-13-10T23:08:25Z'/>", err: ErrRange},
		{name: "bad from", xml: "<delay xmlns='urn:xmpp:delay' from='@' stamp='2002-09-10T23:08:25Z'/>", err: ErrDelay},
		{name: "empty from", xml: "<delay xmlns='urn:xmpp:delay' from='' stamp='2002-09-10T23:08:25Z'/>", err: ErrDelay},
		{name: "another namespace", xml: "<delay xmlns='urn:example' stamp='2002-09-10T23:08:25Z'/>", err: ErrDelay},
		{name: "XEP-0091", xml: "<x xmlns='jabber:x:delay' stamp='20020910T23:08:25'/>", err: ErrDelay},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node, err := xmlstream.Parse([]byte(test.xml), "jabber:client")
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseDelay(node)
			if err != test.err || got != test.want {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
			if err != nil {
				return
			}
			want := test.written
			if want == "" {
				want = test.xml
			}
			w := xmlstream.NewWriter("jabber:client")
			got.Append(w)
			if written := string(w.Bytes()); written != want {
				t.Fatalf("written as %s", written)
			}
		})
	}
	if _, err := ParseDelay(nil); err != ErrDelay {
		t.Fatalf("no element: %v", err)
	}
}

func TestIsSet(t *testing.T) {
	built := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		now  time.Time
		want bool
	}{
		{"start of the epoch", time.Unix(3, 0), false},
		{"just before", built.Add(-1), false},
		{"at the build", built, true},
		{"later", built.Add(time.Hour), true},
	}
	for _, test := range tests {
		if got := IsSet(test.now, built); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
