package features

// What no build is without.
import (
	_ "linnet/netsvc/account"
	_ "linnet/netsvc/cert"
	_ "linnet/netsvc/xmpp/edge/c2s"
	_ "linnet/netsvc/xmpp/mod/admin"
	_ "linnet/netsvc/xmpp/server"
)
