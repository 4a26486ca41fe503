package linnet_test

import (
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mib/mibtest"
	"linnet/netsvc/snmp/mibs/linnet"
	"linnet/netsvc/snmp/mibs/mibstest"
)

// metrics declares one of each kind, under names that have numbers.
type metrics struct {
	domains atomic.Pointer[[]string]
	commits *metric.Counter
}

func (d *metrics) declare(env *mib.Env) []mib.Group {
	m := env.Host.Metrics()
	m.Info(metric.Desc{Name: "version", Help: "h"}, func() string { return "1.2 " + strings.Repeat("ä", 200) })
	m.GaugeFunc(metric.Desc{Name: "uptime", Help: "h"}, func() int64 { return math.MaxUint32 + 7 })
	d.commits = m.Counter(metric.Desc{Name: "storeCommits", Help: "h"})
	m.GaugeFunc(metric.Desc{Name: "storeSize", Help: "h"}, func() int64 { return 1 << 40 })
	m.GaugeFunc(metric.Desc{Name: "memoryPressure", Help: "h"}, func() int64 { return -3 })
	write := m.Timer(metric.Desc{Name: "storeWriteTime", Help: "h"})
	write.Observe(3 * time.Second)
	write.Observe(2 * time.Second)
	m.GaugesFunc(metric.Desc{Name: "certTimeLeft", Help: "h", Labels: []string{"domain", "issuer"}}, func(row func(int64, ...string)) {
		for i, domain := range *d.domains.Load() {
			row(int64(100+i), domain, "ca")
		}
	})
	m.Gauge(metric.Desc{Name: "withoutNumber", Help: "h"})
	return nil
}

const at = "1.3.6.1.4.1.8072.9999.9999.1."

func place(t *testing.T, name string) string {
	n, _ := numbers.Metric(name)
	if n == 0 {
		t.Fatalf("%s has no number any more", name)
	}
	return at + mib.OID{n}.String()
}

func TestSyntaxes(t *testing.T) {
	d := &metrics{}
	d.domains.Store(&[]string{"b.example", "a.example"})
	a := mibstest.Start(t, "arm", moduletest.Options{}, d.declare, linnet.Groups)
	d.commits.Add(1 << 33)
	tree := a.Tree()
	for _, tc := range []struct {
		name, rest string
		kind       mib.Kind
		want       string
	}{
		{"version", ".0", mib.OctetString, `"1.2 ` + strings.Repeat("ä", 125) + `"`}, // 255 bytes, and no half letter
		{"uptime", ".0", mib.Gauge32, "4294967295"},
		{"storeCommits", ".0", mib.Counter64, "8589934592"},
		{"storeSize", ".0", mib.Counter64, "1099511627776"},
		{"memoryPressure", ".0", mib.Integer32, "-3"},
		{"storeWriteTime", ".1.0", mib.Counter64, "2"},
		{"storeWriteTime", ".2.0", mib.Counter64, "5000000"},
		{"storeWriteTime", ".3.0", mib.Gauge32, "3000000"},
		{"certTimeLeft", ".1.2.1", mib.OctetString, `"b.example"`},
		{"certTimeLeft", ".1.3.1", mib.OctetString, `"ca"`},
		{"certTimeLeft", ".1.4.1", mib.Integer32, "100"},
		{"certTimeLeft", ".1.2.2", mib.OctetString, `"a.example"`},
		{"certTimeLeft", ".1.4.2", mib.Integer32, "101"},
	} {
		if v := mibtest.Get(t, tree, place(t, tc.name)+tc.rest); v.Kind() != tc.kind || v.String() != tc.want {
			t.Errorf("%s%s is %s %s, want %s %s", tc.name, tc.rest, v.Kind(), v, tc.kind, tc.want)
		}
	}
	for _, rest := range []string{"certTimeLeft.1.1.1", "certTimeLeft.1.4.3", "certTimeLeft.0", "uptime.1", "uptime", "storeWriteTime.0"} {
		name, instance, _ := strings.Cut(rest, ".")
		oid := strings.TrimSuffix(place(t, name)+"."+instance, ".")
		if v := tree.Get(&mib.Request{Now: time.Now()}, mib.MustParseOID(oid)); v.Kind() != mib.NoSuchInstance {
			t.Errorf("%s is %s", rest, v)
		}
	}
	for _, rest := range []string{"0.0", strconv.Itoa(len(numbers.Metrics)+1) + ".0"} {
		if v := tree.Get(&mib.Request{Now: time.Now()}, mib.MustParseOID(at+rest)); v.Kind() != mib.NoSuchObject {
			t.Errorf("number %s, which no metric has, is %s", rest, v)
		}
	}
	n := 0
	for _, name := range strings.Fields("version uptime storeCommits storeSize memoryPressure storeWriteTime certTimeLeft") {
		n += len(mibstest.Rows(t, tree, place(t, name)))
	}
	if n != 14 {
		t.Errorf("%d instances, want 14", n)
	}
}

// A row keeps its number when others come and go, and over a restart; no number is given twice.
func TestRowsKeepTheirNumber(t *testing.T) {
	site := &module.Site{Domains: []string{"example.org"}, Data: t.TempDir(), Version: "test"}
	d := &metrics{}
	rows := func(a *mibstest.Agent, domains ...string) map[string]string {
		d.domains.Store(&domains)
		byName := make(map[string]string)
		for n, v := range mibstest.Rows(t, a.Tree(), place(t, "certTimeLeft")+".1.2") {
			byName[v.Bytes()] = n
		}
		return byName
	}
	expect := func(t *testing.T, got map[string]string, want string) {
		t.Helper()
		for pair := range strings.FieldsSeq(want) {
			name, n, _ := strings.Cut(pair, "=")
			if got[name] != n {
				t.Errorf("%s is row %s, want %s", name, got[name], n)
			}
		}
		if len(got) != len(strings.Fields(want)) {
			t.Errorf("%v, want %s", got, want)
		}
	}
	d.domains.Store(&[]string{})
	t.Run("first", func(t *testing.T) {
		a := mibstest.Start(t, "arm", moduletest.Options{Site: site}, d.declare, linnet.Groups)
		expect(t, rows(a, "a", "b", "c"), "a=1 b=2 c=3")
		a.Again(nil) // a new generation has no old snapshot
		expect(t, rows(a, "c", "d"), "c=3 d=4")
	})
	t.Run("after a restart", func(t *testing.T) {
		a := mibstest.Start(t, "arm", moduletest.Options{Site: site}, d.declare, linnet.Groups)
		expect(t, rows(a, "e", "d", "a"), "a=1 d=4 e=5")
	})
}

// When a row gets no number, because the store fails, a walk does not read all metrics again for each step.
func TestWalkWhileStoreFails(t *testing.T) {
	reads, domains := 0, 0
	var host module.Host
	a := mibstest.Start(t, "arm", moduletest.Options{}, func(env *mib.Env) []mib.Group {
		host = env.Host
		env.Host.Metrics().GaugesFunc(metric.Desc{Name: "certTimeLeft", Help: "h", Labels: []string{"domain", "issuer"}}, func(row func(int64, ...string)) {
			reads++
			for i := range domains {
				row(1, strconv.Itoa(i), "ca")
			}
		})
		env.Host.Metrics().GaugeFunc(metric.Desc{Name: "uptime", Help: "h"}, func() int64 { return 1 })
		return nil
	}, linnet.Groups)
	tree := a.Tree()
	if err := host.Store().Close(); err != nil {
		t.Fatal(err)
	}
	domains, reads = 20, 0
	r := &mib.Request{Now: time.Now().Add(time.Hour)}
	for range 10 {
		if _, v := tree.Next(r, mib.MustParseOID(at+"1"), nil); v.Kind() != mib.Gauge32 {
			t.Fatalf("the walk finds %s", v)
		}
	}
	if reads != 1 {
		t.Errorf("the metrics were read %d times", reads)
	}
}
