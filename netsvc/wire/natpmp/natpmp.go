package natpmp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// Port is where a router takes requests of this protocol and of PCP; it announces itself at AnnouncePort of all hosts.
const (
	Port         = 5351
	AnnouncePort = 5350
)

const answer = 128

// Opcode says what a message is about.
type Opcode uint8

// The opcodes, section 3.
const (
	Address Opcode = 0 // which external address have you
	MapUDP  Opcode = 1
	MapTCP  Opcode = 2
)

// Result is what the router made of a request, section 3.5.
type Result uint16

// Success and the results that are treated specially.
const (
	Success            Result = 0
	UnsupportedVersion Result = 1
	NetworkFailure     Result = 3
)

var results = [...]string{"success", "unsupported version", "not authorized", "network failure", "out of resources", "unsupported opcode"}

// Error describes the result, so that a result that is no success can be returned as an error.
func (r Result) Error() string {
	if int(r) < len(results) {
		return "the router says: " + results[r]
	}
	return "the router says: result " + strconv.Itoa(int(r))
}

// Request is a client's message. Only the opcodes that map use the fields behind the first.
type Request struct {
	Opcode   Opcode
	Internal uint16
	External uint16 // suggested
	Lifetime uint32 // seconds; 0 removes the mapping
}

// Response is a router's message. A failure may come without what follows Result and Epoch.
type Response struct {
	Opcode   Opcode
	Result   Result
	Epoch    uint32     // seconds since the router lost its state
	Address  netip.Addr // of Address
	Internal uint16     // of the others
	External uint16
	Lifetime uint32
}

// The errors of decoding.
var (
	ErrShort = errors.New("natpmp: the message has not the size of its kind")
	ErrKind  = errors.New("natpmp: not an answer of this protocol")
)

// Append appends the encoded request.
func (r *Request) Append(b []byte) []byte {
	b = append(b, 0, byte(r.Opcode))
	if r.Opcode == Address {
		return b
	}
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.Internal)
	b = binary.BigEndian.AppendUint16(b, r.External)
	return binary.BigEndian.AppendUint32(b, r.Lifetime)
}

// ParseRequest decodes a request, for routers in tests.
func ParseRequest(b []byte) (Request, error) {
	if len(b) < 2 || b[0] != 0 || b[1]&answer != 0 {
		return Request{}, ErrKind
	}
	r := Request{Opcode: Opcode(b[1])}
	switch {
	case r.Opcode == Address:
		return r, nil
	case len(b) != 12:
		return r, ErrShort
	}
	r.Internal, r.External = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	r.Lifetime = binary.BigEndian.Uint32(b[8:])
	return r, nil
}

// Append appends the encoded response.
func (r *Response) Append(b []byte) []byte {
	b = append(b, 0, answer|byte(r.Opcode))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Result))
	b = binary.BigEndian.AppendUint32(b, r.Epoch)
	if r.Opcode == Address {
		if !r.Address.Is4() {
			return append(b, 0, 0, 0, 0)
		}
		return append(b, r.Address.AsSlice()...)
	}
	b = binary.BigEndian.AppendUint16(b, r.Internal)
	b = binary.BigEndian.AppendUint16(b, r.External)
	return binary.BigEndian.AppendUint32(b, r.Lifetime)
}

// ParseResponse decodes a response.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 8 {
		return Response{}, ErrShort
	}
	if b[0] != 0 || b[1]&answer == 0 {
		return Response{}, ErrKind
	}
	r := Response{Opcode: Opcode(b[1] &^ answer), Result: Result(binary.BigEndian.Uint16(b[2:])), Epoch: binary.BigEndian.Uint32(b[4:])}
	switch {
	case r.Opcode > MapTCP:
		// Section 3.5 has the opcode of an unsupported request echoed, which is none of ours.
		return r, ErrKind
	case r.Opcode == Address && len(b) == 12:
		r.Address = netip.AddrFrom4([4]byte(b[8:]))
	case r.Opcode != Address && len(b) == 16:
		r.Internal, r.External = binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
		r.Lifetime = binary.BigEndian.Uint32(b[12:])
	case r.Result == Success || len(b) > 16:
		return r, ErrShort
	}
	return r, nil
}
