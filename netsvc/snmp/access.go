package snmp

import (
	"crypto/subtle"
	"net/netip"
	"slices"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
)

// principal is somebody who may ask: a user, or whoever names a community from an address it is for.
type principal struct {
	name  string
	level byte      // flags that a user's message must have
	tree  *mib.Tree // what can be seen
	write bool
	user  *usm.User // nil for a community

	community []byte
	sources   []netip.Prefix
}

// access is who may ask for what, in one generation. It does not change.
type access struct {
	tree        *mib.Tree
	users       map[string]*principal
	communities []*principal
	targets     []*target
}

// community finds who names this community from there. The time it takes does not tell how much of a name was
// right.
func (a *access) community(name []byte, from netip.Addr) *principal {
	var found *principal
	from = from.Unmap().WithZone("")
	for _, c := range a.communities {
		if subtle.ConstantTimeCompare(c.community, name) == 1 && slices.ContainsFunc(c.sources, func(p netip.Prefix) bool { return p.Contains(from) }) {
			found = c
		}
	}
	return found
}

// view is a set of objects: those whose longest prefix among the rules is included.
type view []rule

type rule struct {
	oid     mib.OID
	include bool
}

// newView returns the view of what is below one of include and not below a longer one of exclude.
func newView(include, exclude []mib.OID) view {
	var v view
	for _, oid := range include {
		v = append(v, rule{oid, true})
	}
	for _, oid := range exclude {
		v = append(v, rule{oid, false})
	}
	return v
}

// Contains tells whether an instance, an object or a whole subtree's root is in the view.
func (v view) Contains(oid mib.OID) bool {
	length, included := -1, false
	for _, r := range v {
		if oid.HasPrefix(r.oid) && (len(r.oid) > length || len(r.oid) == length && !r.include) {
			length, included = len(r.oid), r.include
		}
	}
	return included
}

// Mixed tells whether there may be something below oid that is judged otherwise than oid itself.
func (v view) Mixed(oid mib.OID) bool {
	return slices.ContainsFunc(v, func(r rule) bool { return len(r.oid) > len(oid) && r.oid.HasPrefix(oid) })
}

// Names of the views that there are without anybody making them.
const (
	viewStandard = "standard" // everything but who may ask for what
	viewAll      = "all"
)

// secretOIDs are where users, views and targets stand: for nobody who was not given them.
var secretOIDs = []mib.OID{
	{1, 3, 6, 1, 6, 3, 12, 1, 2}, {1, 3, 6, 1, 6, 3, 12, 1, 3}, // snmpTargetAddrTable, snmpTargetParamsTable
	{1, 3, 6, 1, 6, 3, 13},       // SNMP-NOTIFICATION-MIB
	{1, 3, 6, 1, 6, 3, 15, 1, 2}, // usmUser
	{1, 3, 6, 1, 6, 3, 16},       // SNMP-VIEW-BASED-ACM-MIB
	{1, 3, 6, 1, 6, 3, 18},       // SNMP-COMMUNITY-MIB
}

var standardView = newView([]mib.OID{{1, 3}}, secretOIDs)
var wholeView = newView([]mib.OID{{1, 3}}, nil)
