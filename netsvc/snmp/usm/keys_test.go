package usm

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gosnmp/gosnmp"
)

// RFC 3414 appendix A.3.2 (SHA) with its engine and pass-phrase; the extended keys of A.3 do not exist in an RFC:
// those are from the drafts' algorithms, computed by hand (sha1 twice, appended) and held against net-snmp by the
// interop tests.
func TestLocalizeVectors(t *testing.T) {
	engine, _ := hex.DecodeString("000000000000000000000002")
	keys, err := Localize(SHA1, AES128, "maplesyrup", "maplesyrup", engine)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(keys.Auth), "6695febc9288e36282235fc7151f128497b38f3f"; got != want {
		t.Errorf("localised key %s, RFC 3414 A.3.2 has %s", got, want)
	}
	if got, want := hex.EncodeToString(keys.Priv), "6695febc9288e36282235fc7151f1284"; got != want {
		t.Errorf("localised key of 16 bytes %s, want %s", got, want)
	}
}

func TestLocalize(t *testing.T) {
	engine := []byte("\x80\x00\x1f\x88\x05abcdefghijkl")
	for a := SHA1; a <= SHA512; a++ {
		for p := NoPriv; p <= AES256C; p++ {
			keys, err := Localize(a, p, "auth secret", "priv secret", engine)
			if err != nil || !keys.Fit(a, p) {
				t.Errorf("%s %s: %d and %d bytes, %v", a, p, len(keys.Auth), len(keys.Priv), err)
			}
			if p != AES128 {
				continue
			}
			// What gosnmp makes of AES-128 without our short cut.
			sp := gosnmp.UsmSecurityParameters{AuthoritativeEngineID: string(engine), AuthenticationProtocol: auths[a].gosnmp,
				AuthenticationPassphrase: "auth secret", PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: "priv secret"}
			if err := sp.InitSecurityKeys(); err != nil || !bytes.Equal(sp.PrivacyKey, keys.Priv) {
				t.Errorf("%s: the key of AES-128 is another one than gosnmp's: %v", a, err)
			}
		}
	}
	for _, tc := range []struct {
		a                      Auth
		p                      Priv
		authSecret, privSecret string
	}{
		{NoAuth, AES128, "12345678", "12345678"},
		{SHA1, NoPriv, "1234567", ""},
		{SHA1, AES128, "12345678", "1234567"},
	} {
		if _, err := Localize(tc.a, tc.p, tc.authSecret, tc.privSecret, engine); err == nil {
			t.Errorf("%+v is taken", tc)
		}
	}
	if keys, err := Localize(NoAuth, NoPriv, "", "", engine); err != nil || !keys.Fit(NoAuth, NoPriv) {
		t.Errorf("nobody's keys: %v", err)
	}
	if len(AuthNames) != len(auths) || len(PrivNames) != len(privs) {
		t.Error("names and algorithms differ in number")
	}
}

func user(t testing.TB, a Auth, p Priv) *User {
	t.Helper()
	keys := Keys{Auth: bytes.Repeat([]byte{7}, auths[a].key), Priv: bytes.Repeat([]byte{9}, privs[p].key)}
	u, err := NewUser("u", a, p, keys)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSign(t *testing.T) {
	for a := SHA1; a <= SHA512; a++ {
		u := user(t, a, NoPriv)
		message := append(append([]byte("head"), make([]byte, a.MACSize())...), "tail"...)
		plain := bytes.Clone(message)
		u.Sign(message, 4)
		if bytes.Equal(message, plain) {
			t.Fatalf("%s: nothing was written", a)
		}
		signed := bytes.Clone(message)
		if !u.Verify(message, 4) || !bytes.Equal(message, plain) {
			t.Errorf("%s: not verified", a)
		}
		for i := range signed {
			bad := bytes.Clone(signed)
			bad[i] ^= 1
			if u.Verify(bad, 4) {
				t.Errorf("%s: byte %d may be changed", a, i)
			}
		}
		if u.Verify(bytes.Clone(signed), 5) || u.Verify(bytes.Clone(signed), -1) || u.Verify(signed[:10], 4) {
			t.Errorf("%s: a code elsewhere is verified", a)
		}
	}
	if user(t, NoAuth, NoPriv).Verify(make([]byte, 10), 0) {
		t.Error("a user without keys verifies")
	}
	if _, err := NewUser("u", SHA1, AES128, Keys{Auth: make([]byte, 20), Priv: make([]byte, 15)}); err == nil {
		t.Error("a key of 15 bytes is taken")
	}
}

// The standard library's CFB mode is the oracle.
func TestEncrypt(t *testing.T) {
	for p := AES128; p <= AES256C; p++ {
		u := user(t, SHA1, p)
		for _, size := range []int{0, 1, 15, 16, 17, 32, 100} {
			plain := []byte(strings.Repeat("x", size))
			b := bytes.Clone(plain)
			salt := [SaltSize]byte{1, 2, 3, 4, 5, 6, 7, 8}
			u.Encrypt(b, 5, 600, salt)
			if want := oracle(t, u, plain, 5, 600, salt); !bytes.Equal(b, want) {
				t.Errorf("%s: %d bytes become % x, want % x", p, size, b, want)
			}
			u.Decrypt(b, 5, 600, salt[:])
			if !bytes.Equal(b, plain) {
				t.Errorf("%s: %d bytes do not come back", p, size)
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	u := user(t, SHA256, AES128)
	message := make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() {
		u.Encrypt(message[100:], 1, 2, [SaltSize]byte{})
		u.Sign(message, 20)
		u.Verify(message, 20)
		u.Decrypt(message[100:], 1, 2, message[:8])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	u := user(b, SHA1, AES128)
	message := make([]byte, 120)
	b.ReportAllocs()
	for b.Loop() {
		u.Decrypt(message[60:], 1, 2, message[:8])
		u.Verify(message, 20)
		u.Encrypt(message[60:], 1, 2, [SaltSize]byte{})
		u.Sign(message, 20)
	}
}
