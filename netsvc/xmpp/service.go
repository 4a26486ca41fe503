package xmpp

import (
	"errors"

	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
)

// Service is somebody beside the accounts, with an address of its own at each
// served domain, such as proxy.example.org at example.org, and perhaps addresses
// below it, such as rooms. Who asks for the items of a domain is shown those that
// are ready.
//
// Requests to its own address that no IQ of it answers go to those who declared
// ToService, as service discovery and pings do.
type Service struct {
	// Address is the service's domain at a served one, "" for none. It gives the
	// same answer throughout a generation, from Switch on.
	Address func(host string) string

	// Ready reports whether the service can be used now; while it cannot, there is
	// nobody at its addresses. nil means always.
	Ready func() bool

	Identity disco.Identity
	Features []string // beside those of IQs

	// IQs answer requests to the service's own address; their To is not looked at.
	// A request has the served domain as Host and no Account.
	IQs []IQ

	// Items adds to the items of the service's own address; nil adds none.
	Items func(*Request) []disco.Item

	// Take gets all other stanzas to the service's own address, and all to addresses
	// below it. Each is answered where RFC 6120 wants an answer: by Take, or where it
	// is nil with service-unavailable. It may not block, nor keep t.
	Take func(t *Transit, at Place)
}

// Place is a service at one served domain.
type Place struct {
	Service *Service
	Host    string // the served domain
	JID     jid.JID
}

// Places finds where the services are. The error names addresses that are none or
// taken; they are left out.
func Places(services []*Service, hosts []string) (map[string]Place, error) {
	places := make(map[string]Place)
	var bad []error
	for _, s := range services {
		for _, host := range hosts {
			address := s.Address(host)
			if address == "" {
				continue
			}
			j, err := jid.Parse(address)
			_, taken := places[j.Domain()]
			for _, other := range hosts {
				taken = taken || other == j.Domain()
			}
			switch {
			case err != nil || !j.IsHost():
				bad = append(bad, errors.New(address+" is not a domain"))
			case taken:
				bad = append(bad, errors.New(address+" is the address of another"))
			default:
				places[j.Domain()] = Place{s, host, j}
			}
		}
	}
	return places, errors.Join(bad...)
}

// IsReady reports whether there is somebody at the place now.
func (p Place) IsReady() bool {
	return p.Service != nil && (p.Service.Ready == nil || p.Service.Ready())
}

// IQ returns who answers a payload at the service's own address; nil for none of
// its own.
func (s *Service) IQ(space, local string) *IQ {
	for i := range s.IQs {
		if d := &s.IQs[i]; d.Space == space && d.Local == local {
			return d
		}
	}
	return nil
}

// Request tells whether a stanza is a request to the service itself.
func (p Place) Request(s *stanza.Stanza) bool {
	return s.Kind == stanza.IQ && s.To == p.JID && (s.Type == stanza.Get || s.Type == stanza.Set)
}
