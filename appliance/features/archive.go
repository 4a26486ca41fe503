//go:build !omit_archive

package features

import _ "linnet/netsvc/xmpp/mod/archive"
