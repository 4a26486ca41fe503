package quota

import (
	"context"
	"os"
	"strings"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
)

func init() {
	module.Register(module.Info{
		Name:    "quota",
		Summary: "how many bytes users may have relayed, and the ledger of it",
		New:     func() module.Module { return new(service) },
	})
}

// Of returns the device's ledger, the same for all who ask. It can be used once
// this service has started.
func Of(h module.Host) *Ledger { return module.Live(h, "quota", New) }

// service is one generation of the options.
type service struct {
	host    module.Host
	ledger  *Ledger
	options Options
	name    string
	limits  [scopes]string // as they stand in the configuration
	groups  []string
	refused *metric.Counters

	exceeded func(*Limit)
}

func (p *service) Setup(h module.Host) error {
	p.host, p.ledger = h, Of(h)
	o := h.Options().About(`What users may have relayed, in both directions together. A limit is a size, "unlimited" or "deny"; those here hold where "quota set" has set no other.`)
	limit := func(s Scope, help string) { o.String(&p.limits[s], s.String(), "unlimited", help) }
	limit(File, "for one transfer")
	limit(User, "for a user in a month")
	limit(Domain, "for a domain in a month: for what its users sent and received")
	limit(Box, "for this machine in a month")
	limit(All, "for all machines that share this one's store, in a month")
	o.Bool(&p.options.NeedCredit, "need_credit", false, "who requests a transfer must have a credit (`credit topup`), or his domain")
	o.Strings(&p.groups, "groups", nil, `domains that are billed together, each as "NAME: DOMAIN DOMAIN"; what is set for a domain is then set for NAME`)
	o.Duration(&p.options.Keep, "keep", 400*24*time.Hour, "how long the ledger is kept; 0 for ever")
	o.String(&p.name, "name", "", "the name of this machine in the ledger; left out, its host name").NeedsRestart()
	o.Check(p.check)

	for _, t := range p.ledger.Tables() {
		h.Table(t)
	}
	m, l := h.Metrics(), p.ledger
	p.refused = m.Counters(metric.Desc{Name: "quotaRefused", Help: "flows that a limit kept from beginning or cut, by what was limited", Labels: []string{"limit"}})
	m.GaugeFunc(metric.Desc{Name: "quotaFlows", Help: "flows that are counted now"}, func() int64 { n, _ := l.now(); return n })
	m.GaugeFunc(metric.Desc{Name: "quotaLeased", Unit: metric.Bytes, Help: "bytes given to flows and not settled yet"}, func() int64 { _, n := l.now(); return n })
	m.CounterFunc(metric.Desc{Name: "quotaBytes", Unit: metric.Bytes, Help: "bytes relayed and settled"}, l.bytes.Load)
	m.CounterFunc(metric.Desc{Name: "quotaLeases", Help: "leases written to the store"}, l.leases.Load)
	p.exceeded = declareExceeded(h)
	p.commands(h)
	return nil
}

// check reads the limits and groups of the configuration.
func (p *service) check() error {
	for _, o := range []struct {
		scope Scope
		value *Value
	}{{File, &p.options.File}, {User, &p.options.User}, {Domain, &p.options.Domain}, {Box, &p.options.Box}, {All, &p.options.All}} {
		v, err := ParseValue(p.limits[o.scope])
		if err != nil {
			return config.Bad(o.scope.String(), "%v", err)
		}
		*o.value = v
	}
	p.options.Groups = make(map[string]string)
	for _, text := range p.groups {
		name, domains, ok := strings.Cut(text, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, "@ ") {
			return config.Bad("groups", "%q is not such as \"NAME: DOMAIN DOMAIN\"", text)
		}
		for _, d := range strings.Fields(domains) {
			j, err := jid.Parse(d)
			if err != nil || !j.IsHost() {
				return config.Bad("groups", "%q is not a domain", d)
			}
			if other, taken := p.options.Groups[j.Domain()]; taken {
				return config.Bad("groups", "%s is in two groups, %s and %s", d, other, name)
			}
			p.options.Groups[j.Domain()] = name
		}
	}
	return nil
}

// Start implements module.Starter.
func (p *service) Start(ctx context.Context) error {
	p.Switch()
	name := p.name // the option stays what it is: a reload compares
	if name == "" {
		name, _ = os.Hostname()
	}
	if name == "" {
		name = "linnet"
	}
	return p.ledger.Start(ctx, p.host.Store(), p.host.Log(), name, account.Of(p.host).Lookup)
}

// Switch implements module.Switcher.
func (p *service) Switch() {
	p.ledger.Use(p.options)
	p.ledger.count(func(l *Limit) {
		p.refused.With(l.Scope.String()).Inc()
		p.exceeded(l)
	})
}

// Stop implements module.Stopper.
func (p *service) Stop(ctx context.Context) error { return p.ledger.Stop(ctx) }

// count has f told of each refusal.
func (l *Ledger) count(f func(*Limit)) { l.refused.Store(&f) }

// now returns how many flows are open, and how many bytes they have been given.
func (l *Ledger) now() (flows, leased int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, m := range l.meters {
		if k.scope == Box {
			leased += m.leased
		}
	}
	return int64(len(l.open)), leased
}
