package agentx

import (
	"encoding/binary"
	"errors"
	"slices"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/wire/ber"
)

// Types of PDUs (RFC 2741 section 6.1).
const (
	typeOpen       = 1
	typeClose      = 2
	typeRegister   = 3
	typeGet        = 5
	typeGetNext    = 6
	typeGetBulk    = 7
	typeTestSet    = 8
	typeCommitSet  = 9
	typeUndoSet    = 10
	typeCleanupSet = 11
	typeNotify     = 12
	typePing       = 13
	typeResponse   = 18
)

// Flags of a header.
const (
	flagContext   = 0x08
	flagBigEndian = 0x10
)

const (
	headerSize = 20
	maxPayload = 64 << 10 // of a PDU that is taken; an answer stays well below it
	maxAnswer  = 32 << 10 // where a GETBULK stops
)

// Errors of a Response that are not those of SNMP.
const (
	errorParse = 266
)

var errMalformed = errors.New("agentx: malformed")

// header stands in front of every PDU.
type header struct {
	kind        byte
	flags       byte
	session     uint32
	transaction uint32
	packet      uint32
	size        uint32
	order       binary.ByteOrder
}

func readHeader(b []byte) (h header, err error) {
	h.order = binary.LittleEndian
	if b[2]&flagBigEndian != 0 {
		h.order = binary.BigEndian
	}
	h.kind, h.flags = b[1], b[2]
	h.session, h.transaction, h.packet = h.order.Uint32(b[4:]), h.order.Uint32(b[8:]), h.order.Uint32(b[12:])
	h.size = h.order.Uint32(b[16:])
	if b[0] != 1 || h.size%4 != 0 || h.size > maxPayload {
		return h, errMalformed
	}
	return h, nil
}

// newPDU returns a PDU without payload; finish sets its size. What we send is big endian.
func newPDU(kind byte, session, transaction, packet uint32) []byte {
	b := []byte{1, kind, flagBigEndian, 0}
	b = binary.BigEndian.AppendUint32(b, session)
	b = binary.BigEndian.AppendUint32(b, transaction)
	b = binary.BigEndian.AppendUint32(b, packet)
	return append(b, 0, 0, 0, 0)
}

func finish(b []byte) []byte {
	binary.BigEndian.PutUint32(b[16:], uint32(len(b)-headerSize))
	return b
}

// internet is what the short form of an OID leaves out.
var internet = mib.OID{1, 3, 6, 1}

func appendOID(b []byte, oid mib.OID) []byte {
	prefix := byte(0)
	if len(oid) > 4 && oid.HasPrefix(internet) && oid[4] > 0 && oid[4] < 256 {
		prefix, oid = byte(oid[4]), oid[5:]
	}
	b = append(b, byte(len(oid)), prefix, 0, 0)
	for _, n := range oid {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	for len(b)%4 != 0 { // everything before is a multiple of four, too
		b = append(b, 0)
	}
	return b
}

// appendBind appends a variable binding. The kinds have the numbers of their tags.
func appendBind(b []byte, oid mib.OID, v mib.Value) []byte {
	kind := v.Kind()
	if kind == 0 {
		kind = mib.Null
	}
	b = appendOID(append(b, 0, byte(kind), 0, 0), oid)
	switch kind {
	case mib.Integer32:
		return binary.BigEndian.AppendUint32(b, uint32(v.Int()))
	case mib.Counter32, mib.Gauge32, mib.TimeTicks:
		return binary.BigEndian.AppendUint32(b, uint32(v.Uint()))
	case mib.Counter64:
		return binary.BigEndian.AppendUint64(b, v.Uint())
	case mib.IPAddress:
		return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(v.Uint()))
	case mib.OctetString, mib.Opaque:
		return appendString(b, v.Bytes())
	case mib.ObjectID:
		return appendOID(b, v.OID())
	}
	return b
}

// reader takes a payload apart. After a mistake bad is set and everything is empty.
type reader struct {
	b     []byte
	order binary.ByteOrder
	bad   bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return make([]byte, min(n, 8)) // only numbers are read without looking at bad
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uint16() uint16 { return r.order.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return r.order.Uint32(r.take(4)) }

func (r *reader) oid() (oid mib.OID, include bool) {
	head := r.take(4)
	n, prefix := int(head[0]), head[1]
	if n > ber.MaxParts || 4*n > len(r.b) {
		r.bad = true
		return nil, false
	}
	if prefix != 0 {
		oid = internet.With(uint32(prefix))
	}
	oid = slices.Grow(oid, n)
	for range n {
		oid = append(oid, r.uint32())
	}
	if len(oid) > ber.MaxParts {
		r.bad = true
	}
	return oid, head[2] != 0
}

// skipString reads over an octet string.
func (r *reader) skipString() {
	n := r.uint32()
	if n > uint32(len(r.b)) {
		r.bad = true
		return
	}
	r.take(int(n+3) &^ 3)
}

// searchRange is where a GETNEXT looks: from begin, which counts itself when include is set, up to end, which does not
// count. An empty end is none.
type searchRange struct {
	begin, end mib.OID
	include    bool
}

func (r *reader) ranges() (list []searchRange) {
	for len(r.b) > 0 && !r.bad {
		var s searchRange
		s.begin, s.include = r.oid()
		s.end, _ = r.oid()
		list = append(list, s)
	}
	return list
}
