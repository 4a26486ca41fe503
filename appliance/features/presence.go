//go:build !omit_presence

package features

import _ "linnet/netsvc/xmpp/mod/presence"
