package xmpptest

import (
	"fmt"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// host is what one extension sees.
type host struct {
	module.Host
	server *Server
	g      *generation
	faults *[]error
}

type iqKey struct {
	space, local string
	scope        xmpp.Scope
}

func (h *host) fault(format string, args ...any) {
	*h.faults = append(*h.faults, fmt.Errorf("extension %s: "+format, append([]any{h.Name()}, args...)...))
}

func (h *host) Hooks() *xmpp.Hooks       { return &h.g.hooks }
func (h *host) Disco() *xmpp.Discoveries { return &h.g.disco }

func (h *host) IQ(d xmpp.IQ) {
	feature := d.Feature
	if feature == "" {
		feature = d.Space
	}
	if feature != "-" {
		h.g.disco.Feature(d.To, feature)
	}
	for _, scope := range []xmpp.Scope{xmpp.ToSelf, xmpp.ToAccount, xmpp.ToHost, xmpp.ToService} {
		if d.To&scope == 0 {
			continue
		}
		key := iqKey{d.Space, d.Local, scope}
		if h.g.iqs[key] != nil {
			h.fault("somebody else answers <%s xmlns='%s'/> already", d.Local, d.Space)
		}
		h.g.iqs[key] = &d
	}
}

func (h *host) Nonza(space string, handle func(xmpp.Session, *xmlstream.Node)) {
	if h.g.nonzas[space] != nil {
		h.fault("somebody else handles %s already", space)
	}
	h.g.nonzas[space] = handle
}

func (h *host) Guest(xmpp.GuestIQ) {} // guests have no streams here

func (h *host) Service(s *xmpp.Service) { h.g.disco.Services = append(h.g.disco.Services, s) }

func (h *host) StreamFeature(make func(string) []byte) { h.g.features = append(h.g.features, make) }

func (h *host) Flag(name string) xmpp.Flag { return 1 << h.server.number("flag."+name) }
func (h *host) Slot(name string) int       { return h.server.number("slot." + name) }

func (h *host) Server() xmpp.Server         { return h.server }
func (h *host) Contacts() xmpp.Contacts     { return h.g.contacts }
func (h *host) SetContacts(c xmpp.Contacts) { h.g.contacts = c }
func (h *host) SetSpool(s xmpp.Spool)       { h.g.spool = s }

// number gives a name its number; it stays the same over reloads.
func (s *Server) number(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.numbers[name]
	if !ok {
		n = len(s.numbers)
		s.numbers[name] = n
	}
	return n
}

// StreamFeatures are what extensions offer an authenticated client.
func (s *Server) StreamFeatures() string {
	var all []byte
	for _, f := range s.generation.Load().features {
		all = append(all, f(s.Hosts()[0])...)
	}
	return string(all)
}

// Hooks are the hooks of the current generation, to be run by themselves.
func (s *Server) Hooks() *xmpp.Hooks { return &s.generation.Load().hooks }

// Disco is what the extensions declared for service discovery.
func (s *Server) Disco() *xmpp.Discoveries { return &s.generation.Load().disco }

// Spool is what an extension offered with SetSpool, nil without one.
func (s *Server) Spool() xmpp.Spool { return s.generation.Load().spool }

// Contacts is the roster that extensions see.
func (s *Server) Contacts() xmpp.Contacts { return s.generation.Load().contacts }

// contacts is the roster of a test without the roster extension.
type contacts struct{ server *Server }

// Subscribe says what the account and the contact are to each other, as if the
// roster had changed. It is for tests without the roster extension.
func (s *Server) Subscribe(bare, contact string, now xmpp.Subscription) {
	a := s.account(bare)
	c := jid.MustParse(contact)
	a.mu.Lock()
	was := a.contacts[c]
	a.contacts[c] = now
	a.mu.Unlock()
	if was != now {
		s.generation.Load().hooks.Subscription.Tell(xmpp.SubscriptionChange{Account: a, Contact: c, Was: was, Now: now})
	}
}

func (c *contacts) Contact(of xmpp.Account, contact jid.JID) (xmpp.Subscription, error) {
	a := of.(*Account)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.contacts[contact], nil
}

func (c *contacts) Each(of xmpp.Account, f func(jid.JID, xmpp.Subscription) bool) error {
	a := of.(*Account)
	a.mu.Lock()
	list := sortedKeys(a.contacts)
	a.mu.Unlock()
	for _, j := range list {
		if sub, _ := c.Contact(of, j); !f(j, sub) {
			break
		}
	}
	return nil
}
