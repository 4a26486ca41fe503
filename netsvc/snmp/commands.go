package snmp

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// commands declares what an operator can do.
func (s *service) commands(h module.Host) {
	test := event.Declare(h, event.Desc{Name: "test", Severity: event.Notice, Help: "This is a test.", Moment: true})
	h.Command(command.Command{Name: "snmp show", Effect: command.Read, Role: command.Operator,
		Help: "Show the SNMP engine and what it counted.", Run: s.show})
	h.Command(command.Command{Name: "snmp users", Effect: command.Read, Role: command.Operator,
		Help: "List who may ask by SNMP, and for what.", Run: s.list})
	h.Command(command.Command{Name: "snmp targets", Effect: command.Read, Role: command.Operator,
		Help: "List the managers that are told of events.", Run: s.targets})
	h.Command(command.Command{Name: "snmp test", Effect: command.Change, Role: command.Operator,
		Help: "Tell all managers, and whoever else is told of events, that this is a test.",
		Run: func(context.Context, *command.Call) (*command.Result, error) {
			test.Raise()
			return nil, nil
		}})
}

func (s *service) show(context.Context, *command.Call) (*command.Result, error) {
	a := s.agent
	e := a.engine.Load()
	if e == nil {
		return nil, command.Fail(command.Unavailable, "the agent is just starting or stopping")
	}
	r := &command.Result{}
	r.Set("engine", "engine", hex.EncodeToString(e.id)).SetInt("boots", "boots", int64(e.boots)).SetInt("time", "time", int64(e.time(time.Now())))
	r.SetInt("told", "notifications told", int64(a.sent.Load())).SetInt("untold", "notifications in vain", int64(a.lost.Load()))
	r.SetInt("limited", "refusals not sent", int64(a.stats.limited.Load()))
	for i := range counters {
		r.SetInt(counters[i].name, counters[i].name, int64(a.stats.count[i].Load()))
	}
	return r, nil
}

func (s *service) list(context.Context, *command.Call) (*command.Result, error) {
	r := command.Table(command.Column{Name: "name"}, command.Column{Name: "auth"}, command.Column{Name: "priv"},
		command.Column{Name: "view"}, command.Column{Name: "role"}, command.Column{Name: "from"}, command.Column{Name: "ready", Kind: command.Bool})
	made := s.agent.access.Load()
	for _, u := range s.options.users {
		ready := made != nil && made.users[u.userName()] != nil
		r.Row(u.userName(), u.auth, u.priv, u.view, u.role, "", strconv.FormatBool(ready))
	}
	for _, c := range s.options.communities {
		r.Row(c.section, "community", "none", c.view, "", strings.Join(c.sources, " "), "true")
	}
	return r, nil
}

func (s *service) targets(context.Context, *command.Call) (*command.Result, error) {
	r := command.Table(command.Column{Name: "name"}, command.Column{Name: "address"}, command.Column{Name: "how"},
		command.Column{Name: "waiting", Kind: command.Int}, command.Column{Name: "silent", Kind: command.Bool})
	if made := s.agent.access.Load(); made != nil {
		for _, t := range made.targets {
			how := "trap"
			if t.inform {
				how = "inform"
			}
			t.mu.Lock()
			r.Row(t.name, t.address, how, strconv.Itoa(len(t.waiting)), strconv.FormatBool(t.silent))
			t.mu.Unlock()
		}
	}
	return r, nil
}

// refusing are the counters of messages that were not taken.
var refusing = []counter{badVersions, badCommunityNames, parseErrors, unknownModels, invalidMessages, unknownHandlers, unknownContexts,
	unsupportedLevels, notInWindow, unknownUsers, unknownEngines, wrongDigests, decryptionErrors}

// metrics declares what others may see of the agent.
func (a *Agent) metrics(m *metric.Section) {
	sum := func(list ...counter) func() uint64 {
		list = slices.Clone(list)
		return func() (n uint64) {
			for _, c := range list {
				n += a.stats.count[c].Load()
			}
			return n
		}
	}
	m.CounterFunc(metric.Desc{Name: "snmpPackets", Help: "Messages to the SNMP agent."}, sum(inPackets))
	m.CounterFunc(metric.Desc{Name: "snmpRefused", Help: "Messages to the SNMP agent that it did not take."}, sum(refusing...))
	m.CounterFunc(metric.Desc{Name: "snmpTold", Help: "Notifications that were sent, or confirmed where that was asked for."}, func() uint64 { return uint64(a.sent.Load()) })
	m.CounterFunc(metric.Desc{Name: "snmpUntold", Help: "Notifications that nobody confirmed, or that waited in vain."}, func() uint64 { return uint64(a.lost.Load()) })
}
