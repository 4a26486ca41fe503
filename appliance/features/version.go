//go:build !omit_version

package features

import _ "linnet/netsvc/xmpp/mod/version"
