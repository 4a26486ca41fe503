//go:build !omit_admin

package features

import _ "linnet/netsvc/xmpp/mod/admin"
