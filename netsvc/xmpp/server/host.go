package server

import (
	"fmt"
	"maps"
	"sync"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// host is what one extension sees while a generation is being built, and keeps
// for asking the server later.
type host struct {
	module.Host
	server *Server
	g      *generation
	faults *[]error
}

// names gives flags and slots their numbers; they stay the same over reloads.
type names struct {
	mu    sync.Mutex
	flags map[string]xmpp.Flag
	slots map[string]int
}

func (h *host) Hooks() *xmpp.Hooks       { return &h.g.hooks }
func (h *host) Disco() *xmpp.Discoveries { return &h.g.disco }

func (h *host) fault(format string, args ...any) {
	*h.faults = append(*h.faults, fmt.Errorf("extension %s: "+format, append([]any{h.Name()}, args...)...))
}

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
			continue
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

func (h *host) Guest(d xmpp.GuestIQ) { h.g.guests = append(h.g.guests, d) }

func (h *host) Service(s *xmpp.Service) { h.g.disco.Services = append(h.g.disco.Services, s) }

func (h *host) StreamFeature(make func(string) []byte) { h.g.features = append(h.g.features, make) }

func (h *host) Flag(name string) xmpp.Flag {
	h.server.names.mu.Lock()
	defer h.server.names.mu.Unlock()
	f, ok := h.server.names.flags[name]
	if !ok {
		if len(h.server.names.flags) == 32 {
			h.fault("no flag left for %s", name)
		}
		f = 1 << len(h.server.names.flags)
		h.server.names.flags[name] = f
	}
	return f
}

func (h *host) Slot(name string) int {
	h.server.names.mu.Lock()
	defer h.server.names.mu.Unlock()
	i, ok := h.server.names.slots[name]
	if !ok {
		i = len(h.server.names.slots)
		h.server.names.slots[name] = i
	}
	return i
}

// flagNames lists the set flags by name, for a session that outlives the
// program.
func (n *names) flagNames(set uint32) (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range maps.Keys(n.flags) {
		if set&uint32(n.flags[name]) != 0 {
			list = append(list, name)
		}
	}
	return list
}

func (n *names) flagSet(list []string) (set uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range list {
		set |= uint32(n.flags[name])
	}
	return set
}

func (h *host) Server() xmpp.Server         { return h.server }
func (h *host) Contacts() xmpp.Contacts     { return h.g.contacts }
func (h *host) SetContacts(c xmpp.Contacts) { h.g.contacts = c }
func (h *host) SetSpool(s xmpp.Spool)       { h.g.spool = s }

// noContacts is the roster of a build without one.
type noContacts struct{}

func (noContacts) Contact(xmpp.Account, jid.JID) (xmpp.Subscription, error) {
	return xmpp.Subscription{}, nil
}
func (noContacts) Each(xmpp.Account, func(jid.JID, xmpp.Subscription) bool) error { return nil }
