package snmp

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
	"linnet/netsvc/wire/ber"
)

// Agent is what outlives generations: who the engine is, its clock, what it counted. What generations differ in
// hangs on one pointer. Safe for concurrent use.
type Agent struct {
	stats   stats
	limiter *limiter
	salt    atomic.Uint64 // the next one; random at first
	engine  atomic.Pointer[engine]
	access  atomic.Pointer[access]
	tree    atomic.Pointer[mib.Tree]
	current atomic.Pointer[service] // the current generation
	traps   atomic.Bool             // snmpEnableAuthenTraps
	serial  atomic.Int32            // snmpSetSerialNo

	changing sync.Mutex // held while a SET is tested and done: one at a time

	made time.Time // the clock of limits: unlike the engine's it goes on when the agent is switched off and on

	// Notifications.
	lastRefusal atomic.Int64 // when authenticationFailure was told last, in nanoseconds since made; 0 never
	lastPanic   atomic.Int64 // when one was logged last, likewise
	ids         atomic.Uint32
	sent, lost  atomic.Uint32  // notifications
	telling     sync.WaitGroup // goroutines of targets, of links, of a reload that makes keys

	// Set by Start and Switch, undone by Stop.
	log     *log.Logger
	running context.Context // of targets
	stop    context.CancelFunc
	unwatch func()      // events
	linked  atomic.Bool // interfaces are watched
}

// engine says who the engine is, since when.
type engine struct {
	id    []byte
	boots uint32
	start time.Time // of the program; only differences count
}

// maxBoots is the last value of engineBoots, with which no message is in the time window any more.
const maxBoots = 1<<31 - 1

// window is how far a message's clock may be from ours (RFC 3414 section 2.2.3).
const window = 150

func (e *engine) time(now time.Time) uint32 {
	return uint32(min(max(now.Sub(e.start), 0)/time.Second, maxBoots))
}

// began is when sysUpTime was 0; the zero time while there is no engine.
func (a *Agent) began() time.Time {
	if e := a.engine.Load(); e != nil {
		return e.start
	}
	return time.Time{}
}

// nextSalt returns a salt that no other message of this start has.
func (a *Agent) nextSalt() (salt [usm.SaltSize]byte) {
	binary.BigEndian.PutUint64(salt[:], a.salt.Add(1))
	return salt
}

// desk is where one goroutine answers: its buffers. What answer returns stays valid until the next one.
type desk struct {
	agent   *Agent
	request mib.Request
	out     [headroom + maxMessage]byte
	name    mib.OID // the name at hand
	next    mib.OID
	names   [2][]uint32 // of the repeaters of a GETBULK: their parts one after the other, last and this time
	ends    [2][]uint32
	changes []mib.Change
	sealed  sealed
	message message
}

func newDesk(a *Agent) *desk {
	return &desk{agent: a, name: make(mib.OID, 0, ber.MaxParts), next: make(mib.OID, 0, ber.MaxParts+8)}
}

// answer reads a datagram, does what it asks for and returns what is to be sent back, nil for nothing. It changes
// packet: what is encrypted is decrypted in place.
func (d *desk) answer(packet []byte, from netip.Addr) []byte {
	a := d.agent
	a.stats.inc(inPackets)
	e, rights := a.engine.Load(), a.access.Load()
	if e == nil || rights == nil {
		return nil // begins or ends just now
	}
	m := &d.message
	*m = message{}
	rest, err := m.header(packet)
	if err != nil {
		a.stats.inc(parseErrors)
		return nil
	}
	now := time.Now()
	d.request.Now = now
	switch m.version {
	case version1, version2c:
		return d.community(m, rights, rest, from)
	case version3:
		return d.secure(m, e, rights, packet, from, now)
	}
	a.stats.inc(badVersions)
	return nil
}

// community answers a message of version 1 or 2c.
func (d *desk) community(m *message, rights *access, rest []byte, from netip.Addr) []byte {
	a := d.agent
	who := rights.community(m.community, from)
	if who == nil {
		a.stats.inc(badCommunityNames)
		a.unauthentic(d.request.Now)
		return nil
	}
	if err := m.pdu.parse(rest); err != nil {
		a.stats.inc(parseErrors)
		return nil
	}
	if !asks(m.pdu.tag) || m.version == version1 && m.pdu.tag == tagGetBulk {
		a.stats.inc(unknownHandlers)
		return nil
	}
	w, r := d.serve(m, who, maxDatagram-(4+3+4+len(m.community)+4+6+6+6+4))
	if r.malformed {
		a.stats.inc(parseErrors)
		return nil
	}
	w.pdu(tagResponse, m.pdu.id, int32(r.status), int32(r.index))
	out := w.community(m.version, m.community)
	if len(out) > maxDatagram {
		a.stats.inc(silentDrops)
		return nil
	}
	return out
}

// asks tells whether a PDU is one that an agent answers.
func asks(tag byte) bool {
	return tag == tagGet || tag == tagGetNext || tag == tagGetBulk || tag == tagSet
}

// secure answers a message of version 3: RFC 3412 section 7.2, RFC 3414 section 3.2, in their order.
func (d *desk) secure(m *message, e *engine, rights *access, packet []byte, from netip.Addr, now time.Time) []byte {
	a := d.agent
	s := &d.sealed
	*s = sealed{id: m.id, engine: e.id, boots: e.boots, time: e.time(now), name: m.user, contextEngine: e.id}
	level := m.flags & levelMask
	switch {
	case m.model != securityUSM:
		a.stats.inc(unknownModels)
		return nil // nobody could read a Report of ours
	case level == flagPriv:
		a.stats.inc(invalidMessages)
		return nil
	}
	if string(m.engine) != string(e.id) {
		if level == 0 { // who discovers us may be told what his request was
			if m.body(m.scoped, false) != nil {
				m.pdu = pdu{}
			}
		}
		return d.report(m, unknownEngines, from, now)
	}
	who := rights.users[string(m.user)]
	if who == nil {
		return d.report(m, unknownUsers, from, now)
	}
	u := who.user
	if level&flagAuth != 0 && u.Auth == usm.NoAuth || level&flagPriv != 0 && u.Priv == usm.NoPriv {
		return d.report(m, unsupportedLevels, from, now)
	}
	s.user = u
	if level&flagAuth != 0 {
		if len(m.mac) != u.Auth.MACSize() || !u.Verify(packet, m.macAt) {
			a.unauthentic(now)
			return d.report(m, wrongDigests, from, now)
		}
		if m.boots != e.boots || e.boots == maxBoots || m.time+window < s.time || m.time > s.time+window {
			s.flags = flagAuth
			return d.report(m, notInWindow, from, now)
		}
	}
	scoped := m.scoped
	if level&flagPriv != 0 {
		encrypted, rest, err := ber.Expect(scoped, ber.OctetString)
		if err != nil || len(rest) > 0 || len(m.salt) != usm.SaltSize {
			return d.report(m, decryptionErrors, from, now)
		}
		u.Decrypt(encrypted, m.boots, m.time, m.salt)
		scoped = encrypted
	}
	if err := m.body(scoped, level&flagPriv != 0); err != nil {
		a.stats.inc(parseErrors)
		if level&flagPriv != 0 { // the key may be the wrong one: RFC 3414 calls that a decryption error, too
			return d.report(m, decryptionErrors, from, now)
		}
		return nil
	}
	s.flags = level
	switch {
	case string(m.contextEngine) != string(e.id) || !asks(m.pdu.tag):
		return d.report(m, unknownHandlers, from, now)
	case len(m.contextName) > 0:
		return d.report(m, unknownContexts, from, now)
	}
	if level&flagAuth == 0 && u.Auth != usm.NoAuth && !a.limiter.allow(from, now.Sub(a.made)) {
		a.stats.limited.Add(1) // nothing says that it is him
		return nil
	}
	if level&flagPriv != 0 {
		s.salt = a.nextSalt()
	}
	limit := int(min(m.maxSize, maxMessage))
	w, r := d.serve(m, who, limit-s.overhead())
	if r.malformed {
		a.stats.inc(parseErrors)
		return nil
	}
	w.pdu(tagResponse, m.pdu.id, int32(r.status), int32(r.index))
	out := w.seal(s)
	if len(out) > limit {
		a.stats.inc(silentDrops)
		return nil
	}
	return out
}

// report counts why a message was not taken and says so, if the sender wants to know and no flood is made of it.
func (d *desk) report(m *message, c counter, from netip.Addr, now time.Time) []byte {
	a := d.agent
	a.stats.inc(c)
	if m.flags&flagReportable == 0 || m.pdu.tag != 0 && !asks(m.pdu.tag) && m.pdu.tag != tagInform {
		return nil
	}
	if !a.limiter.allow(from, now.Sub(a.made)) {
		a.stats.limited.Add(1)
		return nil
	}
	if d.sealed.flags&flagPriv != 0 {
		d.sealed.salt = a.nextSalt()
	}
	w := writer{b: d.out[:], at: headroom, end: headroom}
	w.end = len(a.stats.appendReport(d.out[:headroom], c))
	w.pdu(tagReport, m.pdu.id, 0, 0)
	return w.seal(&d.sealed)
}

// appendBind appends a variable binding.
func appendBind(dst []byte, oid mib.OID, v mib.Value) []byte {
	size := ber.SizeParts(oid)
	dst = ber.AppendHeader(dst, ber.Sequence, ber.SizeElement(size)+v.Size())
	dst = ber.AppendPartsContent(ber.AppendHeader(dst, ber.ObjectID, size), oid)
	return v.Append(dst)
}
