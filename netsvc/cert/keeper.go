package cert

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/wire/sasl"
)

const (
	// DefaultLife is how long a leaf of the local CA lives.
	DefaultLife = 30 * 24 * time.Hour
	// lookAgain is how often, at most, certificate files are looked at for a
	// change, and how long a failed renewal waits for the next try.
	lookAgain = time.Minute
)

// Files is the operator's certificate: two PEM files, or the same one twice.
type Files struct {
	Certificate, Key string
}

// Options say which certificates a Keeper has. They are values: a reload makes
// new ones and calls Keeper.Use.
type Options struct {
	Domains   []string     // the served domains; the first is shown to who names none
	Files     []Files      // operator's certificates; a domain takes the first that covers it
	Vault     Vault        // where the local CA and its leaves live
	Name      string       // the local CA's name; "" = the first domain
	Addresses []netip.Addr // addresses in the local network that leaves cover too
	Life      time.Duration
	TLS       Policy

	Now   func() time.Time // nil = time.Now
	Built time.Time        // a clock before it is unset
	Log   *log.Logger      // nil = silent
}

func (o *Options) now() time.Time {
	now := o.Now()
	if now.Before(o.Built) {
		return time.Time{}
	}
	return now
}

// Keeper owns the current Set and replaces it when a renewal is due, a file
// changed or new options came. All its methods may be called from anywhere.
type Keeper struct {
	set   atomic.Pointer[Set]
	work  sync.Mutex  // held while a Set is built: I/O under it, so it is taken only by builders
	busy  atomic.Bool // a renewal is under way or has been started
	retry atomic.Int64
}

// Open builds the first Set. It fails for files that cannot be used and for a
// vault that cannot be written; what an operator should know beside that is in
// Set.Warnings.
func Open(o Options) (*Keeper, error) {
	k := &Keeper{}
	if err := k.Use(o); err != nil {
		return nil, err
	}
	return k, nil
}

// Use replaces the options: a reload. On an error the old Set stays.
func (k *Keeper) Use(o Options) error {
	k.work.Lock()
	defer k.work.Unlock()
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Life = cmp.Or(o.Life, DefaultLife)
	s, err := build(o)
	if err != nil {
		return err
	}
	k.set.Store(s)
	return nil
}

// Current is the Set for a new connection. It never waits: a renewal that has
// become due is done beside it.
func (k *Keeper) Current() *Set {
	s := k.set.Load()
	now := s.opts.Now()
	if s.due(now) && !k.waits(now) && k.busy.CompareAndSwap(false, true) {
		go k.renew()
	}
	return s
}

// waits reports whether a renewal failed a short while ago. One that seems to be in
// the future, by a clock that was set back since, is forgotten.
func (k *Keeper) waits(now time.Time) bool {
	left := time.Duration(k.retry.Load() - now.UnixNano())
	return 0 < left && left <= lookAgain
}

// GetCertificate is for a tls.Config that outlives Sets.
func (k *Keeper) GetCertificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.Current().pick(h.ServerName, nil).cert, nil
}

// renew builds the Set anew with the same options.
func (k *Keeper) renew() {
	defer k.busy.Store(false)
	k.work.Lock()
	defer k.work.Unlock()
	old := k.set.Load()
	if !old.due(old.opts.Now()) {
		return // Use was faster
	}
	s, err := build(old.opts)
	if err != nil {
		k.retry.Store(old.opts.Now().Add(lookAgain).UnixNano())
		old.opts.Log.Warn("certificate renewal failed", "cause", err)
		return
	}
	for _, w := range s.warnings {
		if !slices.Contains(old.warnings, w) {
			old.opts.Log.Warn("certificate is not right", "cause", w)
		}
	}
	if s.same(old) {
		s = old.checked(s) // same certificates: keep the session tickets alive
	} else {
		old.opts.Log.Info("certificates replaced")
	}
	k.set.Store(s)
}

// Set is one choice of certificates for the served domains. It is immutable.
type Set struct {
	opts      Options
	entries   []*entry // one for each domain, in the order of Options.Domains
	byName    map[string]*entry
	authority *Authority // nil when every domain has a file
	warnings  []string
	roots     *x509.CertPool // who may have issued client certificates
	since     time.Time      // a clock before this went back: build anew (zero: unset when built)
	until     time.Time      // a clock after this: build anew
}

// entry is what one domain shows.
type entry struct {
	domain   string
	cert     *tls.Certificate
	local    bool         // issued by the local CA
	endPoint sasl.Binding // none where RFC 5929 defines none (Ed25519)
	configs  [protocols]*tls.Config
}

// build makes a Set: reads files, opens or makes the local CA, issues leaves.
func build(o Options) (*Set, error) {
	if len(o.Domains) == 0 {
		return nil, errors.New("no domain is served: no certificate can be made")
	}
	s := &Set{opts: o, byName: make(map[string]*entry, len(o.Domains)), roots: x509.NewCertPool()}
	if o.TLS.ClientRoots != nil {
		s.roots = o.TLS.ClientRoots.Clone()
	}
	now := o.now()
	loaded, err := s.load()
	if err != nil {
		return nil, err
	}
	wrong := s.onlyChoice(loaded)
	for _, d := range o.Domains {
		e := &entry{domain: d}
		for _, c := range loaded {
			if Covers(c.Leaf, d) {
				e.cert = c
				break
			}
		}
		if wrong != nil {
			e.cert = wrong
		}
		if e.cert == nil {
			if e.cert, err = s.issue(d, now); err != nil {
				return nil, err
			}
			e.local = true
		}
		e.endPoint, _ = EndPoint(e.cert.Leaf)
		s.entries = append(s.entries, e)
		s.byName[asciiName(d)] = e
	}
	s.warn(loaded, now)
	for _, e := range s.entries {
		for p := range protocols {
			e.configs[p] = s.config(e, p)
		}
	}
	s.plan(now)
	return s, nil
}

func (s *Set) load() ([]*tls.Certificate, error) {
	var loaded []*tls.Certificate
	var faults []error
	for _, f := range s.opts.Files {
		c, err := Load(f.Certificate, f.Key)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		loaded = append(loaded, c)
	}
	return loaded, errors.Join(faults...)
}

// onlyChoice is the operator's single certificate when it covers nothing that is
// served: it is shown all the same, with warnings, because he asked for it.
func (s *Set) onlyChoice(loaded []*tls.Certificate) *tls.Certificate {
	if len(loaded) != 1 {
		return nil
	}
	for _, d := range s.opts.Domains {
		if Covers(loaded[0].Leaf, d) {
			return nil
		}
	}
	return loaded[0]
}

func (s *Set) issue(domain string, now time.Time) (*tls.Certificate, error) {
	if s.authority == nil {
		if s.opts.Vault == nil {
			return nil, fmt.Errorf("no certificate covers %s and there is no local CA", domain)
		}
		a, err := OpenAuthority(s.opts.Vault, cmp.Or(s.opts.Name, s.opts.Domains[0]))
		if err != nil {
			return nil, err
		}
		s.authority = a
		s.roots.AddCert(a.Certificate)
	}
	return s.authority.leaf(domain, s.opts.Addresses, now, s.opts.Life)
}

func (s *Set) warn(loaded []*tls.Certificate, now time.Time) {
	for i, c := range loaded {
		var serves []string
		for _, e := range s.entries {
			if e.cert == c {
				serves = append(serves, e.domain)
			}
		}
		if len(serves) == 0 {
			s.warnings = append(s.warnings, fmt.Sprintf("the certificate in %s (for %s) covers no served domain and is not used",
				s.opts.Files[i].Certificate, subject(c.Leaf)))
			continue
		}
		s.warnings = append(s.warnings, Check(c, serves, now)...)
		s.warnings = append(s.warnings, looseKey(s.opts.Files[i].Key)...)
	}
	if len(loaded) == 0 {
		return
	}
	for _, e := range s.entries {
		if e.local {
			s.warnings = append(s.warnings, fmt.Sprintf("no certificate file covers %s: it is served with one of the local CA, which clients must have installed", e.domain))
		}
	}
}

// plan sets the span of the clock within which nothing is due.
func (s *Set) plan(now time.Time) {
	if now.IsZero() {
		s.until = s.opts.Built // the first moment at which the clock is set
	} else {
		s.since, s.until = s.opts.Built, longEnd
		for _, e := range s.entries {
			if !e.local {
				continue
			}
			if at := renewal(e.cert.Leaf); at.Before(s.until) {
				s.until = at
			}
			if e.cert.Leaf.NotBefore.After(s.since) {
				s.since = e.cert.Leaf.NotBefore
			}
		}
	}
	if len(s.opts.Files) > 0 {
		if at := s.opts.Now().Add(lookAgain); now.IsZero() || at.Before(s.until) {
			s.until = at
		}
	}
}

func (s *Set) due(now time.Time) bool { return !now.Before(s.until) || now.Before(s.since) }

// same reports whether both Sets show the same certificates.
func (s *Set) same(o *Set) bool {
	for i, e := range s.entries {
		if string(e.cert.Certificate[0]) != string(o.entries[i].cert.Certificate[0]) || len(e.cert.Certificate) != len(o.entries[i].cert.Certificate) {
			return false
		}
	}
	return true
}

// checked is a copy of s that is looked at again when its new twin would be.
func (s *Set) checked(twin *Set) *Set {
	c := *s
	c.since, c.until, c.warnings = twin.since, twin.until, twin.warnings
	return &c
}

// Warnings is what the operator should know, in full sentences.
func (s *Set) Warnings() []string { return s.warnings }

// Authority is the local CA, or nil when no served domain uses it.
func (s *Set) Authority() *Authority { return s.authority }

// Leaf is the certificate shown for a served domain, or nil.
func (s *Set) Leaf(domain string) *x509.Certificate {
	if e := s.byName[asciiName(domain)]; e != nil {
		return e.cert.Leaf
	}
	return nil
}

// pick chooses by the name in the handshake; a client that names none, or a
// host that no certificate covers, gets the fallback, or the first domain.
func (s *Set) pick(sni string, fallback *entry) *entry {
	if sni != "" {
		name := asciiName(sni)
		if e := s.byName[name]; e != nil {
			return e
		}
		if fallback == nil { // a host below a served domain: "upload.example.org"
			for _, e := range s.entries {
				if e.cert.Leaf.VerifyHostname(name) == nil {
					return e
				}
			}
		}
	}
	if fallback != nil {
		return fallback
	}
	return s.entries[0]
}
