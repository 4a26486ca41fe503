// Package notice turns events into the notifications of LINNET-MIB, for those who send them: the SNMP agent to
// its targets, the sub-agent to its master. It owns what a notification carries, and neither numbers
// (netsvc/metric/numbers) nor the sending.
package notice

import (
	"strconv"

	"linnet/netsvc/event"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs/linnet"
)

// Trap is snmpTrapOID.0, which says what a notification is.
var Trap = mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}

// Notification is what managers are told, without sysUpTime. It does not change.
type Notification struct {
	Name    string // for the log
	Binds   []Bind // snmpTrapOID is the first
	Private int    // how many of the last ones are only for networks where nobody else can read
}

// Bind is one value of a notification.
type Bind struct {
	OID   mib.OID
	Value mib.Value
}

// New returns a notification of this identity.
func New(name string, oid mib.OID, binds ...Bind) *Notification {
	return &Notification{Name: name, Binds: append([]Bind{{Trap, mib.Ref(oid)}}, binds...)}
}

// Of turns an event into its notification: the values in their order, then whether it has begun or is over, and a
// text. An event without a number is none of LINNET-MIB: nil.
func Of(e event.Event) *Notification {
	number := numbers.Event(e.Desc.Name)
	if number == 0 {
		return nil
	}
	n := New(e.Desc.Name, mib.Enterprise.With(linnet.Notifications, number))
	text := e.Desc.Help
	if !e.Raised {
		text = "Over: " + text
	}
	add := func(name string, value func(numbers.Syntax) mib.Value) {
		if number, syntax := numbers.Field(name); number != 0 {
			n.Binds = append(n.Binds, Bind{mib.Enterprise.With(linnet.Fields, number, 0), value(syntax)})
		}
	}
	values := func(private bool) {
		for i, f := range e.Desc.Fields {
			if private == (f.Kind == event.Person) {
				add(f.Name, func(syntax numbers.Syntax) mib.Value { return shown(syntax, e.Values[i]) })
			}
		}
	}
	values(false)
	add("raised", func(numbers.Syntax) mib.Value { return mib.Truth(e.Raised) })
	add("message", func(numbers.Syntax) mib.Value { return mib.Text(text) })
	before := len(n.Binds)
	values(true)
	n.Private = len(n.Binds) - before
	return n
}

// shown is a value in its syntax.
func shown(syntax numbers.Syntax, text string) mib.Value {
	if syntax == numbers.Text {
		return mib.Text(text)
	}
	number, _ := strconv.ParseInt(text, 10, 64)
	switch syntax {
	case numbers.Integer32:
		return mib.Int(number)
	case numbers.Gauge32:
		return mib.Gauge(number)
	}
	return mib.Count64(uint64(max(number, 0)))
}
