package snmp

import (
	"linnet/netsvc/snmp/mib"
)

// groups make what the agent shows beside what it knows of itself. Each is called in Setup.
var groups = []func(*mib.Env) []mib.Group{}
