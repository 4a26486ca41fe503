// Package extdisco tells clients of the services that this device offers beside XMPP, with credentials to use them:
// External Service Discovery, XEP-0215 1.0.0.
//
// What there is comes from netsvc/offer. Only clients of this server are told. The answer to the query for services
// has credentials in it, as clients expect; a client that asked hears of changes as long as its session lasts.
package extdisco

import (
	"context"
	"errors"
	"strconv"

	"linnet/netsvc/module"
	"linnet/netsvc/offer"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "urn:xmpp:extdisco:2"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "extdisco",
		Summary: "tells clients of TURN and other services, with credentials for them",
		Specs:   []string{"XEP-0215 1.0.0"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host   xmpp.Host
	offers *offer.Offers
	asked  xmpp.Flag        // the client has asked for services and hears of changes
	kind   xmpp.Key[string] // of which type; "" is all
	live   *live
}

// live is what outlives generations: the one that was started watches until the last is stopped.
type live struct{ stop func() }

func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	m.offers = offer.Of(h)
	m.live = module.Live(h, "extdisco", func() *live { return new(live) })
	m.asked = h.Flag("extdisco")
	m.kind = xmpp.NewKey[string](h, "extdisco.type")
	h.IQ(xmpp.IQ{Space: space, Local: "services", To: xmpp.ToHost, Get: m.services})
	h.IQ(xmpp.IQ{Space: space, Local: "credentials", To: xmpp.ToHost, Feature: "-", Get: m.credentials})
	return nil
}

// Start implements module.Starter.
func (m *extension) Start(context.Context) error {
	m.live.stop = m.offers.Watch(m.push)
	return nil
}

// Stop implements module.Stopper.
func (m *extension) Stop(context.Context) error {
	m.live.stop()
	return nil
}

// ours refuses who is no client of this server: the credentials are its users'.
func (m *extension) ours(r *xmpp.Request) bool {
	if r.Session == nil {
		r.Refuse(stanza.Forbidden, "")
		return false
	}
	return true
}

// services answers with all services, or those of one type: sections 3.1 and 3.2.
func (m *extension) services(r *xmpp.Request) {
	if !m.ours(r) {
		return
	}
	kind := r.Payload.Attr("type")
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "services").AttrIf("type", kind)
	for _, s := range m.offers.List() {
		if kind != "" && s.Type != kind {
			continue
		}
		// One for which there are no credentials now is told of when there are, by a push.
		if err := m.write(w, r.Session, &s, ""); err != nil && !errors.Is(err, offer.ErrNotNow) {
			r.Broken("credential not made", err)
			return
		}
	}
	m.kind.Set(r.Session, kind)
	r.Session.Set(m.asked, true)
	r.Result(w.End().Bytes())
}

// credentials answers with credentials for one service, which may be found at several ports: section 3.3.
func (m *extension) credentials(r *xmpp.Request) {
	if !m.ours(r) {
		return
	}
	wanted := r.Payload.Child(space, "service")
	host, kind, port := wanted.Attr("host"), wanted.Attr("type"), wanted.Attr("port")
	if host == "" || kind == "" {
		r.Refuse(stanza.BadRequest, "host and type of a service are needed")
		return
	}
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "credentials")
	found, later := false, false
	for _, s := range m.offers.List() {
		if s.Issue == nil || s.Type != kind || m.hostOf(r.Session, &s) != host || port != "" && port != strconv.Itoa(int(s.Port)) {
			continue
		}
		switch err := m.write(w, r.Session, &s, ""); {
		case errors.Is(err, offer.ErrNotNow):
			later = true
		case err != nil:
			r.Broken("credential not made", err)
			return
		default:
			found = true
		}
	}
	switch {
	case found:
		r.Result(w.End().Bytes())
	case later:
		r.Refuse(stanza.ResourceConstraint, "no credentials can be made before the clock is set")
	default:
		r.Refuse(stanza.ItemNotFound, "")
	}
}

// hostOf is the name of a service as a client is told it.
func (m *extension) hostOf(to xmpp.Session, s *offer.Service) string {
	if s.Host == "" {
		return to.JID().Domain()
	}
	return s.Host
}

// write adds a service to an answer, or to a push with its action. Where the error is not nil, nothing was added.
func (m *extension) write(w *xmlstream.Writer, to xmpp.Session, s *offer.Service, action string) error {
	var c offer.Credential
	if s.Issue != nil && action != "remove" {
		var err error
		if c, err = s.Issue(to.Account().ID()); err != nil {
			return err
		}
	}
	w.Start("", "service").AttrIf("action", action).Attr("type", s.Type).Attr("host", m.hostOf(to, s)).
		Attr("port", strconv.Itoa(int(s.Port))).Attr("transport", s.Transport)
	if s.Issue != nil && action != "remove" {
		w.Attr("restricted", "1").Attr("username", c.Username).Attr("password", c.Password)
		if !c.Expires.IsZero() {
			w.Attr("expires", stamp.FormatSeconds(c.Expires))
		}
	}
	w.End()
	return nil
}

// push tells everybody who has asked what came and what went: section 3.2.
func (m *extension) push(added, removed []offer.Service) {
	server := m.host.Server()
	server.Online(func(a xmpp.Account) bool {
		for _, s := range a.Sessions() {
			if s.Has(m.asked) {
				m.tell(s, added, removed)
			}
		}
		return true
	})
}

func (m *extension) tell(to xmpp.Session, added, removed []offer.Service) {
	kind := m.kind.Of(to)
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "services").AttrIf("type", kind)
	told := false
	for i, list := range [][]offer.Service{added, removed} {
		for _, s := range list {
			if kind != "" && s.Type != kind {
				continue
			}
			if err := m.write(w, to, &s, [...]string{"add", "remove"}[i]); err != nil {
				if !errors.Is(err, offer.ErrNotNow) {
					m.host.Log().Warn("credential not made", "cause", err)
				}
				continue
			}
			told = true
		}
	}
	if told {
		id := "extdisco" + strconv.FormatUint(m.host.Store().Order(), 36)
		to.Send(stanza.NewIQ(stanza.Set, id, to.JID().Host(), to.JID(), w.End().Bytes()))
	}
}
