// Package quota is the ledger of everything that is relayed for users: file
// transfers (netsvc/socks5), calls (netsvc/turn). It says how many bytes may flow,
// counts them by user, domain, box and month, takes them from credits, and tells
// who sent what to whom.
//
// A relay opens an Account for each flow and takes bytes from it before it
// forwards them. The package knows nothing of sockets or protocols, and the relay
// nothing of quotas: it forwards what it gets, and ends the flow with the *Limit
// that it is told.
//
// # What is counted
//
// Each party of a flow that has an account here is charged every byte: as out what
// it sent, as in what it received. A domain is charged what its users are, the box
// each byte once. Domains can share a billing group; what is said of a domain here
// is then said of the group. Months are those of UTC. While the clock is not set
// (it is earlier than the program), the last month of which anything is known goes
// on.
//
// # Limits
//
// A limit is a number of bytes, Unlimited, or Deny; where none is set the next one
// up counts: that of the user, of his domain, the option. There are limits for one
// flow ("file"), and by month for a user, a domain, this box, and all boxes that
// share a store. A limit that is changed counts for flows under way as well.
//
// A credit is a balance of bytes, of a user or of a domain, that operators top up.
// It is drawn on by the flows that its owner requested, in both directions. Who has
// none, nor his domain, needs none, unless the option says that credits are needed.
//
// # Leases
//
// Bytes are given out in leases. A lease is committed to the store before its first
// byte flows and is the only thing written while a flow goes on: one row, the same
// for all leases of the flow. It is as much as flows in five seconds, or a quarter
// of what has flowed so far where that is more, 1 to 64 MiB, and the next one is
// asked for when a quarter is left, so that nobody waits for the disk. Where little
// is left of a limit it is at most a quarter of that, so that one flow does not
// keep from others what it may not need. What was not used goes back when the flow
// is closed.
//
// (The quarter of what has flowed is there for the flash: with leases of five
// seconds alone, a gigabyte at 200 KB/s would cost a thousand commits.)
//
// After a crash, every lease that was open counts as used: the ledger is never
// below what flowed, and above it by at most one lease for each flow. Balances of
// credits are never negative, whatever flows at the same time.
//
// # Who owns what
//
// Ledger.mu guards the meters and which flows are open; batches are submitted under
// it, so the order in memory is that on the disk. Account.mu guards one flow's lease
// and is taken after Ledger.mu or alone. Neither is held while anything is waited
// for.
package quota
