// Package agentx is an SNMP sub-agent (RFC 2741) for machines whose own snmpd keeps port 161: it lends that agent
// NETWORK-SERVICES-MIB and LINNET-MIB, and has it send the notifications of events.
//
// It owns the connection to the master, which it makes anew when that has been started again. It shows what
// the groups show, without users, views or versions, which are the master's. Everything is read-only: a SET is
// answered notWritable. The system's own groups are the master's and are never registered.
//
// The parts of RFC 2741 that are there: Open, Close, Register, Get, GetNext, GetBulk, TestSet, CommitSet, UndoSet,
// CleanupSet, Notify, Ping, Response. Contexts other than the default one, index allocation and capabilities are
// not. TimeStamp values count from the start of this program: the master's clock is known to differ.
package agentx
