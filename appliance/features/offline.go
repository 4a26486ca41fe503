//go:build !omit_offline

package features

import _ "linnet/netsvc/xmpp/mod/offline"
