// Package mib is the contract between the SNMP agent and those who have something to show: what an object
// identifier, a value, a scalar, a table and a group are, and the tree that the agent asks.
//
// A group is one MIB module. Its package below netsvc/snmp/mibs has a function
//
//	func Groups(env *mib.Env) []mib.Group
//
// which is called in Setup, like everything that declares, and stands in the list of netsvc/snmp/groups.go. A
// group lists scalars and tables:
//
//	mib.Scalar{Name: "hrSystemUptime", OID: mib.OID{1, 3, 6, 1, 2, 1, 25, 1, 1}, Kind: mib.TimeTicks,
//		Get: func(*mib.Request) mib.Value { return mib.Ticks(board.Uptime()) }}
//	mib.Table{Name: "ifTable", Entry: mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1}, Columns: []mib.Column{
//		{ID: 1, Name: "ifIndex", Kind: mib.Integer32}, {ID: 2, Name: "ifDescr", Kind: mib.OctetString}, …},
//		Fill: func(s *mib.Snapshot) {
//			for _, i := range interfaces() {
//				s.Row(mib.OID{i.Index}, mib.Int(i.Index), mib.Text(i.Name), …)
//			}
//		}}
//
// Whatever cannot be said that way implements Handler.
//
// # Who calls, and how often
//
// A function of a group is called by any goroutine, several at a time, for every GET of its object: it must be
// quick and may not block. A table is filled when it is asked for and its last snapshot is older than Keep (one
// second unless it says otherwise), so a walk sees one state of it and a crowd of managers does not read /proc
// a thousand times a second. Nothing here takes a lock on the way of a GET, but for the filling of a table.
//
// # Order
//
// The tree is built once for each generation. Its nodes — scalars without the .0, table entries, what a Handler
// is registered for — may not contain each other, so that the order of nodes is the order of everything below
// them. Within a table the snapshot sorts the rows. Next is therefore strictly increasing whatever a group
// does; a Handler has to hold to it itself, and Tree.Next ends a walk that would go back.
//
// # What it does not do
//
// It knows nothing of messages, users or views: that is netsvc/snmp. It does not read the machine: that is board.
//
// RFC 2578 and RFC 2579 (SMIv2), RFC 3416 (the meaning of the answers).
package mib
