// Package budget holds what linnet may cost, as numbers with a date, and tests that measure it: bytes on flash,
// live heap, bytes per idle session, allocations per stanza. Raising a number is a visible change of one line
// with its reason. Times are not here: they belong to the machine, and tinytests/bench compares them.
package budget

// budget is one number that must not be exceeded.
type budget struct {
	name string
	must int64 // the test fails above
	aim  int64 // the test mentions it above
	unit string
	seen int64  // what it was when the row was last changed
	date string // when that was
	why  string // what is measured, and the reason of the last change
}

// budgets is the table. Names are those of the tests.
var budgets = []budget{
	{
		name: "flash", must: 2_100_000, aim: 1_700_000, unit: "bytes", seen: 2_035_712, date: "2026-11-22",
		why: "linnet for mipsle softfloat with the best size flags as squashfs-xz with blocks of 256 KB: what a router with 16 MB of flash gives it; without the features that have a row of their own",
	},
	{
		name: "flash gateway", must: 300_000, aim: 220_000, unit: "bytes", seen: 282_624, date: "2026-11-22",
		why: "what TURN, SOCKS5 and port mapping add to that",
	},
	{
		name: "flash snmp", must: 150_000, aim: 100_000, unit: "bytes", seen: 131_072, date: "2026-11-22",
		why: "what the SNMP agent adds to that",
	},
	{
		name: "flash watch", must: 40_000, aim: 20_000, unit: "bytes", seen: 20_480, date: "2026-11-22",
		why: "what rates, limits, statistics over XMPP and messages about events add to that",
	},
	{
		name: "heap", must: 1_200_000, aim: 800_000, unit: "bytes", seen: 588_272, date: "2026-11-22",
		why: "live heap of a node with everything on, no client, after two collections",
	},
	{
		name: "agent", must: 600_000, aim: 300_000, unit: "bytes", seen: 203_416, date: "2026-11-22",
		why: "live heap and stacks that the SNMP agent adds, with a user, a community and a target, after everything was walked once and two collections",
	},
	{
		name: "session", must: 9_500, aim: 6_000, unit: "bytes", seen: 7_692, date: "2026-11-22",
		why: "heap and stacks per idle session over TLS with stream management and carbons, presence sent, after two collections; sockets in the kernel not counted",
	},
	{
		name: "stanza", must: 6, aim: 2, unit: "allocations", seen: 4, date: "2026-11-22",
		why: "allocations of the whole process per chat message from one client to another's full address over TLS, archive off",
	},
}

// find returns a row of the table.
func find(name string) budget {
	for _, b := range budgets {
		if b.name == name {
			return b
		}
	}
	panic("budget: no row " + name)
}
