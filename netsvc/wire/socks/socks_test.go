package socks

import (
	"bytes"
	"net/netip"
	"testing"
)

// feed gives a reader what it asks for, byte count by byte count, and returns how
// much it read.
func feed(t *testing.T, message []byte, read func(b []byte) (missing int, err error)) (n int, err error) {
	t.Helper()
	for {
		missing, err := read(message[:n])
		if err != nil || missing == 0 {
			return n, err
		}
		if missing < 0 || n+missing > len(message) {
			t.Fatalf("after %d bytes of %d, %d are missing", n, len(message), missing)
		}
		n += missing
	}
}

func TestGreeting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      string
		methods string
		err     error
	}{
		{name: "one", in: "\x05\x01\x00", methods: "\x00"},
		{name: "two", in: "\x05\x02\x00\x02", methods: "\x00\x02"},
		{name: "none", in: "\x05\x00", err: ErrEmpty},
		{name: "version 4", in: "\x04\x01", err: ErrVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var methods []byte
			n, err := feed(t, []byte(tt.in), func(b []byte) (missing int, err error) {
				methods, missing, err = ReadGreeting(b)
				return missing, err
			})
			if string(methods) != tt.methods || err != tt.err || err == nil && n != len(tt.in) {
				t.Errorf("%q, %v after %d bytes", methods, err, n)
			}
		})
	}
	if got := AppendGreeting(nil, NoAuth, Password); string(got) != "\x05\x02\x00\x02" {
		t.Errorf("%q", got)
	}
	if got := AppendMethod(nil, NoAcceptable); string(got) != "\x05\xff" {
		t.Errorf("%q", got)
	}
}

func TestPassword(t *testing.T) {
	for _, tt := range []struct {
		in, name, password string
		err                error
	}{
		{in: "\x01\x05romeo\x06secret", name: "romeo", password: "secret"},
		{in: "\x01\x01r\x00", name: "r"},
		{in: "\x01\x00\x01x", err: ErrEmpty},
		{in: "\x05\x01", err: ErrVersion},
	} {
		var name, password string
		n, err := feed(t, []byte(tt.in), func(b []byte) (missing int, err error) {
			name, password, missing, err = ReadPassword(b)
			return missing, err
		})
		if name != tt.name || password != tt.password || err != tt.err || err == nil && n != len(tt.in) {
			t.Errorf("%q: %q %q %v after %d bytes", tt.in, name, password, err, n)
		}
		if err == nil && string(AppendPassword(nil, name, password)) != tt.in {
			t.Errorf("%q is not written back", tt.in)
		}
	}
	if string(AppendPasswordStatus(nil, true)) != "\x01\x00" || string(AppendPasswordStatus(nil, false)) != "\x01\x01" {
		t.Error("status")
	}
}

// The request of XEP-0065, with the hash of its section 5.
const hash = "972b7bf47291ca609517f67f86b5081086052dad"

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want Address
		err  error
	}{
		{name: "bytestream", in: "\x05\x01\x00\x03\x28" + hash + "\x00\x00", want: Address{Name: hash}},
		{name: "IPv4", in: "\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50", want: Address{IP: netip.MustParseAddr("10.0.0.1"), Port: 80}},
		{name: "IPv6", in: "\x05\x01\x00\x04" + string(netip.MustParseAddr("2001:db8::1").AsSlice()) + "\x01\xbb", want: Address{IP: netip.MustParseAddr("2001:db8::1"), Port: 443}},
		{name: "mapped", in: "\x05\x01\x00\x04" + string(netip.MustParseAddr("::ffff:127.0.0.1").AsSlice()) + "\x00\x01", want: Address{IP: netip.MustParseAddr("127.0.0.1"), Port: 1}},
		{name: "empty name", in: "\x05\x01\x00\x03\x00\x00\x00", err: ErrEmpty},
		{name: "unknown type", in: "\x05\x01\x00\x02\x00\x00", err: ErrAddress},
		{name: "version 4", in: "\x04\x01\x00\x03\x00", err: ErrVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Command
			var to Address
			n, err := feed(t, []byte(tt.in), func(b []byte) (missing int, err error) {
				c, to, missing, err = ReadRequest(b)
				return missing, err
			})
			if to != tt.want || err != tt.err {
				t.Errorf("%+v, %v", to, err)
			}
			if err == nil && (c != Connect || n != len(tt.in)) {
				t.Errorf("command %d after %d bytes", c, n)
			}
		})
	}
}

func TestReply(t *testing.T) {
	if got := AppendReply(nil, Succeeded, Address{Name: hash}); string(got) != "\x05\x00\x00\x03\x28"+hash+"\x00\x00" {
		t.Errorf("%q", got)
	}
	if got := AppendReply(nil, NotAllowed, Address{}); string(got) != "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
	if got := AppendReply(nil, Succeeded, Address{IP: netip.MustParseAddr("::1"), Port: 258}); len(got) != 22 || got[21] != 2 {
		t.Errorf("%q", got)
	}
}

// What is read is written back to the same bytes, and nothing more than the message
// is asked for.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x03\x28" + hash + "\x00\x00"))
	f.Add([]byte("\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"))
	f.Add([]byte("\x05\x03\x00\x04aaaaaaaaaaaaaaaa\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for n := 0; ; {
			c, to, missing, err := ReadRequest(b[:n])
			if err != nil {
				return
			}
			if missing == 0 {
				again := AppendRequest(nil, c, to)
				if len(again) > MaxRequest {
					t.Errorf("%d bytes", len(again))
				}
				mapped := n == 22 && to.IP.Is4()
				if b[2] = 0; !mapped && !bytes.Equal(again, b[:n]) {
					t.Errorf("%x is written back as %x", b[:n], again)
				}
				return
			}
			if missing < 0 || n+missing > MaxRequest {
				t.Fatalf("%d bytes missing after %d", missing, n)
			}
			if n += missing; n > len(b) {
				return
			}
		}
	})
}

func FuzzGreetingAndPassword(f *testing.F) {
	f.Add([]byte("\x05\x02\x00\x02"))
	f.Add([]byte("\x01\x05romeo\x06secret"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for n := 0; n <= len(b); {
			methods, missing, err := ReadGreeting(b[:n])
			if err != nil || missing == 0 {
				if err == nil && len(methods)+2 != n {
					t.Errorf("%d methods in %d bytes", len(methods), n)
				}
				break
			}
			n += missing
		}
		for n := 0; n <= len(b); {
			name, password, missing, err := ReadPassword(b[:n])
			if err != nil || missing == 0 {
				if err == nil && !bytes.Equal(AppendPassword(nil, name, password), b[:n]) {
					t.Errorf("%x is not written back", b[:n])
				}
				break
			}
			if n+missing > MaxPassword {
				t.Fatalf("%d bytes missing after %d", missing, n)
			}
			n += missing
		}
	})
}
