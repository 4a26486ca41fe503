package xmpptest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/log"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// Options says what the extensions find. The zero value is a server for
// "example.com" with the extensions that the test's program imports.
type Options struct {
	Hosts      []string
	Admins     []string          // bare addresses
	Values     map[string]string // options by section and name: "xmpp.ping/interval": "60s"
	Data       string            // the directory of the store; "" takes one of the test's
	Extensions []xmpp.Info       // instead of xmpp.All
	Built      time.Time         // when the program was made: a clock that shows less is not set
	Log        *log.Logger       // nil logs to the test
}

// Test runs f in a bubble of fake time (testing/synctest) with a server of its own.
// f uses the testing.T of the bubble: another's context ends outside of it.
func Test(t *testing.T, o Options, f func(*testing.T, *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, o)
		s.settle = synctest.Wait
		f(t, s)
		s.checkReferences()
	})
}

// Start runs a server in real time, for benchmarks. Expect and Nothing then wait
// for the store only: work that an extension gives to a goroutine of its own may
// come later.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := start(t, o)
	s.settle = func() {
		committed := make(chan struct{})
		s.Store().Barrier(func() { close(committed) })
		<-committed
	}
	return s
}

func start(t testing.TB, o Options) *Server {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"example.com"}
	}
	if o.Extensions == nil {
		o.Extensions = xmpp.All()
	}
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	if o.Log == nil {
		o.Log = log.To(t.Output(), log.LevelInfo)
	}
	s := newServer(t, o)
	s.running = moduletest.Start(t, module.Info{
		Name: "xmpp",
		New:  func() module.Module { return &service{server: s, infos: o.Extensions} },
	}, moduletest.Options{
		Values: o.Values,
		Site:   &module.Site{Domains: o.Hosts, Admins: o.Admins, Data: o.Data, Version: "test"},
		Built:  o.Built,
		Log:    o.Log,
	})
	return s
}

// Reload is a reload of the configuration: new instances of the extensions with
// these options take over; sessions, flags and values stay.
func (s *Server) Reload(values map[string]string) { s.running.Again(values) }

// Run runs a command as an administrator.
func (s *Server) Run(name string, args command.Values) (*command.Result, error) {
	return s.running.Run(name, args)
}

// Metric returns the value of a counter or gauge without labels.
func (s *Server) Metric(name string) int64 { return s.running.Metric(name) }

// service is one generation: the extensions, set up as the real server does it.
type service struct {
	server     *Server
	infos      []xmpp.Info
	host       module.Host
	g          *generation
	extensions []xmpp.Module
}

// generation is what one Setup of all extensions declared.
type generation struct {
	hooks    xmpp.Hooks
	iqs      map[iqKey]*xmpp.IQ
	nonzas   map[string]func(xmpp.Session, *xmlstream.Node)
	features []func(host string) []byte
	disco    xmpp.Discoveries
	contacts xmpp.Contacts
	spool    xmpp.Spool
}

func (p *service) Setup(h module.Host) error {
	p.host = h
	p.g = &generation{iqs: map[iqKey]*xmpp.IQ{}, nonzas: map[string]func(xmpp.Session, *xmlstream.Node){}, contacts: p.server.contacts}
	p.server.accounts = account.Of(h)
	for _, t := range p.server.accounts.Tables() {
		h.Table(t)
	}
	var faults []error
	for _, info := range p.infos {
		made := info.New()
		p.extensions = append(p.extensions, made)
		faults = append(faults, made.Setup(&host{Host: h.Sub(info.Name), server: p.server, g: p.g, faults: &faults}))
	}
	return errors.Join(append(faults, p.g.hooks.Err())...)
}

func (p *service) Start(ctx context.Context) error {
	o := account.Options{}
	for _, admin := range p.host.Site().Admins {
		o.Admins = append(o.Admins, jid.MustParse(admin))
	}
	if err := p.server.accounts.Open(ctx, p.host.Store(), p.host.Log(), p.host.Site().Domains, o); err != nil {
		return err
	}
	p.server.accounts.Watch(p.server.accountChanged)
	p.server.accounts.Leaving(p.server.accountLeaves)
	p.Switch()
	for _, e := range p.extensions {
		if starter, ok := e.(module.Starter); ok {
			if err := starter.Start(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *service) Switch() {
	p.server.store.Store(p.host.Store())
	p.server.generation.Store(p.g)
	for _, e := range p.extensions {
		if s, ok := e.(module.Switcher); ok {
			s.Switch()
		}
	}
}

func (p *service) Stop(ctx context.Context) error {
	var errs []error
	for i := len(p.extensions) - 1; i >= 0; i-- {
		if stopper, ok := p.extensions[i].(module.Stopper); ok {
			errs = append(errs, stopper.Stop(ctx))
		}
	}
	return errors.Join(append(errs, p.server.accounts.Close(ctx))...)
}

// Store is the store that everything is kept in.
func (s *Server) Store() *store.Store { return s.store.Load() }
