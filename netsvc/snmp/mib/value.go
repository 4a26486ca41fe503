package mib

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"time"

	"linnet/netsvc/wire/ber"
)

// Kind is the type of a value; its number is the tag on the wire.
type Kind uint8

const (
	Integer32   Kind = ber.Integer
	OctetString Kind = ber.OctetString
	Null        Kind = ber.Null
	ObjectID    Kind = ber.ObjectID
	IPAddress   Kind = 0x40 // of IPv4 only
	Counter32   Kind = 0x41
	Gauge32     Kind = 0x42 // Unsigned32 is the same
	TimeTicks   Kind = 0x43
	Opaque      Kind = 0x44
	Counter64   Kind = 0x46

	// Not values but what stands in place of one.
	NoSuchObject   Kind = 0x80
	NoSuchInstance Kind = 0x81
	EndOfMIBView   Kind = 0x82
)

func (k Kind) String() string {
	switch k {
	case Integer32:
		return "Integer32"
	case OctetString:
		return "OCTET STRING"
	case Null:
		return "NULL"
	case ObjectID:
		return "OBJECT IDENTIFIER"
	case IPAddress:
		return "IpAddress"
	case Counter32:
		return "Counter32"
	case Gauge32:
		return "Gauge32"
	case TimeTicks:
		return "TimeTicks"
	case Opaque:
		return "Opaque"
	case Counter64:
		return "Counter64"
	case NoSuchObject:
		return "noSuchObject"
	case NoSuchInstance:
		return "noSuchInstance"
	case EndOfMIBView:
		return "endOfMibView"
	}
	return "none"
}

// Exception tells whether the kind stands in place of a value.
func (k Kind) Exception() bool { return k >= NoSuchObject }

// Value is one value with its type. It is small, immutable and comparable; making one of a number allocates
// nothing. The zero Value is None.
type Value struct {
	kind Kind
	n    uint64
	s    string // octets, or the encoded content of an object identifier
}

// None is the absence of a value: in a row of a table the column does not exist there, and a walk skips it.
var None = Value{}

// Int returns an Integer32; a number beyond 32 bits becomes the nearest one within.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32](n T) Value {
	return Value{kind: Integer32, n: uint64(min(max(int64(n), math.MinInt32), math.MaxInt32))}
}

// Truth returns a TruthValue of RFC 2579: 1 for true, 2 for false.
func Truth(b bool) Value {
	if b {
		return Int(1)
	}
	return Int(2)
}

// Count32 returns a Counter32, which wraps: of a larger counter it is the lower half.
func Count32(n uint64) Value { return Value{kind: Counter32, n: n & math.MaxUint32} }

// Count64 returns a Counter64, which version 1 of the protocol cannot see.
func Count64(n uint64) Value { return Value{kind: Counter64, n: n} }

// Gauge returns a Gauge32; what is beyond it stays at its end, as RFC 2578 section 7.1.7 asks for.
func Gauge[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64](n T) Value {
	if n < 0 {
		n = 0
	}
	return Value{kind: Gauge32, n: min(uint64(n), math.MaxUint32)}
}

// Ticks returns a time in hundredths of seconds, which wraps after 497 days.
func Ticks(d time.Duration) Value {
	return Value{kind: TimeTicks, n: uint64(max(d, 0)/(10*time.Millisecond)) & math.MaxUint32}
}

// Text returns an OCTET STRING.
func Text(s string) Value { return Value{kind: OctetString, s: s} }

// Octets returns an OCTET STRING of a copy of b.
func Octets(b []byte) Value { return Value{kind: OctetString, s: string(b)} }

// Date returns a DateAndTime of RFC 2579, in UTC.
func Date(t time.Time) Value {
	t = t.UTC()
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 11), uint16(t.Year()))
	b = append(b, byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()),
		byte(t.Nanosecond()/int(100*time.Millisecond)), '+', 0, 0)
	return Octets(b)
}

// Ref returns an OBJECT IDENTIFIER. It is encoded here: make constants of it once.
func Ref(oid OID) Value {
	return Value{kind: ObjectID, s: string(ber.AppendPartsContent(nil, oid))}
}

// Address returns an IpAddress. SMIv2 has none for IPv6: that is None.
func Address(a netip.Addr) Value {
	if a = a.Unmap(); !a.Is4() {
		return None
	}
	b := a.As4()
	return Value{kind: IPAddress, n: uint64(binary.BigEndian.Uint32(b[:]))}
}

// Float returns a number with a fraction, as net-snmp has them: an Opaque around a float of 32 bits.
func Float(f float32) Value {
	b := binary.BigEndian.AppendUint32([]byte{0x9f, 0x78, 4}, math.Float32bits(f))
	return Value{kind: Opaque, s: string(b)}
}

// Exceptional returns NoSuchObject, NoSuchInstance or EndOfMIBView.
func Exceptional(k Kind) Value { return Value{kind: k} }

// Kind returns the type, 0 of None.
func (v Value) Kind() Kind { return v.kind }

// IsNone tells whether there is no value.
func (v Value) IsNone() bool { return v.kind == 0 }

// Int returns an Integer32.
func (v Value) Int() int32 { return int32(v.n) }

// Uint returns a counter, gauge or time.
func (v Value) Uint() uint64 { return v.n }

// Bytes returns the octets of an OCTET STRING or Opaque.
func (v Value) Bytes() string { return v.s }

// OID returns an object identifier, nil of anything else.
func (v Value) OID() OID {
	if v.kind != ObjectID {
		return nil
	}
	parts, err := ber.AppendParts(nil, []byte(v.s))
	if err != nil {
		return nil
	}
	return parts
}

// Size returns how many bytes Append writes.
func (v Value) Size() int {
	switch v.kind {
	case Integer32:
		return 2 + ber.SizeInt(int64(v.n))
	case Counter32, Gauge32, TimeTicks, Counter64:
		return 2 + ber.SizeUint(v.n)
	case IPAddress:
		return 6
	case OctetString, ObjectID, Opaque:
		return ber.SizeElement(len(v.s))
	}
	return 2
}

// Append appends the value as it stands in a message; None as NULL.
func (v Value) Append(dst []byte) []byte {
	switch v.kind {
	case Integer32:
		return ber.AppendInt(dst, ber.Integer, int64(v.n))
	case Counter32, Gauge32, TimeTicks, Counter64:
		return ber.AppendUint(dst, byte(v.kind), v.n)
	case IPAddress:
		return binary.BigEndian.AppendUint32(append(dst, byte(IPAddress), 4), uint32(v.n))
	case OctetString, ObjectID, Opaque:
		return ber.AppendString(dst, byte(v.kind), v.s)
	case 0:
		return append(dst, byte(Null), 0)
	}
	return append(dst, byte(v.kind), 0)
}

// ReadValue reads a value that a manager sent: it copies what it keeps.
func ReadValue(tag byte, content []byte) (Value, error) {
	v := Value{kind: Kind(tag)}
	var err error
	switch v.kind {
	case Integer32:
		var n int32
		n, err = ber.ParseInt32(content)
		v.n = uint64(n)
	case Counter32, Gauge32, TimeTicks:
		v.n, err = ber.ParseUint(content, 32)
	case Counter64:
		v.n, err = ber.ParseUint(content, 64)
	case IPAddress:
		if len(content) != 4 {
			return None, ber.ErrMalformed
		}
		v.n = uint64(binary.BigEndian.Uint32(content))
	case ObjectID:
		var parts [ber.MaxParts]uint32
		if _, err = ber.AppendParts(parts[:0], content); err == nil {
			v.s = string(content)
		}
	case OctetString, Opaque:
		v.s = string(content)
	case Null, NoSuchObject, NoSuchInstance, EndOfMIBView:
		if len(content) != 0 {
			return None, ber.ErrMalformed
		}
	default:
		return None, ber.ErrMalformed
	}
	if err != nil {
		return None, err
	}
	return v, nil
}

// String shows the value for a log or a test.
func (v Value) String() string {
	switch v.kind {
	case Integer32:
		return strconv.FormatInt(int64(v.n), 10)
	case Counter32, Gauge32, TimeTicks, Counter64:
		return strconv.FormatUint(v.n, 10)
	case IPAddress:
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(v.n)))).String()
	case ObjectID:
		return v.OID().String()
	case OctetString, Opaque:
		return strconv.Quote(v.s)
	}
	return v.kind.String()
}
