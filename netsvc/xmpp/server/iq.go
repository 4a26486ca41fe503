package server

import (
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
)

// iqKey finds who answers a request: RFC 6120 section 8.4 goes by the namespace
// of the payload; the element's name tells apart the few that share one.
type iqKey struct {
	space, local string
	scope        xmpp.Scope
}

// answer hands an IQ that is addressed to a host, or to an account itself, to its
// handler. t.Account is the addressed account; the sender's when there is no 'to'.
func (g *generation) answer(t *xmpp.Transit) {
	s := t.Stanza
	if s.Type == stanza.Result || s.Type == stanza.TypeError {
		return // an answer to something the server asked: its arrival was all that counted
	}
	of, scope := t.Account, xmpp.ToSelf
	switch {
	case s.To.IsZero():
	case s.To.Local() == "":
		of, scope = nil, xmpp.ToHost
	case s.From.Bare() != s.To:
		scope = xmpp.ToAccount
	}
	space, local := s.PayloadName()
	d := g.iqs[iqKey{space, local, scope}]
	handle := g.handler(d, s)
	if handle == nil {
		return
	}
	host := s.To.Domain()
	if of != nil {
		host = of.JID().Domain()
	}
	r := xmpp.NewRequest(s, t.Session, of, host, g.log, g.Server.reply)
	if d.Fresh && of != nil {
		of.AfterWrites(func() { handle(r) })
		return
	}
	handle(r)
}

// handler is the half of d that answers; nil when the request has been refused.
func (g *generation) handler(d *xmpp.IQ, s *stanza.Stanza) func(*xmpp.Request) {
	if d == nil {
		g.bounce(s, stanza.NewError(stanza.ServiceUnavailable, ""))
		return nil
	}
	handle := d.Get
	if s.Type == stanza.Set {
		handle = d.Set
	}
	if handle == nil {
		g.bounce(s, stanza.NewError(stanza.FeatureNotImplemented, ""))
	}
	return handle
}

// toService hands a stanza to a service: requests to its own address have handlers,
// as those to a host, and everything else is the service's own affair.
func (g *generation) toService(t *xmpp.Transit, at xmpp.Place) {
	s := t.Stanza
	switch {
	case at.Request(s):
		space, local := s.PayloadName()
		d := at.Service.IQ(space, local)
		if d == nil {
			d = g.iqs[iqKey{space, local, xmpp.ToService}]
		}
		if handle := g.handler(d, s); handle != nil {
			handle(xmpp.NewServiceRequest(s, t.Session, at, g.log, g.Server.reply))
		}
	case at.Service.Take != nil:
		at.Service.Take(t, at)
	default:
		g.toNobody(s)
	}
}

// reply sends the one answer of a request.
func (s *Server) reply(answer *stanza.Stanza) { s.current().reply(answer) }

// unsent is for a stanza that owes nobody a copy and whose session has ended
// before the client had it: a request needs its answer, the rest is dropped.
func (g *generation) unsent(s *stanza.Stanza) {
	if s.Kind == stanza.IQ {
		g.bounce(s, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// Route implements xmpp.Server.
func (s *Server) Route(st *stanza.Stanza) { s.current().reply(st) }

// Account implements xmpp.Server.
func (s *Server) Account(bare jid.JID) (xmpp.Account, bool, error) {
	if !s.IsHost(bare.Domain()) || bare.Local() == "" {
		return nil, false, nil
	}
	a, err := s.find(bare)
	if a == nil {
		return nil, false, err
	}
	return a, true, nil
}
