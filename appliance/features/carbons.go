//go:build !omit_carbons

package features

import _ "linnet/netsvc/xmpp/mod/carbons"
