package table_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"linnet/store/table"
)

func TestByteOrderIsValueOrder(t *testing.T) {
	uints := []uint64{0, 1, 255, 256, 1 << 32, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
	ints := []int64{math.MinInt64, -1 << 32, -256, -1, 0, 1, 255, math.MaxInt64}
	texts := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00a", "\x01", "a", "a\x00", "a\x00b", "a\x01", "aa", "ab", "b", "ä", "\xff", "\xff\xff"}
	if !slices.IsSorted(texts) {
		t.Fatal("the texts are not in order")
	}
	check := func(name string, n int, enc func(i int) []byte) {
		for i := range n {
			for j := range n {
				a, b := enc(i), enc(j)
				if bytes.Compare(a, b) != compare(i, j) {
					t.Errorf("%s: values %d and %d compare as %d", name, i, j, bytes.Compare(a, b))
				}
				if i != j && bytes.HasPrefix(b, a) && name == "string" {
					t.Errorf("%s: value %d is a prefix of value %d", name, i, j)
				}
			}
		}
	}
	check("uint64", len(uints), func(i int) []byte { return table.AppendUint64(nil, uints[i]) })
	check("int64", len(ints), func(i int) []byte { return table.AppendInt64(nil, ints[i]) })
	check("string", len(texts), func(i int) []byte { return table.AppendString(nil, texts[i]) })
	// In front of something else a string still decides.
	check("string, then a number", len(texts), func(i int) []byte {
		return table.AppendUint64(table.AppendString(nil, texts[i]), uint64(100-i))
	})
}

func compare(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestKeysAreReadBack(t *testing.T) {
	k := table.AppendUint64(nil, 7)
	k = table.AppendString(k, "romeo\x00@montague")
	k = table.AppendInt64(k, -5)
	k = table.AppendUint32(k, 9)
	k = table.AppendBytes(k, []byte("\x00"))
	k = table.AppendString(k, "")
	u, k, err1 := table.ReadUint64(k)
	s, k, err2 := table.ReadString(k)
	i, k, err3 := table.ReadInt64(k)
	w, k, err4 := table.ReadUint32(k)
	z, k, err5 := table.ReadString(k)
	e, k, err6 := table.ReadString(k)
	if u != 7 || s != "romeo\x00@montague" || i != -5 || w != 9 || z != "\x00" || e != "" || len(k) != 0 {
		t.Errorf("read %d %q %d %d %q %q and %d bytes more", u, s, i, w, z, e, len(k))
	}
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestBrokenKeysAreRefused(t *testing.T) {
	for _, k := range []string{"", "a", "a\x00", "\x00\x02", "a\x00\x03b\x00\x01", "\x00"} {
		if s, _, err := table.ReadString([]byte(k)); err != table.ErrKey {
			t.Errorf("ReadString(%q) = %q, %v", k, s, err)
		}
	}
	if _, _, err := table.ReadUint64(make([]byte, 7)); err != table.ErrKey {
		t.Error("seven bytes are read as eight")
	}
	if _, _, err := table.ReadUint32(make([]byte, 3)); err != table.ErrKey {
		t.Error("three bytes are read as four")
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, tt := range []struct{ prefix, end string }{
		{"a", "b"}, {"a\xff", "b"}, {"a\xff\xff", "b"}, {"a\x00", "a\x01"}, {"", "nil"}, {"\xff\xff", "nil"},
	} {
		got := "nil"
		if end := table.PrefixEnd([]byte(tt.prefix)); end != nil {
			got = string(end)
		}
		if got != tt.end {
			t.Errorf("PrefixEnd(%q) = %q, want %q", tt.prefix, got, tt.end)
		}
	}
}

func TestNamesThatCannotBeBuckets(t *testing.T) {
	for _, name := range []string{"", "~store", "a/b", "a#1", "Upper", "a b", strings.Repeat("x", 65)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("table %q was declared", name)
				}
			}()
			table.New(name, table.None)
		}()
	}
	table.New(strings.Repeat("x", 64), table.Node)
}

func FuzzReadString(f *testing.F) {
	f.Add([]byte("a\x00\xffb\x00\x01rest"))
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, k []byte) {
		s, rest, err := table.ReadString(k)
		if err != nil {
			return
		}
		if again := append(table.AppendString(nil, s), rest...); !bytes.Equal(again, k) {
			t.Errorf("%x is read as %q and written as %x", k, s, again)
		}
	})
}
