package snmp

import (
	"sync/atomic"

	"linnet/netsvc/snmp/mib"
)

// counter is one of the statistics that RFC 3418, 3412, 3413 and 3414 ask an engine for.
type counter uint8

const (
	inPackets counter = iota
	badVersions
	badCommunityNames
	badCommunityUses
	parseErrors
	silentDrops
	proxyDrops
	unknownModels
	invalidMessages
	unknownHandlers
	unavailableContexts
	unknownContexts
	unsupportedLevels
	notInWindow
	unknownUsers
	unknownEngines
	wrongDigests
	decryptionErrors
	numCounters
)

// Groups of the agent itself, and where their counters stand.
const (
	groupSNMP = iota
	groupFramework
	groupMPD
	groupTarget
	groupUSM
)

var places = [...]struct {
	name     string
	identity mib.OID
	about    string
	oid      mib.OID // of the counters
}{
	groupSNMP:      {"SNMPv2-MIB", mib.OID{1, 3, 6, 1, 6, 3, 1}, "The MIB module for SNMP entities", mib.OID{1, 3, 6, 1, 2, 1, 11}},
	groupFramework: {"SNMP-FRAMEWORK-MIB", mib.OID{1, 3, 6, 1, 6, 3, 10, 3, 1, 1}, "The SNMP Management Architecture MIB", mib.OID{1, 3, 6, 1, 6, 3, 10, 2, 1}},
	groupMPD:       {"SNMP-MPD-MIB", mib.OID{1, 3, 6, 1, 6, 3, 11, 3, 1, 1}, "The MIB for Message Processing and Dispatching", mib.OID{1, 3, 6, 1, 6, 3, 11, 2, 1}},
	groupTarget:    {"SNMP-TARGET-MIB", mib.OID{1, 3, 6, 1, 6, 3, 12}, "The counters of the Target MIB", mib.OID{1, 3, 6, 1, 6, 3, 12, 1}},
	groupUSM:       {"SNMP-USER-BASED-SM-MIB", mib.OID{1, 3, 6, 1, 6, 3, 15, 2, 1, 1}, "The management information definitions for the SNMP User-based Security Model", mib.OID{1, 3, 6, 1, 6, 3, 15, 1, 1}},
}

// counters says where each one stands.
var counters = [numCounters]struct {
	name  string
	group uint8
	id    uint8
}{
	inPackets:           {"snmpInPkts", groupSNMP, 1},
	badVersions:         {"snmpInBadVersions", groupSNMP, 3},
	badCommunityNames:   {"snmpInBadCommunityNames", groupSNMP, 4},
	badCommunityUses:    {"snmpInBadCommunityUses", groupSNMP, 5},
	parseErrors:         {"snmpInASNParseErrs", groupSNMP, 6},
	silentDrops:         {"snmpSilentDrops", groupSNMP, 31},
	proxyDrops:          {"snmpProxyDrops", groupSNMP, 32},
	unknownModels:       {"snmpUnknownSecurityModels", groupMPD, 1},
	invalidMessages:     {"snmpInvalidMsgs", groupMPD, 2},
	unknownHandlers:     {"snmpUnknownPDUHandlers", groupMPD, 3},
	unavailableContexts: {"snmpUnavailableContexts", groupTarget, 4},
	unknownContexts:     {"snmpUnknownContexts", groupTarget, 5},
	unsupportedLevels:   {"usmStatsUnsupportedSecLevels", groupUSM, 1},
	notInWindow:         {"usmStatsNotInTimeWindows", groupUSM, 2},
	unknownUsers:        {"usmStatsUnknownUserNames", groupUSM, 3},
	unknownEngines:      {"usmStatsUnknownEngineIDs", groupUSM, 4},
	wrongDigests:        {"usmStatsWrongDigests", groupUSM, 5},
	decryptionErrors:    {"usmStatsDecryptionErrors", groupUSM, 6},
}

// stats are the counters. They live as long as the agent.
type stats struct {
	count   [numCounters]atomic.Uint64
	limited atomic.Uint32 // answers to nobody in particular that were too many
}

func (s *stats) inc(c counter) { s.count[c].Add(1) }

// appendReport appends the variable binding of a Report about a counter.
func (s *stats) appendReport(dst []byte, c counter) []byte {
	at := &counters[c]
	return appendBind(dst, places[at.group].oid.With(uint32(at.id), 0), mib.Count32(s.count[c].Load()))
}
