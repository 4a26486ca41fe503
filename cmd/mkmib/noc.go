package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"linnet/netsvc/metric"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs/linnet"
)

// value is one object of a metric that a station may draw.
type value struct {
	part
	oid    string // without instance
	labels []string
	column int    // the number of the first column with a label; 0 without
	entry  string // the OID of the table's entry
	text   bool
	counts bool // it only grows
	micros bool // it is in millionths of a second
}

// values lists the objects of a metric, as they stand in the MIB.
func (m *numbered) values() (list []value) {
	at := mib.Enterprise.With(linnet.Metrics, m.number)
	entry := at.With(1)
	for i, p := range m.parts() {
		v := value{part: p, labels: m.Labels, text: m.syntax == numbers.Text, micros: p.unit == "microseconds",
			counts: m.Kind == metric.KindCounter || m.syntax == numbers.Time && i < 2}
		switch {
		case m.table():
			v.entry, v.column = entry.String(), 2
			v.oid = entry.With(uint32(2 + len(m.Labels) + i)).String()
		case m.syntax == numbers.Time:
			v.oid = at.With(uint32(i) + 1).String()
		default:
			v.oid = at.String()
		}
		list = append(list, v)
	}
	return list
}

// id makes a UUID of a name: version 4 in form, so that the importer takes it, and always the same.
func id(name string) string {
	sum := sha256.Sum256([]byte("linnet noc " + name))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x", sum[:16])
}

// yaml writes a text as a YAML string in single quotation marks.
func yaml(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const zabbixReadme = `linnet.yaml is a template for Zabbix 6.0 and later, of everything that linnet itself shows. Beside it, the templates
of Zabbix for interfaces, memory and file systems ("Linux by SNMP") fit.

Import it (Data collection, Templates, Import), add a host with an SNMP interface (SNMPv3, authPriv, SHA256, AES128, with
the user of section [snmp.user.NAME] of linnet's configuration) and link the template to it.
`

// zabbix writes a template: an item for each scalar, and for each table a rule that discovers its rows.
func zabbix(d *declared) string {
	const name = "linnet by SNMP"
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by cmd/mkmib from what linnet declares; not to be changed by hand.
zabbix_export:
  version: '6.0'
  groups:
    - uuid: %s
      name: Templates/Applications
  templates:
    - uuid: %s
      template: %s
      name: %s
      description: 'The metrics of linnet, from LINNET-MIB.'
      groups:
        - name: Templates/Applications
      items:
`, templateGroup, id(name), yaml(name), yaml(name))
	for _, m := range d.sorted() {
		for _, v := range m.values() {
			if !m.table() {
				zabbixItem(&b, "        ", v, v.name, "linnet."+v.name, v.oid+instance)
			}
		}
	}
	b.WriteString("      discovery_rules:\n")
	for _, m := range d.sorted() {
		if !m.table() {
			continue
		}
		var oids, labels, keys []string
		for i, label := range m.Labels {
			macro := "{#" + strings.ToUpper(label) + "}"
			oids = append(oids, fmt.Sprintf("%s,%s.%d", macro, m.values()[0].entry, 2+i))
			labels = append(labels, macro)
			keys = append(keys, `"`+macro+`"`)
		}
		fmt.Fprintf(&b, `        - uuid: %s
          name: %s
          type: SNMP_AGENT
          snmp_oid: %s
          key: %s
          delay: 10m
          description: %s
          item_prototypes:
`, id("rule "+m.Name), yaml(m.Name), yaml("discovery["+strings.Join(oids, ",")+"]"), "linnet."+m.Name+".discovery", yaml(m.Help))
		for _, v := range m.values() {
			zabbixItem(&b, "            ", v, v.name+" "+strings.Join(labels, " "), "linnet."+v.name+"["+strings.Join(keys, ",")+"]", v.oid+".{#SNMPINDEX}")
		}
	}
	return b.String()
}

// templateGroup is the UUID that Zabbix itself gives to Templates/Applications.
const templateGroup = "a571c0d144b14fd4a87a9d9b2aa9fcd6"

// instance is that of a scalar.
const instance = ".0"

func zabbixItem(b *strings.Builder, indent string, v value, name, key, oid string) {
	line := func(format string, args ...any) { fmt.Fprintf(b, indent+"  "+format+"\n", args...) }
	fmt.Fprintf(b, "%s- uuid: %s\n", indent, id("item "+key))
	line("name: %s", yaml(name))
	line("type: SNMP_AGENT")
	line("snmp_oid: %s", yaml(oid))
	line("key: %s", yaml(key))
	line("description: %s", yaml(v.help))
	switch {
	case v.text:
		line("value_type: CHAR")
		line("trends: '0'")
		line("preprocessing:")
		line("  - type: DISCARD_UNCHANGED_HEARTBEAT")
		line("    parameters:")
		line("      - 1d")
		return
	case v.counts:
		line("value_type: FLOAT")
		line("preprocessing:")
		line("  - type: CHANGE_PER_SECOND")
		line("    parameters:")
		line("      - ''")
		if v.micros {
			line("  - type: MULTIPLIER")
			line("    parameters:")
			line("      - '0.000001'")
		}
	case v.micros:
		line("value_type: FLOAT")
		line("units: s")
		line("preprocessing:")
		line("  - type: MULTIPLIER")
		line("    parameters:")
		line("      - '0.000001'")
	case v.syntax == "Integer32":
		line("value_type: FLOAT") // the other numeric type has no sign
	}
	switch unit := map[string]string{metric.Bytes: "B", metric.Seconds: "s", metric.Percent: "%"}[v.unit]; {
	case unit != "" && v.counts:
		line("units: %s", yaml(unit+"ps"))
	case unit != "":
		line("units: %s", yaml(unit))
	}
}

const exporterReadme = `linnet.yml is a module for the SNMP exporter of Prometheus 0.23 and later: name it beside the exporter's own file,
  snmp_exporter --config.file=snmp.yml --config.file=linnet.yml
and ask for the modules linnet and if_mib with an auth of your own. For older ones take away the first line and two
blanks of each other line, and add version and auth to the module.
`

// exporter writes a module for snmp_exporter.
func exporter(d *declared) string {
	var b strings.Builder
	fmt.Fprintf(&b, "modules:\n  linnet:\n    # Written by cmd/mkmib from what linnet declares; not to be changed by hand.\n    walk:\n      - %s\n    metrics:\n",
		mib.Enterprise.With(linnet.Metrics))
	for _, m := range d.sorted() {
		for _, v := range m.values() {
			kind := "gauge"
			switch {
			case v.text:
				kind = "DisplayString"
			case v.counts:
				kind = "counter"
			}
			fmt.Fprintf(&b, "      - name: linnet_%s\n        oid: %s\n        type: %s\n        help: %s\n", v.name, v.oid, kind, yaml(v.help))
			if !m.table() {
				continue
			}
			row := m.Name + "Row"
			fmt.Fprintf(&b, "        indexes:\n          - labelname: %s\n            type: gauge\n        lookups:\n", row)
			for i, label := range v.labels {
				fmt.Fprintf(&b, "          - labels: [%s]\n            labelname: %s\n            oid: %s.%d\n            type: DisplayString\n", row, label, v.entry, v.column+i)
			}
			fmt.Fprintf(&b, "          - labels: []\n            labelname: %s\n", row) // the number of the row says nothing to anybody
		}
	}
	return b.String()
}

const librenmsReadme = `For LibreNMS: copy LINNET-MIB (one directory up) to mibs/linnet/, detection.yaml to
resources/definitions/os_detection/linnet.yaml and discovery.yaml to resources/definitions/os_discovery/linnet.yaml
(in versions before 24.11: includes/definitions/linnet.yaml and includes/definitions/discovery/linnet.yaml).

Without them linnet is shown as a generic Linux machine, with its interfaces, memory, disks, processors and sensors.
`

func librenmsDetection() string {
	return `# Written by cmd/mkmib; not to be changed by hand.
os: linnet
text: linnet
type: appliance
icon: linux
mib_dir: linnet
over:
    - { graph: device_bits, text: 'Device Traffic' }
    - { graph: device_processor, text: 'Processor Usage' }
    - { graph: device_mempool, text: 'Memory Usage' }
discovery:
    -
        sysObjectID:
            - .` + mib.Enterprise.With(linnet.Products, 1).String() + "\n"
}

// librenmsDiscovery writes which levels are drawn: those without labels.
func librenmsDiscovery(d *declared) string {
	var b strings.Builder
	b.WriteString(`# Written by cmd/mkmib from what linnet declares; not to be changed by hand.
mib: LINNET-MIB
modules:
    os:
        version: LINNET-MIB::version.0
        hardware: ENTITY-MIB::entPhysicalModelName.1
        serial: ENTITY-MIB::entPhysicalSerialNum.1
    sensors:
        count:
            data:
`)
	for _, m := range d.sorted() {
		if v := m.values()[0]; !m.table() && m.Kind == metric.KindGauge && !v.text {
			fmt.Fprintf(&b, "                -\n                    oid: %s\n                    num_oid: '.%s.{{ $index }}'\n                    descr: %s\n                    index: '%s.{{ $index }}'\n",
				v.name, v.oid, yaml(strings.TrimSuffix(v.help, ".")), v.name)
		}
	}
	return b.String()
}
