//go:build !omit_private

package features

import _ "linnet/netsvc/xmpp/mod/private"
