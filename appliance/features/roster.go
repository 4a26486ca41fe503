//go:build !omit_roster

package features

import _ "linnet/netsvc/xmpp/mod/roster"
