package sasl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"linnet/netsvc/wire/jid"
)

// directory is a set of accounts at example.com.
type directory struct {
	keys  map[string]map[Hash]Keys // by local part
	admit map[string]error
	fault error // of every lookup
	asked []Hash
}

func (d *directory) Keys(user jid.JID, hash Hash) (Keys, error) {
	d.asked = append(d.asked, hash)
	if d.fault != nil {
		return Keys{}, d.fault
	}
	if keys, ok := d.keys[user.Local()][hash]; ok && user.Domain() == "example.com" {
		return keys, nil
	}
	return Keys{}, ErrUnknownUser
}

func (d *directory) Admit(user jid.JID) error { return d.admit[user.Local()] }

func (d *directory) add(t testing.TB, user, password string, hashes ...Hash) {
	t.Helper()
	if d.keys == nil {
		d.keys = map[string]map[Hash]Keys{}
	}
	d.keys[user] = map[Hash]Keys{}
	for _, hash := range hashes {
		keys, err := Derive(hash, password, NewSalt(), MinIterations)
		if err != nil {
			t.Fatal(err)
		}
		d.keys[user][hash] = keys
	}
}

func options(d Directory) *Options {
	return &Options{
		Host:       jid.MustParse("example.com"),
		Directory:  d,
		Plain:      true,
		Secret:     []byte("0123456789abcdef"),
		Iterations: MinIterations,
	}
}

// condition returns the SASL condition of an error, "" of none.
func condition(err error) Condition {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Condition
	}
	return "not an *Error"
}

func TestOffer(t *testing.T) {
	bound := []Binding{{TLSExporter, []byte("x")}}
	external := func(jid.JID) (jid.JID, error) { return jid.JID{}, nil }
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"nothing", Options{}, ""},
		{"certificate alone", Options{External: external, Plain: true, Bindings: bound}, "EXTERNAL"},
		{"no encryption", Options{Directory: &directory{}}, "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1"},
		{"encryption", Options{Directory: &directory{}, Plain: true, Bindings: bound},
			"SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"binding required", Options{Directory: &directory{}, Plain: true, Bindings: bound, BindingRequired: true, Hashes: []Hash{SHA256}}, "SCRAM-SHA-256-PLUS"},
		{"binding required, none there", Options{Directory: &directory{}, Plain: true, BindingRequired: true}, ""},
		{"some hashes", Options{Directory: &directory{}, Hashes: []Hash{SHA1, SHA256}, External: external}, "EXTERNAL SCRAM-SHA-256 SCRAM-SHA-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Secret = make([]byte, minSecret)
			names := test.options.Offer()
			if got := strings.Join(names, " "); got != test.want {
				t.Fatalf("offered %s", got)
			}
			// What is offered works, and nothing else does.
			for _, name := range []string{"EXTERNAL", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"} {
				x, err := New(name, &test.options)
				if (err == nil) != slices.Contains(names, name) || err == nil && x.Name() != name {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	open := options(&directory{})
	open.Plain = false
	strict := options(&directory{})
	strict.BindingRequired, strict.Bindings = true, []Binding{{TLSExporter, []byte("x")}}
	careless := options(&directory{})
	careless.Secret = careless.Secret[:minSecret-1]
	tests := []struct {
		name      string
		mechanism string
		options   *Options
		want      Condition
	}{
		{"unknown", "DIGEST-MD5", open, InvalidMechanism},
		{"small letters", "scram-sha-1", open, InvalidMechanism},
		{"empty", "", open, InvalidMechanism},
		{"no certificate", External, open, InvalidMechanism},
		{"no binding", "SCRAM-SHA-1-PLUS", open, InvalidMechanism},
		{"plain in the clear", Plain, open, MechanismTooWeak},
		{"plain where binding is required", Plain, strict, MechanismTooWeak},
		{"scram where binding is required", "SCRAM-SHA-512", strict, MechanismTooWeak},
		{"short secret", "SCRAM-SHA-1", careless, TemporaryAuthFailure},
	}
	for _, test := range tests {
		if x, err := New(test.mechanism, test.options); condition(err) != test.want || x != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPlain(t *testing.T) {
	disabled := &Error{Condition: AccountDisabled}
	d := &directory{admit: map[string]error{"disabled": disabled, "broken": errors.New("disk")}}
	d.add(t, "juliet", "r0m30", SHA1, SHA256, SHA512)
	d.add(t, "disabled", "secret", SHA1)
	d.add(t, "broken", "secret", SHA1)
	d.add(t, "new", "secret", SHA512)
	d.add(t, "m\u00fcller", "\u00fc b", SHA256)
	tests := []struct {
		name, message string
		want          Condition
		identity      string
	}{
		{name: "right", message: "\x00juliet\x00r0m30", identity: "juliet@example.com"},
		{name: "name in capitals", message: "\x00Juliet\x00r0m30", identity: "juliet@example.com"},
		{name: "as herself", message: "juliet@example.com\x00juliet\x00r0m30", identity: "juliet@example.com"},
		{name: "as herself, in capitals", message: "Juliet@EXAMPLE.com\x00juliet\x00r0m30", identity: "juliet@example.com"},
		{name: "keys of one hash only", message: "\x00new\x00secret", identity: "new@example.com"},
		{name: "not composed", message: "\x00mu\u0308ller\x00u\u0308\u00a0b", identity: "m\u00fcller@example.com"},
		{name: "as another", message: "romeo@example.com\x00juliet\x00r0m30", want: InvalidAuthzid},
		{name: "as a resource", message: "juliet@example.com/x\x00juliet\x00r0m30", want: InvalidAuthzid},
		{name: "as a name", message: "juliet\x00juliet\x00r0m30", want: InvalidAuthzid},
		{name: "as nobody valid", message: "@\x00juliet\x00r0m30", want: InvalidAuthzid},
		{name: "wrong password", message: "\x00juliet\x00R0m30", want: NotAuthorized},
		{name: "password that is not allowed", message: "\x00juliet\x00a\tb", want: NotAuthorized},
		{name: "unknown user", message: "\x00romeo\x00r0m30", want: NotAuthorized},
		{name: "name that cannot be", message: "\x00a@b\x00r0m30", want: NotAuthorized},
		{name: "disabled", message: "\x00disabled\x00secret", want: AccountDisabled},
		{name: "disabled, wrong password", message: "\x00disabled\x00wrong", want: NotAuthorized},
		{name: "fault", message: "\x00broken\x00secret", want: TemporaryAuthFailure},
		{name: "empty", message: "", want: MalformedRequest},
		{name: "one zero", message: "juliet\x00r0m30", want: MalformedRequest},
		{name: "three zeros", message: "\x00juliet\x00r0m30\x00", want: MalformedRequest},
		{name: "no name", message: "\x00\x00r0m30", want: MalformedRequest},
		{name: "no password", message: "\x00juliet\x00", want: MalformedRequest},
		{name: "not utf-8", message: "\x00juliet\x00\xff", want: MalformedRequest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x, err := New(Plain, options(d))
			if err != nil {
				t.Fatal(err)
			}
			out, done, err := x.Step([]byte(test.message))
			if condition(err) != test.want || done != (test.want == "") || out != nil {
				t.Fatalf("got %q, %v, %v; want %q", out, done, err, test.want)
			}
			if x.Identity().String() != test.identity {
				t.Fatalf("identity %q", x.Identity())
			}
			if _, _, err := x.Step([]byte(test.message)); condition(err) != MalformedRequest {
				t.Fatalf("a further step: %v", err)
			}
		})
	}
}

// For failed logins to be counted, the name must be known after them.
func TestClaimed(t *testing.T) {
	d := &directory{}
	x, err := New(Plain, options(d))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Step([]byte("\x00Romeo\x00wrong")); condition(err) != NotAuthorized {
		t.Fatal(err)
	}
	if x.Claimed().String() != "romeo@example.com" || !x.Identity().IsZero() {
		t.Fatalf("claimed %q, identity %q", x.Claimed(), x.Identity())
	}
	if want := []Hash{SHA1, SHA256, SHA512}; !slices.Equal(d.asked, want) {
		t.Fatalf("asked for %v", d.asked)
	}
}

func TestSteps(t *testing.T) {
	d := &directory{}
	d.add(t, "juliet", "r0m30", SHA1)
	begin := func() *Exchange {
		x, err := New(Plain, options(d))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}

	x := begin()
	out, done, err := x.Step(nil)
	if out == nil || len(out) != 0 || done || err != nil {
		t.Fatalf("no initial response: %q, %v, %v", out, done, err)
	}
	if _, done, err = x.Step([]byte("\x00juliet\x00r0m30")); !done || err != nil {
		t.Fatalf("after the empty challenge: %v, %v", done, err)
	}

	x = begin()
	x.Step(nil)
	if _, _, err = x.Step(nil); condition(err) != MalformedRequest {
		t.Fatalf("nothing twice: %v", err)
	}

	x = begin()
	if _, _, err = x.Step([]byte("\x00juliet\x00" + strings.Repeat("x", MaxMessage-8))); condition(err) != NotAuthorized {
		t.Fatalf("longest message: %v", err)
	}
	x = begin()
	if _, _, err = x.Step([]byte("\x00juliet\x00" + strings.Repeat("x", MaxMessage-7))); condition(err) != MalformedRequest {
		t.Fatalf("too long a message: %v", err)
	}

	x = begin()
	if err = x.Abort(); condition(err) != Aborted {
		t.Fatalf("abort: %v", err)
	}
	if _, _, err = x.Step([]byte("\x00juliet\x00r0m30")); condition(err) != MalformedRequest {
		t.Fatalf("after abort: %v", err)
	}
}

func TestExternal(t *testing.T) {
	// A certificate for juliet and one more, whose holder has to choose.
	vouch := func(addresses ...string) func(jid.JID) (jid.JID, error) {
		return func(authzid jid.JID) (jid.JID, error) {
			if authzid.IsZero() && len(addresses) == 1 {
				return jid.MustParse(addresses[0]), nil
			}
			if slices.Contains(addresses, authzid.String()) {
				return authzid, nil
			}
			return jid.JID{}, &Error{Condition: InvalidAuthzid}
		}
	}
	tests := []struct {
		name, message string
		external      func(jid.JID) (jid.JID, error)
		want          Condition
		identity      string
	}{
		{name: "nothing asked", external: vouch("juliet@example.com"), identity: "juliet@example.com"},
		{name: "asked", message: "Juliet@example.com", external: vouch("juliet@example.com"), identity: "juliet@example.com"},
		{name: "one of two", message: "b@example.com", external: vouch("a@example.com", "b@example.com"), identity: "b@example.com"},
		{name: "none of two", external: vouch("a@example.com", "b@example.com"), want: InvalidAuthzid},
		{name: "a server", message: "Example.NET", external: vouch("example.net"), identity: "example.net"},
		{name: "another", message: "romeo@example.com", external: vouch("juliet@example.com"), want: InvalidAuthzid},
		{name: "a resource", message: "juliet@example.com/x", external: vouch("juliet@example.com"), want: InvalidAuthzid},
		{name: "a resource, and a certificate good for all", message: "juliet@example.com/x", external: func(as jid.JID) (jid.JID, error) { return as, nil }, want: InvalidAuthzid},
		{name: "no address", message: "@", external: vouch("juliet@example.com"), want: InvalidAuthzid},
		{name: "zero byte", message: "a\x00", external: vouch("juliet@example.com"), want: MalformedRequest},
		{name: "not utf-8", message: "\xff", external: vouch("juliet@example.com"), want: MalformedRequest},
		{name: "nobody", external: func(jid.JID) (jid.JID, error) { return jid.JID{}, nil }, want: NotAuthorized},
		{name: "fault", external: func(jid.JID) (jid.JID, error) { return jid.JID{}, errors.New("disk") }, want: TemporaryAuthFailure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x, err := New(External, &Options{External: test.external})
			if err != nil {
				t.Fatal(err)
			}
			_, done, err := x.Step([]byte(test.message))
			if condition(err) != test.want || done != (test.want == "") || x.Identity().String() != test.identity {
				t.Fatalf("got %v, %v, %q; want %q, %q", done, err, x.Identity(), test.want, test.identity)
			}
		})
	}
}

func TestError(t *testing.T) {
	cause := errors.New("disk")
	err := error(&Error{Condition: TemporaryAuthFailure, Text: "later", Cause: cause})
	if !errors.Is(err, cause) || err.Error() != "sasl: temporary-auth-failure: later: disk" {
		t.Fatal(err)
	}
}

func TestDecode(t *testing.T) {
	long := strings.Repeat("AAAA", (MaxMessage+2)/3)
	tests := []struct {
		name, text string
		initial    bool
		want       string
		null       bool
		err        Condition
	}{
		{name: "no initial response", initial: true, null: true},
		{name: "empty initial response", text: "=", initial: true},
		{name: "empty response", text: ""},
		{name: "empty response as in the first", text: "="},
		{name: "data", text: "AGEAYg==", want: "\x00a\x00b"},
		{name: "initial data", text: "AGEAYg==", initial: true, want: "\x00a\x00b"},
		{name: "longest", text: long, want: strings.Repeat("\x00", len(long)/4*3)},
		{name: "too long", text: long + "AAAA", err: MalformedRequest},
		{name: "no padding", text: "AGEAYg", err: IncorrectEncoding},
		{name: "bits in the padding", text: "AGEAYh==", err: IncorrectEncoding},
		{name: "line break", text: "AGEA\nYg==", err: IncorrectEncoding},
		{name: "other alphabet", text: "__--", err: IncorrectEncoding},
	}
	for _, test := range tests {
		decode := Decode
		if test.initial {
			decode = DecodeInitial
		}
		got, err := decode(test.text)
		if string(got) != test.want || condition(err) != test.err || err == nil && (got == nil) != test.null {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
	if got := Encode([]byte("\x00a\x00b")); got != "AGEAYg==" {
		t.Errorf("encoded as %s", got)
	}
}
