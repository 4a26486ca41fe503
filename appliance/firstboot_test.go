package appliance

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linnet/netsvc/account"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
)

// services returns those of accounts and certificates beside a test's own.
func services(extra ...module.Info) []module.Info {
	for _, info := range module.All() {
		if info.Name == "account" || info.Name == "cert" {
			extra = append(extra, info)
		}
	}
	return extra
}

// boot starts a node on dir, stops it and returns what it said.
func boot(t *testing.T, dir string, set []string, look func(*Appliance)) string {
	t.Helper()
	var out bytes.Buffer
	c2s := greeterInfo("c2s")
	info := c2s
	info.New = func() module.Module { return tlsGreeter{c2s.New()} }
	a, err := New(Options{Data: dir, Set: set, Services: services(info), Out: &out, Program: "bin/linnet"})
	if err == nil {
		err = a.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if look != nil {
		look(a)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	return out.String()
}

// tlsGreeter says that it speaks STARTTLS, as an address for clients does.
type tlsGreeter struct{ module.Module }

func (m tlsGreeter) Setup(h module.Host) error { return m.Module.Setup(startTLS{h}) }

type startTLS struct{ module.Host }

func (h startTLS) Listen(l *module.Listener) {
	l.Security = module.STARTTLS
	h.Host.Listen(l)
}

func line(text, label string) string {
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, label+" ") {
			return strings.TrimSpace(strings.TrimPrefix(l, label))
		}
	}
	return ""
}

func TestFirstBoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b") // a name that a shell would take apart
	set := []string{"domain=example.org", "account.iterations=4096"}
	var password string
	first := boot(t, dir, set, func(a *Appliance) {
		accounts := account.Of(a.current.Load().base.host)
		admin, ok, err := accounts.Lookup(jid.MustParse("admin@example.org"))
		if err != nil || !ok || admin.Role != account.Admin {
			t.Errorf("the first administrator: %+v, %v, %v", admin, ok, err)
		}
		if a.welcome.Password != "" {
			t.Error("the password stays in memory")
		}
		if lines := a.journal.Last(1000); strings.Contains(lines[0].Text, password) && password != "" {
			t.Error("the password is in the log")
		}
	})
	password, _, _ = strings.Cut(line(first, "password"), " ")
	if len(password) < 16 || line(first, "first admin") != "admin@example.org" {
		t.Errorf("the first start says\n%s", first)
	}
	if fingerprint := strings.TrimPrefix(line(first, "local CA"), "SHA-256 "); strings.Count(fingerprint, ":") != 31 {
		t.Errorf("fingerprint %q", fingerprint)
	}
	ca := filepath.Join(dir, "local-ca.pem")
	hello := line(first, "say hello")
	for _, part := range []string{"echo hello | SSL_CERT_FILE='" + ca + "' go-sendxmpp -u admin@example.org -p " + password + " -j 127.0.0.1:", " admin@example.org"} {
		if !strings.Contains(hello, part) {
			t.Errorf("the first message is %q, which lacks %q", hello, part)
		}
	}
	if b, err := os.ReadFile(ca); err != nil || !strings.Contains(string(b), "BEGIN CERTIFICATE") || strings.Contains(string(b), "PRIVATE") {
		t.Errorf("the CA for clients: %v", err)
	}

	second := boot(t, dir, set, nil)
	if strings.Contains(second, password) || line(second, "first admin") != "" {
		t.Errorf("the password is shown again:\n%s", second)
	}
	if want := "bin/linnet ctl -data '" + dir + "' user password admin@example.org"; !strings.Contains(second, want) {
		t.Errorf("the second start lacks %q:\n%s", want, second)
	}
	if line(first, "local CA") != line(second, "local CA") {
		t.Error("the local CA is another one")
	}

	// The administrator is deleted: the device belongs to whoever else has an account, or is new again.
	boot(t, dir, set, func(a *Appliance) {
		if err := account.Of(a.current.Load().base.host).Delete(t.Context(), jid.MustParse("admin@example.org")); err != nil {
			t.Error(err)
		}
		_, err := account.Of(a.current.Load().base.host).Create(t.Context(), account.NewAccount{JID: jid.MustParse("eve@example.org"), Password: "not a secret"})
		if err != nil {
			t.Error(err)
		}
	})
	if fourth := boot(t, dir, set, nil); strings.Contains(fourth, "admin@example.org") {
		t.Errorf("an administrator comes back:\n%s", fourth)
	}
}

func TestFirstAdminOfTheConfiguration(t *testing.T) {
	said := boot(t, t.TempDir(), []string{"domains=example.org,example.net", "admins=far@example.com,Zoe@example.net", "account.iterations=4096"}, nil)
	if got := line(said, "first admin"); got != "zoe@example.net" {
		t.Errorf("the first administrator is %q", got)
	}
}

// A device whose configuration names no domain keeps the one of its first boot.
func TestDomainOfTheHost(t *testing.T) {
	dir := t.TempDir()
	set := []string{"account.iterations=4096"}
	var first string
	boot(t, dir, set, func(a *Appliance) {
		first = a.Site().Domains[0]
		if err := a.Reload(); err != nil {
			t.Error(err)
		}
		if again := a.Site().Domains[0]; again != first {
			t.Errorf("after a reload it is %s", again)
		}
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	if want := host + ".local"; first != want && first != "localhost" {
		t.Errorf("the domain is %s, want %s", first, want)
	}
	boot(t, dir, set, func(a *Appliance) {
		if again := a.Site().Domains[0]; again != first {
			t.Errorf("at the second start it is %s", again)
		}
	})
}

func TestShellWord(t *testing.T) {
	for _, tc := range []struct{ word, want string }{
		{"/var/lib/linnet", "/var/lib/linnet"}, {"a b", "'a b'"}, {"", "''"}, {"it's", `'it'\''s'`}, {"$HOME", "'$HOME'"}, {"a@b", "a@b"},
	} {
		if got := shellWord(tc.word); got != tc.want {
			t.Errorf("shellWord(%q) = %s, want %s", tc.word, got, tc.want)
		}
	}
}
