//go:build !omit_alerts

package features

import _ "linnet/netsvc/xmpp/mod/alerts"
