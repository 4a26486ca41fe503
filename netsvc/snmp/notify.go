package snmp

import (
	"strconv"
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs/linnet"
)

// Objects and notifications of SNMPv2-MIB.
var (
	oidUptime   = mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0}
	oidTrap     = mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}
	oidStandard = mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 5} // and a number
)

// Numbers of the standard notifications.
const (
	coldStart             = 1
	warmStart             = 2
	linkDown              = 3
	linkUp                = 4
	authenticationFailure = 5
)

// notification is what targets are told.
type notification struct {
	name    string // for the log
	binds   []bind
	private int // how many of the binds are for networks where nobody else can read only: the last ones
}

type bind struct {
	oid   mib.OID
	value mib.Value
}

// newNotification returns one with what all have in front.
func (a *Agent) newNotification(name string, oid mib.OID, binds ...bind) *notification {
	return &notification{name: name, binds: append([]bind{{oidUptime, mib.Ticks(a.uptime())}, {oidTrap, mib.Ref(oid)}}, binds...)}
}

// append appends the bindings as a target may see them.
func (n *notification) append(dst []byte, private bool) []byte {
	binds := n.binds
	if !private {
		binds = binds[:len(binds)-n.private]
	}
	for _, b := range binds {
		dst = appendBind(dst, b.oid, b.value)
	}
	return dst
}

// notify tells all targets. It does not block.
func (a *Agent) notify(n *notification) {
	if r := a.access.Load(); r != nil {
		for _, t := range r.targets {
			t.add(n)
		}
	}
}

// standard tells of one of the standard notifications.
func (a *Agent) standard(name string, number uint32, binds ...bind) {
	a.notify(a.newNotification(name, oidStandard.With(number), binds...))
}

// refusals is how often authenticationFailure may be told.
const refusals = 5 * time.Second

// unauthentic is called for each message that was not authentic.
func (a *Agent) unauthentic(now time.Time) {
	last := a.lastRefusal.Load()
	if at := int64(now.Sub(a.made)) + 1; a.traps.Load() && (last == 0 || at-last >= int64(refusals)) && a.lastRefusal.CompareAndSwap(last, at) {
		a.standard("authenticationFailure", authenticationFailure)
	}
}

// event turns an event into its notification: the values in their order, then whether it has begun or is over, and
// a text. An event without a number is none of LINNET-MIB.
func (a *Agent) event(e event.Event) {
	number := numbers.Event(e.Desc.Name)
	if number == 0 {
		return
	}
	n := a.newNotification(e.Desc.Name, mib.Enterprise.With(linnet.Notifications, number))
	text := e.Desc.Help
	if !e.Raised {
		text = "Over: " + text
	}
	add := func(name string, value mib.Value) {
		if number, _ := numbers.Field(name); number != 0 {
			n.binds = append(n.binds, bind{mib.Enterprise.With(linnet.Fields, number, 0), value})
		}
	}
	var persons []int
	for i, f := range e.Desc.Fields {
		if f.Kind == event.Person {
			persons = append(persons, i)
			continue
		}
		add(f.Name, fieldValue(f, e.Values[i]))
	}
	add("raised", mib.Truth(e.Raised))
	add("message", mib.Text(text))
	before := len(n.binds)
	for _, i := range persons {
		add(e.Desc.Fields[i].Name, mib.Text(e.Values[i]))
	}
	n.private = len(n.binds) - before
	a.notify(n)
}

func fieldValue(f event.Field, text string) mib.Value {
	if _, syntax := numbers.Field(f.Name); syntax == numbers.Integer32 || syntax == numbers.Gauge32 || syntax == numbers.Counter64 {
		number, _ := strconv.ParseInt(text, 10, 64)
		switch syntax {
		case numbers.Integer32:
			return mib.Int(number)
		case numbers.Gauge32:
			return mib.Gauge(number)
		}
		return mib.Count64(uint64(max(number, 0)))
	}
	return mib.Text(text)
}
