//go:build !omit_extdisco

package features

import _ "linnet/netsvc/xmpp/mod/extdisco"
