package mibs_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linnet/board/boardtest"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/snmp/mibs/mibstest"
)

var update = flag.Bool("update", false, "rewrite the walks in testdata")

// TestValues compares whole walks over recorded machines with what was looked at before.
func TestValues(t *testing.T) {
	byOID, _ := standards(t)
	for _, name := range boardtest.Names() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, i := range mibtest.Walk(t, mibstest.Start(t, name, moduletest.Options{}, all...).Tree()) {
				object, instance := i.OID.String(), ""
				for byOID[object].name == "" {
					at := strings.LastIndexByte(object, '.')
					object, instance = object[:at], object[at:]+instance
				}
				switch object := byOID[object].name; object {
				case "sysUpTime", "hrSystemDate", "entPhySensorValueTimeStamp": // of the moment
				case "tcpHCInSegs", "tcpHCOutSegs", "udpHCInDatagrams", "udpHCOutDatagrams": // of 64-bit machines
				default:
					b.WriteString(object + instance + " " + i.Value.String() + "\n")
				}
			}
			path := filepath.Join("testdata", name+".walk")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() == string(want) {
				return
			}
			had := make(map[string]bool)
			for line := range strings.Lines(string(want)) {
				had[line] = true
			}
			for line := range strings.Lines(b.String()) {
				if !had[line] {
					t.Errorf("new: %s", line)
				}
				delete(had, line)
			}
			for line := range had {
				t.Errorf("gone: %s", line)
			}
		})
	}
}

// Name, place and contact: from the configuration until they are set; what is set is kept, or undone.
func TestSystemTexts(t *testing.T) {
	const contact, name = "1.3.6.1.2.1.1.4.0", "1.3.6.1.2.1.1.5.0"
	a := mibstest.Start(t, "router", moduletest.Options{Values: map[string]string{"snmp/contact": "the office"}}, all...)
	tree := a.Tree()
	if c, n := mibtest.Get(t, tree, contact), mibtest.Get(t, tree, name); c.Bytes() != "the office" || n.Bytes() != "router" {
		t.Errorf("contact %s, name %s", c, n)
	}
	for _, tc := range []struct {
		value mib.Value
		want  mib.Status
	}{
		{mib.Text(strings.Repeat("a", 255)), mib.NoError},
		{mib.Text(strings.Repeat("a", 256)), mib.WrongLength},
		{mib.Text("two\nlines"), mib.WrongValue},
		{mib.Text("\xff"), mib.WrongValue},
		{mib.Text(""), mib.NoError},
		{mib.Int(1), mib.WrongType},
		{mib.Text("Zoë"), mib.NoError},
	} {
		change, status := tree.Test(&mib.Request{}, mib.MustParseOID(contact), tc.value)
		if status != tc.want {
			t.Errorf("%s: status %d, want %d", tc.value, status, tc.want)
		}
		if status != mib.NoError {
			continue
		}
		if err := change.Commit(); err != nil {
			t.Fatal(err)
		}
		if v := mibtest.Get(t, tree, contact); v != tc.value {
			t.Errorf("%s was set to %s", v, tc.value)
		}
	}
	change, _ := tree.Test(&mib.Request{}, mib.MustParseOID(name), mib.Text("other"))
	if err := change.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := change.Undo(); err != nil {
		t.Fatal(err)
	}
	if v := mibtest.Get(t, tree, name); v.Bytes() != "router" {
		t.Errorf("undone, the name is %s", v)
	}
	a.Again(map[string]string{"snmp/contact": "somebody else", "snmp/location": "cellar"})
	tree = a.Tree()
	if c, l := mibtest.Get(t, tree, contact), mibtest.Get(t, tree, "1.3.6.1.2.1.1.6.0"); c.Bytes() != "Zoë" || l.Bytes() != "cellar" {
		t.Errorf("after a reload contact %s, location %s", c, l)
	}
	for _, oid := range []string{"1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.9.1.3.1", "1.3.6.1.2.1.2.2.1.7.1"} {
		if _, status := tree.Test(&mib.Request{}, mib.MustParseOID(oid), mib.Int(1)); status != mib.NotWritable {
			t.Errorf("%s: status %d", oid, status)
		}
	}
}

// ifIndex belongs to the name: the kernel's number at first sight, another one when that is taken, the old one when
// the interface comes back; and changes of state have their time.
func TestInterfaceNumbers(t *testing.T) {
	a := mibstest.Start(t, "router", moduletest.Options{}, all...)
	names := func() map[string]string {
		byName := make(map[string]string)
		for n, v := range mibstest.Rows(t, a.Tree(), "1.3.6.1.2.1.31.1.1.1.1") {
			byName[v.Bytes()] = n
		}
		return byName
	}
	if n := names(); n["eth1"] != "3" || n["wg0"] != "12" || len(n) != 8 {
		t.Fatalf("%v", n)
	}
	if v := mibtest.Get(t, a.Tree(), "1.3.6.1.2.1.2.2.1.9.3"); v.Uint() != 0 {
		t.Errorf("ifLastChange is %s before anything changed", v)
	}
	rename := func(from, to, index string) {
		for _, file := range []string{"type", "mtu", "flags", "operstate", "carrier"} {
			a.Machine.Set("sys/class/net/"+to+"/"+file, "1\n")
		}
		a.Machine.Set("sys/class/net/"+to+"/ifindex", index+"\n")
		a.Machine.Remove("sys/class/net/" + from)
	}
	rename("eth1", "usb0", "3") // another device under the kernel's old number
	n := names()
	if n["usb0"] == "3" || n["usb0"] == "" || n["eth1"] != "" {
		t.Errorf("%v", n)
	}
	if v := mibtest.Get(t, a.Tree(), "1.3.6.1.2.1.31.1.5.0"); v.Uint() == 0 {
		t.Error("ifTableLastChange does not know of it")
	}
	if v := mibtest.Get(t, a.Tree(), "1.3.6.1.2.1.31.1.1.1.19."+n["usb0"]); v.Uint() == 0 {
		t.Error("its counters began now, and ifCounterDiscontinuityTime does not say it")
	}
	rename("usb0", "eth1", "21") // it is back
	if n := names(); n["eth1"] != "3" || n["usb0"] != "" {
		t.Errorf("%v", n)
	}
	// A driver was loaded again: the number is that of the name, and the counters are others.
	if v := mibtest.Get(t, a.Tree(), "1.3.6.1.2.1.31.1.1.1.19.2"); v.Uint() != 0 {
		t.Errorf("ifCounterDiscontinuityTime of eth0 is %s", v)
	}
	a.Machine.Set("sys/class/net/eth0/ifindex", "33\n")
	tree := a.Tree()
	if v := mibtest.Get(t, tree, "1.3.6.1.2.1.31.1.1.1.19.2"); v.Uint() == 0 {
		t.Error("ifCounterDiscontinuityTime does not tell of the new counters")
	}
	a.Machine.Set("sys/class/net/eth0/operstate", "down\n")
	tree = a.Tree()
	if v := mibtest.Get(t, tree, "1.3.6.1.2.1.2.2.1.8.2"); v.Int() != 2 {
		t.Errorf("ifOperStatus is %s", v)
	}
	if v := mibtest.Get(t, tree, "1.3.6.1.2.1.2.2.1.9.2"); v.Uint() == 0 {
		t.Error("ifLastChange does not tell when it went down")
	}
}

// When the kernel tells nothing for a moment, as without a free descriptor, no interface went or came.
func TestInterfacesThatCannotBeRead(t *testing.T) {
	a := mibstest.Start(t, "router", moduletest.Options{}, all...)
	const names, lastChange, tableChange, discontinuity = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.2.2.1.9.2", "1.3.6.1.2.1.31.1.5.0", "1.3.6.1.2.1.31.1.1.1.19.2"
	a.Tree()
	counters := a.Machine.Text("proc/net/dev")
	a.Machine.Remove("proc/net/dev")
	if n := len(mibstest.Rows(t, a.Tree(), names)); n != 0 {
		t.Errorf("%d interfaces without counters", n)
	}
	a.Machine.Set("proc/net/dev", counters)
	tree := a.Tree()
	for _, oid := range []string{lastChange, tableChange, discontinuity} {
		if v := mibtest.Get(t, tree, oid); v.Uint() != 0 {
			t.Errorf("%s is %s", oid, v)
		}
	}
}
