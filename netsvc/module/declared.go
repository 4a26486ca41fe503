package module

import (
	"errors"
	"fmt"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/store"
	"linnet/store/table"
)

// Declared is what the services of one generation declared.
type Declared struct {
	Schema   *config.Schema
	Metrics  *metric.Generation
	Services []*Service
}

// Service is one instance with what it declared.
type Service struct {
	Info      Info
	Module    Module
	Commands  []command.Command
	Tables    []*table.Table
	Listeners []*Listener
}

// Record runs New and Setup of each of infos against a Host that only records: nothing is started, read or
// opened. It is how the sample configuration, the reference and the MIB are made, and how a test sees what
// a service declares.
func Record(infos []Info) (*Declared, error) {
	return Declare(infos, config.NewSchema(), metric.NewSet().NewGeneration(), NewStill())
}

// Declare runs New and Setup of each of infos, in this order. The error joins all mistakes in declarations;
// what was declared without mistake is there in any case.
func Declare(infos []Info, schema *config.Schema, metrics *metric.Generation, runtime Runtime) (*Declared, error) {
	d := &Declared{Schema: schema, Metrics: metrics}
	var errs []error
	for _, info := range infos {
		s := &Service{Info: info, Module: info.New()}
		d.Services = append(d.Services, s)
		if err := s.Module.Setup(&host{Runtime: runtime, declared: d, service: s, name: info.Name}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", info.Name, err))
		}
	}
	errs = append(errs, schema.Err(), metrics.Err(), d.checkListeners())
	return d, errors.Join(errs...)
}

// Tables lists the tables of all services, each once: several may share a table of one name.
func (d *Declared) Tables() []*table.Table {
	var list []*table.Table
	seen := make(map[string]bool)
	for _, s := range d.Services {
		for _, t := range s.Tables {
			if !seen[t.Name] {
				seen[t.Name] = true
				list = append(list, t)
			}
		}
	}
	return list
}

func (d *Declared) checkListeners() error {
	var errs []error
	for _, s := range d.Services {
		names := make(map[string]bool)
		for _, l := range s.Listeners {
			if l.Name == "" || l.Addrs == nil || (l.Serve == nil) == (l.Packets == nil) || l.Security == "" || names[l.Name] {
				errs = append(errs, fmt.Errorf("%s: listener %q: name, addresses, security and one of serve and packets must be set, the name once", s.Info.Name, l.Name))
			}
			names[l.Name] = true
		}
	}
	return errors.Join(errs...)
}

// host is the Host of one service or of a part of it.
type host struct {
	Runtime
	declared *Declared
	service  *Service
	name     string
}

func (h *host) Name() string { return h.name }

func (h *host) Sub(part string) Host {
	sub := *h
	sub.name += "." + part
	return &sub
}

func (h *host) Section(name string) *config.Section { return h.declared.Schema.Section(name) }

func (h *host) Options() *config.Section {
	section := h.Section(h.name)
	if section.Summary() == "" && h.name == h.service.Info.Name {
		section.About(h.service.Info.Summary)
	}
	return section
}

func (h *host) Metrics() *metric.Section { return h.declared.Metrics.Section(h.name) }

func (h *host) Command(c command.Command) { h.service.Commands = append(h.service.Commands, c) }

func (h *host) Table(t *table.Table) { h.service.Tables = append(h.service.Tables, t) }

func (h *host) Listen(l *Listener) { h.service.Listeners = append(h.service.Listeners, l) }

func (h *host) Log() *log.Logger { return h.Runtime.Log().With("service", h.name) }

// Still is a Runtime in which nothing runs: there is no store and no device, the log goes nowhere. Not safe
// for concurrent use. A fake for tests can be built on it by embedding.
type Still struct {
	live     map[string]any
	commands *command.Set
}

// NewStill returns a Runtime without any state.
func NewStill() *Still {
	return &Still{live: make(map[string]any),
		commands: command.NewSet(nil, metric.NewSet().NewGeneration().Section("still"))}
}

// Live makes the state of that name when it is asked for first.
func (s *Still) Live(key string, make func() any) any {
	if _, ok := s.live[key]; !ok {
		s.live[key] = make()
	}
	return s.live[key]
}

func (s *Still) Log() *log.Logger                                { return nil }
func (s *Still) Store() *store.Store                             { return nil }
func (s *Still) Site() *Site                                     { return nil }
func (s *Still) Commands() *command.Set                          { return s.commands }
func (s *Still) ReadMetrics(func(metric.Sample) bool, ...string) {}
func (s *Still) Pressure() Pressure                              { return Green }
func (s *Still) Device() Device                                  { return nil }
