//go:build !omit_turn

package features

import _ "linnet/netsvc/turn"
