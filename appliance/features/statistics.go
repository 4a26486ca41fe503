//go:build !omit_statistics

package features

import _ "linnet/netsvc/xmpp/mod/statistics"
