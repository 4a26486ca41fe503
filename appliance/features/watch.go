//go:build !omit_watch

package features

import _ "linnet/netsvc/watch"
