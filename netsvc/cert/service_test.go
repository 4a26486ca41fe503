package cert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
)

func info(t *testing.T) module.Info {
	for _, i := range module.All() {
		if i.Name == "cert" {
			return i
		}
	}
	t.Fatal("not registered")
	return module.Info{}
}

func TestService(t *testing.T) {
	dir := t.TempDir()
	r := moduletest.Start(t, info(t), moduletest.Options{Site: &module.Site{Domains: []string{"example.org"}, Data: dir}})
	k := Of(r.Module.(*service).host)
	set := k.Current()
	if set.Leaf("example.org") == nil || set.Authority() == nil {
		t.Fatal("no certificate")
	}
	shown, err := os.ReadFile(filepath.Join(dir, AuthorityFile))
	if err != nil || string(shown) != string(set.Authority().PEM()) {
		t.Errorf("the operator finds %q, %v", shown, err)
	}
	left := func(issuer string) (d time.Duration) {
		r.Walk(func(s metric.Sample) bool {
			if s.Labels[0] != "example.org" || s.Labels[1] != issuer {
				t.Errorf("labels %q", s.Labels)
			}
			d = time.Duration(s.Value) * time.Second
			return true
		}, "certTimeLeft")
		return d
	}
	if d := left("local"); d > DefaultLife || d < DefaultLife-time.Minute {
		t.Errorf("%v left", d)
	}
	r.Again(nil)
	if k.Current() != set {
		t.Error("a reload without a change cost the clients their session tickets")
	}
	chain, key := selfSigned(t, time.Now(), time.Now().AddDate(1, 0, 0), "example.org")
	r.Again(map[string]string{"tls/certificate": write(t, dir, "c.pem", chain), "tls/key": write(t, dir, "k.pem", key), "tls/key_exchange": "hybrid"})
	if set := k.Current(); set.Authority() != nil || set.opts.TLS.Exchange != Hybrid {
		t.Errorf("after the reload: %+v", set.opts)
	}
	if d := left("file"); d < 364*24*time.Hour {
		t.Errorf("%v left after the reload", d)
	}
}

func TestServiceCheck(t *testing.T) {
	dir := t.TempDir()
	chain, key := selfSigned(t, time.Now(), time.Now().AddDate(1, 0, 0), "example.org")
	c, k, junk := write(t, dir, "c.pem", chain), write(t, dir, "k.pem", key), write(t, dir, "junk.pem", []byte("junk"))
	for _, x := range []struct {
		name  string
		p     service
		fault string
	}{
		{"nothing", service{}, ""},
		{"both", service{certificate: c, key: k}, ""},
		{"key alone", service{key: k}, "both"},
		{"swapped", service{certificate: k, key: c}, "swapped"},
		{"missing", service{certificate: c, key: filepath.Join(dir, "none")}, "does not exist"},
		{"authorities", service{clientAuthorities: c}, ""},
		{"authorities without a certificate", service{clientAuthorities: junk}, "no certificate"},
	} {
		err := x.p.check()
		if (err != nil) != (x.fault != "") || err != nil && !strings.Contains(err.Error(), x.fault) {
			t.Errorf("%s: got %v, want %q", x.name, err, x.fault)
		}
	}
}
