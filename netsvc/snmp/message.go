package snmp

import (
	"linnet/netsvc/snmp/usm"
	"linnet/netsvc/wire/ber"
)

// Versions as they stand in a message.
const (
	version1  = 0
	version2c = 1
	version3  = 3
)

// Tags of PDUs (RFC 3416 section 3).
const (
	tagGet      = 0xa0
	tagGetNext  = 0xa1
	tagResponse = 0xa2
	tagSet      = 0xa3
	tagGetBulk  = 0xa5
	tagInform   = 0xa6
	tagTrap     = 0xa7
	tagReport   = 0xa8
)

// Flags of a version 3 message (RFC 3412 section 6.4).
const (
	flagAuth       = 1
	flagPriv       = 2
	flagReportable = 4
	levelMask      = flagAuth | flagPriv
)

// Sizes of messages.
const (
	maxMessage   = 8192 // what is taken and what is said by version 3 at most: snmpEngineMaxMessageSize
	maxDatagram  = 1400 // what a community is told at most: one packet, so that nobody is flooded through us
	leastMessage = 484  // what every peer takes (RFC 3417 section 3.2)
	headroom     = 512  // for everything in front of the variable bindings
	securityUSM  = 3
)

// pdu is the part that all versions have. For GETBULK a and b are non-repeaters and max-repetitions, otherwise
// the status and the index of an error.
type pdu struct {
	tag   byte
	id    int32
	a, b  int32
	binds []byte // the list of variable bindings, without its header
}

// parse reads one PDU, which is all of b.
func (p *pdu) parse(b []byte) error {
	tag, content, rest, err := ber.Next(b)
	if err != nil || len(rest) > 0 {
		return ber.ErrMalformed
	}
	p.tag = tag
	switch tag {
	case tagGet, tagGetNext, tagResponse, tagSet, tagGetBulk, tagInform, tagTrap, tagReport:
	default:
		return ber.ErrMalformed
	}
	if p.id, content, err = ber.Int32(content); err != nil {
		return err
	}
	if p.a, content, err = ber.Int32(content); err != nil {
		return err
	}
	if p.b, content, err = ber.Int32(content); err != nil {
		return err
	}
	p.binds, rest, err = ber.Expect(content, ber.Sequence)
	if err != nil || len(rest) > 0 {
		return ber.ErrMalformed
	}
	return nil
}

// nextBind takes one variable binding off a list: the content of its name, and its value.
func nextBind(binds []byte) (name []byte, tag byte, value, rest []byte, err error) {
	bind, rest, err := ber.Expect(binds, ber.Sequence)
	if err != nil {
		return nil, 0, nil, nil, err
	}
	name, bind, err = ber.Expect(bind, ber.ObjectID)
	if err != nil {
		return nil, 0, nil, nil, err
	}
	tag, value, bind, err = ber.Next(bind)
	if err != nil || len(bind) > 0 {
		return nil, 0, nil, nil, ber.ErrMalformed
	}
	return name, tag, value, rest, nil
}

// message is what stands around a PDU. Its slices are parts of the datagram.
type message struct {
	version int32

	community []byte // versions 1 and 2c

	id      int32 // version 3: msgID
	maxSize int32
	flags   byte
	model   int32
	engine  []byte // of the security parameters, as the rest
	boots   uint32
	time    uint32
	user    []byte
	mac     []byte
	macAt   int // where it stands in the datagram
	salt    []byte
	scoped  []byte // the scoped PDU: the whole element, or its encrypted octets

	contextEngine, contextName []byte

	pdu pdu
}

// header reads the beginning of a message: all of versions 1 and 2c up to the PDU, which is returned, and of
// version 3 up to the security parameters. A version that is none of these has nothing but its number.
func (m *message) header(b []byte) (rest []byte, err error) {
	whole, rest, err := ber.Expect(b, ber.Sequence)
	if err != nil || len(rest) > 0 {
		return nil, ber.ErrMalformed
	}
	if m.version, rest, err = ber.Int32(whole); err != nil {
		return nil, err
	}
	switch m.version {
	case version1, version2c:
		m.community, rest, err = ber.Expect(rest, ber.OctetString)
		return rest, err
	case version3:
		return rest, m.header3(rest, len(b))
	}
	return rest, nil
}

// header3 reads msgGlobalData, which is where rest of a datagram of size bytes begins, and finds the others.
func (m *message) header3(rest []byte, size int) error {
	global, rest, err := ber.Expect(rest, ber.Sequence)
	if err != nil {
		return err
	}
	if m.id, global, err = ber.Int32(global); err != nil || m.id < 0 {
		return ber.ErrMalformed
	}
	if m.maxSize, global, err = ber.Int32(global); err != nil || m.maxSize < leastMessage {
		return ber.ErrMalformed
	}
	flags, global, err := ber.Expect(global, ber.OctetString)
	if err != nil || len(flags) != 1 {
		return ber.ErrMalformed
	}
	m.flags = flags[0]
	if m.model, global, err = ber.Int32(global); err != nil || m.model < 1 || len(global) > 0 {
		return ber.ErrMalformed
	}
	security, rest, err := ber.Expect(rest, ber.OctetString)
	if err != nil {
		return err
	}
	m.scoped = rest
	if m.model != securityUSM {
		return nil
	}
	return m.security(security, size-len(rest))
}

// security reads the parameters of the user-based model, which end at that place in the datagram.
func (m *message) security(b []byte, end int) error {
	b, rest, err := ber.Expect(b, ber.Sequence)
	if err != nil || len(rest) > 0 {
		return ber.ErrMalformed
	}
	if m.engine, b, err = ber.Expect(b, ber.OctetString); err != nil || len(m.engine) > usm.MaxEngine {
		return ber.ErrMalformed
	}
	boots, b, err := ber.Int32(b)
	if err != nil || boots < 0 {
		return ber.ErrMalformed
	}
	time, b, err := ber.Int32(b)
	if err != nil || time < 0 {
		return ber.ErrMalformed
	}
	m.boots, m.time = uint32(boots), uint32(time)
	if m.user, b, err = ber.Expect(b, ber.OctetString); err != nil || len(m.user) > usm.MaxName {
		return ber.ErrMalformed
	}
	if m.mac, b, err = ber.Expect(b, ber.OctetString); err != nil {
		return err
	}
	m.macAt = end - len(b) - len(m.mac)
	if m.salt, b, err = ber.Expect(b, ber.OctetString); err != nil || len(b) > 0 {
		return ber.ErrMalformed
	}
	return nil
}

// body reads the scoped PDU once it is in the clear. Behind what was encrypted there may be padding.
func (m *message) body(b []byte, padded bool) error {
	content, rest, err := ber.Expect(b, ber.Sequence)
	if err != nil || len(rest) > 0 && !padded {
		return ber.ErrMalformed
	}
	if m.contextEngine, content, err = ber.Expect(content, ber.OctetString); err != nil {
		return err
	}
	if m.contextName, content, err = ber.Expect(content, ber.OctetString); err != nil {
		return err
	}
	return m.pdu.parse(content)
}

// writer puts a message together in front of variable bindings that stand in b[at:end].
type writer struct {
	b       []byte
	at, end int
}

// pdu writes the PDU around the variable bindings.
func (w *writer) pdu(tag byte, id, a, b int32) {
	w.at = ber.Prepend(w.b, w.at, w.end, ber.Sequence)
	w.at = ber.PrependInt(w.b, w.at, int64(b))
	w.at = ber.PrependInt(w.b, w.at, int64(a))
	w.at = ber.PrependInt(w.b, w.at, int64(id))
	w.at = ber.Prepend(w.b, w.at, w.end, tag)
}

// community writes the rest of a message of version 1 or 2c and returns it.
func (w *writer) community(version int32, community []byte) []byte {
	w.at = ber.PrependString(w.b, w.at, community)
	w.at = ber.PrependInt(w.b, w.at, int64(version))
	w.at = ber.Prepend(w.b, w.at, w.end, ber.Sequence)
	return w.b[w.at:w.end]
}

// sealed is what a message of version 3 says about itself.
type sealed struct {
	id            int32
	flags         byte
	engine        []byte // the authoritative one
	boots, time   uint32
	name          []byte    // of the user
	user          *usm.User // nil without authentication
	salt          [usm.SaltSize]byte
	contextEngine []byte
	contextName   []byte
}

// overhead returns at least how many bytes stand in front of the variable bindings of a version 3 message.
func (s *sealed) overhead() int {
	n := 4 + 3 + 20 + 4 + 4 + 2 + len(s.engine) + 12 + 2 + len(s.name) + 2 + 2 // up to the encrypted part
	if s.flags&flagAuth != 0 {
		n += s.user.Auth.MACSize()
	}
	if s.flags&flagPriv != 0 {
		n += usm.SaltSize + 4
	}
	return n + 4 + 2 + len(s.contextEngine) + 2 + len(s.contextName) + 4 + 6 + 6 + 4
}

// seal writes the rest of a message of version 3, encrypts and signs it, and returns it.
func (w *writer) seal(s *sealed) []byte {
	w.at = ber.PrependString(w.b, w.at, s.contextName)
	w.at = ber.PrependString(w.b, w.at, s.contextEngine)
	w.at = ber.Prepend(w.b, w.at, w.end, ber.Sequence)
	var salt []byte
	if s.flags&flagPriv != 0 {
		s.user.Encrypt(w.b[w.at:w.end], s.boots, s.time, s.salt)
		w.at = ber.Prepend(w.b, w.at, w.end, ber.OctetString)
		salt = s.salt[:]
	}
	end := w.at // of the security parameters
	w.at = ber.PrependString(w.b, w.at, salt)
	size := 0
	if s.flags&flagAuth != 0 {
		size = s.user.Auth.MACSize()
	}
	w.at -= size
	clear(w.b[w.at : w.at+size])
	mac := w.at
	w.at = ber.Prepend(w.b, w.at, w.at+size, ber.OctetString)
	w.at = ber.PrependString(w.b, w.at, s.name)
	w.at = ber.PrependInt(w.b, w.at, int64(s.time))
	w.at = ber.PrependInt(w.b, w.at, int64(s.boots))
	w.at = ber.PrependString(w.b, w.at, s.engine)
	w.at = ber.Prepend(w.b, w.at, end, ber.Sequence)
	w.at = ber.Prepend(w.b, w.at, end, ber.OctetString)
	end = w.at
	w.at = ber.PrependInt(w.b, w.at, securityUSM)
	w.at -= 3
	w.b[w.at], w.b[w.at+1], w.b[w.at+2] = ber.OctetString, 1, s.flags
	w.at = ber.PrependInt(w.b, w.at, maxMessage)
	w.at = ber.PrependInt(w.b, w.at, int64(s.id))
	w.at = ber.Prepend(w.b, w.at, end, ber.Sequence)
	w.at = ber.PrependInt(w.b, w.at, version3)
	w.at = ber.Prepend(w.b, w.at, w.end, ber.Sequence)
	if size > 0 {
		s.user.Sign(w.b[w.at:w.end], mac-w.at)
	}
	return w.b[w.at:w.end]
}
