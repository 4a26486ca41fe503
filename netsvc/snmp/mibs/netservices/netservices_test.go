package netservices_test

import (
	"sync/atomic"
	"testing"

	"linnet/netsvc/metric"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/snmp/mibs/mibstest"
	"linnet/netsvc/snmp/mibs/netservices"
)

func TestServices(t *testing.T) {
	var turnUp, clients, refused atomic.Int64
	turnUp.Store(1)
	clients.Store(7)
	declare := func(env *mib.Env) []mib.Group {
		m := env.Host.Metrics()
		m.GaugesFunc(metric.Desc{Name: "serviceUp", Help: "h", Labels: []string{"service"}}, func(row func(int64, ...string)) {
			row(1, "c2s")
			row(turnUp.Load(), "turn")
			row(0, "socks5") // switched off
		})
		m.GaugeFunc(metric.Desc{Name: "clientConnections", Help: "h"}, clients.Load)
		m.Counter(metric.Desc{Name: "clientsAccepted", Help: "h"}).Add(1<<32 + 5)
		m.CountersFunc(metric.Desc{Name: "gateRefused", Help: "h", Labels: []string{"why"}}, func(row func(int64, ...string)) {
			row(refused.Load(), "rate")
			row(3, "full")
		})
		m.Gauge(metric.Desc{Name: "turnAllocations", Help: "h"}).Set(2)
		return nil
	}
	refused.Store(4)
	a := mibstest.Start(t, "arm", moduletest.Options{}, declare, netservices.Groups)
	const at = "1.3.6.1.2.1.27.1.1."
	tree := a.Tree()
	rows := make(map[string]string) // number by name
	for n, v := range mibstest.Rows(t, tree, at+"2") {
		rows[v.Bytes()] = n
	}
	if len(rows) != 2 || rows["c2s"] == "" || rows["turn"] == "" {
		t.Fatalf("%v", rows)
	}
	check := func(name, column, want string) {
		t.Helper()
		if v := mibtest.Get(t, tree, at+column+"."+rows[name]); v.String() != want {
			t.Errorf("%s: column %s is %s, want %s", name, column, v, want)
		}
	}
	check("c2s", "4", `"test"`)
	check("c2s", "5", "0")
	check("c2s", "6", "1")
	check("c2s", "7", "0")
	check("c2s", "8", "7")
	check("c2s", "10", "5") // a Counter32
	check("c2s", "14", "7")
	check("turn", "8", "2")
	check("turn", "14", "0")
	if v := mibtest.Get(t, tree, at+"13."+rows["c2s"]); v.Uint() != 0 {
		t.Errorf("outbound activity: %s", v)
	}

	turnUp.Store(0)
	tree = a.Tree()
	check("turn", "6", "2")
	down := mibtest.Get(t, tree, at+"7."+rows["turn"])
	if down.Uint() == 0 {
		t.Error("it is not told when the service went down")
	}
	turnUp.Store(1)
	tree = a.Tree()
	check("turn", "6", "1")
	if up := mibtest.Get(t, tree, at+"5."+rows["turn"]); up.Uint() < down.Uint() {
		t.Errorf("it came up at %s, went down at %s", up, down)
	}
	check("c2s", "7", "0")
}
