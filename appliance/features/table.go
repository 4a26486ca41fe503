package features

// Table lists all optional features by name. features_test.go holds it against the files of this folder and the
// packages that there are.
var Table = []Feature{
	{"adhoc", "xmpp.adhoc", "linnet/netsvc/xmpp/mod/adhoc", "commands in XMPP clients (XEP-0050)"},
	{"admin", "xmpp.admin", "linnet/netsvc/xmpp/mod/admin", "commands about users and their sessions (XEP-0133), for ctl too"},
	{"agentx", "agentx", "linnet/netsvc/snmp/agentx", "sub-agent of the machine's own snmpd"},
	{"alerts", "xmpp.alerts", "linnet/netsvc/xmpp/mod/alerts", "events told to administrators by message"},
	{"archive", "xmpp.archive", "linnet/netsvc/xmpp/mod/archive", "conversations kept on the server (XEP-0313)"},
	{"blocking", "xmpp.blocking", "linnet/netsvc/xmpp/mod/blocking", "block lists"},
	{"bytestreams", "xmpp.bytestreams", "linnet/netsvc/xmpp/mod/bytestreams", "tells clients of the proxy for file transfers (XEP-0065)"},
	{"carbons", "xmpp.carbons", "linnet/netsvc/xmpp/mod/carbons", "copies of conversations for all clients of a user (XEP-0280)"},
	{"csi", "xmpp.csi", "linnet/netsvc/xmpp/mod/csi", "inactive clients can sleep (XEP-0352)"},
	{"disco", "xmpp.disco", "linnet/netsvc/xmpp/mod/disco", "what the server says that it can do (XEP-0030, XEP-0115)"},
	{"extdisco", "xmpp.extdisco", "linnet/netsvc/xmpp/mod/extdisco", "tells clients of TURN, with credentials (XEP-0215)"},
	{"last", "xmpp.last", "linnet/netsvc/xmpp/mod/last", "when somebody was last there (XEP-0012)"},
	{"offline", "xmpp.offline", "linnet/netsvc/xmpp/mod/offline", "messages wait for those who are not there (XEP-0160)"},
	{"ping", "xmpp.ping", "linnet/netsvc/xmpp/mod/ping", "pings, and noticing clients that went away (XEP-0199)"},
	{"portmap", "portmap", "linnet/netsvc/portmap", "ports opened at the router in front: PCP, NAT-PMP, UPnP"},
	{"presence", "xmpp.presence", "linnet/netsvc/xmpp/mod/presence", "presence broadcasts and probes (RFC 6121)"},
	{"private", "xmpp.private", "linnet/netsvc/xmpp/mod/private", "settings and bookmarks of clients (XEP-0049)"},
	{"register", "xmpp.register", "linnet/netsvc/xmpp/mod/register", "people make their accounts themselves (XEP-0077)"},
	{"roster", "xmpp.roster", "linnet/netsvc/xmpp/mod/roster", "contacts and subscriptions (RFC 6121)"},
	{"snmp", "snmp", "linnet/netsvc/snmp", "SNMP agent for network management stations"},
	{"socks5", "socks5", "linnet/netsvc/socks5", "files between users who cannot reach each other, with quotas and credits"},
	{"statistics", "xmpp.statistics", "linnet/netsvc/xmpp/mod/statistics", "metrics for XMPP clients that monitor (XEP-0039)"},
	{"time", "xmpp.time", "linnet/netsvc/xmpp/mod/time", "the server's time (XEP-0202)"},
	{"turn", "turn", "linnet/netsvc/turn", "calls of clients behind address translators (STUN and TURN)"},
	{"vcard", "xmpp.vcard", "linnet/netsvc/xmpp/mod/vcard", "business cards and avatars (XEP-0054)"},
	{"version", "xmpp.version", "linnet/netsvc/xmpp/mod/version", "the software's version (XEP-0092)"},
	{"watch", "watch", "linnet/netsvc/watch", "rates, figures of process and machine, events such as a disk that fills"},
}
