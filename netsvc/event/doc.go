// Package event tells of what an operator must hear of: a service that is down, a disk that fills, a
// certificate that ends.
//
// An event is declared once, as a Desc, by the part of the program that notices it, and reaches every
// subscriber: the log, the administrators over XMPP, an SNMP manager as a notification. The package owns
// what was declared, which states are raised and since when, how often it is told, and the newest events.
// It does not own what is watched (netsvc/watch judges the metrics, others raise what they notice
// themselves) nor how a subscriber tells it. Numbers of notifications stand in netsvc/metric/numbers.
//
// Most events are states: Raise begins one and Clear ends it, each is told once, at once: there is no
// hold-down. A level that goes up and down around its limit is told once because Judge takes two limits.
// An event that is over as it happens is a Moment. The first field, unless it is a number, names what the event
// is about, such as a domain or a service: each value of it has a state of its own.
//
// A source that flaps all the same is told ten times and then once in six seconds; how often it was not
// told is in Event.Missed, and the last state is told in any case.
package event
