//go:build !omit_adhoc

package features

import _ "linnet/netsvc/xmpp/mod/adhoc"
