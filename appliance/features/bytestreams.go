//go:build !omit_bytestreams

package features

import _ "linnet/netsvc/xmpp/mod/bytestreams"
