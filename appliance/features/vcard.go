//go:build !omit_vcard

package features

import _ "linnet/netsvc/xmpp/mod/vcard"
