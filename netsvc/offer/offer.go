// Package offer is what this device offers its users beside XMPP: TURN, STUN and the like, where they are and with
// which credentials they can be used.
//
// A service says what it offers with Set; who tells users (XEP-0215, mod/extdisco) reads it with List and hears of
// changes with Watch. So neither knows the other. The package owns that list and nothing else.
package offer

import (
	"errors"
	"slices"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/module"
)

// Of returns the device's offers, the same for all who ask.
func Of(h module.Host) *Offers { return module.Live(h, "offer", New) }

// Place is one way to reach a service.
type Place struct {
	Type      string // as registered for XEP-0215: "stun", "turn", "turns"
	Host      string // a name or an address; "" is the domain that the user asks
	Port      uint16
	Transport string // "udp" or "tcp"
}

// Credential is a name and a password for a service.
type Credential struct {
	Username, Password string
	Expires            time.Time // zero: never
}

// Issue makes a credential for an account. It may not block. ErrNotNow is for a service that can make none now.
type Issue func(account.ID) (Credential, error)

// ErrNotNow says that no credential can be made now, such as while the clock is not set.
var ErrNotNow = errors.New("offer: no credentials can be made now")

// Service is a Place and how credentials for it are made; Issue is nil where none are needed.
type Service struct {
	Place
	Issue Issue
}

// Offers is the list. Safe for concurrent use.
type Offers struct {
	mu       sync.Mutex
	by       []provider
	watchers []*watcher
}

type provider struct {
	name     string
	services []Service
}

type watcher struct {
	changed func(added, removed []Service)
}

// New returns a list without services.
func New() *Offers { return new(Offers) }

// Set replaces what one provider offers; none is nothing. Watchers are called on this goroutine, if places have
// changed.
func (o *Offers) Set(provide string, services []Service) {
	services = slices.Clone(services)
	o.mu.Lock()
	i := slices.IndexFunc(o.by, func(p provider) bool { return p.name == provide })
	if i < 0 {
		i = len(o.by)
		o.by = append(o.by, provider{name: provide})
	}
	old := o.by[i].services
	o.by[i].services = services
	watchers := o.watchers
	o.mu.Unlock()
	added, removed := without(services, old), without(old, services)
	if len(added)+len(removed) == 0 {
		return
	}
	for _, w := range watchers {
		w.changed(added, removed)
	}
}

// without lists the services of a whose place is not in b.
func without(a, b []Service) (list []Service) {
	for _, s := range a {
		if !slices.ContainsFunc(b, func(other Service) bool { return other.Place == s.Place }) {
			list = append(list, s)
		}
	}
	return list
}

// List returns all services, in the order of their providers.
func (o *Offers) List() (all []Service) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.by {
		all = append(all, p.services...)
	}
	return all
}

// Watch has changed called with the services that came and went, until stop is called. It may not block.
func (o *Offers) Watch(changed func(added, removed []Service)) (stop func()) {
	w := &watcher{changed}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers = append(slices.Clip(o.watchers), w) // Set reads the old list
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.watchers = slices.DeleteFunc(slices.Clone(o.watchers), func(other *watcher) bool { return other == w })
	}
}
