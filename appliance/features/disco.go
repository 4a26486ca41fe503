//go:build !omit_disco

package features

import _ "linnet/netsvc/xmpp/mod/disco"
