//go:build !omit_blocking

package features

import _ "linnet/netsvc/xmpp/mod/blocking"
