package guard

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/pion/stun/v2"
)

// Attributes that pion/stun v2 has no name for.
const (
	attrIntegritySHA256  stun.AttrType = 0x001C
	attrAdditionalFamily stun.AttrType = 0x8000
	attrAddressError     stun.AttrType = 0x8001
)

const (
	header     = 20 // bytes of a STUN message before its attributes
	cookie     = 0x2112A442
	channels   = 0x4000     // the first channel number, RFC 8656 section 12
	channelEnd = 0x7FFF     // and the last: clients of RFC 5766 go beyond the 0x4FFF of today
	shake      = 0x5354554E // what the fingerprint's checksum is mixed with, RFC 8489 section 14.7
)

// WellFormed reports whether b is one STUN message of RFC 8489 and nothing else, with a FINGERPRINT that is true if it has one.
func WellFormed(b []byte) bool { return wellFormed(b) }

// wellFormed reports whether b is one STUN message and nothing else: the structure of RFC 8489 section 5, attributes
// that lie within it, MESSAGE-INTEGRITY of the right size, FINGERPRINT last and true.
func wellFormed(b []byte) bool {
	if len(b) < header || b[0]>>6 != 0 || binary.BigEndian.Uint32(b[4:]) != cookie {
		return false
	}
	if n := int(binary.BigEndian.Uint16(b[2:])); n&3 != 0 || n+header != len(b) {
		return false
	}
	for p := b[header:]; len(p) > 0; {
		if len(p) < 4 {
			return false
		}
		t, n := stun.AttrType(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))
		padded := (n + 3) &^ 3
		if len(p)-4 < padded {
			return false
		}
		switch t {
		case stun.AttrMessageIntegrity:
			if n != 20 {
				return false
			}
		case stun.AttrFingerprint:
			at := len(b) - len(p)
			if n != 4 || len(p) != 8 || crc32.ChecksumIEEE(b[:at])^shake != binary.BigEndian.Uint32(p[4:]) {
				return false
			}
		}
		p = p[4+padded:]
	}
	return true
}

// kindOf reads class and method of a well-formed message.
func kindOf(b []byte) (k stun.MessageType) {
	k.ReadValue(binary.BigEndian.Uint16(b))
	return k
}

// addressOf reads an XOR-…-ADDRESS (RFC 8489 section 14.2), where the length is the family's and nothing else.
func addressOf(v []byte, id *[stun.TransactionIDSize]byte) (netip.AddrPort, bool) {
	if !(len(v) == 8 && v[1] == 1 || len(v) == 20 && v[1] == 2) {
		return netip.AddrPort{}, false
	}
	var mask [16]byte
	binary.BigEndian.PutUint32(mask[:], cookie)
	copy(mask[4:], id[:])
	port := binary.BigEndian.Uint16(v[2:]) ^ cookie>>16
	if len(v) == 8 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{v[4] ^ mask[0], v[5] ^ mask[1], v[6] ^ mask[2], v[7] ^ mask[3]}), port), true
	}
	for i := range mask {
		mask[i] ^= v[4+i]
	}
	return netip.AddrPortFrom(netip.AddrFrom16(mask), port), true
}

// family is the number that the address families have in attributes, RFC 8656 section 18.8.
type family byte

const (
	familyIPv4 family = 1
	familyIPv6 family = 2
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return familyIPv4
	}
	return familyIPv6
}

// mapped is an address as an attribute.
type mapped struct {
	kind stun.AttrType
	addr netip.AddrPort
}

// AddTo implements stun.Setter.
func (a mapped) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress{IP: a.addr.Addr().AsSlice(), Port: int(a.addr.Port())}.AddToAs(m, a.kind)
}

// raw is any other attribute.
type raw struct {
	kind  stun.AttrType
	value []byte
}

// AddTo implements stun.Setter.
func (a raw) AddTo(m *stun.Message) error {
	m.Add(a.kind, a.value)
	return nil
}

// seconds is the attribute LIFETIME, RFC 8656 section 18.2.
func seconds(n uint32) raw {
	return raw{stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, n)}
}
