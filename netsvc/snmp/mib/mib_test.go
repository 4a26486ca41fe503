package mib_test

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/wire/ber"
)

func TestOID(t *testing.T) {
	for _, tc := range []struct {
		text, want string
	}{
		{"1.3.6.1", "1.3.6.1"}, {".1.3", "1.3"}, {"0.0", "0.0"}, {"2.999.4294967295", "2.999.4294967295"},
		{"", ""}, {"1", ""}, {"1.40", ""}, {"3.1", ""}, {"1..3", ""}, {"1.3.x", ""}, {"1.3.4294967296", ""}, {"1.3.-1", ""},
		{"1" + strings.Repeat(".1", ber.MaxParts-1), "1" + strings.Repeat(".1", ber.MaxParts-1)},
		{"1" + strings.Repeat(".1", ber.MaxParts), ""},
	} {
		oid, err := mib.ParseOID(tc.text)
		if (err != nil) != (tc.want == "") || oid.String() != tc.want {
			t.Errorf("%q is %q, %v", tc.text, oid, err)
		}
	}
	a := mib.OID{1, 3, 6}
	if b := a.With(1); b.String() != "1.3.6.1" || !b.HasPrefix(a) || a.HasPrefix(b) || a.Compare(b) >= 0 {
		t.Error("With, HasPrefix or Compare")
	}
	if got := a.With().AppendText("ab", false).AppendText("c", true).String(); got != "1.3.6.2.97.98.99" {
		t.Errorf("texts in an index: %s", got)
	}
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value mib.Value
		kind  mib.Kind
		text  string
		wire  string
	}{
		{"integer", mib.Int(-5), mib.Integer32, "-5", "\x02\x01\xfb"},
		{"integer too large", mib.Int(int64(math.MaxInt64)), mib.Integer32, "2147483647", "\x02\x04\x7f\xff\xff\xff"},
		{"truth", mib.Truth(false), mib.Integer32, "2", "\x02\x01\x02"},
		{"counter wraps", mib.Count32(1<<32 + 7), mib.Counter32, "7", "\x41\x01\x07"},
		{"large counter", mib.Count64(math.MaxUint64), mib.Counter64, "18446744073709551615", "\x46\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"gauge stays at its end", mib.Gauge(int64(1 << 40)), mib.Gauge32, "4294967295", "\x42\x05\x00\xff\xff\xff\xff"},
		{"gauge below zero", mib.Gauge(-1), mib.Gauge32, "0", "\x42\x01\x00"},
		{"ticks", mib.Ticks(1500 * time.Millisecond), mib.TimeTicks, "150", "\x43\x02\x00\x96"},
		{"ticks wrap", mib.Ticks(1 << 32 * 10 * time.Millisecond), mib.TimeTicks, "0", "\x43\x01\x00"},
		{"text", mib.Text("a"), mib.OctetString, `"a"`, "\x04\x01a"},
		{"object", mib.Ref(mib.OID{1, 3, 6, 1}), mib.ObjectID, "1.3.6.1", "\x06\x03\x2b\x06\x01"},
		{"address", mib.Address(netip.MustParseAddr("192.0.2.1")), mib.IPAddress, "192.0.2.1", "\x40\x04\xc0\x00\x02\x01"},
		{"float", mib.Float(1.5), mib.Opaque, `"\x9fx\x04?\xc0\x00\x00"`, "\x44\x07\x9f\x78\x04\x3f\xc0\x00\x00"},
		{"date", mib.Date(time.Date(2026, 11, 22, 19, 5, 6, 7e8, time.UTC)), mib.OctetString, `"\a\xea\v\x16\x13\x05\x06\a+\x00\x00"`, "\x04\x0b\x07\xea\x0b\x16\x13\x05\x06\x07+\x00\x00"},
		{"none", mib.Address(netip.MustParseAddr("2001:db8::1")), 0, "none", "\x05\x00"},
		{"exception", mib.Exceptional(mib.EndOfMIBView), mib.EndOfMIBView, "endOfMibView", "\x82\x00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.value.Append(nil)
			if tc.value.Kind() != tc.kind || tc.value.String() != tc.text || string(got) != tc.wire || tc.value.Size() != len(got) {
				t.Errorf("%s %s, % x in %d", tc.value.Kind(), tc.value, got, tc.value.Size())
			}
			tag, content, _, err := ber.Next(got)
			if err != nil {
				t.Fatal(err)
			}
			back, err := mib.ReadValue(tag, content)
			if err != nil || back != tc.value && !tc.value.IsNone() {
				t.Errorf("read as %s %s, %v", back.Kind(), back, err)
			}
		})
	}
	for name, in := range map[string]string{"address of three bytes": "\x40\x03abc", "sequence": "\x30\x00", "null with content": "\x05\x01a",
		"integer of five bytes": "\x02\x05abcde", "no object": "\x06\x00", "unknown tag": "\x47\x00", "gauge below zero": "\x42\x01\xff"} {
		tag, content, _, _ := ber.Next([]byte(in))
		if v, err := mib.ReadValue(tag, content); err == nil {
			t.Errorf("%s is read as %s", name, v)
		}
	}
}

var base = mib.OID{1, 3, 6, 1, 4, 1, 99}

func numbers(fill func(*mib.Snapshot)) mib.Table {
	return mib.Table{Name: "numberTable", Entry: base.With(2, 1), Fill: fill, Columns: []mib.Column{
		{ID: 2, Name: "numberSquare", Kind: mib.Integer32}, {ID: 3, Name: "numberName", Kind: mib.OctetString}, {ID: 5, Name: "numberLarge", Kind: mib.Counter64}}}
}

func groups(fills *int) mib.Group {
	table := numbers(func(s *mib.Snapshot) {
		*fills++
		for _, n := range []uint32{4, 2, 7, 2} { // out of order, and one twice
			name := mib.Text("n")
			if n == 4 {
				name = mib.None
			}
			s.Row(mib.OID{n}, mib.Int(n*n), name, mib.Count64(uint64(n)))
		}
	})
	return mib.Group{Name: "TEST-MIB", Tables: []mib.Table{table}, Scalars: []mib.Scalar{
		{Name: "last", OID: base.With(9), Kind: mib.Counter64, Get: func(*mib.Request) mib.Value { return mib.Count64(1) }},
		{Name: "first", OID: base.With(1), Kind: mib.TimeTicks, Get: func(*mib.Request) mib.Value { return mib.Ticks(time.Second) }},
		{Name: "absent", OID: base.With(3), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { return mib.None }},
		{Name: "written", OID: base.With(4), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { return mib.Int(1) },
			Set: func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) {
				if v.Int() > 9 {
					return mib.Change{}, mib.WrongValue
				}
				return mib.Change{}, mib.NoError
			}},
	}}
}

func TestTree(t *testing.T) {
	fills := 0
	tree := mibtest.Tree(t, groups(&fills))
	var walked []string
	for _, i := range mibtest.Walk(t, tree) {
		walked = append(walked, i.OID[len(base):].String()+"="+i.Value.String())
	}
	if got, want := strings.Join(walked, " "), `1.0=100 2.1.2.2=4 2.1.2.4=16 2.1.2.7=49 2.1.3.2="n" 2.1.3.7="n" 2.1.5.2=2 2.1.5.4=4 2.1.5.7=7 4.0=1 9.0=1`; got != want {
		t.Errorf("walked\n%s, want\n%s", got, want)
	}
	r := &mib.Request{Now: time.Now()}
	for _, tc := range []struct {
		rest string
		get  string
		next string
	}{
		{"1", "noSuchInstance", "1.0"},
		{"1.0", "100", "2.1.2.2"},
		{"1.0.0", "noSuchInstance", "2.1.2.2"},
		{"1.1", "noSuchInstance", "2.1.2.2"},
		{"2", "noSuchObject", "2.1.2.2"},
		{"2.1", "noSuchObject", "2.1.2.2"},
		{"2.1.1", "noSuchObject", "2.1.2.2"},
		{"2.1.1.7", "noSuchObject", "2.1.2.2"},
		{"2.1.2", "noSuchInstance", "2.1.2.2"},
		{"2.1.2.3", "noSuchInstance", "2.1.2.4"},
		{"2.1.2.4", "16", "2.1.2.7"},
		{"2.1.2.4.0", "noSuchInstance", "2.1.2.7"},
		{"2.1.3.2", `"n"`, "2.1.3.7"},
		{"2.1.3.4", "noSuchInstance", "2.1.3.7"},
		{"2.1.4", "noSuchObject", "2.1.5.2"},
		{"2.1.5.9", "noSuchInstance", "4.0"},
		{"2.1.6", "noSuchObject", "4.0"},
		{"2.2", "noSuchObject", "4.0"},
		{"3.0", "noSuchInstance", "4.0"},
		{"5", "noSuchObject", "9.0"},
		{"9.0", "1", ""},
		{"10", "noSuchObject", ""},
	} {
		name := append(base.With(), mib.MustParseOID("1.3." + tc.rest)[2:]...)
		if got := tree.Get(r, name); got.String() != tc.get {
			t.Errorf("get %s: %s, want %s", tc.rest, got, tc.get)
		}
		next, v := tree.Next(r, name, nil)
		if tc.next == "" {
			if v.Kind() != mib.EndOfMIBView || next.Compare(name) != 0 {
				t.Errorf("next of %s: %s %s", tc.rest, next, v)
			}
		} else if got := strings.TrimPrefix(next.String(), base.String()+"."); got != tc.next {
			t.Errorf("next of %s: %s, want %s", tc.rest, got, tc.next)
		}
	}
	for _, tc := range []struct {
		rest  string
		value mib.Value
		want  mib.Status
	}{
		{"4.0", mib.Int(9), mib.NoError},
		{"4.0", mib.Int(10), mib.WrongValue},
		{"4.0", mib.Gauge(9), mib.WrongType},
		{"4.1", mib.Int(9), mib.NoCreation},
		{"1.0", mib.Ticks(0), mib.NotWritable},
		{"2.1.2.4", mib.Int(9), mib.NotWritable},
		{"5.0", mib.Int(9), mib.NotWritable},
	} {
		name := append(base.With(), mib.MustParseOID("1.3." + tc.rest)[2:]...)
		if _, got := tree.Test(r, name, tc.value); got != tc.want {
			t.Errorf("set %s to %s: %d, want %d", tc.rest, tc.value, got, tc.want)
		}
	}
}

// A snapshot is kept for a second, whoever asks.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fills := 0
		tree := mibtest.Tree(t, groups(&fills))
		for range 3 {
			mibtest.Walk(t, tree)
			time.Sleep(600 * time.Millisecond)
		}
		if fills != 2 {
			t.Errorf("filled %d times in 1.2 s", fills)
		}
	})
}

// circle is a handler that does not hold to the order.
type circle struct{}

func (circle) Get(*mib.Request, mib.OID) mib.Value { return mib.Int(1) }
func (circle) Next(_ *mib.Request, _, dst mib.OID) (mib.OID, mib.Value) {
	return append(dst, 1), mib.Int(1)
}

func TestMistakes(t *testing.T) {
	get := func(*mib.Request) mib.Value { return mib.Int(1) }
	scalar := func(oid mib.OID) mib.Scalar {
		return mib.Scalar{Name: "s", OID: oid, Kind: mib.Integer32, Get: get}
	}
	for _, tc := range []struct {
		name  string
		group mib.Group
		want  string
	}{
		{"one within another", mib.Group{Scalars: []mib.Scalar{scalar(base), scalar(base.With(1))}}, "stands within"},
		{"one twice", mib.Group{Scalars: []mib.Scalar{scalar(base), scalar(base)}}, "stands within"},
		{"no place", mib.Group{Scalars: []mib.Scalar{scalar(nil)}}, "no place"},
		{"no value", mib.Group{Scalars: []mib.Scalar{{Name: "s", OID: base, Kind: mib.Integer32}}}, "no value"},
		{"no rows", mib.Group{Tables: []mib.Table{numbers(nil)}}, "no rows"},
		{"columns out of order", mib.Group{Tables: []mib.Table{{Name: "t", Entry: base, Fill: func(*mib.Snapshot) {}, Columns: []mib.Column{{ID: 2, Kind: mib.Null}, {ID: 1, Kind: mib.Null}}}}}, "out of order"},
	} {
		if _, err := mib.NewTree(tc.group); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	tree := mibtest.Tree(t, mib.Group{Subtrees: []mib.Subtree{{Name: "circle", OID: base, Handler: circle{}}}})
	r := &mib.Request{Now: time.Now()}
	first, _ := tree.Next(r, base, nil)
	if _, v := tree.Next(r, first, nil); v.Kind() != mib.EndOfMIBView {
		t.Error("a handler that goes round in circles is followed")
	}
	for name, fill := range map[string]func(*mib.Snapshot){
		"too few values":      func(s *mib.Snapshot) { s.Row(mib.OID{1}, mib.Int(1)) },
		"a value of no kind":  func(s *mib.Snapshot) { s.Row(mib.OID{1}, mib.Int(1), mib.None, mib.None) },
		"a value of another":  func(s *mib.Snapshot) { s.Row(mib.OID{1}, mib.Gauge(1), mib.None, mib.None) },
		"values out of order": func(s *mib.Snapshot) { s.Row(mib.OID{1}, mib.None, mib.Count64(1), mib.Text("")) },
	} {
		panicked := func() (did bool) {
			defer func() { did = recover() != nil }()
			tree := mibtest.Tree(t, mib.Group{Tables: []mib.Table{numbers(fill)}})
			tree.Next(r, base, nil)
			return false
		}()
		if panicked != (name != "a value of no kind") {
			t.Errorf("%s: panicked %v", name, panicked)
		}
	}
}

func TestDateIsElevenBytes(t *testing.T) {
	if b := mib.Date(time.Now()).Bytes(); len(b) != 11 || !bytes.Contains([]byte(b), []byte("+\x00\x00")) {
		t.Errorf("%q", b)
	}
}

// One GET and one step of a walk are free of garbage.
func TestAllocations(t *testing.T) {
	fills := 0
	tree := mibtest.Tree(t, groups(&fills))
	r := &mib.Request{Now: time.Now()}
	name, dst := base.With(2, 1, 2, 4), make(mib.OID, 0, 32)
	if n := testing.AllocsPerRun(100, func() {
		tree.Get(r, name)
		tree.Next(r, name, dst)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
