package mib

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"linnet/netsvc/wire/ber"
)

// OID is an object identifier as numbers. An OID that somebody else made is not to be changed; appending to one
// is done on a copy (With).
type OID []uint32

// Enterprise is where our own objects begin: the playpen of net-snmp until a number is registered. It is the one
// place that has to change then.
var Enterprise = OID{1, 3, 6, 1, 4, 1, 8072, 9999, 9999}

// ParseOID reads "1.3.6.1", with or without a dot in front.
func ParseOID(text string) (OID, error) {
	text = strings.TrimPrefix(text, ".")
	bad := errors.New(strconv.Quote(text) + " is not an object identifier, expected such as 1.3.6.1.2.1")
	var oid OID
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || len(oid) == ber.MaxParts {
			return nil, bad
		}
		oid = append(oid, uint32(n))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] >= 40 {
		return nil, bad
	}
	return oid, nil
}

// MustParseOID is ParseOID for constants: it panics.
func MustParseOID(text string) OID {
	oid, err := ParseOID(text)
	if err != nil {
		panic(err)
	}
	return oid
}

// With returns a new OID: o and more.
func (o OID) With(more ...uint32) OID {
	return append(append(make(OID, 0, len(o)+len(more)), o...), more...)
}

// Compare orders OIDs as a walk does.
func (o OID) Compare(other OID) int { return slices.Compare(o, other) }

// HasPrefix tells whether o is prefix or below it.
func (o OID) HasPrefix(prefix OID) bool {
	return len(o) >= len(prefix) && slices.Equal(o[:len(prefix)], prefix)
}

// String returns "1.3.6.1".
func (o OID) String() string {
	b := make([]byte, 0, 4*len(o))
	for i, n := range o {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}

// AppendText appends a text to an index as RFC 2578 section 7.7 has it: its length and its bytes, without the
// length where the table's index is IMPLIED.
func (o OID) AppendText(text string, implied bool) OID {
	if !implied {
		o = append(o, uint32(len(text)))
	}
	for _, c := range []byte(text) {
		o = append(o, uint32(c))
	}
	return o
}
