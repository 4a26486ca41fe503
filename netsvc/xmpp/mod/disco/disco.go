// Package disco says what this server and its accounts are and can do: Service
// Discovery, XEP-0030 2.5.0, with the extended information of XEP-0128 1.0.1 and
// the contact addresses of XEP-0157 1.1.1.
//
// It owns the answers only: what is in them was declared by the extensions
// (xmpp.Discoveries).
package disco

import (
	"strings"

	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/form"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "disco",
		Summary: "says what the server is and can do",
		Specs:   []string{"XEP-0030 2.5.0", "XEP-0128 1.0.1", "XEP-0157 1.1.1"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	caps     caps
	host     xmpp.Host
	contacts []contact
}

// contact is one kind of contact addresses, XEP-0157 section 3.
type contact struct {
	field string
	uris  []string
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	o := h.Options().About("Service discovery: the addresses of people who run this server, as URIs such as mailto: or xmpp:.")
	m.contacts = []contact{{field: "abuse-addresses"}, {field: "admin-addresses"}, {field: "feedback-addresses"},
		{field: "sales-addresses"}, {field: "security-addresses"}, {field: "status-addresses"}, {field: "support-addresses"}}
	for i := range m.contacts {
		kind := strings.TrimSuffix(m.contacts[i].field, "-addresses")
		o.Strings(&m.contacts[i].uris, kind, nil, "whom to write to about "+kind)
	}
	everywhere := xmpp.ToSelf | xmpp.ToAccount | xmpp.ToHost | xmpp.ToService
	h.IQ(xmpp.IQ{Space: disco.InfoSpace, Local: "query", To: everywhere, Get: m.info})
	h.IQ(xmpp.IQ{Space: disco.ItemsSpace, Local: "query", To: everywhere, Get: m.items})
	h.StreamFeature(m.streamFeature)
	d := h.Disco()
	d.Feature(xmpp.ToHost, disco.CapsSpace)
	d.Identity(xmpp.ToHost, disco.Identity{Category: "server", Type: "im", Name: "linnet"})
	d.Identity(xmpp.ToSelf|xmpp.ToAccount, disco.Identity{Category: "account", Type: "registered"})
	d.Form(xmpp.ToHost, m.addresses)
	return nil
}

// scope is who is asked: a service, the host, the asker's own account, or somebody
// else's.
func scope(r *xmpp.Request) xmpp.Scope {
	switch {
	case r.Service != nil:
		return xmpp.ToService
	case r.Account == nil:
		return xmpp.ToHost
	case r.Session != nil && r.Session.Account() == r.Account:
		return xmpp.ToSelf
	}
	return xmpp.ToAccount
}

// allowed keeps strangers from finding out who exists, XEP-0030 section 8. What an
// account that is not there answers is RFC 6121's to say (8.5.1), for items too:
// one that hides must not differ from it by an empty list.
func (m *module) allowed(r *xmpp.Request) bool {
	if scope(r) != xmpp.ToAccount {
		return true
	}
	s, err := m.host.Contacts().Contact(r.Account, r.IQ.From.Bare())
	return err == nil && s.From
}

func (m *module) info(r *xmpp.Request) {
	if !m.allowed(r) {
		r.Refuse(stanza.ServiceUnavailable, "")
		return
	}
	info, bad := m.answer(r)
	if bad != nil {
		r.Fail(bad)
		return
	}
	w := xmlstream.NewWriter("jabber:client")
	info.Append(w)
	r.Result(w.Bytes())
}

// answer is what is known of the address, or of a node there.
func (m *module) answer(r *xmpp.Request) (info *disco.Info, bad *stanza.Error) {
	where := scope(r)
	node := r.Payload.Attr("node")
	d := m.host.Disco()
	switch n := d.Nodes[node]; {
	case where == xmpp.ToService:
		if node == "" {
			info = m.describe(where, r.Host)
			of(r.Service, info)
		}
	case node == "", where == xmpp.ToHost && node == capsNode+"#"+m.ver(r.Host):
		info = m.describe(where, r.Host)
	case n.Info != nil:
		info, bad = n.Info(r)
	case d.OtherNodes != nil:
		info = d.OtherNodes(r, node)
	}
	if bad == nil && info == nil {
		bad = stanza.NewError(stanza.ItemNotFound, "")
	}
	if info != nil {
		info.Node = node
	}
	return info, bad
}

// of adds what a service is and can do.
func of(s *xmpp.Service, info *disco.Info) {
	info.Identities = append(info.Identities, s.Identity)
	info.Add(s.Features...)
	for i := range s.IQs {
		switch d := &s.IQs[i]; d.Feature {
		case "":
			info.Add(d.Space)
		case "-":
		default:
			info.Add(d.Feature)
		}
	}
}

// describe gathers what the extensions declared for addresses of one kind.
func (m *module) describe(where xmpp.Scope, host string) *disco.Info {
	d := m.host.Disco()
	info := &disco.Info{}
	for _, id := range d.Identities {
		if id.Scope&where != 0 {
			info.Identities = append(info.Identities, id.Identity)
		}
	}
	for _, f := range d.Features {
		if f.Scope&where != 0 {
			info.Add(f.Var)
		}
	}
	for _, f := range d.Forms {
		if f.Scope&where == 0 {
			continue
		}
		if made := f.Make(host); made != nil {
			info.Forms = append(info.Forms, made)
		}
	}
	return info
}

func (m *module) items(r *xmpp.Request) {
	if !m.allowed(r) {
		r.Refuse(stanza.ServiceUnavailable, "")
		return
	}
	d := m.host.Disco()
	node := r.Payload.Attr("node")
	answer := disco.Items{Node: node}
	switch where := scope(r); {
	case node != "":
		n, ok := d.Nodes[node]
		if !ok || n.Items == nil || where == xmpp.ToService {
			r.Refuse(stanza.ItemNotFound, "")
			return
		}
		list, bad := n.Items(r)
		if bad != nil {
			r.Fail(bad)
			return
		}
		answer.Items = list
	case where == xmpp.ToService:
		if r.Service.Items != nil {
			answer.Items = r.Service.Items(r)
		}
	default:
		if where != xmpp.ToHost { // an account's items are its clients, XEP-0030 section 4.3
			for _, s := range r.Account.Sessions() {
				if s.Presence() != nil {
					answer.Items = append(answer.Items, disco.Item{JID: s.JID()})
				}
			}
		}
		for _, f := range d.Items {
			answer.Items = append(answer.Items, f(r)...)
		}
		if where == xmpp.ToHost {
			answer.Items = append(answer.Items, m.services(r.Host)...)
		}
	}
	w := xmlstream.NewWriter("jabber:client")
	answer.Append(w, nil)
	r.Result(w.Bytes())
}

// services are those that can be used at a host.
func (m *module) services(host string) (list []disco.Item) {
	places, _ := xmpp.Places(m.host.Disco().Services, []string{host})
	for _, s := range m.host.Disco().Services {
		for _, at := range places {
			if at.Service == s && at.IsReady() {
				list = append(list, disco.Item{JID: at.JID, Name: s.Identity.Name})
			}
		}
	}
	return list
}

// addresses is the form of XEP-0157. The administrators that the configuration
// names can be written to by XMPP, if nothing else is said.
func (m *module) addresses(string) *form.Form {
	f := form.New(form.Result, "http://jabber.org/network/serverinfo")
	for _, c := range m.contacts {
		uris := c.uris
		if c.field == "admin-addresses" && len(uris) == 0 {
			for _, admin := range m.host.Site().Admins {
				if j, err := jid.Parse(admin); err == nil {
					uris = append(uris, "xmpp:"+j.String())
				}
			}
		}
		if len(uris) > 0 {
			f.Add(form.Field{Var: c.field, Type: form.ListMulti, Values: uris})
		}
	}
	if len(f.Fields) == 1 { // the FORM_TYPE alone
		return nil
	}
	return f
}
