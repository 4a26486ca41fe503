//go:build !omit_register

package features

import _ "linnet/netsvc/xmpp/mod/register"
