// Package statistics shows the metrics of the node to XMPP clients: Statistics Gathering, XEP-0039 0.6.0
// (deferred, but what monitors of XMPP servers ask). The other way over XMPP is the command of each service
// (XEP-0050).
//
// It owns the names: those of the specification for the few that it has, SERVICE/METRIC for all, with the values
// of the labels behind it. A time is three figures. Texts, which the specification does not have, are shown with
// the unit "text". Who may ask is section 3.4 of it: operators everything, everybody what the operator names.
package statistics

import (
	"slices"
	"strconv"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "http://jabber.org/protocol/stats"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "statistics",
		Summary: "metrics for XMPP clients that monitor",
		Specs:   []string{"XEP-0039 0.6.0"},
		New:     func() xmpp.Module { return new(extension) },
	})
}

type extension struct {
	host   xmpp.Host
	public []string
}

// Setup implements xmpp.Module.
func (m *extension) Setup(h xmpp.Host) error {
	m.host = h
	h.Options().Strings(&m.public, "public", nil, "names of statistics that everybody may read, such as \"users/online\"")
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToHost, Get: m.get})
	return nil
}

func (m *extension) get(r *xmpp.Request) {
	all := false
	if r.Session != nil {
		role, err := m.host.Server().Accounts().RoleOf(r.IQ.From.Bare())
		if err != nil {
			r.Broken("role cannot be read", err)
			return
		}
		all = role >= account.Operator
	}
	if !all && len(m.public) == 0 {
		r.Refuse(stanza.Forbidden, "")
		return
	}
	go m.answer(r, all) // some figures are read from files: not on a reader
}

// answer lists the names, or the figures that were asked for.
func (m *extension) answer(r *xmpp.Request, all bool) {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query")
	figures := m.figures()
	visible := func(name string) bool { return all || slices.Contains(m.public, name) }
	if len(r.Payload.Kids) == 0 {
		for _, f := range figures {
			if visible(f.name) {
				w.Start("", "stat").Attr("name", f.name).End()
			}
		}
	}
	for _, ask := range r.Payload.Kids {
		if ask.Name.Local != "stat" {
			continue
		}
		name := ask.Attr("name")
		w.Start("", "stat").Attr("name", name)
		i := slices.IndexFunc(figures, func(f figure) bool { return f.name == name })
		switch {
		case !visible(name):
			w.Start("", "error").Attr("code", "401").Text("Not Authorized").End()
		case i < 0:
			w.Start("", "error").Attr("code", "404").Text("Not Found").End()
		default:
			w.Attr("units", figures[i].units).Attr("value", figures[i].value)
		}
		w.End()
	}
	r.Result(w.End().Bytes())
}

// figure is one statistic.
type figure struct{ name, units, value string }

// figures reads everything. First come the names of section 3.2 of the specification and those in its examples.
func (m *extension) figures() []figure {
	var list []figure
	add := func(name, units, value string) { list = append(list, figure{name, units, value}) }
	add("time/uptime", "seconds", "0")
	add("users/online", "users", "0")
	add("users/total", "users", "0")
	add("bandwidth/packets-in", "packets", "")
	add("bandwidth/packets-out", "packets", "")
	var in, out int64
	m.host.ReadMetrics(func(s metric.Sample) bool {
		name, units := s.Section+"/"+s.Desc.Name, s.Desc.Unit
		for _, label := range s.Labels {
			name += "/" + label
		}
		if units == "" {
			units = "count"
		}
		value := strconv.FormatInt(s.Value, 10)
		switch s.Desc.Kind {
		case metric.KindInfo:
			add(name, "text", s.Text)
		case metric.KindTime:
			micro := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
			add(name, units, strconv.FormatUint(s.Count, 10))
			add(name+"/sum", "microseconds", micro(s.Sum))
			add(name+"/longest", "microseconds", micro(s.Max))
		default:
			add(name, units, value)
		}
		switch s.Desc.Name {
		case "uptime":
			list[0].value = value
		case "sessions":
			list[1].value = value
		case "accounts":
			list[2].value = value
		case "stanzas":
			if s.Labels[len(s.Labels)-1] == "in" {
				in += s.Value
			} else {
				out += s.Value
			}
		}
		return true
	})
	list[3].value, list[4].value = strconv.FormatInt(in, 10), strconv.FormatInt(out, 10)
	return list
}
