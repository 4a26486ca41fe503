//go:build !omit_portmap

package features

import _ "linnet/netsvc/portmap"
