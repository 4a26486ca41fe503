// Package numbers fixes what a network management station remembers of linnet: the object identifier and the
// SYNTAX of each metric, the number of each notification and the SYNTAX of each of their values.
//
// The tables are append-only. A row never moves, never changes its syntax, and stays when its metric is gone: the
// place in the table is the number. testdata/fixed.txt holds what was fixed and a test compares; the test of
// tinytests/metrics does the same for labels, and holds that nothing that is linked is missing here. What a
// metric is stands in its metric.Desc, never here.
//
// Below the prefix of LINNET-MIB, with n for the number of a metric:
//
//	1.n.0          a metric without labels
//	1.n.1.0, .2.0, .3.0   the same of a time: how many, their sum, the longest
//	1.n.1.c.row    a table: column 1 is the row (not accessible), then the labels in their order, then the
//	               value, or the three of a time
//	0.n            notification n of Events
//	2.n.0          value n of Fields, which exists in notifications only
package numbers

// Syntax is how a value is shown by SNMP.
type Syntax uint8

// The syntaxes.
const (
	Counter64 Syntax = iota + 1
	Gauge32
	Integer32
	Gauge64 // a level that 32 bits are too few for: a textual convention of LINNET-MIB over Counter64
	Text    // DisplayString, of UTF-8
	Time    // three objects: Counter64, Counter64 in microseconds, Gauge32 in microseconds
)

// String names the syntax.
func (s Syntax) String() string {
	return [...]string{"", "Counter64", "Gauge32", "Integer32", "Gauge64", "Text", "Time"}[s]
}

// Row is one line of Metrics or Fields. Its number is its place, from 1.
type Row struct {
	Name   string
	Syntax Syntax
}

// Metrics is the table of metrics. Append only.
var Metrics = [...]Row{
	{"version", Text},
	{"uptime", Gauge32},
	{"connectionPanics", Counter64},
	{"storeCommits", Counter64},
	{"storeWritten", Counter64},
	{"storeFailures", Counter64},
	{"storeFaults", Counter64},
	{"storeSize", Gauge64},
	{"storeInFlight", Gauge64},
	{"storeCommitsToday", Gauge32},
	{"storeWrittenToday", Gauge64},
	{"memoryLimit", Gauge64},
	{"memoryLive", Gauge64},
	{"memoryMapped", Gauge64},
	{"memoryPressure", Integer32},
	{"memoryTrims", Counter64},
	{"commandRuns", Counter64},
	{"accounts", Gauge32},
	{"authFailures", Counter64},
	{"authRefused", Counter64},
	{"authSlowed", Counter64},
	{"certTimeLeft", Integer32},
	{"sessions", Gauge32},
	{"sessionsResumable", Gauge32},
	{"sessionsRefused", Counter64},
	{"streamErrors", Counter64},
	{"bounced", Counter64},
	{"unstored", Counter64},
	{"archiveGaps", Counter64},
	{"spooled", Counter64},
	{"slowClients", Counter64},
	{"resumed", Counter64},
	{"lapsed", Counter64},
	{"clientsAccepted", Counter64},
	{"clientsNegotiated", Counter64},
	{"clientsFailed", Counter64},
	{"clientPanics", Counter64},
	{"memoryRefused", Counter64},
	{"clientsSlowed", Counter64},
	{"clientConnections", Gauge32},
	{"clientsUnauthenticated", Gauge32},
	{"gateRefused", Counter64},
	{"rosterFull", Counter64},
	{"registered", Counter64},
	{"registerRefused", Counter64},
	{"archived", Counter64},
	{"offlineStored", Counter64},
	{"offlineFull", Counter64},
	{"stanzas", Counter64},
	{"routed", Counter64},
	{"stanzaTime", Time},
	{"hostSessions", Gauge32},
	{"clientBuffers", Gauge64},
	{"clientBytes", Counter64},
	{"clientQueue", Gauge32},
	{"serviceUp", Integer32},
	{"rates", Gauge64},
	{"memoryClass", Gauge64},
	{"goroutines", Gauge32},
	{"gcPause", Time},
	{"cpuTime", Counter64},
	{"descriptors", Gauge32},
	{"storeBatches", Counter64},
	{"storeWriteTime", Time},
	{"storeFree", Gauge64},
	{"disk", Gauge64},
	{"temperature", Integer32},
	{"flashUsed", Gauge32},
	{"events", Counter64},
	{"eventsNow", Gauge32},
	{"logDropped", Counter64},
	{"quotaRefused", Counter64},
	{"quotaFlows", Gauge32},
	{"quotaLeased", Gauge64},
	{"quotaBytes", Counter64},
	{"quotaLeases", Counter64},
	{"socks5Rejected", Counter64},
	{"transfersBegun", Counter64},
	{"transfersCompleted", Counter64},
	{"transferBytes", Counter64},
	{"transfersRefused", Counter64},
	{"transfersEnded", Counter64},
	{"transferTime", Time},
	{"transfersOpen", Gauge32},
	{"transfersWaiting", Gauge32},
	{"transferAverage", Gauge64},
	{"portmapDoubleNat", Gauge32},
	{"portmapFailures", Counter64},
	{"portmapIgnored", Counter64},
	{"portmapMapped", Gauge32},
	{"portmapRequests", Counter64},
	{"portmapResets", Counter64},
	{"portmapWanted", Gauge32},
	{"turnAllocations", Gauge32},
	{"turnBindings", Counter64},
	{"turnBroken", Counter64},
	{"turnBytesInside", Counter64},
	{"turnBytesReceived", Counter64},
	{"turnBytesSent", Counter64},
	{"turnConnections", Gauge32},
	{"turnForbidden", Counter64},
	{"turnLimited", Counter64},
	{"turnLost", Counter64},
	{"turnMalformed", Counter64},
	{"turnPanics", Counter64},
	{"turnRefused", Counter64},
	{"turnStray", Counter64},
	{"transferFlow", Counter64},
	{"authSucceeded", Counter64},
	{"sessionsAvailable", Gauge32},
	{"blocked", Counter64},
	{"carbons", Counter64},
	{"pingLost", Counter64},
	{"commandTime", Time},
	{"loginTime", Time},
	{"storeCacheSize", Gauge64},
	{"machineMemory", Gauge64},
	{"machineLoad", Gauge32},
	{"snmpPackets", Counter64},
	{"snmpRefused", Counter64},
	{"snmpTold", Counter64},
	{"snmpUntold", Counter64},
}

// Events is the table of notifications. Append only.
var Events = [...]string{
	"serviceDown",
	"memoryScarce",
	"storageNearlyFull",
	"flashBudgetPassed",
	"flashWorn",
	"certificateExpiring",
	"bruteForce",
	"doubleNat",
	"quotaExceeded",
	"storeFailing",
	"test",
}

// Fields is the table of values that notifications carry, by the names of event.Field. Append only.
var Fields = [...]Row{
	{"service", Text},
	{"percent", Integer32},
	{"path", Text},
	{"megabytes", Integer32},
	{"device", Text},
	{"domain", Text},
	{"hours", Integer32},
	{"failures", Integer32},
	{"raised", Integer32}, // of every notification, behind its own values: TruthValue
	{"message", Text},     // of every notification: what has happened, in a sentence
	{"router", Text},
	{"who", Text},
	{"limit", Text},
}

// Metric returns the number and the syntax of a metric, 0 for one that has none.
func Metric(name string) (number uint32, syntax Syntax) { return find(Metrics[:], name) }

// Field returns the number and the syntax of a value of notifications, 0 for one that has none.
func Field(name string) (number uint32, syntax Syntax) { return find(Fields[:], name) }

// Event returns the number of a notification, 0 for one that has none.
func Event(name string) uint32 {
	for i := range Events {
		if Events[i] == name {
			return uint32(i) + 1
		}
	}
	return 0
}

func find(rows []Row, name string) (uint32, Syntax) {
	for i := range rows {
		if rows[i].Name == name {
			return uint32(i) + 1, rows[i].Syntax
		}
	}
	return 0, 0
}
