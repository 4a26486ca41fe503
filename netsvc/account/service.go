package account

import (
	"context"
	"fmt"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
)

func init() {
	module.Register(module.Info{
		Name:    "account",
		Summary: "users, their credentials and roles, and the guard against guessed passwords",
		Specs:   []string{"RFC 5802", "RFC 7677"},
		New:     func() module.Module { return new(service) },
	})
}

// Of returns the device's accounts, the same for all who ask. They can be used
// once this service has started.
func Of(h module.Host) *Accounts {
	return module.Live(h, "account", New)
}

// GuardOf returns the device's guard, the same for all who ask.
func GuardOf(h module.Host) *Guard {
	return module.Live(h, "account/guard", func() *Guard { return NewGuard(GuardLimits{}) })
}

// service is one generation of the options.
type service struct {
	host       module.Host
	accounts   *Accounts
	guard      *Guard
	iterations int
	cache      int
	flush      time.Duration
	limits     GuardLimits
}

func (p *service) Setup(h module.Host) error {
	p.host, p.accounts, p.guard = h, Of(h), GuardOf(h)
	o := h.Options()
	o.Int(&p.iterations, "iterations", sasl.DefaultIterations, "PBKDF2 iterations of passwords set from now on: more make stolen keys harder to guess and each client's login slower").Range(sasl.MinIterations, 1_000_000)
	o.Int(&p.cache, "cache", DefaultCache, "addresses of which it is remembered whether they exist, about 250 bytes each").Range(64, 1<<20).NeedsRestart()
	o.Duration(&p.flush, "flush", DefaultFlush, "how long the time of a login may wait to be written to flash together with others").Between(time.Second, 24*time.Hour)
	o.Int(&p.limits.Pair, "pair_failures", 5, "failed logins of one address to one account before it is refused for a while").Range(1, 1000)
	o.Int(&p.limits.Address, "address_failures", 25, "failed logins of one address to any account before it is refused for a while").Range(1, 10000)
	o.Int(&p.limits.Account, "account_failures", 10, "failed logins to one account from anywhere before answers to unknown addresses come late").Range(1, 10000)
	o.Duration(&p.limits.Most, "refusal", 15*time.Minute, "the longest time for which an address is refused").Between(time.Second, 24*time.Hour)

	m := h.Metrics()
	p.guard.count(
		m.Counter(metric.Desc{Name: "authSucceeded", Help: "logins"}),
		m.Counter(metric.Desc{Name: "authFailures", Help: "logins with a wrong password or name"}),
		m.Counter(metric.Desc{Name: "authRefused", Help: "logins refused because of failures before"}),
		m.Counter(metric.Desc{Name: "authSlowed", Help: "logins answered late because of failures before"}),
	)
	m.GaugeFunc(metric.Desc{Name: "accounts", Help: "registered accounts"}, func() int64 { return p.accounts.count.Load() })
	for _, t := range p.accounts.Tables() {
		h.Table(t)
	}
	return nil
}

func (p *service) options() (Options, error) {
	o := Options{Iterations: p.iterations, Cache: p.cache, Flush: p.flush}
	for _, text := range p.host.Site().Admins {
		j, err := jid.Parse(text)
		if err != nil || !j.IsBare() {
			return o, fmt.Errorf("admins: %q is not a bare address", text)
		}
		o.Admins = append(o.Admins, j)
	}
	return o, nil
}

// Start implements module.Starter.
func (p *service) Start(ctx context.Context) error {
	o, err := p.options()
	if err != nil {
		return err
	}
	guard := p.guard
	p.accounts.Watch(func(c Change) { // who got a new password need not wait
		if c.Kind == PasswordChanged || c.Kind == Deleted {
			guard.Forget(c.Account.JID)
		}
	})
	return p.accounts.Open(ctx, p.host.Store(), p.host.Log(), p.host.Site().Domains, o)
}

// Switch implements module.Switcher.
func (p *service) Switch() {
	o, err := p.options()
	if err != nil { // the settings have checked them
		p.host.Log().Warn("admins not changed", "cause", err)
		o.Admins = p.accounts.options.Load().Admins
	}
	p.accounts.Use(o)
	p.guard.Limit(p.limits)
}

// Stop implements module.Stopper.
func (p *service) Stop(ctx context.Context) error { return p.accounts.Close(ctx) }
