package sasl

import (
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
)

func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
	f.Add("p=tls-exporter,a=us=2Cer@example.com,n=us=2Cer,r=a,x=y", "c=biws,r=a,x=y,p=")
	d := &directory{}
	d.add(f, "user", "pencil", SHA1)
	f.Fuzz(func(t *testing.T, first, final string) {
		if message, err := parseClientFirst(first); err == nil {
			if message.header+message.bare != first {
				t.Fatalf("%q was cut to %q and %q", first, message.header, message.bare)
			}
			// The proof covers the message as it came, so what we understood
			// must be all that it says.
			name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(message.user)
			if !strings.HasPrefix(message.bare, "n="+name+",r="+message.nonce) {
				t.Fatalf("%q was read as %q, %q", first, message.user, message.nonce)
			}
		}
		if message, err := parseClientFinal(final); err == nil && !strings.HasPrefix(final, message.withoutProof+",p=") {
			t.Fatalf("%q was cut to %q", final, message.withoutProof)
		}
		for _, plus := range []bool{false, true} {
			o := options(d)
			if plus {
				o.Bindings = []Binding{{TLSExporter, []byte("data")}}
			}
			x, err := New(SHA1.Mechanism(plus), o)
			if err != nil {
				t.Fatal(err)
			}
			_, done, err := x.Step([]byte(first))
			if done {
				t.Fatalf("done after %q", first)
			}
			if err != nil {
				continue
			}
			// Nobody can guess our nonce.
			if _, done, err := x.Step([]byte(final)); done || err == nil {
				t.Fatalf("%q: authenticated as %q", final, x.Identity())
			}
		}
	})
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x00user\x00pencil"))
	f.Add([]byte("user@example.com\x00User\x00pencil"))
	d := &directory{}
	d.add(f, "user", "pencil", SHA1)
	for hash, keys := range d.keys["user"] {
		// Of low cost, since only fuzzing looks at them.
		keys, err := derive(hash, "pencil", keys.Salt, 1)
		if err != nil {
			f.Fatal(err)
		}
		d.keys["user"][hash] = keys
	}
	o := options(d)
	o.Iterations = 1
	user := jid.MustParse("user@example.com")
	f.Fuzz(func(t *testing.T, message []byte) {
		x, err := New(Plain, o)
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := x.Step(message)
		if done != (err == nil) || done != (x.Identity() == user) {
			t.Fatalf("%q: %v, %v, %q", message, done, err, x.Identity())
		}
		if password, err := PreparePassword(string(message[strings.LastIndexByte(string(message), 0)+1:])); done && (err != nil || password != "pencil") {
			t.Fatalf("%q: authenticated", message)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("AGEAYg==")
	f.Add("=")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := Decode(text)
		if err == nil && text != "=" && Encode(data) != text {
			t.Fatalf("%q became %q", text, Encode(data))
		}
	})
}
