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
	s := &a.stats
	shown := func(show func(*engine) mib.Value) func(*mib.Request) mib.Value {
		return func(*mib.Request) mib.Value {
			if e := a.engine.Load(); e != nil {
				return show(e)
			}
			return mib.None
		}
	}
	return []mib.Group{
		{Name: "SNMPv2-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 1}, About: "The MIB module for SNMP entities", Scalars: []mib.Scalar{
			counter("snmpInPkts", oidSNMP.With(1), &s.inPackets),
			counter("snmpInBadVersions", oidSNMP.With(3), &s.badVersions),
			counter("snmpInBadCommunityNames", oidSNMP.With(4), &s.badCommunityNames),
			counter("snmpInBadCommunityUses", oidSNMP.With(5), &s.badCommunityUses),
			counter("snmpInASNParseErrs", oidSNMP.With(6), &s.parseErrors),
			{Name: "snmpEnableAuthenTraps", OID: oidSNMP.With(30), Kind: mib.Integer32,
				Get: func(*mib.Request) mib.Value { return mib.Truth(a.traps.Load()) },
				Set: func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) { return a.setTraps(h, t, v) }},
			counter("snmpSilentDrops", oidSNMP.With(31), &s.silentDrops),
			counter("snmpProxyDrops", oidSNMP.With(32), new(count)),
			{Name: "snmpSetSerialNo", OID: mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 6, 1}, Kind: mib.Integer32,
				Get: func(*mib.Request) mib.Value { return mib.Int(a.serial.Load()) },
				Set: func(_ *mib.Request, v mib.Value) (mib.Change, mib.Status) { return a.setSerial(h, t, v) }},
		}},
		{Name: "SNMP-FRAMEWORK-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 10, 3, 1, 1}, About: "The SNMP Management Architecture MIB", Scalars: []mib.Scalar{
			{Name: "snmpEngineID", OID: oidEngine.With(1), Kind: mib.OctetString, Get: shown(func(e *engine) mib.Value { return mib.Octets(e.id) })},
			{Name: "snmpEngineBoots", OID: oidEngine.With(2), Kind: mib.Integer32, Get: shown(func(e *engine) mib.Value { return mib.Int(e.boots) })},
			{Name: "snmpEngineTime", OID: oidEngine.With(3), Kind: mib.Integer32, Get: func(r *mib.Request) mib.Value {
				if e := a.engine.Load(); e != nil {
					return mib.Int(e.time(r.Now))
				}
				return mib.None
			}},
			{Name: "snmpEngineMaxMessageSize", OID: oidEngine.With(4), Kind: mib.Integer32, Get: func(*mib.Request) mib.Value { return mib.Int(maxMessage) }},
		}},
		{Name: "SNMP-MPD-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 11, 3, 1, 1}, About: "The MIB for Message Processing and Dispatching", Scalars: []mib.Scalar{
			counter("snmpUnknownSecurityModels", oidMPD.With(1), &s.unknownModels),
			counter("snmpInvalidMsgs", oidMPD.With(2), &s.invalidMessages),
			counter("snmpUnknownPDUHandlers", oidMPD.With(3), &s.unknownHandlers),
		}},
		{Name: "SNMP-TARGET-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 12}, About: "The counters of the Target MIB", Scalars: []mib.Scalar{
			counter("snmpUnavailableContexts", oidTarget.With(4), &s.unavailableContexts),
			counter("snmpUnknownContexts", oidTarget.With(5), &s.unknownContexts),
		}},
		{Name: "SNMP-USER-BASED-SM-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 15, 2, 1, 1}, About: "The management information definitions for the SNMP User-based Security Model", Scalars: []mib.Scalar{
			counter("usmStatsUnsupportedSecLevels", oidUSM.With(1), &s.unsupportedLevels),
			counter("usmStatsNotInTimeWindows", oidUSM.With(2), &s.notInWindow),
			counter("usmStatsUnknownUserNames", oidUSM.With(3), &s.unknownUsers),
			counter("usmStatsUnknownEngineIDs", oidUSM.With(4), &s.unknownEngines),
			counter("usmStatsWrongDigests", oidUSM.With(5), &s.wrongDigests),
			counter("usmStatsDecryptionErrors", oidUSM.With(6), &s.decryptionErrors),
		}},
	}
}

// Keys of the agent's rows.
const (
	rowEngine = "engine" // identity: the boots and the identifier
	rowTraps  = "traps"  // snmpEnableAuthenTraps, when it was set
	rowSerial = "serial" // snmpSetSerialNo
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
