package features

// Table lists all optional features by name. features_test.go holds it against the files of this folder and the
// packages that there are.
var Table = []Feature{
	{"adhoc", "xmpp.adhoc", "linnet/netsvc/xmpp/mod/adhoc", "the appliance's commands in XMPP clients"},
	{"archive", "xmpp.archive", "linnet/netsvc/xmpp/mod/archive", "conversations kept on the server"},
	{"carbons", "xmpp.carbons", "linnet/netsvc/xmpp/mod/carbons", "copies of conversations for all of a user's clients"},
	{"csi", "xmpp.csi", "linnet/netsvc/xmpp/mod/csi", "rest for inactive clients"},
	{"disco", "xmpp.disco", "linnet/netsvc/xmpp/mod/disco", "service discovery"},
	{"offline", "xmpp.offline", "linnet/netsvc/xmpp/mod/offline", "messages for who is not there"},
	{"ping", "xmpp.ping", "linnet/netsvc/xmpp/mod/ping", "pings, and the notice of clients that are gone"},
	{"presence", "xmpp.presence", "linnet/netsvc/xmpp/mod/presence", "broadcasts of presence"},
	{"register", "register", "linnet/netsvc/xmpp/mod/register", "accounts that people make themselves"},
	{"roster", "xmpp.roster", "linnet/netsvc/xmpp/mod/roster", "contacts and subscriptions"},
}
