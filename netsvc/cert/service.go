package cert

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

func init() {
	module.Register(module.Info{
		Name:    "cert",
		Summary: "certificates of the served domains, from files or from the local CA",
		Specs:   []string{"RFC 7590", "RFC 9266", "RFC 5929", "XEP-0178 1.2", "XEP-0368 1.1.0"},
		New:     func() module.Module { return new(service) },
	})
}

// AuthorityFile is where, in the data directory, clients find the local CA.
const AuthorityFile = "local-ca.pem"

// Of returns the device's keeper, the same for all who ask. It can be used once
// this service has started.
func Of(h module.Host) *Keeper {
	return module.Live(h, "cert", func() *Keeper { return new(Keeper) })
}

// service is one generation of the options.
type service struct {
	host               module.Host
	keeper             *Keeper
	certificate, key   string
	exchange           string
	life               time.Duration
	clientCertificates bool
	clientAuthorities  string
}

func (p *service) Setup(h module.Host) error {
	p.host, p.keeper = h, Of(h)
	o := h.Section("tls").About("Certificates and TLS of all services. A domain that no file covers gets a certificate of the local CA.")
	o.String(&p.certificate, "certificate", "", "PEM file with the certificate and those between it and its root (fullchain.pem); read again when it changes")
	o.String(&p.key, "key", "", "PEM file with its private key, without a passphrase")
	o.Enum(&p.exchange, "key_exchange", "classic", []string{"classic", "hybrid"}, "hybrid adds a key exchange that a quantum computer could not break later; a login then costs two thirds more")
	o.Duration(&p.life, "life", DefaultLife, "how long a certificate of the local CA lives; a new one comes after two thirds").Between(24*time.Hour, 825*24*time.Hour)
	o.Bool(&p.clientCertificates, "client_certificates", false, "ask clients for a certificate, with which they can log in (SASL EXTERNAL)")
	o.String(&p.clientAuthorities, "client_authorities", "", "PEM file with those whose client certificates are good, beside the local CA")
	o.Check(p.check)
	h.Metrics().GaugesFunc(metric.Desc{Name: "certTimeLeft", Unit: metric.Seconds, Help: "until the certificate of a domain ends, by who issued it", Labels: []string{"domain", "issuer"}}, p.keeper.left)
	return nil
}

// check lets `linnet check`, a start and a reload refuse files that cannot be
// used.
func (p *service) check() error {
	if (p.certificate == "") != (p.key == "") {
		return config.Bad("certificate", "certificate and key must both be given, or neither")
	}
	if p.certificate != "" {
		if _, err := Load(p.certificate, p.key); err != nil {
			return config.Bad("certificate", "%v", err)
		}
	}
	if _, err := p.roots(); err != nil {
		return config.Bad("client_authorities", "%v", err)
	}
	return nil
}

func (p *service) roots() (*x509.CertPool, error) {
	if p.clientAuthorities == "" {
		return nil, nil
	}
	b, err := readFile("client_authorities", p.clientAuthorities)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate", p.clientAuthorities)
	}
	return pool, nil
}

func (p *service) options() (Options, error) {
	site := p.host.Site()
	o := Options{
		Domains: site.Domains, Vault: Dir(filepath.Join(site.Data, "cert")), Life: p.life,
		Log: p.host.Log(), TLS: Policy{ClientCertificates: p.clientCertificates},
	}
	if s := p.host.Store(); s != nil {
		o.Built = s.Options().Built
	}
	if p.certificate != "" {
		o.Files = []Files{{p.certificate, p.key}}
	}
	var err error
	if o.TLS.Exchange, err = ParseExchange(p.exchange); err != nil {
		return o, err
	}
	o.TLS.ClientRoots, err = p.roots()
	return o, err
}

// Start implements module.Starter.
func (p *service) Start(context.Context) error { return p.use() }

// Switch implements module.Switcher. It reads a few small files.
func (p *service) Switch() {
	if err := p.use(); err != nil {
		p.host.Log().Warn("certificates not changed", "cause", err)
	}
}

func (p *service) use() error {
	o, err := p.options()
	if err != nil {
		return err
	}
	if !p.keeper.needs(&o) {
		return nil // Switch after Start
	}
	if err := p.keeper.Use(o); err != nil {
		return err
	}
	set := p.keeper.Current()
	for _, w := range set.Warnings() {
		o.Log.Warn("certificate is not right", "cause", w)
	}
	if a := set.Authority(); a != nil {
		return publish(filepath.Join(p.host.Site().Data, AuthorityFile), a.PEM())
	}
	return nil
}

// publish puts the CA's certificate where the operator finds it.
func publish(name string, b []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(b) {
		return nil
	}
	return os.WriteFile(name, b, 0o644)
}

// needs reports whether other options than those in force are asked for.
func (k *Keeper) needs(o *Options) bool {
	s := k.set.Load()
	if s == nil {
		return true
	}
	was := &s.opts
	return len(o.Files) > 0 || len(was.Files) > 0 || o.Life != was.Life || o.TLS != was.TLS || o.TLS.ClientRoots != nil
}

// left shows how many seconds the certificates in use are good for. A renewal that is due begins, as it does when
// somebody connects: a server that nobody visits should not raise an alarm.
func (k *Keeper) left(row func(seconds int64, labels ...string)) {
	if k.set.Load() == nil {
		return
	}
	s := k.Current()
	now := s.opts.Now()
	for _, e := range s.entries {
		issuer := "file"
		if e.local {
			issuer = "local"
		}
		row(int64(e.cert.Leaf.NotAfter.Sub(now)/time.Second), e.domain, issuer)
	}
}
