// Package netservices is NETWORK-SERVICES-MIB (RFC 2788): a row of applTable for each service that runs or has run
// since the start, with how many associations it has.
//
// The figures are those of the services' own metrics; table says which. A service that is switched off has no row,
// so that no station calls somebody at night because of it; one that has stopped is down. assocTable, which would
// name the servers at the other ends, comes with the links between servers: clients are only counted, by design.
package netservices

import (
	"sync"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

// running is the metric that says which services run.
const running = "serviceUp"

// What is counted of a service.
const (
	inbound = iota
	outbound
	allInbound
	allOutbound
	rejected
	failed
	figures
)

// table says which metrics make up the figures of a service; those of several rows or names are added up.
var table = []struct {
	metric, service string
	figure          int
}{
	{"clientConnections", "c2s", inbound},
	{"clientsAccepted", "c2s", allInbound},
	{"gateRefused", "c2s", rejected},
	{"memoryRefused", "c2s", rejected},
	{"sessions", "xmpp", inbound},
	{"sessionsRefused", "xmpp", rejected},
	{"turnAllocations", "turn", inbound},
	{"turnRefused", "turn", rejected},
	{"transfersOpen", "socks5", inbound},
	{"transfersBegun", "socks5", allInbound},
	{"transfersRefused", "socks5", rejected},
}

type group struct {
	env     *mib.Env
	machine *mibs.Machine
	seen    *seen
	about   map[string]string
	names   []string // of all metrics that are wanted
}

// seen is what is remembered of services, over generations.
type seen struct {
	mu       sync.Mutex
	services map[string]*service
}

type service struct {
	up      bool
	began   time.Time // zero: before we looked
	changed time.Time
	last    [2]time.Time // of an association, inbound and outbound, as far as anybody asked
	counted [figures]uint64
}

// Values of applOperStatus.
const (
	statusUp   = 1
	statusDown = 2
)

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env: env, machine: mibs.Of(env.Host), about: make(map[string]string), names: []string{running}}
	g.seen = module.Live(env.Host, "snmp/services", func() *seen { return &seen{services: make(map[string]*service)} })
	for _, info := range module.All() {
		g.about[info.Name] = info.Summary
	}
	for _, row := range table {
		g.names = append(g.names, row.metric)
	}
	at := mib.OID{1, 3, 6, 1, 2, 1, 27}
	return []mib.Group{{
		Name: "NETWORK-SERVICES-MIB", ID: at, About: "The services and their associations.",
		Tables: []mib.Table{{Name: "applTable", Entry: at.With(1, 1), Fill: g.fill, Columns: []mib.Column{
			{ID: 2, Name: "applName", Kind: mib.OctetString},
			{ID: 3, Name: "applDirectoryName", Kind: mib.OctetString},
			{ID: 4, Name: "applVersion", Kind: mib.OctetString},
			{ID: 5, Name: "applUptime", Kind: mib.TimeTicks},
			{ID: 6, Name: "applOperStatus", Kind: mib.Integer32},
			{ID: 7, Name: "applLastChange", Kind: mib.TimeTicks},
			{ID: 8, Name: "applInboundAssociations", Kind: mib.Gauge32},
			{ID: 9, Name: "applOutboundAssociations", Kind: mib.Gauge32},
			{ID: 10, Name: "applAccumulatedInboundAssociations", Kind: mib.Counter32},
			{ID: 11, Name: "applAccumulatedOutboundAssociations", Kind: mib.Counter32},
			{ID: 12, Name: "applLastInboundActivity", Kind: mib.TimeTicks},
			{ID: 13, Name: "applLastOutboundActivity", Kind: mib.TimeTicks},
			{ID: 14, Name: "applRejectedInboundAssociations", Kind: mib.Counter32},
			{ID: 15, Name: "applFailedOutboundAssociations", Kind: mib.Counter32},
			{ID: 16, Name: "applDescription", Kind: mib.OctetString},
			{ID: 17, Name: "applURL", Kind: mib.OctetString},
		}}},
	}}
}

func (g *group) fill(s *mib.Snapshot) {
	now := time.Now()
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	list := g.seen.services
	first := len(list) == 0
	counted := make(map[string]*[figures]uint64)
	g.env.Host.ReadMetrics(func(m metric.Sample) bool {
		if m.Desc.Name == running {
			g.see(list, m.Labels[0], m.Value == 1, first, now)
			return true
		}
		for _, row := range table {
			if row.metric == m.Desc.Name {
				if counted[row.service] == nil {
					counted[row.service] = new([figures]uint64)
				}
				counted[row.service][row.figure] += uint64(max(m.Value, 0))
			}
		}
		return true
	}, g.names...)

	version := ""
	if site := g.env.Host.Site(); site != nil {
		version = site.Version
	}
	for name, one := range list {
		c := counted[name]
		if c == nil {
			c = new([figures]uint64)
		}
		for way := range one.last { // inbound, outbound
			if c[inbound+way] > 0 || c[allInbound+way] > one.counted[allInbound+way] {
				one.last[way] = now
			}
		}
		one.counted = *c
		status := statusUp
		if !one.up {
			status = statusDown
		}
		s.Numbered(g.machine.Book.Number("service", name, 0), mib.Text(name), mib.Text(""), mib.Text(version), g.env.Stamp(one.began), mib.Int(status), g.env.Stamp(one.changed),
			mib.Gauge(c[inbound]), mib.Gauge(c[outbound]), mib.Count32(c[allInbound]), mib.Count32(c[allOutbound]),
			g.env.Stamp(one.last[0]), g.env.Stamp(one.last[1]), mib.Count32(c[rejected]), mib.Count32(c[failed]), mib.Text(g.about[name]), mib.Text(""))
	}
}

// see notes whether a service runs. What is seen running the first time that anybody asks began with the program.
func (g *group) see(list map[string]*service, name string, up, first bool, now time.Time) {
	one := list[name]
	switch {
	case one == nil && up:
		one = &service{up: true}
		if !first {
			one.began, one.changed = now, now
		}
		list[name] = one
	case one != nil && one.up != up:
		one.up, one.changed = up, now
		if up {
			one.began = now
		}
	}
}
