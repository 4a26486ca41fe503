package pcp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// Sizes of messages, RFC 6887 section 7: a message is at most MaxSize and a multiple of four bytes.
const (
	MaxSize    = 1100
	headerSize = 24
	mapSize    = headerSize + 36
)

const (
	version  = 2
	response = 0x80
)

// Opcode says what a message is about.
type Opcode uint8

// The opcodes that are used here, section 19.
const (
	Announce Opcode = 0 // are you there, and since when
	Map      Opcode = 1
)

// Protocol is an IP protocol that ports belong to.
type Protocol uint8

// Protocols by IANA's numbers.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// Result is what the server made of a request, section 7.4.
type Result uint8

// The results that a client treats specially.
const (
	Success            Result = 0
	UnsupportedVersion Result = 1
	NotAuthorized      Result = 2
	NetworkFailure     Result = 7
	NoResources        Result = 8
	NoExternal         Result = 11
	AddressMismatch    Result = 12 // another translator stands between client and server
)

var results = [...]string{"success", "unsupported version", "not authorized", "malformed request", "unsupported opcode",
	"unsupported option", "malformed option", "network failure", "no resources", "unsupported protocol", "quota exceeded",
	"cannot provide the external address", "address mismatch", "excessive remote peers"}

// Error describes the result, so that a result that is no success can be returned as an error.
func (r Result) Error() string {
	if int(r) < len(results) {
		return "the router says: " + results[r]
	}
	return "the router says: result " + strconv.Itoa(int(r))
}

// Nonce ties answers, renewals and removal to who asked for the mapping, section 11.
type Nonce [12]byte

// Mapping is what a MAP message is about.
type Mapping struct {
	Nonce    Nonce
	Protocol Protocol
	Internal uint16
	External netip.AddrPort // suggested, or assigned; IPv4 or IPv6
}

// Request is a client's message.
type Request struct {
	Opcode   Opcode
	Lifetime uint32     // seconds; 0 removes the mapping
	Client   netip.Addr // the address it is sent from
	Mapping  Mapping    // of MAP
}

// Response is a server's message.
type Response struct {
	Opcode   Opcode
	Result   Result
	Lifetime uint32  // seconds: of the mapping, or for how long a failure will last
	Epoch    uint32  // seconds since the server lost its state
	Mapping  Mapping // of MAP
}

// The errors of decoding.
var (
	ErrShort   = errors.New("pcp: the message is too short, too long or no multiple of four bytes")
	ErrVersion = errors.New("pcp: another version")
	ErrKind    = errors.New("pcp: not a message of this kind")
)

// Append appends the encoded request.
func (r *Request) Append(b []byte) []byte {
	b = append(b, version, byte(r.Opcode), 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.Lifetime)
	b = appendAddr(b, r.Client)
	if r.Opcode == Map {
		b = r.Mapping.append(b)
	}
	return b
}

// ParseRequest decodes a request, for servers in tests. Options are passed over.
func ParseRequest(b []byte) (Request, error) {
	if err := check(b, 0); err != nil {
		return Request{}, err
	}
	r := Request{Opcode: Opcode(b[1]), Lifetime: binary.BigEndian.Uint32(b[4:]), Client: addr(b[8:])}
	return r, r.Mapping.parse(r.Opcode, b)
}

// Append appends the encoded response.
func (r *Response) Append(b []byte) []byte {
	b = append(b, version, response|byte(r.Opcode), 0, byte(r.Result))
	b = binary.BigEndian.AppendUint32(b, r.Lifetime)
	b = binary.BigEndian.AppendUint32(b, r.Epoch)
	b = append(b, make([]byte, 12)...)
	if r.Opcode == Map {
		b = r.Mapping.append(b)
	}
	return b
}

// ParseResponse decodes a response. Options, which nobody asked for, are passed over. A server that does not speak
// this version answers in its own: the error is ErrVersion then.
func ParseResponse(b []byte) (Response, error) {
	if err := check(b, response); err != nil {
		return Response{}, err
	}
	r := Response{
		Opcode: Opcode(b[1] &^ response), Result: Result(b[3]),
		Lifetime: binary.BigEndian.Uint32(b[4:]), Epoch: binary.BigEndian.Uint32(b[8:]),
	}
	return r, r.Mapping.parse(r.Opcode, b)
}

func check(b []byte, kind byte) error {
	switch {
	case len(b) < 4 || len(b) > MaxSize:
		return ErrShort
	case b[0] != version:
		return ErrVersion
	case b[1]&response != kind:
		return ErrKind
	case len(b) < headerSize || len(b)%4 != 0:
		return ErrShort
	}
	return nil
}

func (m *Mapping) append(b []byte) []byte {
	b = append(b, m.Nonce[:]...)
	b = append(b, byte(m.Protocol), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, m.Internal)
	b = binary.BigEndian.AppendUint16(b, m.External.Port())
	return appendAddr(b, m.External.Addr())
}

func (m *Mapping) parse(op Opcode, b []byte) error {
	if op != Map {
		return nil
	}
	if len(b) < mapSize {
		return ErrShort
	}
	b = b[headerSize:]
	m.Nonce = Nonce(b)
	m.Protocol = Protocol(b[12])
	m.Internal = binary.BigEndian.Uint16(b[16:])
	m.External = netip.AddrPortFrom(addr(b[20:]), binary.BigEndian.Uint16(b[18:]))
	return nil
}

// appendAddr writes an address in 16 bytes, IPv4 mapped into IPv6 as section 5 says; the zero address stands for
// any IPv4 one.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

func addr(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)).Unmap() }
