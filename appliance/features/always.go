package features

// What every build has: a linnet without one of these serves nobody.
import (
	_ "linnet/netsvc/account"
	_ "linnet/netsvc/cert"
	_ "linnet/netsvc/xmpp/edge/c2s"
	_ "linnet/netsvc/xmpp/server"
)
