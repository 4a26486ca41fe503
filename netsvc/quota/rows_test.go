package quota

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
)

func sampleLease() lease {
	at := time.UnixMilli(1_790_000_000_123).UTC()
	l := lease{granted: 1 << 40, purse: meterKey{scope: Credit, name: "verona"}, entry: Entry{
		Order: 7, Service: "socks5", Box: "box", From: jid.MustParse("romeo@montague.lit/orchard"), To: jid.MustParse("juliet@capulet.lit"),
		Group: "verona", Month: 2026*12 + 10, Out: 1 << 39, In: 3, Credit: 4, Begin: at, End: at.Add(time.Minute), Reason: "open"}}
	c := charge{key: meterKey{scope: User, id: 5, month: 9}}
	c.per[Forward].out, c.per[Back].in = 1, 2
	l.charges = []charge{c, {key: meterKey{scope: Box, name: "box", month: 9}}}
	return l
}

func TestLeaseRow(t *testing.T) {
	want := sampleLease()
	got, err := decodeLease([]byte{0, 0, 0, 0, 0, 0, 0, 7}, want.encode())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
}

// Whatever stands in a damaged row, reading it ends with an error or with something
// that is written back to the same bytes.
func FuzzLeaseRow(f *testing.F) {
	l := sampleLease()
	f.Add(l.encode())
	f.Add([]byte{rowVersion})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, v []byte) {
		l, err := decodeLease([]byte{0, 0, 0, 0, 0, 0, 0, 7}, v)
		if err != nil {
			return
		}
		again, err := decodeLease([]byte{0, 0, 0, 0, 0, 0, 0, 7}, l.encode())
		if err != nil || !bytes.Equal(again.encode(), l.encode()) {
			t.Errorf("%x is read back as another lease: %v", v, err)
		}
	})
}

func TestMonth(t *testing.T) {
	for text, want := range map[string]string{"2026-11": "2026-11", "1999-01": "1999-01", "2026-13": "", "26-1": ""} {
		m, err := ParseMonth(text)
		if (err != nil) != (want == "") || err == nil && m.String() != want {
			t.Errorf("%s: %s, %v", text, m, err)
		}
	}
	if MonthOf(time.Date(2026, 11, 30, 23, 0, 0, 0, time.FixedZone("", -2*3600))).String() != "2026-12" {
		t.Error("a month is one of UTC")
	}
}

func TestValue(t *testing.T) {
	for text, want := range map[string]Value{"unlimited": Unlimited, "deny": Deny, "5GB": 5 << 30, "0": 0} {
		v, err := ParseValue(text)
		if err != nil || v != want || v.String() != text {
			t.Errorf("%s: %d (%s), %v", text, v, v, err)
		}
	}
	if _, err := ParseValue("much"); err == nil {
		t.Error("much is a limit")
	}
	if inherit.String() != "" {
		t.Error("what is not set has a text")
	}
}
