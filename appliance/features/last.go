//go:build !omit_last

package features

import _ "linnet/netsvc/xmpp/mod/last"
