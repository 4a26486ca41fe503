package snmp

import (
	"context"
	"encoding/binary"
	"time"

	"linnet/netsvc/module"
	"linnet/netsvc/snmp/mib"
	"linnet/store"
	"linnet/store/table"
)

// own is what the agent says about itself: the snmp group of SNMPv2-MIB, SNMP-FRAMEWORK-MIB, SNMP-MPD-MIB, the
// counters of SNMP-TARGET-MIB and of SNMP-USER-BASED-SM-MIB.
func (a *Agent) own(h module.Host, t *table.Table) []mib.Group {
	list := make([]mib.Group, len(places))
	for i := range places {
		list[i] = mib.Group{Name: places[i].name, ID: places[i].identity, About: places[i].about}
	}
	add := func(group int, name string, kind mib.Kind, get func(*mib.Request) mib.Value, id ...uint32) *mib.Scalar {
		g := &list[group]
		g.Scalars = append(g.Scalars, mib.Scalar{Name: name, OID: places[group].oid.With(id...), Kind: kind, Get: get})
		return &g.Scalars[len(g.Scalars)-1]
	}
	for i := range counters {
		c := &counters[i]
		n := &a.stats.count[i]
		add(int(c.group), c.name, mib.Counter32, func(*mib.Request) mib.Value { return mib.Count32(n.Load()) }, uint32(c.id))
	}
	add(groupSNMP, "snmpEnableAuthenTraps", mib.Integer32, func(*mib.Request) mib.Value { return mib.Truth(a.traps.Load()) }, 30).Set =
		func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) { return a.setTraps(h, t, v) }
	serial := add(groupSNMP, "snmpSetSerialNo", mib.Integer32, func(*mib.Request) mib.Value { return mib.Int(a.serial.Load()) })
	serial.OID = mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 6, 1}
	serial.Set = func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) { return a.setSerial(h, t, v) }

	shown := func(show func(*engine, time.Time) mib.Value) func(*mib.Request) mib.Value {
		return func(r *mib.Request) mib.Value {
			if e := a.engine.Load(); e != nil {
				return show(e, r.Now)
			}
			return mib.None
		}
	}
	add(groupFramework, "snmpEngineID", mib.OctetString, shown(func(e *engine, _ time.Time) mib.Value { return mib.Octets(e.id) }), 1)
	add(groupFramework, "snmpEngineBoots", mib.Integer32, shown(func(e *engine, _ time.Time) mib.Value { return mib.Int(e.boots) }), 2)
	add(groupFramework, "snmpEngineTime", mib.Integer32, shown(func(e *engine, now time.Time) mib.Value { return mib.Int(e.time(now)) }), 3)
	add(groupFramework, "snmpEngineMaxMessageSize", mib.Integer32, func(*mib.Request) mib.Value { return mib.Int(maxMessage) }, 4)
	return list
}

// Keys of the agent's rows.
const (
	rowEngine = "engine" // identity: the boots and the identifier
	rowTraps  = "traps"  // snmpEnableAuthenTraps, when it was set
	rowSerial = "serial" // snmpSetSerialNo
	rowBoot   = "boot"   // the boot of the machine in which the agent ran last
	rowKeys   = "keys/"  // and the engine's identifier, a slash and a user's name: localised keys
)

// storing bounds how long a SET waits for the disk.
const storing = 10 * time.Second

// keep writes one row and waits for it.
func keep(h module.Host, t *table.Table, row string, value []byte) error {
	ctx, stop := context.WithTimeout(context.Background(), storing)
	defer stop()
	var b store.Batch
	b.Put(t, []byte(row), value)
	return h.Store().Apply(ctx, &b)
}

func (a *Agent) setTraps(h module.Host, t *table.Table, v mib.Value) (mib.Change, mib.Status) {
	if v.Int() != 1 && v.Int() != 2 {
		return mib.Change{}, mib.WrongValue
	}
	old := a.traps.Load()
	set := func(on bool) func() error {
		return func() error {
			value := []byte{2}
			if on {
				value[0] = 1
			}
			err := keep(h, t, rowTraps, value)
			if err == nil {
				a.traps.Store(on)
			}
			return err
		}
	}
	return mib.Change{Commit: set(v.Int() == 1), Undo: set(old)}, mib.NoError
}

// setSerial is TestAndIncr of RFC 2579: only who names the present value may change it, by one.
func (a *Agent) setSerial(h module.Host, t *table.Table, v mib.Value) (mib.Change, mib.Status) {
	old := a.serial.Load()
	switch {
	case v.Int() < 0:
		return mib.Change{}, mib.WrongValue
	case v.Int() != old:
		return mib.Change{}, mib.InconsistentValue
	}
	set := func(n int32) func() error {
		return func() error {
			err := keep(h, t, rowSerial, binary.BigEndian.AppendUint32(nil, uint32(n)))
			if err == nil {
				a.serial.Store(n)
			}
			return err
		}
	}
	return mib.Change{Commit: set((old + 1) & (1<<31 - 1)), Undo: set(old)}, mib.NoError
}
