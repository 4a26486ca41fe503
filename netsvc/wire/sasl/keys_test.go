package sasl

import (
	"bytes"
	"testing"
)

func TestHash(t *testing.T) {
	tests := []struct {
		hash       Hash
		size       int
		name, plus string
	}{
		{SHA1, 20, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"},
		{SHA256, 32, "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"},
		{SHA512, 64, "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"},
	}
	for _, test := range tests {
		if test.hash.Size() != test.size || test.hash.Mechanism(false) != test.name || test.hash.Mechanism(true) != test.plus {
			t.Errorf("%v: %d %s %s", test.hash, test.hash.Size(), test.hash.Mechanism(false), test.hash.Mechanism(true))
		}
	}
}

// The keys of another author's code, for all hashes.
func TestDeriveLikeOracle(t *testing.T) {
	salt := []byte("0123456789abcdef")
	for hash, function := range oracle {
		client, err := function.NewClientUnprepped("user", "pencil", "")
		if err != nil {
			t.Fatal(err)
		}
		want, err := client.GetStoredCredentialsWithError(factors(salt, 4096))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Derive(hash, "pencil", salt, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.StoredKey, want.StoredKey) || !bytes.Equal(got.ServerKey, want.ServerKey) {
			t.Errorf("%v: the keys differ", hash)
		}
		if !got.Matches(hash, "pencil") || got.Matches(hash, "Pencil") || got.Matches(hash, "") {
			t.Errorf("%v: the wrong password matches, or the right one does not", hash)
		}
	}
}

func TestPreparePassword(t *testing.T) {
	tests := []struct {
		name, in, want string
		err            error
	}{
		// RFC 8265 section 4.3, tables 5 and 6.
		{name: "RFC 8265 example 12", in: "correct horse battery staple", want: "correct horse battery staple"},
		{name: "RFC 8265 example 13", in: "Correct Horse Battery Staple", want: "Correct Horse Battery Staple"},
		{name: "RFC 8265 example 14", in: "\u03c0\u00df\u00e5", want: "\u03c0\u00df\u00e5"},
		{name: "RFC 8265 example 15", in: "Jack of \u2666s", want: "Jack of \u2666s"},
		{name: "RFC 8265 example 16", in: "foo\u1680bar", want: "foo bar"},
		{name: "RFC 8265 example 17", in: "", err: ErrPassword},
		{name: "RFC 8265 example 18", in: "my cat is a \tby", err: ErrPassword},
		{name: "not utf-8", in: "a\xff", err: ErrPassword},
		{name: "not composed", in: "u\u0308", want: "\u00fc"},
		{name: "not folded", in: "\uff21\ufb01", want: "\uff21\ufb01"},
	}
	for _, test := range tests {
		if got, err := PreparePassword(test.in); got != test.want || err != test.err {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
}

func TestNewSalt(t *testing.T) {
	a, b := NewSalt(), NewSalt()
	if len(a) != SaltSize || bytes.Equal(a, b) {
		t.Fatalf("%x %x", a, b)
	}
}

func BenchmarkDerive(b *testing.B) {
	for _, hash := range []Hash{SHA1, SHA256, SHA512} {
		b.Run(hash.String(), func(b *testing.B) {
			for b.Loop() {
				Derive(hash, "pencil", []byte("0123456789abcdef"), DefaultIterations)
			}
		})
	}
}
