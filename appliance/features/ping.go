//go:build !omit_ping

package features

import _ "linnet/netsvc/xmpp/mod/ping"
