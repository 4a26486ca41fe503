//go:build !omit_agentx

package features

import _ "linnet/netsvc/snmp/agentx"
