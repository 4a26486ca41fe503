//go:build !omit_csi

package features

import _ "linnet/netsvc/xmpp/mod/csi"
