package snmp

import (
	"slices"
	"strings"
	"testing"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
)

// Everything that the agent shows holds to what it declares, and the tables of rights are for those who were given
// them, without keys.
func TestTables(t *testing.T) {
	values := users()
	values["snmp.target.nms/address"], values["snmp.target.nms/user"] = "192.0.2.7", "writer"
	values["snmp.target.old/address"], values["snmp.target.old/community"] = "[2001:db8::7]:1162", "secret community"
	r, _ := start(t, values)
	a := r.Module.(*service).agent
	all := mibtest.Walk(t, a.tree.Load())
	standard := mibtest.Walk(t, a.access.Load().users["writer"].tree)
	for _, i := range standard {
		for _, secret := range secretOIDs {
			if i.OID.HasPrefix(secret) {
				t.Errorf("%s is in the standard view", i.OID)
			}
		}
	}
	seen := make(map[string]int)
	for _, i := range all {
		for _, secret := range secretOIDs {
			if i.OID.HasPrefix(secret) {
				seen[secret.String()]++
			}
		}
		for _, word := range []string{"old community", "secret community", "phrase", "writer secret"} {
			if strings.Contains(i.Value.Bytes(), word) {
				t.Errorf("%s shows a secret: %s", i.OID, i.Value)
			}
		}
	}
	if len(all)-len(standard) < 400 || seen["1.3.6.1.6.3.15.1.2"] != 11*33 || seen["1.3.6.1.6.3.12.1.2"] != 8*2 || seen["1.3.6.1.6.3.12.1.3"] != 6*2 || seen["1.3.6.1.6.3.16"] == 0 {
		t.Errorf("%d of %d, %v", len(standard), len(all), seen)
	}
	for oid, want := range map[string]string{
		"1.3.6.1.6.3.12.1.2.1.3.110.109.115":                     `"\xc0\x00\x02\a\x00\xa2"`,
		"1.3.6.1.6.3.12.1.3.1.5.110.109.115":                     "3",
		"1.3.6.1.6.3.12.1.3.1.2.111.108.100":                     "1",
		"1.3.6.1.6.3.16.1.4.1.6.6.119.114.105.116.101.114.0.3.3": `"standard"`,
		"1.3.6.1.6.3.16.1.4.1.7.6.119.114.105.116.101.114.0.3.3": `"all"`, // of notifications nothing is hidden
	} {
		if got := mibtest.Get(t, a.tree.Load(), oid).String(); got != want {
			t.Errorf("%s: %s, want %s", oid, got, want)
		}
	}
	names := make(map[string]bool)
	for _, o := range a.tree.Load().Objects() {
		if names[o.Name] && o.Group != "LINNET-MIB" {
			t.Errorf("%s is there twice", o.Name)
		}
		names[o.Name] = true
	}
	writable := []string{}
	for _, o := range a.tree.Load().Objects() {
		if o.Writable {
			writable = append(writable, o.Name)
		}
	}
	if want := []string{"sysContact", "sysName", "sysLocation", "snmpEnableAuthenTraps", "snmpSetSerialNo"}; !slices.Equal(writable, want) {
		t.Errorf("writable are %q, want %q", writable, want)
	}
}

// The longest prefix decides, and of two that are the same the one that hides.
func TestView(t *testing.T) {
	v := newView([]mib.OID{{1, 3, 6}, {1, 3, 6, 1, 4}, {1, 3, 7}}, []mib.OID{{1, 3, 6, 1}, {1, 3, 7}})
	for text, want := range map[string][2]bool{ // is in it; something below may be judged otherwise
		"1.3": {false, true}, "1.3.6": {true, true}, "1.3.6.2": {true, false}, "1.3.6.1": {false, true}, "1.3.6.1.5": {false, false},
		"1.3.6.1.4.1": {true, false}, "1.3.7": {false, false}, "1.3.7.1": {false, false}, "2.1": {false, false},
	} {
		if oid := mib.MustParseOID(text); v.Contains(oid) != want[0] || v.Mixed(oid) != want[1] {
			t.Errorf("%s: %v, mixed %v", oid, v.Contains(oid), v.Mixed(oid))
		}
	}
}
