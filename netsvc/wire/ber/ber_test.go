package ber

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	long := func(n int, header ...byte) string { return string(header) + strings.Repeat("x", n) }
	for _, tc := range []struct {
		name, in string
		size     int // of the content
		rest     int
		fails    bool
	}{
		{name: "empty content", in: "\x05\x00"},
		{name: "with a rest", in: "\x04\x01ab", size: 1, rest: 1},
		{name: "127 bytes", in: long(127, 4, 127), size: 127},
		{name: "128 bytes", in: long(128, 4, 0x81, 128), size: 128},
		{name: "length in more bytes than needed", in: long(3, 4, 0x82, 0, 3), size: 3},
		{name: "length in four bytes", in: long(3, 4, 0x84, 0, 0, 0, 3), size: 3},
		{name: "length in five bytes", in: long(3, 4, 0x85, 0, 0, 0, 0, 3), fails: true},
		{name: "nothing", in: "", fails: true},
		{name: "a tag alone", in: "\x04", fails: true},
		{name: "a byte too few", in: "\x04\x02a", fails: true},
		{name: "half a length", in: "\x04\x82\x00", fails: true},
		{name: "indefinite length", in: "\x30\x80\x00\x00", fails: true},
		{name: "tag of two bytes", in: "\x1f\x01\x00", fails: true},
		{name: "four gigabytes", in: "\x04\x84\xff\xff\xff\xff", fails: true},
		{name: "two gigabytes", in: "\x04\x84\x7f\xff\xff\xff", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, content, rest, err := Next([]byte(tc.in))
			if (err != nil) != tc.fails || len(content) != tc.size || len(rest) != tc.rest {
				t.Errorf("%d bytes, rest %d, %v", len(content), len(rest), err)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 127, 128, 255, 256, 32767, 32768, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64, -1, -128, -129, -5, math.MinInt32, math.MinInt64} {
		want, err := asn1.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		got := AppendInt(nil, Integer, n)
		if !bytes.Equal(got, want) || SizeInt(n) != len(want)-2 {
			t.Errorf("%d is written % x in %d, want % x", n, got, SizeInt(n), want)
		}
		back, _, err := Int32(got)
		if fits := n == int64(int32(n)); (err == nil) != fits || fits && int64(back) != n {
			t.Errorf("%d is read as %d, %v", n, back, err)
		}
	}
	for _, n := range []uint64{0, 127, 128, 255, 256, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		got := AppendUint(nil, 0x46, n)
		if len(got) != 2+SizeUint(n) || got[2]&0x80 != 0 {
			t.Errorf("%d is written % x", n, got)
		}
		for _, size := range []int{32, 64} {
			back, err := ParseUint(got[2:], size)
			if fits := size == 64 || n <= math.MaxUint32; (err == nil) != fits || fits && back != n {
				t.Errorf("%d is read as %d of %d bits, %v", n, back, size, err)
			}
		}
	}
	for _, content := range []string{"", "\xff", "\x80\x00", "\x01\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x01"} {
		if n, err := ParseUint([]byte(content), 32); err == nil {
			t.Errorf("% x is read as %d", content, n)
		}
	}
	if n, err := ParseUint([]byte{0xff, 0xff, 0xff, 0xff}, 32); n != math.MaxUint32 || err != nil {
		t.Errorf("a counter without the zero in front: %d, %v", n, err)
	}
}

func TestObjectIdentifiers(t *testing.T) {
	for _, parts := range [][]uint32{{0, 0}, {1, 3}, {0, 39}, {1, 39}, {2, 40}, {2, 999}, {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 127, 128, 16383, 16384, 1 << 21, 1<<28 - 1, 1 << 28, math.MaxUint32, 0},
		append([]uint32{1, 3}, make([]uint32, MaxParts-2)...)} {
		got := AppendOID(nil, parts)
		content, rest, err := Expect(got, ObjectID)
		if err != nil || len(rest) > 0 || len(content) != SizeParts(parts) {
			t.Errorf("%v is written % x", parts, got)
		}
		back, err := AppendParts(nil, content)
		if err != nil || !slices.Equal(back, parts) {
			t.Errorf("%v is read as %v, %v", parts, back, err)
		}
	}
	for name, content := range map[string]string{
		"nothing": "", "unfinished": "\x2b\x86", "overlong": "\x2b\x80\x01", "33 bits": "\x2b\x90\x80\x80\x80\x00",
		"129 parts": "\x2b" + strings.Repeat("\x00", MaxParts-1),
	} {
		if parts, err := AppendParts([]uint32{7}, []byte(content)); !errors.Is(err, ErrMalformed) || !slices.Equal(parts, []uint32{7}) {
			t.Errorf("%s: %v, %v", name, parts, err)
		}
	}
}

func TestPrepend(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 255, 256, 65535, 65536} {
		room := make([]byte, 64+size)
		at := Prepend(room, 64, len(room), Sequence)
		content, rest, err := Expect(room[at:], Sequence)
		if err != nil || len(content) != size || len(rest) != 0 || SizeElement(size) != len(room)-at {
			t.Errorf("%d bytes: %d, rest %d, %v", size, len(content), len(rest), err)
		}
	}
	room := make([]byte, 64)
	at := PrependString(room, PrependInt(room, 64, -5), "hello")
	if got, want := string(room[at:]), "\x04\x05hello\x02\x01\xfb"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Whatever comes is read to its end or refused; what was read and is written again is read the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x30\x0a\x02\x01\x05\x06\x03\x2b\x06\x01\x41\x00"))
	f.Add([]byte("\x04\x82\x00\x01x\x46\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			tag, content, rest, err := Next(b)
			if err != nil {
				return
			}
			if len(content)+len(rest) >= len(b) {
				t.Fatal("more came out than went in")
			}
			if n, err := ParseInt32(content); err == nil {
				if back, _, err := Int32(AppendInt(nil, Integer, int64(n))); err != nil || back != n {
					t.Errorf("%d becomes %d, %v", n, back, err)
				}
			}
			if n, err := ParseUint(content, 64); err == nil {
				if back, err := ParseUint(AppendUint(nil, 0x46, n)[2:], 64); err != nil || back != n {
					t.Errorf("%d becomes %d, %v", n, back, err)
				}
			}
			if parts, err := AppendParts(nil, content); err == nil {
				if !bytes.Equal(AppendPartsContent(nil, parts), content) {
					t.Errorf("% x is read as %v", content, parts)
				}
			}
			if tag == Sequence {
				rest = append(slices.Clip(content), rest...)
			}
			b = rest
		}
	})
}
