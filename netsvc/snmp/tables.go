package snmp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
)

// The tables of users, rights and targets, as RFC 3414, 3415 and 3413 have them: to be read only, as the
// configuration is where they are written, and outside the standard view. Keys are not in them.
var (
	usmUserColumns = []mib.Column{{ID: 3, Name: "usmUserSecurityName", Kind: mib.OctetString}, {ID: 4, Name: "usmUserCloneFrom", Kind: mib.ObjectID},
		{ID: 5, Name: "usmUserAuthProtocol", Kind: mib.ObjectID}, {ID: 6, Name: "usmUserAuthKeyChange", Kind: mib.OctetString},
		{ID: 7, Name: "usmUserOwnAuthKeyChange", Kind: mib.OctetString}, {ID: 8, Name: "usmUserPrivProtocol", Kind: mib.ObjectID},
		{ID: 9, Name: "usmUserPrivKeyChange", Kind: mib.OctetString}, {ID: 10, Name: "usmUserOwnPrivKeyChange", Kind: mib.OctetString},
		{ID: 11, Name: "usmUserPublic", Kind: mib.OctetString}, {ID: 12, Name: "usmUserStorageType", Kind: mib.Integer32},
		{ID: 13, Name: "usmUserStatus", Kind: mib.Integer32}}
	vacmGroupColumns = []mib.Column{{ID: 3, Name: "vacmGroupName", Kind: mib.OctetString},
		{ID: 4, Name: "vacmSecurityToGroupStorageType", Kind: mib.Integer32}, {ID: 5, Name: "vacmSecurityToGroupStatus", Kind: mib.Integer32}}
	vacmAccessColumns = []mib.Column{{ID: 4, Name: "vacmAccessContextMatch", Kind: mib.Integer32}, {ID: 5, Name: "vacmAccessReadViewName", Kind: mib.OctetString},
		{ID: 6, Name: "vacmAccessWriteViewName", Kind: mib.OctetString}, {ID: 7, Name: "vacmAccessNotifyViewName", Kind: mib.OctetString},
		{ID: 8, Name: "vacmAccessStorageType", Kind: mib.Integer32}, {ID: 9, Name: "vacmAccessStatus", Kind: mib.Integer32}}
	vacmViewColumns = []mib.Column{{ID: 3, Name: "vacmViewTreeFamilyMask", Kind: mib.OctetString}, {ID: 4, Name: "vacmViewTreeFamilyType", Kind: mib.Integer32},
		{ID: 5, Name: "vacmViewTreeFamilyStorageType", Kind: mib.Integer32}, {ID: 6, Name: "vacmViewTreeFamilyStatus", Kind: mib.Integer32}}
	targetAddrColumns = []mib.Column{{ID: 2, Name: "snmpTargetAddrTDomain", Kind: mib.ObjectID}, {ID: 3, Name: "snmpTargetAddrTAddress", Kind: mib.OctetString},
		{ID: 4, Name: "snmpTargetAddrTimeout", Kind: mib.Integer32}, {ID: 5, Name: "snmpTargetAddrRetryCount", Kind: mib.Integer32},
		{ID: 6, Name: "snmpTargetAddrTagList", Kind: mib.OctetString}, {ID: 7, Name: "snmpTargetAddrParams", Kind: mib.OctetString},
		{ID: 8, Name: "snmpTargetAddrStorageType", Kind: mib.Integer32}, {ID: 9, Name: "snmpTargetAddrRowStatus", Kind: mib.Integer32}}
	targetParamsColumns = []mib.Column{{ID: 2, Name: "snmpTargetParamsMPModel", Kind: mib.Integer32}, {ID: 3, Name: "snmpTargetParamsSecurityModel", Kind: mib.Integer32},
		{ID: 4, Name: "snmpTargetParamsSecurityName", Kind: mib.OctetString}, {ID: 5, Name: "snmpTargetParamsSecurityLevel", Kind: mib.Integer32},
		{ID: 6, Name: "snmpTargetParamsStorageType", Kind: mib.Integer32}, {ID: 7, Name: "snmpTargetParamsRowStatus", Kind: mib.Integer32}}
)

// Values of the tables.
var (
	kept   = mib.Int(5) // StorageType readOnly
	active = mib.Int(1) // RowStatus
	empty  = mib.Text("")

	authOID  = mib.OID{1, 3, 6, 1, 6, 3, 10, 1, 1} // snmpAuthProtocols, and a number
	privOIDs = [...]mib.OID{
		usm.NoPriv: {1, 3, 6, 1, 6, 3, 10, 1, 2, 1}, usm.AES128: {1, 3, 6, 1, 6, 3, 10, 1, 2, 4},
		// Those that no RFC has, as net-snmp numbers them.
		usm.AES192: {1, 3, 6, 1, 4, 1, 14832, 1, 3}, usm.AES256: {1, 3, 6, 1, 4, 1, 14832, 1, 4},
		usm.AES192C: {1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 1}, usm.AES256C: {1, 3, 6, 1, 4, 1, 9, 12, 6, 1, 2},
	}
)

// tables adds the tables to the agent's own groups.
func (s *service) tables(list []mib.Group) []mib.Group {
	table := func(name string, columns []mib.Column, fill func(*mib.Snapshot), oid ...uint32) mib.Table {
		return mib.Table{Name: name, Entry: mib.OID{1, 3, 6, 1, 6, 3}.With(oid...), Columns: columns, Keep: time.Minute, Fill: fill}
	}
	list[groupUSM].Tables = []mib.Table{table("usmUserTable", usmUserColumns, s.userTable, 15, 1, 2, 2, 1)}
	list[groupTarget].Tables = []mib.Table{
		table("snmpTargetAddrTable", targetAddrColumns, s.addrTable, 12, 1, 2, 1),
		table("snmpTargetParamsTable", targetParamsColumns, s.paramsTable, 12, 1, 3, 1),
	}
	return append(list, mib.Group{Name: "SNMP-VIEW-BASED-ACM-MIB", ID: mib.OID{1, 3, 6, 1, 6, 3, 16, 2, 1, 1},
		About: "View-based Access Control Model for SNMP", Tables: []mib.Table{
			table("vacmSecurityToGroupTable", vacmGroupColumns, s.groupTable, 16, 1, 2, 1),
			table("vacmAccessTable", vacmAccessColumns, s.accessTable, 16, 1, 4, 1),
			table("vacmViewTreeFamilyTable", vacmViewColumns, s.viewTable, 16, 1, 5, 2, 1),
		}})
}

func (s *service) userTable(t *mib.Snapshot) {
	e := s.agent.engine.Load()
	if e == nil {
		return
	}
	for _, u := range s.options.users {
		a, p := u.algorithms()
		number := uint32(1)
		if a != usm.NoAuth {
			number = uint32(a) + 2
		}
		t.Row(mib.OID{}.AppendText(string(e.id), false).AppendText(u.userName(), false), mib.Text(u.userName()), mib.Ref(mib.OID{0, 0}),
			mib.Ref(authOID.With(number)), empty, empty, mib.Ref(privOIDs[p]), empty, empty, empty, kept, active)
	}
}

// Numbers of security models beside that of USM.
const (
	securityV1  = 1
	securityV2c = 2
)

// level is a SnmpSecurityLevel: 1 for nothing, 3 for everything.
func level(flags byte) mib.Value { return mib.Int(min(int(flags), 2) + 1) }

// flagsOf are the flags that messages of a user must have.
func flagsOf(u *userOptions) (flags byte) {
	a, p := u.algorithms()
	if a != usm.NoAuth {
		flags |= flagAuth
	}
	if p != usm.NoPriv {
		flags |= flagPriv
	}
	return flags
}

// groupTable has a group for each user and community, with its name.
func (s *service) groupTable(t *mib.Snapshot) {
	for _, u := range s.options.users {
		t.Row(mib.OID{securityUSM}.AppendText(u.userName(), false), mib.Text(u.section), kept, active)
	}
	for _, c := range s.options.communities {
		for model := uint32(securityV1); model <= securityV2c; model++ {
			t.Row(mib.OID{model}.AppendText(c.section, false), mib.Text("community "+c.section), kept, active)
		}
	}
}

func (s *service) accessTable(t *mib.Snapshot) {
	row := func(group string, model uint32, flags byte, read, write string) {
		index := append(mib.OID{}.AppendText(group, false), 0, model, uint32(level(flags).Int()))
		t.Row(index, mib.Int(1), mib.Text(read), mib.Text(write), mib.Text(viewAll), kept, active)
	}
	for _, u := range s.options.users {
		write := ""
		if u.role != roles[0] {
			write = u.view
		}
		row(u.section, securityUSM, flagsOf(u), u.view, write)
	}
	for _, c := range s.options.communities {
		row("community "+c.section, securityV1, 0, c.view, "")
		row("community "+c.section, securityV2c, 0, c.view, "")
	}
}

func (s *service) viewTable(t *mib.Snapshot) {
	show := func(name string, v view) {
		for _, r := range v {
			index := append(mib.OID{}.AppendText(name, false), uint32(len(r.oid)))
			t.Row(append(index, r.oid...), empty, mib.Truth(r.include), kept, active)
		}
	}
	show(viewStandard, standardView)
	show(viewAll, wholeView)
	for _, v := range s.options.views {
		show(v.name, v.view)
	}
}

func (s *service) addrTable(t *mib.Snapshot) {
	for _, o := range s.options.targets {
		address, _ := o.hostPort()
		domain, octets := mib.OID{1, 3, 6, 1, 6, 1, 1}, empty // snmpUDPDomain
		if at, err := netip.ParseAddrPort(address); err == nil {
			if at.Addr().Is6() {
				domain = mib.OID{1, 3, 6, 1, 2, 1, 100, 1, 2} // transportDomainUdpIpv6
			}
			octets = mib.Octets(binary.BigEndian.AppendUint16(at.Addr().AsSlice(), at.Port()))
		}
		t.Row(mib.OID{}.AppendText(o.section, true), mib.Ref(domain), octets, mib.Int(o.timeout.Milliseconds()/10), mib.Int(o.retries),
			empty, mib.Text(o.section), kept, active)
	}
}

func (s *service) paramsTable(t *mib.Snapshot) {
	for _, o := range s.options.targets {
		model, security, name, flags := 1, securityV2c, "", byte(0)
		for _, u := range s.options.users {
			if u.section == o.user {
				model, security, name, flags = version3, securityUSM, u.userName(), flagsOf(u)
			}
		}
		t.Row(mib.OID{}.AppendText(o.section, true), mib.Int(model), mib.Int(security), mib.Text(name), level(flags), kept, active)
	}
}
