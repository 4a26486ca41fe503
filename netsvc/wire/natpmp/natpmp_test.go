package natpmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The layouts are those of RFC 6886, sections 3.2 and 3.3.
func TestRequests(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    Request
		hex  string
	}{
		{name: "address", r: Request{}, hex: "0000"},
		{name: "udp", r: Request{Opcode: MapUDP, Internal: 3478, External: 40000, Lifetime: 7200}, hex: "0001 0000 0d96 9c40 00001c20"},
		{name: "remove tcp", r: Request{Opcode: MapTCP, Internal: 7625}, hex: "0002 0000 1dc9 0000 00000000"},
	} {
		want := unhex(t, tc.hex)
		if got := tc.r.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", tc.name, got, want)
		}
		if got, err := ParseRequest(want); err != nil || got != tc.r {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	for _, bad := range []string{"", "00", "0200", "0081", "0001 0000 0d96 9c40 0000"} {
		if _, err := ParseRequest(unhex(t, bad)); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestResponses(t *testing.T) {
	for _, tc := range []struct {
		name string
		hex  string
		want Response
		err  error
	}{
		{name: "address", hex: "0080 0000 00000e10 09090909", want: Response{Epoch: 3600, Address: netip.MustParseAddr("9.9.9.9")}},
		{name: "udp", hex: "0081 0000 00000001 0d96 9c40 00001c20", want: Response{Opcode: MapUDP, Epoch: 1, Internal: 3478, External: 40000, Lifetime: 7200}},
		{name: "failure in full", hex: "0082 0004 00000001 1dc9 0000 00000000", want: Response{Opcode: MapTCP, Result: 4, Epoch: 1, Internal: 7625}},
		{name: "failure without the rest", hex: "0080 0001 00000001", want: Response{Result: UnsupportedVersion, Epoch: 1}},
		{name: "success without the rest", hex: "0080 0000 00000001", err: ErrShort},
		{name: "mapping cut", hex: "0081 0000 00000001 0d96 9c40", err: ErrShort},
		{name: "address too long", hex: "0080 0000 00000001 09090909 00", err: ErrShort},
		{name: "failure too long", hex: "0080 0003 00000001 09090909 0909090909", err: ErrShort},
		{name: "short", hex: "0080 0000 000000", err: ErrShort},
		{name: "a request", hex: "0001 0000 0d96 9c40 00001c20", err: ErrKind},
		{name: "PCP", hex: "0280 0000 00000001 09090909", err: ErrKind},
		{name: "unknown opcode", hex: "0083 0005 00000001", err: ErrKind},
	} {
		got, err := ParseResponse(unhex(t, tc.hex))
		if !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
		}
		if err == nil && got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if got := Result(2).Error(); !strings.Contains(got, "not authorized") {
		t.Error(got)
	}
	if got := Result(99).Error(); !strings.Contains(got, "99") {
		t.Error(got)
	}
}

// What is accepted with all its fields is encoded to the same bytes.
func FuzzResponse(f *testing.F) {
	f.Add((&Response{Epoch: 3600, Address: netip.MustParseAddr("9.9.9.9")}).Append(nil))
	f.Add((&Response{Opcode: MapUDP, Epoch: 1, Internal: 3478, External: 40000, Lifetime: 7200}).Append(nil))
	f.Add([]byte{0, 128, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseResponse(b)
		if err != nil {
			return
		}
		if again := r.Append(nil); len(b) == len(again) && !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
