package appliance

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"linnet/appliance/settings"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/store"
)

// generation is all services set up with one reading of the configuration. It is built by one goroutine and
// constant from its Switch on.
type generation struct {
	declared *module.Declared
	base     *base
	services []*module.Service // those that are enabled, in the order of their start
	commands *command.Set
	site     *module.Site
	routes   map[string]*module.Listener // by address (see address)
	fresh    map[string]any              // live state that was made before it became current; under live.mu
	used     bool                        // it was current once; under live.mu
	file     *settings.File
}

// build sets all services up and gives their options values. Whatever is wrong is in the error: mistakes in
// declarations, or config.Problems.
func (a *Appliance) build() (*generation, error) {
	g := &generation{site: &module.Site{}}
	metrics := a.metrics.NewGeneration()
	g.commands = command.NewSet(a.log, metrics.Section("command"))
	a.guard.Declare(metrics.Section("memory"))
	infos := append([]module.Info{a.baseInfo(g)}, a.opts.Services...)
	var err error
	g.declared, err = module.Declare(ordered(infos), config.NewSchema(), metrics, &runtime{a: a, g: g})
	if err != nil {
		return nil, fmt.Errorf("mistakes in declarations, to be reported to the makers of linnet: %w", err)
	}
	source := settings.Source{Flags: a.opts.Set, Absent: a.opts.Absent}
	if a.opts.Config != "" {
		if source.File, err = settings.Load(a.opts.Config); err != nil {
			var p *config.Problem
			if errors.As(err, &p) {
				return nil, config.Problems{p}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil, config.Problems{{File: a.opts.Config, Text: "there is no such file"}}
			}
			return nil, err
		}
	}
	g.file = source.File
	if problems := settings.Apply(g.declared.Schema, source); len(problems) > 0 {
		return nil, problems
	}
	g.base.data = cmp.Or(g.base.data, DefaultData())
	for _, s := range g.declared.Services {
		if m, ok := s.Module.(module.Optional); ok && !(g.base.runs(s.Info.Name) && m.Enabled()) {
			continue
		}
		g.services = append(g.services, s)
		for _, c := range s.Commands {
			g.commands.Add(c)
		}
	}
	g.statistics()
	if err := g.commands.Err(); err != nil {
		return nil, fmt.Errorf("mistakes in declarations, to be reported to the makers of linnet: %w", err)
	}
	g.site.Admins, g.site.Data, g.site.Version = g.base.admins, g.base.data, a.opts.Version
	g.site.Domains = g.base.allDomains()
	if problems := g.route(); len(problems) > 0 {
		return nil, problems
	}
	return g, nil
}

// route gives every address its listener. Two listeners on one address are a mistake of the operator, as is one on all
// addresses beside any other on that port.
func (g *generation) route() config.Problems {
	g.routes = make(map[string]*module.Listener)
	var owners []owner
	var problems config.Problems
	g.eachAddress(func(s *module.Service, l *module.Listener, at address) {
		mine := owner{at, config.Problem{Section: s.Info.Name, Option: l.Name}}
		if o := g.declared.Schema.Bound(l.Addrs); o != nil {
			mine.where = config.Problem{File: o.File, Line: o.Line, Section: o.Section, Option: o.Name}
		}
		i := slices.IndexFunc(owners, func(o owner) bool { return o.meets(at) })
		if i < 0 {
			owners, g.routes[at.key] = append(owners, mine), l
			return
		}
		p := mine.clash(owners[i])
		if !slices.ContainsFunc(problems, func(q *config.Problem) bool { return *q == *p }) { // of one option for TCP and UDP
			problems = append(problems, p)
		}
	})
	problems.Sort()
	return problems
}

// owner is an address and where it comes from, as a Problem without a text.
type owner struct {
	address
	where config.Problem
}

// clash says that the address of o is taken by the other one.
func (o owner) clash(other owner) *config.Problem {
	p, by := o.where, other.where
	option := by.Option + " of [" + by.Section + "]"
	switch {
	case by.Line == 0: // a default, or a flag
	case by.File == p.File:
		option += fmt.Sprintf(" in line %d", by.Line)
	default:
		option += fmt.Sprintf(", %s:%d", by.File, by.Line)
	}
	switch {
	case p == by && o.addr == other.addr:
		p.Text = o.addr + " is there twice"
	case p == by:
		p.Text = fmt.Sprintf("%s is taken by %s of the same list", o.addr, other.addr)
	case o.addr == other.addr:
		p.Text = fmt.Sprintf("%s is taken by %s", o.addr, option)
	default:
		p.Text = fmt.Sprintf("%s is taken by %s, %s", o.addr, other.addr, option)
	}
	if o.addr != other.addr && (o.everywhere() || other.everywhere()) {
		p.Hint = "[::] and 0.0.0.0 both are all addresses, of IPv4 and of IPv6"
	}
	return &p
}

func (g *generation) eachAddress(f func(*module.Service, *module.Listener, address)) {
	for _, s := range g.services {
		for _, l := range s.Listeners {
			for i, addr := range *l.Addrs {
				f(s, l, newAddress(s.Info.Name, l, i, addr))
			}
		}
	}
}

func (g *generation) has(name string) bool {
	return slices.ContainsFunc(g.services, func(s *module.Service) bool { return s.Info.Name == name })
}

// refuse lists what separates next from g that only a restart can change.
func (g *generation) refuse(next *generation, stored *store.Store) config.Problems {
	var problems config.Problems
	for _, o := range config.Changed(g.declared.Schema, next.declared.Schema) {
		if o.Restart {
			problems = append(problems, &config.Problem{File: o.File, Line: o.Line, Section: o.Section, Option: o.Name,
				Text: "a change needs a restart"})
		}
	}
	for _, d := range g.site.Domains {
		if !slices.Contains(next.site.Domains, d) {
			problems = append(problems, &config.Problem{Option: "domains", Text: "removing " + d + " needs a restart"})
		}
	}
	known := make(map[string]bool)
	for _, t := range stored.Options().Tables {
		known[t.Name] = true
	}
	for _, t := range next.declared.Tables() {
		if !known[t.Name] {
			problems = append(problems, &config.Problem{Text: "the table " + t.Name + " is new and needs a restart"})
		}
	}
	problems.Sort()
	return problems
}

// live is the state that outlives generations.
type live struct {
	mu    sync.Mutex
	state map[string]any
}

// runtime is what the services of one generation see of the appliance.
type runtime struct {
	a *Appliance
	g *generation
}

// Live implements module.Runtime. What a generation makes before it is current is kept beside the rest and
// dropped with the generation if that fails.
func (r *runtime) Live(name string, make func() any) any {
	l := &r.a.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, ok := l.state[name]; ok {
		return v
	}
	if v, ok := r.g.fresh[name]; ok {
		return v
	}
	v := make()
	if r.g.used {
		l.state[name] = v
		return v
	}
	if r.g.fresh == nil {
		r.g.fresh = map[string]any{}
	}
	r.g.fresh[name] = v
	return v
}

func (r *runtime) Log() *log.Logger          { return r.a.log }
func (r *runtime) Store() *store.Store       { return r.a.store }
func (r *runtime) Commands() *command.Set    { return r.g.commands }
func (r *runtime) Pressure() module.Pressure { return r.a.guard.Pressure() }
func (r *runtime) Device() module.Device     { return (*device)(r.a) }

func (r *runtime) ReadMetrics(emit func(metric.Sample) bool, names ...string) {
	r.a.metrics.Walk(emit, names...)
}

// Site implements module.Runtime: nil until the domains are known.
func (r *runtime) Site() *module.Site {
	if len(r.g.site.Domains) == 0 {
		return nil
	}
	return r.g.site
}

// domain brings a domain to its canonical form.
func domain(text string) (string, error) {
	j, err := jid.Parse(text)
	if err != nil || !j.IsHost() {
		return "", fmt.Errorf("%q is not a domain", text)
	}
	return j.Domain(), nil
}
