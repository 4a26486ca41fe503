// Package command lets a service declare what an operator can make it do, once, for every surface:
// `linnet ctl`, ad-hoc commands (XEP-0050, XEP-0133), REST and scripts.
//
// The package owns the declaration, the door and the neutral shape of a result. The door is Set.Run: it
// checks role and arguments, runs, writes the audit line and counts, so that a surface cannot forget a
// check. It does not own surfaces, nor does it know how a surface found out who the caller is.
package command
