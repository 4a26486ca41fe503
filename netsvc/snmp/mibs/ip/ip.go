// Package ip is what the network stack counts: the scalars of IP-MIB (RFC 4293), TCP-MIB (RFC 4022) and UDP-MIB
// (RFC 4113) with those of ICMP, and the tables of addresses and of neighbours.
//
// Many of the scalars are marked deprecated by their RFCs in favour of tables by version of IP; management stations
// ask for them all the same, and ipSystemStatsTable is there beside them. Tables of connections and listeners are
// left out: on a server they are long, and who talks to whom is nobody's business.
package ip

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

// maxNeighbours and maxAddresses bound the tables: a box at an exchange has thousands.
const (
	maxNeighbours = 512
	maxAddresses  = 512
)

type group struct {
	env     *mib.Env
	machine *mibs.Machine
}

// counters are scalars that stand one after the other and are called like the kernel's counters, with another
// beginning: ipInReceives is Ip.InReceives.
type counters struct {
	at     mib.OID
	first  uint32
	prefix string // of the object
	kernel string // of the counter
	kind   mib.Kind
	names  string // "-" is an object that is not here
}

var (
	ipAt   = mib.OID{1, 3, 6, 1, 2, 1, 4}
	icmpAt = mib.OID{1, 3, 6, 1, 2, 1, 5}
	tcpAt  = mib.OID{1, 3, 6, 1, 2, 1, 6}
	udpAt  = mib.OID{1, 3, 6, 1, 2, 1, 7}
)

const icmpNames = "Msgs Errors DestUnreachs TimeExcds ParmProbs SrcQuenchs Redirects Echos EchoReps Timestamps TimestampReps AddrMasks AddrMaskReps"

var ipCounters = []counters{
	{ipAt, 1, "ip", "Ip.", mib.Integer32, "Forwarding DefaultTTL"},
	{ipAt, 3, "ip", "Ip.", mib.Counter32, "InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes"},
	{ipAt, 14, "ip", "Ip.", mib.Counter32, "ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates"},
	{icmpAt, 1, "icmpIn", "Icmp.In", mib.Counter32, icmpNames},
	{icmpAt, 14, "icmpOut", "Icmp.Out", mib.Counter32, icmpNames},
}

var tcpCounters = []counters{
	{tcpAt, 1, "tcp", "Tcp.", mib.Integer32, "RtoAlgorithm RtoMin RtoMax MaxConn"},
	{tcpAt, 5, "tcp", "Tcp.", mib.Counter32, "ActiveOpens PassiveOpens AttemptFails EstabResets"},
	{tcpAt, 9, "tcp", "Tcp.", mib.Gauge32, "CurrEstab"},
	{tcpAt, 10, "tcp", "Tcp.", mib.Counter32, "InSegs OutSegs RetransSegs - InErrs OutRsts"},
	{tcpAt, 17, "tcpHC", "Tcp.", mib.Counter64, "InSegs OutSegs"},
}

var udpCounters = []counters{
	{udpAt, 1, "udp", "Udp.", mib.Counter32, "InDatagrams NoPorts InErrors OutDatagrams"},
	{udpAt, 8, "udpHC", "Udp.", mib.Counter64, "InDatagrams OutDatagrams"},
}

// Groups returns the groups.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env, mibs.Of(env.Host)}
	ip := mib.Group{Name: "IP-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 48}, About: "Internet protocol, ICMP and addresses.",
		Scalars: append(g.scalars(ipCounters),
			// The kernel tells seconds since 2.4.
			mib.Scalar{Name: "ipReasmTimeout", OID: ipAt.With(13), Kind: mib.Integer32, Get: g.counter("Ip.ReasmTimeout", mib.Integer32)}),
		Tables: []mib.Table{
			{Name: "ipAddrTable", Entry: ipAt.With(20, 1), Keep: 5 * time.Second, Fill: g.addresses4, Columns: []mib.Column{
				{ID: 1, Name: "ipAdEntAddr", Kind: mib.IPAddress},
				{ID: 2, Name: "ipAdEntIfIndex", Kind: mib.Integer32},
				{ID: 3, Name: "ipAdEntNetMask", Kind: mib.IPAddress},
				{ID: 4, Name: "ipAdEntBcastAddr", Kind: mib.Integer32},
				{ID: 5, Name: "ipAdEntReasmMaxSize", Kind: mib.Integer32},
			}},
			{Name: "ipNetToMediaTable", Entry: ipAt.With(22, 1), Keep: 5 * time.Second, Fill: g.neighbours, Columns: []mib.Column{
				{ID: 1, Name: "ipNetToMediaIfIndex", Kind: mib.Integer32},
				{ID: 2, Name: "ipNetToMediaPhysAddress", Kind: mib.OctetString},
				{ID: 3, Name: "ipNetToMediaNetAddress", Kind: mib.IPAddress},
				{ID: 4, Name: "ipNetToMediaType", Kind: mib.Integer32},
			}},
			{Name: "ipSystemStatsTable", Entry: ipAt.With(31, 1, 1), Fill: g.system, Columns: systemColumns},
			{Name: "ipAddressTable", Entry: ipAt.With(34, 1), Keep: 5 * time.Second, Fill: g.addresses, Columns: []mib.Column{
				{ID: 3, Name: "ipAddressIfIndex", Kind: mib.Integer32},
				{ID: 4, Name: "ipAddressType", Kind: mib.Integer32},
				{ID: 5, Name: "ipAddressPrefix", Kind: mib.ObjectID},
				{ID: 6, Name: "ipAddressOrigin", Kind: mib.Integer32},
				{ID: 7, Name: "ipAddressStatus", Kind: mib.Integer32},
				{ID: 8, Name: "ipAddressCreated", Kind: mib.TimeTicks},
				{ID: 9, Name: "ipAddressLastChanged", Kind: mib.TimeTicks},
				{ID: 10, Name: "ipAddressRowStatus", Kind: mib.Integer32},
				{ID: 11, Name: "ipAddressStorageType", Kind: mib.Integer32},
			}},
		},
	}
	return []mib.Group{
		ip,
		{Name: "TCP-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 49}, About: "TCP.", Scalars: g.scalars(tcpCounters)},
		{Name: "UDP-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 50}, About: "UDP.", Scalars: g.scalars(udpCounters)},
	}
}

func (g *group) scalars(list []counters) (scalars []mib.Scalar) {
	for _, c := range list {
		if c.kind == mib.Counter64 && strconv.IntSize == 32 {
			continue // the kernel counts in words: what wraps at 2^32 is no Counter64
		}
		for i, name := range strings.Fields(c.names) {
			if name != "-" {
				scalars = append(scalars, mib.Scalar{Name: c.prefix + name, OID: c.at.With(c.first + uint32(i)), Kind: c.kind,
					Get: g.counter(c.kernel+name, c.kind)})
			}
		}
	}
	return scalars
}

// counter reads one of the kernel's counters; a kernel that has not got it has no instance.
func (g *group) counter(name string, kind mib.Kind) func(*mib.Request) mib.Value {
	return func(r *mib.Request) mib.Value {
		p := g.machine.Protocols(r.Now)
		n, ok := p[name]
		if udp, is := strings.CutPrefix(name, "Udp."); is {
			n += p["Udp6."+udp] // the kernel keeps them apart, RFC 4113 does not; TCP has one set for both
		}
		switch {
		case !ok:
			return mib.None
		case kind == mib.Counter32:
			return mib.Count32(n)
		case kind == mib.Counter64:
			return mib.Count64(n)
		case kind == mib.Gauge32:
			return mib.Gauge(n)
		}
		return mib.Int(int64(n))
	}
}

// addresses4 fills the older table, of IPv4 alone.
func (g *group) addresses4(s *mib.Snapshot) {
	numbers := g.machine.Numbers(time.Now())
	list, _ := g.machine.Board.Addresses()
	for _, a := range list {
		n := numbers[a.Index]
		if n == 0 || !a.Prefix.Addr().Is4() || s.Len() == maxAddresses {
			continue
		}
		ones := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), a.Prefix.Bits())
		broadcast := 0 // the lowest bit of the address for broadcasts
		if a.Broadcast.IsValid() {
			broadcast = int(a.Broadcast.As4()[3] & 1)
		}
		s.Row(bytesIndex(nil, a.Prefix.Addr()), mib.Address(a.Prefix.Addr()), mib.Int(n), mib.Address(ones.Masked().Addr()), mib.Int(broadcast), mib.Int(65535))
	}
}

// bytesIndex appends the bytes of an address to an index.
func bytesIndex(index mib.OID, a netip.Addr) mib.OID {
	for _, b := range a.AsSlice() {
		index = append(index, uint32(b))
	}
	return index
}

func (g *group) neighbours(s *mib.Snapshot) {
	numbers := make(map[string]uint32)
	for _, i := range g.machine.Interfaces(time.Now()) {
		numbers[i.Name] = i.Number
	}
	for _, one := range g.machine.Board.Neighbours(maxNeighbours) {
		n := numbers[one.Device]
		if n == 0 || !one.Addr.Is4() {
			continue
		}
		kind := 3 // dynamic
		if one.Permanent {
			kind = 4 // static
		}
		s.Row(bytesIndex(mib.OID{n}, one.Addr), mib.Int(n), mib.Octets(one.Hardware), mib.Address(one.Addr), mib.Int(kind))
	}
}

// Values of the columns of ipAddressTable.
const (
	unicast       = 1
	originOther   = 1
	originManual  = 2
	originLocal   = 5 // linklayer
	originRandom  = 6
	preferred     = 1
	tentative     = 6
	rowActive     = 1
	storedVolatil = 2
)

// addresses fills ipAddressTable, whose index is the type of the address (ipv4(1), ipv6(2), ipv6z(4)), its length and
// its bytes. Those of one link only have the number of the interface behind them (RFC 4001).
func (g *group) addresses(s *mib.Snapshot) {
	numbers := g.machine.Numbers(time.Now())
	nowhere := mib.Ref(mib.OID{0, 0}) // there is no table of prefixes to point into
	list, _ := g.machine.Board.Addresses()
	for _, a := range list {
		n, addr := numbers[a.Index], a.Prefix.Addr()
		if n == 0 || s.Len() == maxAddresses {
			continue
		}
		var index mib.OID
		origin := originManual
		switch {
		case addr.Is4():
			index = bytesIndex(mib.OID{1, 4}, addr)
		case addr.IsLinkLocalUnicast():
			index = append(bytesIndex(mib.OID{4, 20}, addr), n>>24, n>>16&255, n>>8&255, n&255)
			origin = originLocal
		default:
			index = bytesIndex(mib.OID{2, 16}, addr)
			origin = originOther // by hand, by DHCP or from a router: the kernel knows, but not in this file
		}
		if a.Temporary {
			origin = originRandom
		}
		status := preferred
		if a.Tentative {
			status = tentative
		}
		s.Row(index, mib.Int(n), mib.Int(unicast), nowhere, mib.Int(origin), mib.Int(status), mib.Ticks(0), mib.Ticks(0), mib.Int(rowActive), mib.Int(storedVolatil))
	}
}

// system fills ipSystemStatsTable: a row for each version of IP.
func (g *group) system(s *mib.Snapshot) {
	p := g.machine.Protocols(time.Now())
	for version, name := range [...]string{1: "Ip.", 2: "Ip6."} {
		if _, ok := p[name+"InReceives"]; !ok {
			continue
		}
		values := make([]mib.Value, len(systemColumns))
		for i, c := range systemColumns {
			values[i] = systemValue(p, name, version, c)
		}
		s.Row(mib.OID{uint32(version)}, values...)
	}
}

// systemColumns are those of ipSystemStatsTable that Linux counts; each is called like the kernel's counter but for
// the renamed.
var systemColumns = []mib.Column{
	{ID: 3, Name: "ipSystemStatsInReceives", Kind: mib.Counter32},
	{ID: 5, Name: "ipSystemStatsInOctets", Kind: mib.Counter32},
	{ID: 6, Name: "ipSystemStatsHCInOctets", Kind: mib.Counter64},
	{ID: 7, Name: "ipSystemStatsInHdrErrors", Kind: mib.Counter32},
	{ID: 9, Name: "ipSystemStatsInAddrErrors", Kind: mib.Counter32},
	{ID: 10, Name: "ipSystemStatsInUnknownProtos", Kind: mib.Counter32},
	{ID: 17, Name: "ipSystemStatsInDiscards", Kind: mib.Counter32},
	{ID: 18, Name: "ipSystemStatsInDelivers", Kind: mib.Counter32},
	{ID: 20, Name: "ipSystemStatsOutRequests", Kind: mib.Counter32},
	{ID: 22, Name: "ipSystemStatsOutNoRoutes", Kind: mib.Counter32},
	{ID: 23, Name: "ipSystemStatsOutForwDatagrams", Kind: mib.Counter32},
	{ID: 25, Name: "ipSystemStatsOutDiscards", Kind: mib.Counter32},
	{ID: 32, Name: "ipSystemStatsOutOctets", Kind: mib.Counter32},
	{ID: 33, Name: "ipSystemStatsHCOutOctets", Kind: mib.Counter64},
	{ID: 46, Name: "ipSystemStatsDiscontinuityTime", Kind: mib.TimeTicks},
	{ID: 47, Name: "ipSystemStatsRefreshRate", Kind: mib.Gauge32},
}

func systemValue(p board.Protocols, kernel string, version int, c mib.Column) mib.Value {
	name := strings.TrimPrefix(strings.TrimPrefix(c.Name, "ipSystemStats"), "HC")
	switch {
	case name == "DiscontinuityTime":
		return mib.Ticks(0)
	case name == "RefreshRate":
		return mib.Gauge(1000)
	case strings.HasSuffix(name, "Octets") && version == 1:
		kernel = "IpExt."
	case name == "OutForwDatagrams" && version == 1:
		name = "ForwDatagrams"
	}
	n, ok := p[kernel+name]
	switch {
	case !ok:
		return mib.None
	case c.Kind == mib.Counter64:
		return mib.Count64(n)
	}
	return mib.Count32(n)
}
