// Package mibstest shows MIB groups to tests as an agent would: with a recorded machine, a store, and numbers of rows
// that are kept already.
package mibstest

import (
	"testing"
	"time"

	"linnet/board"
	"linnet/board/boardtest"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/snmp/mibs"
)

// Agent is a service that has the groups and no network.
type Agent struct {
	*moduletest.Running
	Machine *boardtest.Machine
	t       testing.TB
	began   time.Time
	options moduletest.Options
	info    module.Info
}

// agent is one generation of it.
type agent struct {
	make   func(module.Host) []mib.Group
	host   module.Host
	groups []mib.Group
}

// Setup implements module.Module.
func (a *agent) Setup(h module.Host) error {
	a.host, a.groups = h, a.make(h)
	return nil
}

// Start begins an agent on the recorded machine of that name, with all that groups yields.
func Start(t testing.TB, machine string, options moduletest.Options, groups ...func(*mib.Env) []mib.Group) *Agent {
	t.Helper()
	a := &Agent{Machine: boardtest.New(machine), t: t, began: time.Now().Add(-time.Hour), options: options}
	a.info = module.Info{Name: "snmp", Summary: "A test's agent.", New: func() module.Module {
		return &agent{make: func(h module.Host) []mib.Group {
			mibs.With(h, func() *board.Board { return a.Machine.Board() })
			env := &mib.Env{Host: h, Began: func() time.Time { return a.began }, Tree: func() *mib.Tree { return a.tree() }}
			var all []mib.Group
			for _, make := range groups {
				all = append(all, make(env)...)
			}
			return all
		}}
	}}
	a.Running = moduletest.Start(t, a.info, options)
	return a
}

func (a *Agent) tree() *mib.Tree {
	tree, err := mib.NewTree(a.Module.(*agent).groups...)
	if err != nil {
		a.t.Error(err)
	}
	return tree
}

// Tree returns what the agent shows now: numbers of rows are kept, nothing is remembered from before.
func (a *Agent) Tree() *mib.Tree {
	a.t.Helper()
	now := a.Module.(*agent)
	if err := mibs.Of(now.host).Settle(a.t.Context(), now.groups); err != nil {
		a.t.Error(err)
	}
	return a.tree()
}

// Rows returns what a walk shows below an OID, by the rest of the name.
func Rows(t testing.TB, tree *mib.Tree, below string) map[string]mib.Value {
	t.Helper()
	prefix := mib.MustParseOID(below)
	rows := make(map[string]mib.Value)
	for _, i := range mibtest.Walk(t, tree) {
		if i.OID.HasPrefix(prefix) {
			rows[i.OID[len(prefix):].String()] = i.Value
		}
	}
	return rows
}
