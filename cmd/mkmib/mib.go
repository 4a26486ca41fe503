package main

import (
	"fmt"
	"slices"
	"strings"

	"linnet/netsvc/event"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs/linnet"
)

// revised is when the MIB changed last. It goes up with every release whose tables of numbers have grown.
const revised = "202611220000Z"

// maxDescriptor is the longest name that SMIv2 tools take without complaint.
const maxDescriptor = 32

// writer writes SMIv2 (RFC 2578, 2579, 2580) and remembers what belongs into the groups of its conformance.
type writer struct {
	strings.Builder
	names   map[string]bool
	objects []string
	values  []string
	notices []string
	errs    []string
}

// name notes a descriptor.
func (w *writer) name(s string) string {
	if len(s) > maxDescriptor {
		w.errs = append(w.errs, fmt.Sprintf("%s has %d letters, more than %d", s, len(s), maxDescriptor))
	}
	if w.names[s] {
		w.errs = append(w.errs, s+" is there twice")
	}
	w.names[s] = true
	return s
}

// node writes an OBJECT IDENTIFIER.
func (w *writer) node(name, parent string, n uint32) {
	fmt.Fprintf(w, "\n%s OBJECT IDENTIFIER ::= { %s %d }\n", w.name(name), parent, n)
}

// object writes an OBJECT-TYPE.
func (w *writer) object(name, syntax, unit, access, help, more, parent string, n uint32) {
	fmt.Fprintf(w, "\n%s OBJECT-TYPE\n    SYNTAX      %s\n", w.name(name), syntax)
	if unit != "" {
		fmt.Fprintf(w, "    UNITS       %q\n", unit)
	}
	fmt.Fprintf(w, "    MAX-ACCESS  %s\n    STATUS      current\n    DESCRIPTION\n%s%s    ::= { %s %d }\n", access, quoted(help), more, parent, n)
}

// quoted writes a text within the quotation marks of SMIv2, which know no escape.
func quoted(text string) string {
	text = strings.ReplaceAll(text, `"`, "'")
	var b strings.Builder
	line := "        \""
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+len(word) > 75 {
			b.WriteString(line + "\n")
			line = "         "
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\"\n")
	return b.String()
}

// mibText writes LINNET-MIB.
func mibText(d *declared) (string, error) {
	w := &writer{names: make(map[string]bool)}
	last := len(mib.Enterprise) - 1
	parent := "enterprises"
	if last > enterprises {
		parent = above(last - enterprises)
	}
	fmt.Fprintf(w, `LINNET-MIB DEFINITIONS ::= BEGIN

-- Written by cmd/mkmib from what linnet declares; not to be changed by hand.

IMPORTS
    MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, OBJECT-IDENTITY,
    enterprises, Counter64, Gauge32, Integer32, Unsigned32
        FROM SNMPv2-SMI
    TEXTUAL-CONVENTION, TruthValue
        FROM SNMPv2-TC
    MODULE-COMPLIANCE, OBJECT-GROUP, NOTIFICATION-GROUP
        FROM SNMPv2-CONF;

%s MODULE-IDENTITY
    LAST-UPDATED "%s"
    ORGANIZATION "the makers of linnet"
    CONTACT-INFO "see the README of linnet"
    DESCRIPTION
        "The metrics and events of linnet, a network appliance: XMPP server,
         STUN and TURN, file transfer proxy. Numbers are fixed: an object
         that is gone never gives its number to another one. A row of a
         table is known by a small number that stays with its labels."
    REVISION "%s"
    DESCRIPTION
        "The first one."
    ::= { %s %d }

LinnetText ::= TEXTUAL-CONVENTION
    DISPLAY-HINT "255t"
    STATUS       current
    DESCRIPTION
        "One line of text in UTF-8."
    SYNTAX       OCTET STRING (SIZE (0..255))
`, w.name("linnetMIB"), revised, revised, parent, mib.Enterprise[last])
	for i := enterprises; i < last; i++ { // nodes of others between enterprises and ours, which have to have names
		up := "enterprises"
		if i > enterprises {
			up = above(i - enterprises)
		}
		w.node(above(i-enterprises+1), up, mib.Enterprise[i])
	}
	w.node("linnetNotifications", "linnetMIB", linnet.Notifications)
	w.node("linnetMetrics", "linnetMIB", linnet.Metrics)
	w.node("linnetValues", "linnetMIB", linnet.Fields)
	w.node("linnetConformance", "linnetMIB", linnet.Conformance)
	w.node("linnetProducts", "linnetMIB", linnet.Products)
	fmt.Fprintf(w, "\n%s OBJECT-IDENTITY\n    STATUS      current\n    DESCRIPTION\n%s    ::= { linnetProducts 1 }\n",
		w.name("linnetBox"), quoted("What sysObjectID of a linnet is."))
	for i := range d.metrics {
		w.metric(&d.metrics[i])
	}
	w.fields()
	w.events(d.events)
	w.conformance()
	w.WriteString("\nEND\n")
	if len(w.errs) > 0 {
		return "", fmt.Errorf("LINNET-MIB: %s", strings.Join(w.errs, "; "))
	}
	return w.String(), nil
}

// enterprises is how many parts 1.3.6.1.4.1 has.
const enterprises = 6

// above names a node between enterprises and ours.
func above(n int) string { return fmt.Sprintf("linnetAbove%d", n) }

// metric writes one metric: a scalar, three of them for a time, or a table.
func (w *writer) metric(m *numbered) {
	parts := m.parts()
	switch {
	case m.gone():
		fmt.Fprintf(w, "\n-- { linnetMetrics %d } was %s\n", m.number, m.Name)
	case m.table():
		w.table(m, parts)
	case len(parts) == 1:
		w.value(parts[0], "linnetMetrics", m.number)
	default:
		w.node(m.Name, "linnetMetrics", m.number)
		for i, p := range parts {
			w.value(p, m.Name, uint32(i)+1)
		}
	}
}

func (w *writer) value(p part, parent string, n uint32) {
	w.object(p.name, p.syntax, p.unit, "read-only", p.help, "", parent, n)
	w.objects = append(w.objects, p.name)
}

func (w *writer) table(m *numbered, parts []part) {
	table, entry, row := m.Name+"Table", m.Name+"Entry", m.Name+"Row"
	w.object(table, "SEQUENCE OF "+upper(entry), "", "not-accessible", m.Help, "", "linnetMetrics", m.number)
	w.object(entry, upper(entry), "", "not-accessible", "What is known under one set of labels.", "    INDEX       { "+row+" }\n", table, 1)
	columns := []part{{name: row, syntax: "Unsigned32"}}
	for _, label := range m.Labels {
		columns = append(columns, part{m.Name + upper(label), "LinnetText", "", "The label '" + label + "'."})
	}
	columns = append(columns, parts...)
	fmt.Fprintf(w, "\n%s ::= SEQUENCE {\n", upper(entry))
	for i, c := range columns {
		comma := ","
		if i == len(columns)-1 {
			comma = ""
		}
		fmt.Fprintf(w, "    %-32s %s%s\n", c.name, c.syntax, comma)
	}
	w.WriteString("}\n")
	w.object(row, "Unsigned32 (1..2147483647)", "", "not-accessible", "A number that stays with the labels and is never given to others.", "", entry, 1)
	for i, c := range columns[1:] {
		w.value(c, entry, uint32(i)+2)
	}
}

// Value returns the name of a field of notifications in the MIB.
func valueName(field string) string { return "event" + upper(field) }

// fields writes the values that notifications carry.
func (w *writer) fields() {
	for i, f := range numbers.Fields {
		p := (&numbered{syntax: f.Syntax, number: uint32(i) + 1}).parts()[0]
		name := valueName(f.Name)
		if f.Name == "raised" {
			p.syntax = "TruthValue"
		}
		w.object(name, p.syntax, "", "accessible-for-notify", "The '"+f.Name+"' of an event.", "", "linnetValues", uint32(i)+1)
		w.values = append(w.values, name)
	}
}

// everywhere are the values that every notification has behind its own.
var everywhere = []event.Field{{Name: "raised"}, {Name: "message"}}

// events writes the notifications.
func (w *writer) events(list []*event.Desc) {
	for i, e := range list {
		if e == nil {
			fmt.Fprintf(w, "\n-- { linnetNotifications %d } was %s\n", i+1, numbers.Events[i])
			continue
		}
		var values []string
		for _, f := range append(slices.Clone(e.Fields), everywhere...) {
			if n, _ := numbers.Field(f.Name); n != 0 {
				values = append(values, valueName(f.Name))
			}
		}
		fmt.Fprintf(w, "\n%s NOTIFICATION-TYPE\n", w.name(e.Name))
		if len(values) > 0 {
			fmt.Fprintf(w, "    OBJECTS     { %s }\n", strings.Join(values, ", "))
		}
		fmt.Fprintf(w, "    STATUS      current\n    DESCRIPTION\n%s    ::= { linnetNotifications %d }\n",
			quoted(e.Help+" Severity: "+e.Severity.String()+"."), i+1)
		w.notices = append(w.notices, e.Name)
	}
}

// conformance writes the groups that everything has to be in, and the statement that names them.
func (w *writer) conformance() {
	w.node("linnetCompliances", "linnetConformance", 1)
	w.node("linnetGroups", "linnetConformance", 2)
	group := func(name, kind, keyword, help string, members []string, n int) {
		if len(members) > 0 {
			fmt.Fprintf(w, "\n%s %s\n    %s {\n        %s\n    }\n    STATUS      current\n    DESCRIPTION\n%s    ::= { linnetGroups %d }\n",
				w.name(name), kind, keyword, strings.Join(members, ",\n        "), quoted(help), n)
		}
	}
	group("linnetMetricsGroup", "OBJECT-GROUP", "OBJECTS", "The metrics.", w.objects, 1)
	group("linnetValuesGroup", "OBJECT-GROUP", "OBJECTS", "What notifications carry.", w.values, 2)
	group("linnetNotificationsGroup", "NOTIFICATION-GROUP", "NOTIFICATIONS", "The events.", w.notices, 3)
	mandatory := "linnetMetricsGroup"
	if len(w.values) > 0 {
		mandatory += ", linnetValuesGroup"
	}
	if len(w.notices) > 0 {
		mandatory += ",\n                       linnetNotificationsGroup"
	}
	fmt.Fprintf(w, "\n%s MODULE-COMPLIANCE\n    STATUS      current\n    DESCRIPTION\n%s    MODULE\n    MANDATORY-GROUPS { %s }\n    ::= { linnetCompliances 1 }\n",
		w.name("linnetCompliance"), quoted("What a linnet with all features has. One with fewer lacks the metrics of what it lacks."), mandatory)
}
