//go:build !omit_snmp

package features

import _ "linnet/netsvc/snmp"
