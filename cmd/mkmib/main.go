// Command mkmib writes what management stations need to know linnet, from what its services declare and from the
// table of numbers: LINNET-MIB and, for LibreNMS, Zabbix and the SNMP exporter of Prometheus, the files that make
// use of it.
//
//	go run ./cmd/mkmib [-o firmware/noc]
//
// A test holds that the files are those it would write; `go test ./cmd/mkmib -update` writes them, too.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"linnet/appliance"
	_ "linnet/appliance/features"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/module"
)

func main() {
	dir := flag.String("o", "firmware/noc", "the directory to write to")
	flag.Parse()
	files, err := generate()
	if err == nil {
		err = write(*dir, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkmib:", err)
		os.Exit(1)
	}
}

// generate makes the files, by their paths.
func generate() (map[string]string, error) {
	d, err := read()
	if err != nil {
		return nil, err
	}
	text, err := mibText(d)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"LINNET-MIB":               text,
		"zabbix/linnet.yaml":       zabbix(d),
		"snmp_exporter/linnet.yml": exporter(d),
		"librenms/README":          librenmsReadme,
		"librenms/detection.yaml":  librenmsDetection(),
		"librenms/discovery.yaml":  librenmsDiscovery(d),
		"snmp_exporter/README":     exporterReadme,
		"zabbix/README":            zabbixReadme,
	}, nil
}

func write(dir string, files map[string]string) error {
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// declared is what the services of a program with all features declare.
type declared struct {
	metrics []numbered
	events  []*event.Desc // in the order of their numbers; nil for one that is gone
}

// numbered is a metric with its place in the MIB. One that is gone has no Help.
type numbered struct {
	metric.Desc
	number uint32
	syntax numbers.Syntax
}

func (m *numbered) gone() bool { return m.Help == "" }

// table tells whether the metric has rows.
func (m *numbered) table() bool { return len(m.Labels) > 0 }

// parts are the objects that values stand in: their names, their syntax, their units, what they say.
func (m *numbered) parts() []part {
	unit := m.Unit
	switch m.syntax {
	case numbers.Time:
		return []part{
			{m.Name + "Count", "Counter64", "", m.Help + " How many."},
			{m.Name + "Sum", "Counter64", "microseconds", m.Help + " The sum of all."},
			{m.Name + "Max", "Gauge32", "microseconds", m.Help + " The longest since the start."},
		}
	case numbers.Gauge64:
		// A textual convention over Counter64 would need a DISPLAY-HINT to be without complaint, and may not have one.
		return []part{{m.Name, "Counter64", unit, m.Help + " A level, not a count: SMIv2 has no other type of 64 bits."}}
	case numbers.Text:
		return []part{{m.Name, "LinnetText", "", m.Help}}
	}
	return []part{{m.Name, m.syntax.String(), unit, m.Help}}
}

type part struct{ name, syntax, unit, help string }

// read sets all services up without starting anything.
func read() (*declared, error) {
	dir, err := os.MkdirTemp("", "mkmib")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	a, err := appliance.New(appliance.Options{Data: dir})
	if err != nil {
		return nil, err
	}
	byName := make(map[string]metric.Desc)
	for _, m := range a.Declared().Metrics.Descs() {
		byName[m.Name] = m // one without a number is not shown; that all have one is a test of its own
	}
	d := &declared{}
	for i, row := range numbers.Metrics {
		m := numbered{byName[row.Name], uint32(i) + 1, row.Syntax}
		m.Name, m.Help = row.Name, sentence(m.Help)
		d.metrics = append(d.metrics, m)
	}
	list := event.Of(host{runtime: a.Host()}).Descs()
	for _, name := range numbers.Events {
		at := slices.IndexFunc(list, func(e *event.Desc) bool { return e.Name == name })
		if at < 0 {
			d.events = append(d.events, nil)
			continue
		}
		d.events = append(d.events, list[at])
	}
	return d, nil
}

// host is as much of a Host as asks for live state.
type host struct {
	module.Host
	runtime module.Runtime
}

// Live implements module.Host.
func (h host) Live(name string, make func() any) any { return h.runtime.Live(name, make) }

// sentence makes a text one, with a large letter and a full stop.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return upper(s) + "."
}

// upper makes the first letter one of upper case.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// sorted returns the metrics by name, without those that are gone.
func (d *declared) sorted() []numbered {
	list := slices.DeleteFunc(slices.Clone(d.metrics), func(m numbered) bool { return m.gone() })
	slices.SortFunc(list, func(a, b numbered) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
