// Package system is the system group of SNMPv2-MIB (RFC 3418): what the box is and where it stands, and which MIB
// modules there are (sysORTable).
//
// What sysDescr says begins like that of other Linux machines, because management stations choose their graphs by
// it. Name, contact and place come from the configuration until a manager sets them; what was set is kept in the
// store and wins.
package system

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
	"linnet/store"
	"linnet/store/table"
)

// services is the sum of the layers: internet (4), end-to-end (8) and applications (64).
const services = 4 + 8 + 64

// maxText is the longest DisplayString.
const maxText = 255

// group is the group of one generation. What was set is shared by all of them.
type group struct {
	env      *mib.Env
	machine  *mibs.Machine
	texts    [3]string // from the configuration
	kept     *kept
	objectID mib.Value
}

// kept is what managers have set.
type kept struct {
	table *table.Table

	mu    sync.Mutex
	read  bool
	texts map[string]string
}

// settable are the objects that can be set, in the order of their numbers from 4 on. The names are keys of the store.
var settable = [...]string{"sysContact", "sysName", "sysLocation"}

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	h := env.Host
	g := &group{env: env, machine: mibs.Of(h), objectID: mib.Ref(mib.Enterprise.With(4, 1))}
	g.kept = module.Live(h, "snmp/system", func() *kept {
		return &kept{table: table.New("snmp.system", table.None), texts: make(map[string]string)}
	})
	h.Table(g.kept.table)
	h.Options().String(&g.texts[0], "contact", "", "who looks after this box, until a manager sets sysContact")
	h.Options().String(&g.texts[1], "name", "", "what this box is called, until a manager sets sysName; left out, its host name")
	h.Options().String(&g.texts[2], "location", "", "where this box stands, until a manager sets sysLocation")

	at := mib.OID{1, 3, 6, 1, 2, 1, 1}
	scalars := []mib.Scalar{
		{Name: "sysDescr", OID: at.With(1), Kind: mib.OctetString, Get: g.describe},
		{Name: "sysObjectID", OID: at.With(2), Kind: mib.ObjectID, Get: func(*mib.Request) mib.Value { return g.objectID }},
		{Name: "sysUpTime", OID: at.With(3), Kind: mib.TimeTicks, Get: func(*mib.Request) mib.Value { return mib.Ticks(env.Uptime()) }},
		{Name: "sysServices", OID: at.With(7), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { return mib.Int(services) }},
		// The modules are those of the program: the list has not changed since it started.
		{Name: "sysORLastChange", OID: at.With(8), Kind: mib.TimeTicks, Get: func(*mib.Request) mib.Value { return mib.Ticks(0) }},
	}
	for i, name := range settable {
		scalars = append(scalars, mib.Scalar{Name: name, OID: at.With(uint32(4 + i)), Kind: mib.OctetString,
			Get: func(r *mib.Request) mib.Value { return mib.Text(g.text(r, i)) },
			Set: func(r *mib.Request, v mib.Value) (mib.Change, mib.Status) { return g.set(r, i, v.Bytes()) },
		})
	}
	return []mib.Group{{
		Name:    "SNMPv2-MIB", // the agent's own group of that module stands for it in sysORTable
		Scalars: scalars,
		Tables: []mib.Table{{
			Name: "sysORTable", Entry: at.With(9, 1), Keep: time.Minute, Fill: g.modules,
			Columns: []mib.Column{
				{ID: 2, Name: "sysORID", Kind: mib.ObjectID},
				{ID: 3, Name: "sysORDescr", Kind: mib.OctetString},
				{ID: 4, Name: "sysORUpTime", Kind: mib.TimeTicks},
			},
		}},
	}}
}

// describe is sysDescr: "Linux router 6.6.86 #0 … mips, linnet 1.2".
func (g *group) describe(r *mib.Request) mib.Value {
	id := g.machine.Identity(r.Now)
	version := ""
	if site := g.env.Host.Site(); site != nil {
		version = " " + site.Version
	}
	machine := id.Machine
	if id.Model != "" {
		machine += ", " + id.Model
	}
	text := "Linux " + id.Host + " " + id.Release + " " + id.Version + " " + machine + ", linnet" + version
	return mib.Text(cut(text))
}

// cut shortens a text to a DisplayString.
func cut(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
		for len(s) > 0 && !utf8.ValidString(s) { // not within a letter
			s = s[:len(s)-1]
		}
	}
	return s
}

// text returns what was set, what is configured, or for the name the host's own.
func (g *group) text(r *mib.Request, i int) string {
	if text, ok := g.kept.get(g.env.Host.Store(), settable[i]); ok {
		return text
	}
	if g.texts[i] == "" && i == 1 {
		return cut(g.machine.Identity(r.Now).Host)
	}
	return cut(g.texts[i])
}

// set tests a new text: it must be one, without control characters.
func (g *group) set(r *mib.Request, i int, text string) (mib.Change, mib.Status) {
	if len(text) > maxText {
		return mib.Change{}, mib.WrongLength
	}
	if !utf8.ValidString(text) {
		return mib.Change{}, mib.WrongValue
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return mib.Change{}, mib.WrongValue
		}
	}
	db, name := g.env.Host.Store(), settable[i]
	before, was := g.kept.get(db, name)
	return mib.Change{
		Commit: func() error { return g.kept.put(db, name, text, true) },
		Undo:   func() error { return g.kept.put(db, name, before, was) },
	}, mib.NoError
}

// get returns what was set, if something was.
func (k *kept) get(db *store.Store, name string) (text string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.read && db != nil {
		k.read = db.View(func(tx *store.Tx) error {
			return tx.Scan(k.table, nil, nil, false, func(key, value []byte) bool {
				k.texts[string(key)] = string(value)
				return true
			})
		}) == nil
	}
	text, ok = k.texts[name]
	return text, ok
}

// put sets a text, or makes it unset, and returns when that is kept.
func (k *kept) put(db *store.Store, name, text string, set bool) error {
	if db != nil {
		var b store.Batch
		if set {
			b.Put(k.table, []byte(name), []byte(text))
		} else {
			b.Delete(k.table, []byte(name))
		}
		if err := db.Apply(context.Background(), &b); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if set {
		k.texts[name] = text
	} else {
		delete(k.texts, name)
	}
	return nil
}

// modules fills sysORTable with the groups that have an identity.
func (g *group) modules(s *mib.Snapshot) {
	tree := g.env.Tree()
	if tree == nil {
		return
	}
	n := uint32(0)
	for _, other := range tree.Groups() {
		if len(other.ID) > 0 {
			n++
			s.Numbered(n, mib.Ref(other.ID), mib.Text(other.About), mib.Ticks(0))
		}
	}
}
