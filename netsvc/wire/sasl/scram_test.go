package sasl

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVectors(t *testing.T) {
	tests := []struct {
		source, nonce, salt        string
		hash                       Hash
		first, answer, final, last string
	}{
		{
			source: "RFC 5802 section 5", hash: SHA1, nonce: "3rfcNHYJY1ZVvWVs7j", salt: "QSXCR+Q6sek8bf92",
			first:  "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			answer: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			final:  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			last:   "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			source: "RFC 7677 section 3", hash: SHA256, nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
			first:  "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			answer: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			final:  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			last:   "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	}
	for _, test := range tests {
		t.Run(test.source, func(t *testing.T) {
			keys, err := Derive(test.hash, "pencil", unbase64(t, test.salt), 4096)
			if err != nil {
				t.Fatal(err)
			}
			d := &directory{keys: map[string]map[Hash]Keys{"user": {test.hash: keys}}}
			x, err := New(test.hash.Mechanism(false), options(d))
			if err != nil {
				t.Fatal(err)
			}
			x.machine.(*scramMachine).nonce = test.nonce
			out, done, err := x.Step([]byte(test.first))
			if string(out) != test.answer || done || err != nil {
				t.Fatalf("first: %q, %v, %v", out, done, err)
			}
			out, done, err = x.Step([]byte(test.final))
			if string(out) != test.last || !done || err != nil {
				t.Fatalf("final: %q, %v, %v", out, done, err)
			}
			if x.Identity().String() != "user@example.com" {
				t.Fatalf("identity %q", x.Identity())
			}
		})
	}
}

// The client, and the functions that make one, are of another author.
var oracle = map[Hash]scram.HashGeneratorFcn{SHA1: scram.SHA1, SHA256: scram.SHA256, SHA512: scram.SHA512}

func binding(kind string) scram.ChannelBinding {
	return scram.ChannelBinding{Type: scram.ChannelBindingType(kind), Data: []byte("data of " + kind)}
}

// converse lets the oracle's client talk to an exchange until one of them ends
// it. It reports whether the client is content with the server.
func converse(t *testing.T, x *Exchange, client *scram.ClientConversation) (content bool, err error) {
	t.Helper()
	challenge := ""
	for {
		response, err := client.Step(challenge)
		if err != nil {
			t.Fatalf("the client gives up: %v", err)
		}
		out, done, err := x.Step([]byte(response))
		if err != nil {
			return false, err
		}
		if done {
			_, err := client.Step(string(out))
			return err == nil && client.Valid(), nil
		}
		challenge = string(out)
	}
}

func TestOracle(t *testing.T) {
	d := &directory{admit: map[string]error{"disabled": &Error{Condition: AccountDisabled}}}
	d.add(t, "juliet", "r0m30 \u00fc", SHA1, SHA256, SHA512)
	d.add(t, "a=b,c", "secret", SHA1, SHA256, SHA512)
	d.add(t, "disabled", "secret", SHA1, SHA256, SHA512)
	tests := []struct {
		name                    string
		user, password, authzid string
		plus                    bool
		offered                 []string // bindings of the server
		client                  string   // binding of the client, "y" for one that saw none
		want                    Condition
	}{
		{name: "plain", user: "juliet", password: "r0m30 \u00fc"},
		{name: "as herself", user: "juliet", password: "r0m30 \u00fc", authzid: "juliet@example.com"},
		{name: "as another", user: "juliet", password: "r0m30 \u00fc", authzid: "romeo@example.com", want: InvalidAuthzid},
		{name: "escaped name", user: "a=b,c", password: "secret"},
		{name: "wrong password", user: "juliet", password: "R0m30", want: NotAuthorized},
		{name: "unknown user", user: "romeo", password: "r0m30", want: NotAuthorized},
		{name: "disabled", user: "disabled", password: "secret", want: AccountDisabled},
		{name: "disabled, wrong password", user: "disabled", password: "wrong", want: NotAuthorized},
		{name: "exporter", user: "juliet", password: "r0m30 \u00fc", plus: true, offered: []string{TLSExporter, TLSServerEndPoint}, client: TLSExporter},
		{name: "end point", user: "juliet", password: "r0m30 \u00fc", plus: true, offered: []string{TLSExporter, TLSServerEndPoint}, client: TLSServerEndPoint},
		{name: "binding, wrong password", user: "juliet", password: "wrong", plus: true, offered: []string{TLSExporter}, client: TLSExporter, want: NotAuthorized},
		{name: "binding not offered", user: "juliet", password: "r0m30 \u00fc", plus: true, offered: []string{TLSServerEndPoint}, client: TLSExporter, want: MalformedRequest},
		{name: "tls-unique", user: "juliet", password: "r0m30 \u00fc", plus: true, offered: []string{TLSExporter}, client: "tls-unique", want: MalformedRequest},
		{name: "client cannot bind", user: "juliet", password: "r0m30 \u00fc", offered: []string{TLSExporter}},
		{name: "client saw none, and there is none", user: "juliet", password: "r0m30 \u00fc", client: "y"},
		{name: "client saw none, but there is: downgrade", user: "juliet", password: "r0m30 \u00fc", offered: []string{TLSExporter}, client: "y", want: MalformedRequest},
		{name: "binding in the mechanism without", user: "juliet", password: "r0m30 \u00fc", offered: []string{TLSExporter}, client: TLSExporter, want: MalformedRequest},
		{name: "no binding in the mechanism with", user: "juliet", password: "r0m30 \u00fc", plus: true, offered: []string{TLSExporter}, want: MalformedRequest},
	}
	for _, test := range tests {
		for hash, function := range oracle {
			t.Run(test.name+"/"+hash.String(), func(t *testing.T) {
				client, err := function.NewClient(test.user, test.password, test.authzid)
				if err != nil {
					t.Fatal(err)
				}
				var conversation *scram.ClientConversation
				switch test.client {
				case "":
					conversation = client.NewConversation()
				case "y":
					conversation = client.NewConversationAdvertisingChannelBinding()
				default:
					conversation = client.NewConversationWithChannelBinding(binding(test.client))
				}
				o := options(d)
				for _, kind := range test.offered {
					o.Bindings = append(o.Bindings, Binding{kind, binding(kind).Data})
				}
				x, err := New(hash.Mechanism(test.plus), o)
				if err != nil {
					t.Fatal(err)
				}
				content, err := converse(t, x, conversation)
				if condition(err) != test.want || content != (test.want == "") {
					t.Fatalf("client content: %v, %v; want %q", content, err, test.want)
				}
				want := ""
				if test.want == "" {
					want = test.user + "@example.com"
				}
				if x.Identity().String() != want {
					t.Fatalf("identity %q, want %q", x.Identity(), want)
				}
			})
		}
	}
}

// Somebody between the two has a channel to each, with other data.
func TestBindingOfAnotherChannel(t *testing.T) {
	d := &directory{}
	d.add(t, "juliet", "r0m30", SHA256)
	client, err := scram.SHA256.NewClient("juliet", "r0m30", "")
	if err != nil {
		t.Fatal(err)
	}
	o := options(d)
	o.Bindings = []Binding{{TLSExporter, []byte("data of another channel")}}
	x, err := New(SHA256.Mechanism(true), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := converse(t, x, client.NewConversationWithChannelBinding(binding(TLSExporter))); condition(err) != NotAuthorized {
		t.Fatal(err)
	}
}

// challenge returns salt and count that the server shows for a name.
func challenge(t *testing.T, o *Options, hash Hash, user string) (salt, count string) {
	t.Helper()
	x, err := New(hash.Mechanism(false), o)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := x.Step([]byte("n,,n=" + user + ",r=abc"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(out), ",")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "r=abc") || len(parts[0]) <= len("r=abc") {
		t.Fatalf("challenge %q", out)
	}
	return parts[1], parts[2]
}

func TestUnknownUserLooksKnown(t *testing.T) {
	d := &directory{}
	d.add(t, "juliet", "r0m30", SHA1, SHA256, SHA512)
	o, other := options(d), options(d)
	other.Secret = []byte("another secret of another server")
	for _, hash := range []Hash{SHA1, SHA256, SHA512} {
		salt, count := challenge(t, o, hash, "juliet")
		fake, fakeCount := challenge(t, o, hash, "romeo")
		if len(fake) != len(salt) || fakeCount != count {
			t.Errorf("%v: %s %s is not like %s %s", hash, fake, fakeCount, salt, count)
		}
		if again, _ := challenge(t, o, hash, "Romeo"); again != fake {
			t.Errorf("%v: the salt changed from %s to %s", hash, fake, again)
		}
		if tybalt, _ := challenge(t, o, hash, "tybalt"); tybalt == fake {
			t.Errorf("%v: two users have the salt %s", hash, fake)
		}
		if elsewhere, _ := challenge(t, other, hash, "romeo"); elsewhere == fake {
			t.Errorf("%v: the salt does not depend on the secret", hash)
		}
	}
	sha1, _ := challenge(t, o, SHA1, "romeo")
	if sha256, _ := challenge(t, o, SHA256, "romeo"); sha256 == sha1 {
		t.Error("two hashes have one salt")
	}
	o.Iterations = 0
	if _, count := challenge(t, o, SHA1, "romeo"); count != "i=10000" {
		t.Errorf("default count %s", count)
	}
}

func TestFirstMessage(t *testing.T) {
	d := &directory{}
	d.add(t, "user", "pencil", SHA1)
	tests := []struct {
		name, message string
		want          Condition
	}{
		{"right", "n,,n=user,r=abc", ""},
		{"authzid", "n,a=user@example.com,n=user,r=abc", ""},
		{"escaped authzid", "n,a=us=2Cer@example.com,n=us=2Cer,r=abc", ""},
		{"extension", "n,,n=user,r=abc,x=1,y=a=b", ""},
		{"bad extension", "n,,n=user,r=abc,x", MalformedRequest},
		{"extension without a value", "n,,n=user,r=abc,x=", MalformedRequest},
		{"extension without a name", "n,,n=user,r=abc,1=2", MalformedRequest},
		{"trailing comma", "n,,n=user,r=abc,", MalformedRequest},
		{"mandatory extension", "n,,m=x,n=user,r=abc", MalformedRequest},
		{"empty", "", MalformedRequest},
		{"commas", ",,,", MalformedRequest},
		{"unknown flag", "x,,n=user,r=abc", MalformedRequest},
		{"no flag", ",,n=user,r=abc", MalformedRequest},
		{"flag in capitals", "N,,n=user,r=abc", MalformedRequest},
		{"empty type", "p=,,n=user,r=abc", MalformedRequest},
		{"bad type", "p=tls unique,,n=user,r=abc", MalformedRequest},
		{"authzid without its letter", "n,user,n=user,r=abc", MalformedRequest},
		{"empty authzid", "n,a=,n=user,r=abc", MalformedRequest},
		{"no name", "n,,n=,r=abc", MalformedRequest},
		{"name without its letter", "n,,user,r=abc", MalformedRequest},
		{"equals sign in the name", "n,,n=us=er,r=abc", MalformedRequest},
		{"small escape", "n,,n=us=2cer,r=abc", MalformedRequest},
		{"escape cut off", "n,,n=us=2,r=abc", MalformedRequest},
		{"zero byte in the name", "n,,n=us\x00er,r=abc", MalformedRequest},
		{"not utf-8", "n,,n=us\xffer,r=abc", MalformedRequest},
		{"no nonce", "n,,n=user", MalformedRequest},
		{"empty nonce", "n,,n=user,r=", MalformedRequest},
		{"space in the nonce", "n,,n=user,r=a b", MalformedRequest},
		{"nonce beyond ascii", "n,,n=user,r=\u00e4", MalformedRequest},
		{"name that cannot be", "n,,n=a@b,r=abc", NotAuthorized},
	}
	for _, test := range tests {
		x, err := New("SCRAM-SHA-1", options(d))
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Step([]byte(test.message)); condition(err) != test.want || done {
			t.Errorf("%s: %v, %v; want %q", test.name, done, err, test.want)
		}
	}
}

func TestFinalMessage(t *testing.T) {
	d := &directory{}
	salt := unbase64(t, "QSXCR+Q6sek8bf92")
	keys, err := Derive(SHA1, "pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	d.keys = map[string]map[Hash]Keys{"user": {SHA1: keys}}
	// RFC 5802 section 5, and what becomes of it.
	const nonce, proof = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
	tests := []struct {
		name, message string
		want          Condition
	}{
		{"right", "c=biws," + nonce + "," + proof, ""},
		{"extension that the proof does not cover", "c=biws," + nonce + ",x=1," + proof, NotAuthorized},
		{"another header", "c=eSws," + nonce + "," + proof, NotAuthorized},
		{"another nonce", "c=biws," + nonce + "x," + proof, NotAuthorized},
		{"the client's nonce", "c=biws,r=fyko+d2lbbFgONRv9qkxdawL," + proof, NotAuthorized},
		{"another proof", "c=biws," + nonce + ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=", MalformedRequest},
		{"a proof of zeros", "c=biws," + nonce + ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", NotAuthorized},
		{"short proof", "c=biws," + nonce + ",p=v0X8", NotAuthorized},
		{"empty proof", "c=biws," + nonce + ",p=", NotAuthorized},
		{"no proof", "c=biws," + nonce, MalformedRequest},
		{"proof without padding", "c=biws," + nonce + ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts", MalformedRequest},
		{"proof not last", "c=biws," + nonce + "," + proof + ",x=1", MalformedRequest},
		{"line break in the proof", "c=biws," + nonce + ",p=v0X8v3Bz2T0CJG\nbJQyF0X+HI4Ts=", MalformedRequest},
		{"bad binding", "c=!," + nonce + "," + proof, MalformedRequest},
		{"no binding", nonce + "," + proof, MalformedRequest},
		{"no nonce", "c=biws," + proof, MalformedRequest},
		{"empty", "", MalformedRequest},
		{"not utf-8", "c=biws," + nonce + ",x=\xff," + proof, MalformedRequest},
	}
	for _, test := range tests {
		x, err := New("SCRAM-SHA-1", options(d))
		if err != nil {
			t.Fatal(err)
		}
		x.machine.(*scramMachine).nonce = "3rfcNHYJY1ZVvWVs7j"
		if _, _, err := x.Step([]byte("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")); err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Step([]byte(test.message)); condition(err) != test.want || done != (test.want == "") {
			t.Errorf("%s: %v, %v; want %q", test.name, done, err, test.want)
		}
	}
}

// The nonce is ours, also where the proof is right for another one.
func TestAnotherNonceProven(t *testing.T) {
	d := &directory{}
	d.add(t, "user", "pencil", SHA256)
	for _, test := range []struct {
		name  string
		nonce func(string) string
		want  Condition
	}{
		{"ours", func(s string) string { return s }, ""},
		{"longer", func(s string) string { return s + "x" }, NotAuthorized},
		{"the client's part of it", func(string) string { return "r=abc" }, NotAuthorized},
	} {
		x, err := New(SHA256.Mechanism(false), options(d))
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := x.Step([]byte("n,,n=user,r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(string(out), ",")
		final := "c=biws," + test.nonce(nonce)
		keys := d.keys["user"][SHA256]
		salted, err := pbkdf2.Key(sha256.New, "pencil", keys.Salt, keys.Iterations, SHA256.Size())
		if err != nil {
			t.Fatal(err)
		}
		proof := SHA256.mac(salted, "Client Key")
		subtle.XORBytes(proof, proof, SHA256.mac(keys.StoredKey, "n=user,r=abc,"+string(out)+","+final))
		final += ",p=" + base64.StdEncoding.EncodeToString(proof)
		if _, done, err := x.Step([]byte(final)); condition(err) != test.want || done != (test.want == "") {
			t.Errorf("%s: %v, %v; want %q", test.name, done, err, test.want)
		}
	}
}

func TestFaults(t *testing.T) {
	first := []byte("n,,n=user,r=abc")
	for _, test := range []struct {
		name  string
		fault error
		want  Condition
	}{
		{"store", errors.New("disk"), TemporaryAuthFailure},
		{"own condition", &Error{Condition: CredentialsExpired}, CredentialsExpired},
	} {
		x, err := New("SCRAM-SHA-1", options(&directory{fault: test.fault}))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.Step(first); condition(err) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	o := options(&directory{})
	o.Random = io.LimitReader(bytes.NewReader(make([]byte, 100)), nonceSize-1)
	x, err := New("SCRAM-SHA-1", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Step(first); condition(err) != TemporaryAuthFailure {
		t.Errorf("no randomness: %v", err)
	}
}

func factors(salt []byte, iterations int) scram.KeyFactors {
	return scram.KeyFactors{Salt: string(salt), Iters: iterations}
}
