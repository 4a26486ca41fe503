package snmp

import (
	"sync/atomic"

	"linnet/netsvc/snmp/mib"
)

// count is one Counter32 of the protocol's own statistics.
type count struct{ n atomic.Uint32 }

func (c *count) inc() uint32 { return c.n.Add(1) }

// stats are the counters that RFC 3418, 3412, 3413 and 3414 ask an engine for. They live as long as the agent.
type stats struct {
	inPackets, badVersions, badCommunityNames, badCommunityUses, parseErrors, silentDrops count // snmp group
	unknownModels, invalidMessages, unknownHandlers                                       count // MPD
	unavailableContexts, unknownContexts                                                  count
	unsupportedLevels, notInWindow, unknownUsers, unknownEngines                          count // USM
	wrongDigests, decryptionErrors                                                        count

	out      atomic.Uint64 // answers
	limited  atomic.Uint64 // unauthenticated answers that were not sent, because there were too many
	sent     atomic.Uint64 // notifications
	lost     atomic.Uint64 // notifications that no target confirmed, or that waited in vain
	varbinds atomic.Uint64 // instances shown
}

// OIDs of what a Report carries, and of the groups they are in.
var (
	oidSNMP   = mib.OID{1, 3, 6, 1, 2, 1, 11}
	oidMPD    = mib.OID{1, 3, 6, 1, 6, 3, 11, 2, 1}
	oidTarget = mib.OID{1, 3, 6, 1, 6, 3, 12, 1}
	oidUSM    = mib.OID{1, 3, 6, 1, 6, 3, 15, 1, 1}
	oidEngine = mib.OID{1, 3, 6, 1, 6, 3, 10, 2, 1}

	reportUnsupportedLevel = oidUSM.With(1, 0)
	reportNotInWindow      = oidUSM.With(2, 0)
	reportUnknownUser      = oidUSM.With(3, 0)
	reportUnknownEngine    = oidUSM.With(4, 0)
	reportWrongDigest      = oidUSM.With(5, 0)
	reportDecryption       = oidUSM.With(6, 0)
	reportUnknownModel     = oidMPD.With(1, 0)
	reportInvalid          = oidMPD.With(2, 0)
	reportUnknownHandler   = oidMPD.With(3, 0)
	reportUnknownContext   = oidTarget.With(5, 0)
)

// counter declares one of the counters as an object.
func counter(name string, oid mib.OID, c *count) mib.Scalar {
	return mib.Scalar{Name: name, OID: oid, Kind: mib.Counter32, Get: func(*mib.Request) mib.Value { return mib.Count32(uint64(c.n.Load())) }}
}
