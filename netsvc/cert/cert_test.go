package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

// clock is a wall clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// selfSigned writes a certificate for the names and its key, and returns the
// PEM of both.
func selfSigned(t *testing.T, from, to time.Time, names ...string) (chain, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, k, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    from, NotAfter: to, DNSNames: names,
	})
}

func signed(t *testing.T, k any, template *x509.Certificate) (chain, key []byte) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.(crypto.Signer).Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	chain, key := selfSigned(t, today, today.AddDate(1, 0, 0), "example.org")
	_, otherKey := selfSigned(t, today, today.AddDate(1, 0, 0), "example.org")
	k, _ := rsa.GenerateKey(rand.Reader, 2048)
	rsaChain, _ := signed(t, k, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: today, DNSNames: []string{"r"}})
	rsaKey := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")})

	for _, c := range []struct {
		name       string
		chain, key []byte
		fault      string // part of the error, "" = loads
	}{
		{name: "good", chain: chain, key: key},
		{name: "rsa in PKCS #1", chain: rsaChain, key: rsaKey},
		{name: "both in one file", chain: slices.Concat(key, chain), key: slices.Concat(key, chain)},
		{name: "parameters before the key", chain: chain, key: slices.Concat(parameters, key)},
		{name: "key of another certificate", chain: chain, key: otherKey, fault: "does not belong"},
		{name: "swapped", chain: key, key: chain, fault: "swapped"},
		{name: "no key", chain: chain, key: chain, fault: "swapped"},
		{name: "empty certificate", chain: nil, key: key, fault: "no PEM block"},
		{name: "empty key", chain: chain, key: nil, fault: "no PEM block"},
		{name: "damaged certificate", chain: damaged, key: key, fault: "damaged"},
		{name: "damaged intermediate", chain: slices.Concat(chain, damaged), key: key, fault: "certificate 2 is damaged"},
		{name: "passphrase", chain: chain, key: encrypted, fault: "passphrase"},
		{name: "parameters alone", chain: chain, key: parameters, fault: "no private key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cf, kf := write(t, dir, "cert.pem", c.chain), write(t, dir, "key.pem", c.key)
			got, err := Load(cf, kf)
			switch {
			case c.fault == "" && err != nil:
				t.Fatal(err)
			case c.fault == "" && (got.Leaf == nil || got.PrivateKey == nil):
				t.Fatal("leaf or key is missing")
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Fatalf("got error %v, want one with %q", err, c.fault)
			case c.fault != "" && !strings.Contains(err.Error(), dir):
				t.Fatalf("the error names no file: %v", err)
			}
		})
	}
}

func TestLoadNamesWhatIsWrongWithAFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, file, fault string }{
		{"none", "", "must both be given"},
		{"missing", filepath.Join(dir, "none.pem"), "does not exist"},
		{"directory", dir, "is a directory"},
		{"too large", write(t, dir, "large.pem", make([]byte, maxFile+1)), "that large"},
	} {
		if _, err := Load(c.file, c.file); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q in it", c.name, err, c.fault)
		}
	}
}

func TestCheck(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this build makes no weak keys:", err)
	}
	make := func(from, to time.Time, names ...string) func() ([]byte, []byte) {
		return func() ([]byte, []byte) { return selfSigned(t, from, to, names...) }
	}
	year := today.AddDate(1, 0, 0)
	for _, c := range []struct {
		name    string
		pair    func() ([]byte, []byte)
		domains []string
		now     time.Time
		want    []string
	}{
		{name: "good", pair: make(built, year, "example.org"), domains: []string{"example.org"}, now: today},
		{name: "wildcard", pair: make(built, year, "*.example.org"), domains: []string{"chat.example.org"}, now: today},
		{name: "international", pair: make(built, year, "xn--bcher-kva.example"), domains: []string{"bücher.example"}, now: today},
		{name: "other host", pair: make(built, year, "example.org"), domains: []string{"example.org", "example.net"}, now: today, want: []string{"does not cover example.net"}},
		{name: "expired", pair: make(built, today.AddDate(0, 0, -1), "a.example"), domains: []string{"a.example"}, now: today, want: []string{"expired on 2026-05-31"}},
		{name: "expires", pair: make(built, today.AddDate(0, 0, 10), "a.example"), domains: []string{"a.example"}, now: today, want: []string{"expires on"}},
		{name: "future", pair: make(today.AddDate(0, 1, 0), year, "a.example"), domains: []string{"a.example"}, now: today, want: []string{"check the clock"}},
		{name: "clock unset", pair: make(built, today.AddDate(-1, 0, 0), "a.example"), domains: []string{"a.example"}},
		{name: "weak key", pair: func() ([]byte, []byte) {
			return signed(t, weak, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: built, NotAfter: year, DNSNames: []string{"a.example"}})
		}, domains: []string{"a.example"}, now: today, want: []string{"1024 bits"}},
		{name: "foreign chain", pair: func() ([]byte, []byte) {
			chain, key := selfSigned(t, built, year, "a.example")
			more, _ := selfSigned(t, built, year, "b.example")
			return slices.Concat(chain, more), key
		}, domains: []string{"a.example"}, now: today, want: []string{"out of order"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pair, err := Parse(c.pair())
			if err != nil {
				t.Skip("this build reads no weak keys:", err)
			}
			got := Check(pair, c.domains, c.now)
			if len(got) != len(c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("got %q, want %q in it", got[i], c.want[i])
				}
			}
		})
	}
}

func TestAuthority(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "cert"))
	a, err := OpenAuthority(dir, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(string(dir), authorityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: mode %v, error %v", info.Mode(), err)
	}
	if info, _ := os.Stat(string(dir)); info.Mode().Perm() != 0o700 {
		t.Fatalf("directory: mode %v", info.Mode())
	}
	again, err := OpenAuthority(dir, "another name")
	if err != nil || again.Fingerprint() != a.Fingerprint() {
		t.Fatalf("a second start made another CA: %v", err)
	}
	if len(a.Fingerprint()) != 32*3-1 {
		t.Errorf("fingerprint %q", a.Fingerprint())
	}
	if pair, err := Parse(a.PEM(), a.PEM()); err == nil {
		t.Errorf("PEM gives the key away: %v", pair)
	}
	if err := os.WriteFile(filepath.Join(string(dir), authorityFile), []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir, "x"); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("damaged CA: %v", err)
	}
}

// Who removes the local CA gets new leaves with the new one: those of the old one are
// trusted by nobody.
func TestLeafOfAnAuthorityThatIsGone(t *testing.T) {
	vault := Memory{}
	options := Options{Domains: []string{"example.org"}, Vault: vault}
	k, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	old := k.Current()
	delete(vault, authorityFile)
	if k, err = Open(options); err != nil {
		t.Fatal(err)
	}
	now := k.Current()
	if now.Authority().Fingerprint() == old.Authority().Fingerprint() {
		t.Fatal("the CA is the same")
	}
	if err := now.Leaf("example.org").CheckSignatureFrom(now.Authority().Certificate); err != nil {
		t.Error(err)
	}
}

func TestDirMakesALooseFilePrivate(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "a.pem", []byte("x"))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Dir(dir).Read("a.pem"); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := Dir(dir).Read("b.pem"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestLeafNames(t *testing.T) {
	a, err := OpenAuthority(Memory{}, "x")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	lan := []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("fd00::1")}
	for _, c := range []struct {
		name, domain string
		covers       []string
		xmpp         string
		srv          []string
	}{
		{name: "host", domain: "example.org", covers: []string{"example.org", "192.168.1.1", "fd00::1"}, xmpp: "example.org",
			srv: []string{"_xmpp-client.example.org", "_xmpp-server.example.org"}},
		{name: "international", domain: "bücher.example", covers: []string{"xn--bcher-kva.example"}, xmpp: "bücher.example",
			srv: []string{"_xmpp-client.xn--bcher-kva.example", "_xmpp-server.xn--bcher-kva.example"}},
		{name: "address", domain: "[2001:db8::1]", covers: []string{"2001:db8::1", "192.168.1.1"}, xmpp: "[2001:db8::1]"},
		{name: "long", domain: strings.Repeat("a.", 120) + "example", covers: []string{strings.Repeat("a.", 120) + "example"}, xmpp: strings.Repeat("a.", 120) + "example",
			srv: []string{"_xmpp-client." + strings.Repeat("a.", 120) + "example", "_xmpp-server." + strings.Repeat("a.", 120) + "example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf, err := a.leaf(c.domain, lan, today, DefaultLife)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range c.covers {
				if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: today}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			n := NamesOf(leaf.Leaf)
			if !slices.Equal(n.XMPP, []string{c.xmpp}) || !slices.Equal(n.SRV, c.srv) {
				t.Errorf("got %+v", n)
			}
			if !Covers(leaf.Leaf, c.domain) || Covers(leaf.Leaf, "other.example") {
				t.Error("Covers is wrong")
			}
		})
	}
}

func TestLeafFile(t *testing.T) {
	for _, c := range []struct {
		domain, want string
		undated      bool
	}{
		{domain: "example.org", want: "example.org.leaf.pem"},
		{domain: "example.org", undated: true, want: "example.org.undated.pem"},
		{domain: "../../etc/passwd", want: "_2e._2f.._2fetc_2fpasswd.leaf.pem"},
		{domain: "[::1]", want: "_5b_3a_3a1_5d.leaf.pem"},
		{domain: strings.Repeat("x", 300), want: "e4cef57ab2a5a53d6d78f3cf3d6c9b43.leaf.pem"},
	} {
		got := leafFile(c.domain, c.undated)
		if len(c.domain) == 300 {
			if len(got) > 100 {
				t.Errorf("%d characters", len(got))
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.domain, got, c.want)
		}
		if strings.ContainsAny(got, "/") || strings.HasPrefix(got, ".") {
			t.Errorf("%s: unsafe name %s", c.domain, got)
		}
	}
}

// settle lets a renewal that Current started end.
func settle(k *Keeper) *Set {
	k.Current()
	synctest.Wait()
	return k.Current()
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{at: today}
		v := Memory{}
		o := Options{Domains: []string{"example.org", "example.net"}, Vault: v, Now: c.now, Built: built}
		k, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		first := k.Current().Leaf("example.org")
		same := func(what string, want bool) {
			t.Helper()
			if got := settle(k).Leaf("example.org").Equal(first); got != want {
				t.Fatalf("%s: same certificate %v, want %v", what, got, want)
			}
		}
		c.at = today.Add(19 * 24 * time.Hour)
		same("before two thirds", true)
		again, err := Open(o)
		if err != nil || !again.Current().Leaf("example.org").Equal(first) {
			t.Fatalf("a restart made another certificate: %v", err)
		}
		c.at = today.Add(21 * 24 * time.Hour)
		same("after two thirds", false)
		second := k.Current().Leaf("example.org")
		if second.NotAfter.Sub(c.at) != DefaultLife {
			t.Errorf("the new one ends on %v", second.NotAfter)
		}
		first = second
		c.at = c.at.Add(-48 * time.Hour)
		same("the clock went back before its start", false)
	})
}

func TestClockUnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{at: time.Unix(100, 0)}
		o := Options{Domains: []string{"example.org"}, Vault: Memory{}, Now: c.now, Built: built}
		k, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		undated := k.Current().Leaf("example.org")
		if !undated.NotBefore.Equal(longStart) || !undated.NotAfter.Equal(longEnd) {
			t.Fatalf("valid from %v to %v", undated.NotBefore, undated.NotAfter)
		}
		c.at = c.at.Add(100 * 24 * time.Hour)
		if !settle(k).Leaf("example.org").Equal(undated) {
			t.Fatal("renewed while the clock is unset")
		}
		c.at = today
		dated := settle(k).Leaf("example.org")
		if dated.Equal(undated) || dated.NotAfter.Sub(dated.NotBefore) != DefaultLife+backdate {
			t.Fatalf("after the clock was set: valid from %v to %v", dated.NotBefore, dated.NotAfter)
		}
		c.at = time.Unix(200, 0) // the board starts again without a clock
		if !settle(k).Leaf("example.org").Equal(undated) {
			t.Fatal("another undated certificate")
		}
		c.at = today.Add(time.Hour)
		if !settle(k).Leaf("example.org").Equal(dated) {
			t.Fatal("the dated one was not kept")
		}
	})
}

// failing is a Vault whose medium is full.
type failing struct{ Memory }

func (f failing) Write(string, []byte) error { return errors.New("no space left") }

func TestVaultFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := Open(Options{Domains: []string{"a.example"}, Vault: failing{Memory{}}}); err == nil {
			t.Error("opened without a place for the CA")
		}
		c := &clock{at: today}
		v := Memory{}
		o := Options{Domains: []string{"a.example"}, Vault: v, Now: c.now, Built: built}
		k, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		o.Vault = failing{v}
		if err := k.Use(o); err != nil {
			t.Fatalf("what is kept needs no write: %v", err)
		}
		first := k.Current().Leaf("a.example")
		c.at = today.Add(25 * 24 * time.Hour)
		if !settle(k).Leaf("a.example").Equal(first) {
			t.Error("the certificate in use is gone after a failed renewal")
		}
	})
}

// A renewal that failed while the clock was years ahead is tried again once it is
// right, not years later.
func TestFailedRenewalAndTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{at: today}
		v := Memory{}
		o := Options{Domains: []string{"a.example"}, Vault: &sometimes{Memory: v}, Now: c.now, Built: built}
		k, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		first := k.Current().Leaf("a.example")
		vault := o.Vault.(*sometimes)
		vault.full = true
		c.at = today.AddDate(10, 0, 0)
		settle(k)
		vault.full = false
		c.at = today.Add(25 * 24 * time.Hour)
		if settle(k).Leaf("a.example").Equal(first) {
			t.Error("nothing is renewed")
		}
	})
}

// sometimes is a vault that may be full.
type sometimes struct {
	Memory
	full bool
}

func (v *sometimes) Write(name string, b []byte) error {
	if v.full {
		return errors.New("full")
	}
	return v.Memory.Write(name, b)
}

func TestFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := &clock{at: today}
		year := today.AddDate(1, 0, 0)
		chain, key := selfSigned(t, built, year, "example.org")
		f := Files{write(t, dir, "c.pem", chain), write(t, dir, "k.pem", key)}
		k, err := Open(Options{Domains: []string{"example.org", "example.net"}, Files: []Files{f}, Vault: Memory{}, Now: c.now, Built: built})
		if err != nil {
			t.Fatal(err)
		}
		set := k.Current()
		if w := set.Warnings(); len(w) != 1 || !strings.Contains(w[0], "example.net") {
			t.Errorf("warnings %q", w)
		}
		if set.Authority() == nil || set.Leaf("example.net").CheckSignatureFrom(set.Authority().Certificate) != nil {
			t.Error("example.net is not served by the local CA")
		}
		config := set.Config(StartTLS, "example.org")
		first := set.Leaf("example.org")

		c.at = c.at.Add(2 * lookAgain)
		if settle(k).Config(StartTLS, "example.org") != config {
			t.Error("unchanged files cost the clients their session tickets")
		}
		chain, newKey := selfSigned(t, built, year, "example.org")
		write(t, dir, "c.pem", chain) // and the key is still the old one
		c.at = c.at.Add(2 * lookAgain)
		if !settle(k).Leaf("example.org").Equal(first) {
			t.Error("half a change was taken")
		}
		write(t, dir, "k.pem", newKey)
		if !settle(k).Leaf("example.org").Equal(first) {
			t.Error("looked again at once after a failure")
		}
		c.at = c.at.Add(2 * lookAgain)
		if settle(k).Leaf("example.org").Equal(first) {
			t.Error("the new certificate was not taken")
		}
	})
}

func TestOnlyCertificateIsShownThoughItCoversNothing(t *testing.T) {
	dir := t.TempDir()
	chain, key := selfSigned(t, built, today.AddDate(1, 0, 0), "host.example.org")
	k, err := Open(Options{Domains: []string{"example.org"}, Files: []Files{{write(t, dir, "c.pem", chain), write(t, dir, "k.pem", key)}},
		Vault: Memory{}, Now: func() time.Time { return today }})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Current().Leaf("example.org").DNSNames; !slices.Equal(got, []string{"host.example.org"}) {
		t.Errorf("shows %q", got)
	}
	if w := k.Current().Warnings(); len(w) != 1 || !strings.Contains(w[0], "does not cover example.org") {
		t.Errorf("warnings %q", w)
	}
}

func TestOpenFaults(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("no domain")
	}
	if _, err := Open(Options{Domains: []string{"a.example"}}); err == nil {
		t.Error("neither file nor CA")
	}
	_, err := Open(Options{Domains: []string{"a.example"}, Files: []Files{{"/none/a", "/none/b"}, {"/none/c", "/none/d"}}, Vault: Memory{}})
	if err == nil || !strings.Contains(err.Error(), "/none/a") || !strings.Contains(err.Error(), "/none/c") {
		t.Errorf("not all faults are told: %v", err)
	}
}

func FuzzNames(f *testing.F) {
	ext, err := altNames("bücher.example", []netip.Addr{netip.MustParseAddr("::1")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ext.Value)
	f.Fuzz(func(t *testing.T, der []byte) {
		n := NamesOf(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: der}}})
		for _, s := range slices.Concat(n.XMPP, n.SRV) {
			if !strings.Contains(string(der), s) {
				t.Fatalf("%q is not in the input", s)
			}
		}
	})
}
