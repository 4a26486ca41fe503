// Package snmp is the SNMP agent: what network management stations see of the device, and what they are told
// without asking.
//
// It owns the message path (versions 1, 2c and 3 over UDP), who may ask for what, the identity and the clock of
// the engine, its own statistics, and the sending of notifications. It does not own what is shown: groups come
// from the packages below mibs (contract: package mib), notifications from netsvc/event.
//
// # Who may ask
//
// Users, views, communities and targets are sections of the configuration; nobody is there by default, and
// nothing listens until somebody is. A user of version 3 must speak at the level that he was given, and sees the
// view that he was given. Communities are for those who cannot do better: only from the sources that are named,
// only reading, and with answers of at most 1,400 bytes. What can be written is little, and takes a user with
// authentication, encryption and a role. There are no commands by SET.
//
// # Hostile packets
//
// Everybody can send to the port. A datagram is at most 8 KB, is read in place and costs no memory; an answer is
// built in one buffer and never larger than what was asked for allows. Codes are compared in constant time.
// Answers to what is not authenticated (Reports, refusals) are at most ten a second for one source, as its
// address may be forged.
//
// # Engine
//
// The identifier is drawn at the first start and stands with the number of starts in the file snmp-engine, outside
// the database and its snapshots: it is never derived again, a restored database does not make the count go
// back, and a factory reset makes another. When the file is lost a new identifier is drawn, and the log says that
// users have to be keyed anew.
//
// # Threads
//
// A desk belongs to the goroutine of one socket. What it reads hangs on atomic pointers of the Agent: engine,
// access, tree. Reading takes no lock but the user's own, for his cipher. A SET holds Agent.changing and waits for
// the disk; others wait behind it on the same socket.
//
// # gosnmp
//
// Keys are localised by github.com/gosnmp/gosnmp (package usm), and it is the manager of the tests. Messages and
// notifications are own code: as an agent's its codec writes negative request identifiers with five bytes, knows no
// limit of size and spends a quarter of its time on OIDs as texts; its sender of traps would cost 45 KB of flash.
//
// Specifications: RFC 3411 to 3418, RFC 3584, RFC 7860, RFC 3826; RFC 1157 and RFC 1901 for the older versions.
// Deviations: a user is not served below his level even where VACM could grant it; a target is told everything, whatever
// its user may ask for, and the tables of VACM say so; the default context is the only one; proxying, GETBULK over
// version 1 and traps of version 1 do not exist.
package snmp
