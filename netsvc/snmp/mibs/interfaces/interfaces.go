// Package interfaces is IF-MIB (RFC 2863) but for what Linux does not count or a manager would have to set:
// broadcasts, multicasts sent, the tables of stacking, of addresses received and of tests.
//
// ifIndex is the kernel's at first sight and stays with the name of the interface (mibs.Machine). Counters have 64
// bits; ifTable shows their lower halves.
package interfaces

import (
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

// Values of ifType (IANAifType-MIB).
const (
	typeOther    = 1
	typeEthernet = 6
	typePPP      = 23
	typeLoopback = 24
	typeWireless = 71
	typeTunnel   = 131
	typeVLAN     = 135
	typeLAG      = 161
	typeBridge   = 209
	typeWWAN     = 243
)

// Values of ifOperStatus.
var operStatus = [...]int{
	board.StateUnknown: 4, board.StateNotPresent: 6, board.StateDown: 2, board.StateLowerDown: 7,
	board.StateTesting: 3, board.StateDormant: 5, board.StateUp: 1,
}

// Status returns the ifOperStatus of a state.
func Status(s board.State) int { return operStatus[s] }

// kinds are the kernel's families of drivers that say more than the hardware's type.
var kinds = []struct {
	kind string
	is   int
}{
	{"bridge", typeBridge}, {"vlan", typeVLAN}, {"wlan", typeWireless}, {"wwan", typeWWAN}, {"bond", typeLAG},
	{"ppp", typePPP}, {"wireguard", typeTunnel}, {"vxlan", typeTunnel}, {"gre", typeTunnel},
}

// Type returns the ifType of an interface.
func Type(i *board.Interface) int {
	for _, k := range kinds {
		if k.kind == i.Kind {
			return k.is
		}
	}
	switch i.Hardware {
	case 1: // ARPHRD_ETHER
		return typeEthernet
	case 512: // ARPHRD_PPP
		return typePPP
	case 519: // ARPHRD_RAWIP: modems
		return typeWWAN
	case 772: // ARPHRD_LOOPBACK
		return typeLoopback
	case 768, 769, 776, 778, 823, 65534: // IP in IP, IPv6 in it, SIT, GRE, GRE over IPv6, none (tun)
		return typeTunnel
	case 801, 802, 803: // IEEE 802.11, with and without its headers
		return typeWireless
	}
	return typeOther
}

type group struct {
	env     *mib.Env
	machine *mibs.Machine
	none    mib.Value // zeroDotZero
}

// Groups returns the group.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env, mibs.Of(env.Host), mib.Ref(mib.OID{0, 0})}
	interfaces, extended := mib.OID{1, 3, 6, 1, 2, 1, 2}, mib.OID{1, 3, 6, 1, 2, 1, 31, 1}
	return []mib.Group{{
		Name: "IF-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 31}, About: "Network interfaces and their counters.",
		Scalars: []mib.Scalar{
			{Name: "ifNumber", OID: interfaces.With(1), Kind: mib.Integer32,
				Get: func(r *mib.Request) mib.Value { return mib.Int(len(g.machine.Interfaces(r.Now))) }},
			{Name: "ifTableLastChange", OID: extended.With(5), Kind: mib.TimeTicks, Get: func(r *mib.Request) mib.Value {
				g.machine.Interfaces(r.Now)
				return g.env.Stamp(g.machine.InterfacesChanged())
			}},
		},
		Tables: []mib.Table{
			{Name: "ifTable", Entry: interfaces.With(2, 1), Columns: ifColumns, Fill: g.ifTable},
			{Name: "ifXTable", Entry: extended.With(1, 1), Columns: ifXColumns, Fill: g.ifXTable},
		},
	}}
}

var ifColumns = []mib.Column{
	{ID: 1, Name: "ifIndex", Kind: mib.Integer32},
	{ID: 2, Name: "ifDescr", Kind: mib.OctetString},
	{ID: 3, Name: "ifType", Kind: mib.Integer32},
	{ID: 4, Name: "ifMtu", Kind: mib.Integer32},
	{ID: 5, Name: "ifSpeed", Kind: mib.Gauge32},
	{ID: 6, Name: "ifPhysAddress", Kind: mib.OctetString},
	{ID: 7, Name: "ifAdminStatus", Kind: mib.Integer32},
	{ID: 8, Name: "ifOperStatus", Kind: mib.Integer32},
	{ID: 9, Name: "ifLastChange", Kind: mib.TimeTicks},
	{ID: 10, Name: "ifInOctets", Kind: mib.Counter32},
	{ID: 11, Name: "ifInUcastPkts", Kind: mib.Counter32},
	{ID: 12, Name: "ifInNUcastPkts", Kind: mib.Counter32},
	{ID: 13, Name: "ifInDiscards", Kind: mib.Counter32},
	{ID: 14, Name: "ifInErrors", Kind: mib.Counter32},
	{ID: 16, Name: "ifOutOctets", Kind: mib.Counter32},
	{ID: 17, Name: "ifOutUcastPkts", Kind: mib.Counter32},
	{ID: 19, Name: "ifOutDiscards", Kind: mib.Counter32},
	{ID: 20, Name: "ifOutErrors", Kind: mib.Counter32},
	{ID: 21, Name: "ifOutQLen", Kind: mib.Gauge32},
	{ID: 22, Name: "ifSpecific", Kind: mib.ObjectID},
}

func (g *group) ifTable(s *mib.Snapshot) {
	for _, i := range g.machine.Interfaces(time.Now()) {
		c := &i.Counters
		s.Numbered(i.Number,
			mib.Int(i.Number), mib.Text(i.Name), mib.Int(Type(&i.Interface)), mib.Int(i.MTU), mib.Gauge(i.Speed), mib.Octets(i.Address),
			status(i.Up), mib.Int(Status(i.State)), g.env.Stamp(i.Since),
			mib.Count32(c.InBytes), mib.Count32(unicast(c)), mib.Count32(c.InMulticast), mib.Count32(c.InDrops), mib.Count32(c.InErrors),
			mib.Count32(c.OutBytes), mib.Count32(c.OutPackets), mib.Count32(c.OutDrops), mib.Count32(c.OutErrors), mib.Gauge(0), g.none)
	}
}

// status is ifAdminStatus: up(1) or down(2).
func status(up bool) mib.Value { return mib.Truth(up) }

// unicast takes multicasts from what was received. Some drivers count them before they drop some, so that there
// are more of them than of all: then nothing is taken, because a counter must not go back.
func unicast(c *board.Counters) uint64 {
	if c.InMulticast > c.InPackets {
		return c.InPackets
	}
	return c.InPackets - c.InMulticast
}

var ifXColumns = []mib.Column{
	{ID: 1, Name: "ifName", Kind: mib.OctetString},
	{ID: 2, Name: "ifInMulticastPkts", Kind: mib.Counter32},
	{ID: 6, Name: "ifHCInOctets", Kind: mib.Counter64},
	{ID: 7, Name: "ifHCInUcastPkts", Kind: mib.Counter64},
	{ID: 8, Name: "ifHCInMulticastPkts", Kind: mib.Counter64},
	{ID: 10, Name: "ifHCOutOctets", Kind: mib.Counter64},
	{ID: 11, Name: "ifHCOutUcastPkts", Kind: mib.Counter64},
	{ID: 14, Name: "ifLinkUpDownTrapEnable", Kind: mib.Integer32},
	{ID: 15, Name: "ifHighSpeed", Kind: mib.Gauge32},
	{ID: 16, Name: "ifPromiscuousMode", Kind: mib.Integer32},
	{ID: 17, Name: "ifConnectorPresent", Kind: mib.Integer32},
	{ID: 18, Name: "ifAlias", Kind: mib.OctetString},
	{ID: 19, Name: "ifCounterDiscontinuityTime", Kind: mib.TimeTicks},
}

func (g *group) ifXTable(s *mib.Snapshot) {
	for _, i := range g.machine.Interfaces(time.Now()) {
		c := &i.Counters
		s.Numbered(i.Number,
			mib.Text(i.Name), mib.Count32(c.InMulticast), mib.Count64(c.InBytes), mib.Count64(unicast(c)), mib.Count64(c.InMulticast),
			mib.Count64(c.OutBytes), mib.Count64(c.OutPackets), mib.Int(1), mib.Gauge(i.Speed/1e6), mib.Truth(i.Promisc), mib.Truth(i.Physical),
			mib.Text(i.Alias), g.env.Stamp(i.Born))
	}
}
