package snmp

import (
	"time"

	"linnet/netsvc/event"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/notice"
)

// Objects and notifications of SNMPv2-MIB.
var (
	oidUptime   = mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0}
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

// notification is what targets are told, and when it happened.
type notification struct {
	*notice.Notification
	uptime mib.Value
}

// append appends the bindings as a target may see them.
func (n *notification) append(dst []byte, private bool) []byte {
	binds := n.Binds
	if !private {
		binds = binds[:len(binds)-n.Private]
	}
	dst = appendBind(dst, oidUptime, n.uptime)
	for _, b := range binds {
		dst = appendBind(dst, b.OID, b.Value)
	}
	return dst
}

// notify tells all targets. It does not block.
func (a *Agent) notify(n *notice.Notification) {
	if r, e := a.access.Load(), a.engine.Load(); r != nil && e != nil && n != nil {
		one := &notification{n, mib.Ticks(time.Since(e.start))}
		for _, t := range r.targets {
			t.add(one)
		}
	}
}

// standard tells of one of the standard notifications.
func (a *Agent) standard(name string, number uint32, binds ...notice.Bind) {
	a.notify(notice.New(name, oidStandard.With(number), binds...))
}

// event tells of an event.
func (a *Agent) event(e event.Event) { a.notify(notice.Of(e)) }

// refusals is how often authenticationFailure may be told.
const refusals = 5 * time.Second

// unauthentic is called for each message that was not authentic.
func (a *Agent) unauthentic(now time.Time) {
	last := a.lastRefusal.Load()
	if at := int64(now.Sub(a.made)) + 1; a.traps.Load() && (last == 0 || at-last >= int64(refusals)) && a.lastRefusal.CompareAndSwap(last, at) {
		a.standard("authenticationFailure", authenticationFailure)
	}
}
