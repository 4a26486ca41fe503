package mibs_test

import (
	"os"
	"strings"
	"testing"

	"linnet/board/boardtest"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/snmp/mibs/entity"
	"linnet/netsvc/snmp/mibs/host"
	"linnet/netsvc/snmp/mibs/interfaces"
	"linnet/netsvc/snmp/mibs/ip"
	"linnet/netsvc/snmp/mibs/mibstest"
	"linnet/netsvc/snmp/mibs/system"
	"linnet/netsvc/snmp/mibs/ucd"
)

// all are the groups of standard MIBs.
var all = []func(*mib.Env) []mib.Group{system.Groups, interfaces.Groups, ip.Groups, host.Groups, ucd.Groups, entity.Groups}

// standard is a row of testdata/standard.txt.
type standard struct{ module, name, oid, kind, access string }

func standards(t *testing.T) (byOID map[string]standard, list []standard) {
	t.Helper()
	text, err := os.ReadFile("testdata/standard.txt")
	if err != nil {
		t.Fatal(err)
	}
	byOID = make(map[string]standard)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if words[0] == "#" {
			continue
		}
		s := standard{words[0], words[1], words[2], strings.ReplaceAll(words[3], "-", " "), words[4]}
		byOID[s.oid] = s
		list = append(list, s)
	}
	return byOID, list
}

// leftOut are columns of tables that are here, with the reason why they are not.
var leftOut = map[string]string{
	"ifInUnknownProtos": "Linux does not count them", "ifOutNUcastPkts": "Linux does not count them",
	"ifInBroadcastPkts": "Linux does not count them", "ifOutMulticastPkts": "Linux does not count them", "ifOutBroadcastPkts": "Linux does not count them",
	"ifHCInBroadcastPkts": "Linux does not count them", "ifHCOutMulticastPkts": "Linux does not count them", "ifHCOutBroadcastPkts": "Linux does not count them",
	"hrStorageAllocationFailures": "Linux does not count them",
	"entPhysicalAlias":            "nothing keeps what a manager would write there",
	"entPhysicalAssetID":          "nothing keeps what a manager would write there",
	"entPhysicalUris":             "nothing keeps what a manager would write there",
	"entPhysicalMfgDate":          "no machine tells it", "entPhysicalUUID": "no machine tells it",
}

func init() {
	// Of ipSystemStatsTable, what is in no graph anybody draws.
	for _, name := range strings.Fields("HCInReceives InNoRoutes InTruncatedPkts InForwDatagrams HCInForwDatagrams ReasmReqds ReasmOKs ReasmFails " +
		"HCInDelivers HCOutRequests HCOutForwDatagrams OutFragReqds OutFragOKs OutFragFails OutFragCreates OutTransmits HCOutTransmits InMcastPkts " +
		"HCInMcastPkts InMcastOctets HCInMcastOctets OutMcastPkts HCOutMcastPkts OutMcastOctets HCOutMcastOctets InBcastPkts HCInBcastPkts OutBcastPkts HCOutBcastPkts") {
		leftOut["ipSystemStats"+name] = "is in no graph that anybody draws"
	}
}

// What is shown has the OID, the type and no more than the access that its specification has, and of each table
// what is not shown is left out on purpose.
func TestStandards(t *testing.T) {
	byOID, list := standards(t)
	shown := make(map[string]bool)
	tables := make(map[string]bool)
	a := mibstest.Start(t, "x86", moduletest.Options{}, all...)
	for _, o := range a.Tree().Objects() {
		oid := o.OID.String()
		shown[oid] = true
		if o.Table != "" {
			tables[oid[:strings.LastIndexByte(oid, '.')+1]] = true
		}
		s, ok := byOID[oid]
		switch {
		case !ok:
			t.Errorf("%s (%s) is in no specification", o.Name, oid)
		case s.name != o.Name || s.kind != o.Kind.String() || s.module != o.Group:
			t.Errorf("%s %s %s is a %s, specified as %s %s %s", o.Group, o.Name, oid, o.Kind, s.module, s.name, s.kind)
		case s.access == "not-accessible":
			t.Errorf("%s can be read, and is not accessible", o.Name)
		case o.Writable && !strings.HasPrefix(s.access, "read-write"):
			t.Errorf("%s can be written, and is %s", o.Name, s.access)
		}
	}
	for _, s := range list {
		inTable := tables[s.oid[:strings.LastIndexByte(s.oid, '.')+1]]
		if inTable && !shown[s.oid] && s.access != "not-accessible" && leftOut[s.name] == "" {
			t.Errorf("%s is missing, without a reason", s.name)
		}
		if leftOut[s.name] != "" && shown[s.oid] {
			t.Errorf("%s is here, and said to be left out", s.name)
		}
	}
	// Of the scalars, those that stations ask for.
	for _, name := range strings.Fields("sysDescr sysObjectID sysUpTime sysContact sysName sysLocation sysServices sysORLastChange ifNumber " +
		"ipForwarding ipInReceives ipFragCreates icmpInMsgs icmpOutAddrMaskReps tcpRtoAlgorithm tcpCurrEstab tcpOutRsts udpInDatagrams udpOutDatagrams " +
		"hrSystemUptime hrSystemDate hrSystemProcesses hrMemorySize memTotalReal memAvailReal memBuffer memCached memTotalSwap ssCpuRawUser ssCpuRawIdle " +
		"ssCpuRawWait ssIORawSent ssRawContexts") {
		found := false
		for _, s := range list {
			found = found || s.name == name && shown[s.oid]
		}
		if !found {
			t.Errorf("%s is missing", name)
		}
	}
}

// Walks are in order and every object is of its declared type (mibtest.Walk judges), on every machine, and on one
// that tells nothing.
func TestWalks(t *testing.T) {
	for _, name := range append(boardtest.Names(), "nothing") {
		t.Run(name, func(t *testing.T) {
			machine := name
			if name == "nothing" {
				machine = "arm"
			}
			a := mibstest.Start(t, machine, moduletest.Options{}, all...)
			if name == "nothing" {
				a.Machine.Remove("proc")
				a.Machine.Remove("sys")
				a.Machine.Remove("kernel")
			}
			n := len(mibtest.Walk(t, a.Tree()))
			if n < 40 || name != "nothing" && n < 500 {
				t.Errorf("%d instances", n)
			}
		})
	}
}

// Of 2^32 and more a Counter32 is the lower half, and the Counter64 beside it is whole.
func TestCountersWrap(t *testing.T) {
	tree := mibstest.Start(t, "router", moduletest.Options{}, all...).Tree()
	for oid, want := range map[string]uint64{
		"1.3.6.1.2.1.2.2.1.10.3":        6123456789012 & 0xffffffff,
		"1.3.6.1.2.1.31.1.1.1.6.3":      6123456789012,
		"1.3.6.1.2.1.2.2.1.11.3":        4312345678 & 0xffffffff,
		"1.3.6.1.2.1.31.1.1.1.7.3":      4312345678,
		"1.3.6.1.2.1.4.31.1.1.5.1":      6119876543210 & 0xffffffff,
		"1.3.6.1.2.1.4.31.1.1.6.1":      6119876543210,
		"1.3.6.1.2.1.2.2.1.5.2":         1000000000,
		"1.3.6.1.2.1.31.1.1.1.15.2":     1000,
		"1.3.6.1.4.1.2021.11.60.0":      1834567890,
		"1.3.6.1.4.1.2021.9.1.11.3":     92413952 >> 10,
		"1.3.6.1.2.1.4.3.0":             4294967290,
		"1.3.6.1.2.1.31.1.1.1.6.999999": 0,
	} {
		if want == 0 {
			if v := tree.Get(&mib.Request{}, mib.MustParseOID(oid)); v.Kind() != mib.NoSuchInstance {
				t.Errorf("%s = %s", oid, v)
			}
		} else if v := mibtest.Get(t, tree, oid); v.Uint() != want {
			t.Errorf("%s = %s, want %d", oid, v, want)
		}
	}
	// A speed that does not fit stays at the end of its scale, and ifHighSpeed tells it.
	tree = mibstest.Start(t, "x86", moduletest.Options{}, all...).Tree()
	if v := mibtest.Get(t, tree, "1.3.6.1.2.1.2.2.1.5.2"); v.Uint() != 1<<32-1 {
		t.Errorf("ifSpeed of 10 Gbit/s is %s", v)
	}
	if v := mibtest.Get(t, tree, "1.3.6.1.2.1.31.1.1.1.15.2"); v.Uint() != 10000 {
		t.Errorf("ifHighSpeed of 10 Gbit/s is %s", v)
	}
	// Sizes beyond an Integer32 are told in larger units: a disk of 32 TB.
	for n, v := range mibstest.Rows(t, tree, "1.3.6.1.2.1.25.2.3.1.3") {
		if v.Bytes() == "/srv" {
			unit := int64(mibtest.Get(t, tree, "1.3.6.1.2.1.25.2.3.1.4."+n).Int())
			size := int64(mibtest.Get(t, tree, "1.3.6.1.2.1.25.2.3.1.5."+n).Int())
			if total := unit * size; total > 31990000000000 || total < 31990000000000-unit {
				t.Errorf("%d units of %d", size, unit)
			}
		}
	}
}
