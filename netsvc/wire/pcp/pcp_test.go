package pcp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

var mapping = Mapping{
	Nonce:    Nonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	Protocol: UDP, Internal: 3478, External: netip.MustParseAddrPort("9.9.9.9:40000"),
}

// The layout is that of figures 2, 3, 9 and 10 of RFC 6887.
const (
	requestHex  = "02010000 00000e10 00000000000000000000ffffc0a80102" + "0102030405060708090a0b0c 11000000 0d96 9c40 00000000000000000000ffff09090909"
	responseHex = "02810000 00000708 00000e11 000000000000000000000000" + "0102030405060708090a0b0c 11000000 0d96 9c40 00000000000000000000ffff09090909"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLayout(t *testing.T) {
	request := Request{Opcode: Map, Lifetime: 3600, Client: netip.MustParseAddr("192.168.1.2"), Mapping: mapping}
	if got, want := request.Append(nil), unhex(t, requestHex); !bytes.Equal(got, want) {
		t.Errorf("request %x\nwant    %x", got, want)
	}
	if got, err := ParseRequest(unhex(t, requestHex)); err != nil || got != request {
		t.Errorf("request %+v, %v", got, err)
	}
	response := Response{Opcode: Map, Lifetime: 1800, Epoch: 3601, Mapping: mapping}
	if got, want := response.Append(nil), unhex(t, responseHex); !bytes.Equal(got, want) {
		t.Errorf("response %x\nwant     %x", got, want)
	}
	if got, err := ParseResponse(unhex(t, responseHex)); err != nil || got != response {
		t.Errorf("response %+v, %v", got, err)
	}
}

func TestSuggestionOfNothing(t *testing.T) {
	r := Request{Opcode: Map, Client: netip.MustParseAddr("192.168.1.2"), Mapping: Mapping{Protocol: TCP, Internal: 1}}
	b := r.Append(nil)
	if want := unhex(t, "0000 00000000000000000000ffff00000000"); !bytes.HasSuffix(b, want) {
		t.Errorf("no suggestion is %x, section 11.1 wants the mapped IPv4 zero address", b)
	}
}

func TestRefuse(t *testing.T) {
	good := unhex(t, responseHex)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for _, tc := range []struct {
		name string
		b    []byte
		want error
	}{
		{name: "empty", want: ErrShort},
		{name: "three bytes", b: good[:3], want: ErrShort},
		{name: "header cut", b: good[:20], want: ErrShort},
		{name: "mapping cut", b: good[:56], want: ErrShort},
		{name: "odd", b: append(bytes.Clone(good), 0), want: ErrShort},
		{name: "NAT-PMP", b: change(0, 0), want: ErrVersion},
		{name: "NAT-PMP, short", b: []byte{0, 0x81, 0, 1, 0, 0, 0, 0}, want: ErrVersion},
		{name: "a request", b: change(1, 1), want: ErrKind},
		{name: "an option behind", b: append(bytes.Clone(good), 1, 0, 0, 0)},
		{name: "largest", b: append(bytes.Clone(good), make([]byte, MaxSize-len(good))...)},
		{name: "larger", b: append(bytes.Clone(good), make([]byte, MaxSize+4-len(good))...), want: ErrShort},
	} {
		if _, err := ParseResponse(tc.b); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if _, err := ParseRequest(good); !errors.Is(err, ErrKind) {
		t.Errorf("a response as a request: %v", err)
	}
}

func TestResultsHaveWords(t *testing.T) {
	if got := AddressMismatch.Error(); !strings.Contains(got, "mismatch") {
		t.Error(got)
	}
	if got := Result(99).Error(); !strings.Contains(got, "99") {
		t.Error(got)
	}
}

// What is accepted is encoded to the same bytes, as far as they mean something here.
func FuzzResponse(f *testing.F) {
	f.Add((&Response{Opcode: Map, Lifetime: 1800, Epoch: 3601, Mapping: mapping}).Append(nil))
	f.Add((&Response{Opcode: Announce, Result: NoResources, Epoch: 1}).Append(nil))
	f.Add([]byte{0, 0x81, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseResponse(b)
		if err != nil {
			return
		}
		again, err := ParseResponse(r.Append(nil))
		if err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
		if q, err := ParseRequest(b); err == nil {
			t.Errorf("a response and a request: %+v", q)
		}
	})
}
