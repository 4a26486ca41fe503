//go:build !omit_time

package features

import _ "linnet/netsvc/xmpp/mod/time"
