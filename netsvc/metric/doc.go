// Package metric holds the numbers a running linnet shows about itself.
//
// A metric is declared once, as a Desc, by the service it belongs to; one Walk reads all of them, and
// every surface (SNMP, OpenMetrics, XMPP, `linnet ctl stat`, the monitor) is a loop over that Walk. The
// package owns the cells and their names. It does not own object identifiers: those stand in an
// append-only table beside the MIB, so that a renamed metric cannot move another one.
//
// Counters and gauges are one atomic word each: changing one is a single atomic add, takes no lock and
// allocates nothing, so they may stand on the way of every stanza. Cells live as long as the Set: a
// reload declares them again and gets the same cell, so that no counter falls back to zero. What is
// read by a function belongs to the generation that declared it and is replaced with it.
//
// No address of a person (JID, IP) is ever a label: labels are few, known in advance and counted
// against MaxRows; what does not fit is added up in a row whose labels are "other".
package metric
