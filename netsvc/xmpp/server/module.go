package server

import (
	"context"
	"errors"
	"slices"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/module"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

func init() {
	module.Register(module.Info{
		Name:    Name,
		Summary: "XMPP: sessions, routing, delivery, and the extensions",
		Specs:   []string{"RFC 6120", "RFC 6121", "XEP-0198 1.6.3"},
		New:     func() module.Module { return new(service) },
	})
}

// Name is the service's name, and its section.
const Name = "xmpp"

// Of returns the live server, the same for all who ask: how an edge finds it.
func Of(h module.Host) *Server {
	return module.Live(h, "server", func() *Server { return newServer() })
}

// service is one generation's instance: it sets up the extensions and, when it
// becomes current, publishes what they declared.
type service struct {
	host       module.Host
	g          *generation
	extensions []extension
}

type extension struct {
	info xmpp.Info
	made xmpp.Module
}

func (p *service) Setup(h module.Host) error {
	p.host = h
	srv := Of(h)
	p.g = &generation{
		Server:   srv,
		iqs:      map[iqKey]*xmpp.IQ{},
		nonzas:   map[string]func(xmpp.Session, *xmlstream.Node){},
		contacts: noContacts{},
	}
	l := &p.g.limits
	o := h.Options().About("The XMPP server.")
	o.Bytes(&l.outbox, "outbox", 2<<20, "what may wait to be written to one client; a client that reads slower is disconnected and its messages go to the offline store").Range(64<<10, 256<<20)
	o.Bytes(&l.unacknowledged, "unacknowledged", 2<<20, "what a client with stream management may leave unacknowledged, before its session ends the same way").Range(64<<10, 256<<20)
	o.Duration(&l.resumption, "resumption", 10*time.Minute, "how long a session waits for its client to resume it; 0 means not at all").Between(0, 24*time.Hour)
	o.Duration(&l.settleAfter, "settle_after", time.Second, "a message that a client has not acknowledged for so long is stored, so that it survives the server").Between(100*time.Millisecond, time.Minute)
	o.String(&l.location, "location", "", "host:port that clients should resume at, when it is not the one they connected to")
	o.Int(&l.sessions, "sessions", 32, "how many clients of one account may be connected at a time").Range(1, 1000)

	p.g.stats = newStats(h.Metrics(), srv)
	h.Table(srv.tables.handled)
	h.Table(srv.tables.parked)

	var faults []error
	for _, info := range xmpp.All() {
		e := extension{info, info.New()}
		p.extensions = append(p.extensions, e)
		sub := &host{Host: h.Sub(info.Name), server: srv, g: p.g, faults: &faults}
		if err := e.made.Setup(sub); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, p.g.hooks.Err())
	return errors.Join(faults...)
}

// Start brings up the live server, once, and then the extensions.
func (p *service) Start(ctx context.Context) error {
	s := p.g.Server
	s.log = p.host.Log()
	s.store = p.host.Store()
	s.accounts = users.Of(p.host)
	s.hosts = slices.Clone(p.host.Site().Domains)
	for _, host := range s.hosts {
		s.traffic = append(s.traffic, p.g.stats.traffic(host))
	}
	s.overdue.every = p.g.limits.settleAfter / 2
	s.overdue.look = func(l *ledger) bool { return l.spoolOverdue(s.current().limits.settleAfter) }
	s.unasked.every = askDelay
	s.unasked.look = (*Session).askSoon
	s.unaskedIdle.every = askIdle
	s.unaskedIdle.look = (*Session).askLater
	s.accounts.Watch(s.accountChanged)
	s.accounts.Leaving(s.accountLeaves)
	p.Switch()
	for _, e := range p.extensions {
		if starter, ok := e.made.(module.Starter); ok {
			if err := starter.Start(ctx); err != nil {
				return err
			}
		}
	}
	return s.unpark()
}

// Switch makes this generation the current one.
func (p *service) Switch() {
	var err error
	if p.g.places, err = xmpp.Places(p.g.disco.Services, p.g.Server.hosts); err != nil {
		p.host.Log().Error("services without an address", "cause", err)
	}
	p.g.Server.generation.Store(p.g)
	for _, e := range p.extensions {
		if s, ok := e.made.(module.Switcher); ok {
			s.Switch()
		}
	}
}

// Stop puts away the sessions that can be resumed, ends the others, and stops
// the extensions in reverse.
func (p *service) Stop(ctx context.Context) error {
	p.g.Server.park(ctx)
	var errs []error
	for _, e := range slices.Backward(p.extensions) {
		if stopper, ok := e.made.(module.Stopper); ok {
			errs = append(errs, stopper.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

// accountLeaves keeps an account that is about to be deleted in memory, with what
// extensions read of its rows while they are there, until accountChanged.
func (s *Server) accountLeaves(u users.Account) (end func()) {
	a, err := s.find(u.JID)
	if a == nil {
		if err != nil {
			s.log.Error("account lookup failed", "cause", err)
		}
		return nil
	}
	s.current().hooks.Leaving.Tell(a)
	return a.Release
}

// accountChanged ends the sessions of an account that may no longer log in.
func (s *Server) accountChanged(c users.Change) {
	if c.Kind != users.Deleted && c.Kind != users.Disabled {
		return
	}
	sh := s.shard(c.Account.JID)
	a := sh.get(c.Account.JID)
	if a == nil {
		return
	}
	defer a.Release()
	if c.Kind == users.Deleted {
		sh.forget(a.jid)
	}
	for _, ss := range a.Sessions() {
		ss.End("not-authorized", "the account was "+map[users.ChangeKind]string{users.Deleted: "deleted", users.Disabled: "disabled"}[c.Kind])
	}
	if c.Kind == users.Deleted {
		s.current().hooks.Removed.Tell(a)
	}
}
