package snmp

import (
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs/entity"
	"linnet/netsvc/snmp/mibs/host"
	"linnet/netsvc/snmp/mibs/interfaces"
	"linnet/netsvc/snmp/mibs/ip"
	"linnet/netsvc/snmp/mibs/linnet"
	"linnet/netsvc/snmp/mibs/netservices"
	"linnet/netsvc/snmp/mibs/system"
	"linnet/netsvc/snmp/mibs/ucd"
)

// groups make what the agent shows beside what it knows of itself. Each is called in Setup.
var groups = []func(*mib.Env) []mib.Group{
	system.Groups,
	interfaces.Groups,
	ip.Groups,
	host.Groups,
	ucd.Groups,
	entity.Groups,
	netservices.Groups,
	linnet.Groups,
}
