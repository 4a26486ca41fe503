//go:build !omit_socks5

package features

import _ "linnet/netsvc/socks5"
