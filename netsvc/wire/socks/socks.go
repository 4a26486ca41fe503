// Package socks owns the messages of SOCKS version 5: RFC 1928 and, for names and
// passwords, RFC 1929. Version 4, the GSSAPI method and UDP datagrams are left out.
//
// Readers are for sockets of which no byte more may be read than belongs to the
// message, because the bytes after it are spliced in the kernel: they say how many
// bytes are missing, at least one and never more than the message has.
package socks

import "net/netip"

// Version begins every message of RFC 1928, AuthVersion those of RFC 1929.
const (
	Version     = 5
	AuthVersion = 1
)

// Method is a way of authentication.
type Method byte

// The methods that are spoken here.
const (
	NoAuth       Method = 0
	Password     Method = 2 // RFC 1929
	NoAcceptable Method = 0xff
)

// Command is what a client asks for.
type Command byte

// The commands.
const (
	Connect      Command = 1
	Bind         Command = 2
	UDPAssociate Command = 3
)

// Reply is the outcome of a request.
type Reply byte

// The replies of RFC 1928 section 6.
const (
	Succeeded          Reply = 0
	GeneralFailure     Reply = 1
	NotAllowed         Reply = 2 // by the rules of the server
	NetworkUnreachable Reply = 3
	HostUnreachable    Reply = 4
	ConnectionRefused  Reply = 5
	TTLExpired         Reply = 6
	CommandUnknown     Reply = 7
	AddressUnknown     Reply = 8 // the type of address
)

// Error says what is wrong with a message.
type Error string

func (e Error) Error() string { return "socks: " + string(e) }

// The errors of the readers. The replies that fit ErrVersion are none.
const (
	ErrVersion = Error("not version 5")
	ErrEmpty   = Error("a part of it is empty")
	ErrAddress = Error("unknown type of address") // AddressUnknown is its reply
)

// Address is where a client wants to go: a name or an IP address, and a port.
type Address struct {
	Name string     // as it came, 1 to 255 bytes; "" when IP is set
	IP   netip.Addr // not mapped, without zone
	Port uint16
}

// The types of addresses.
const (
	typeIPv4 = 1
	typeName = 3
	typeIPv6 = 4
)

// MaxRequest is the longest of all messages: a request with a name of 255 bytes.
// (A password message can be 513 bytes: MaxPassword.)
const (
	MaxRequest  = 4 + 1 + 255 + 2
	MaxPassword = 1 + 1 + 255 + 1 + 255
)

// ReadGreeting reads the methods that a client offers. missing is how many bytes are
// needed before it can say more, 0 when methods are complete.
func ReadGreeting(b []byte) (methods []byte, missing int, err error) {
	if len(b) > 0 && b[0] != Version {
		return nil, 0, ErrVersion
	}
	if len(b) < 2 {
		return nil, 2 - len(b), nil
	}
	if b[1] == 0 {
		return nil, 0, ErrEmpty
	}
	if n := 2 + int(b[1]); len(b) < n {
		return nil, n - len(b), nil
	}
	return b[2 : 2+int(b[1])], 0, nil
}

// AppendGreeting appends what a client begins with; at most 255 methods.
func AppendGreeting(dst []byte, methods ...Method) []byte {
	dst = append(dst, Version, byte(len(methods)))
	for _, m := range methods {
		dst = append(dst, byte(m))
	}
	return dst
}

// AppendMethod appends the answer to a greeting.
func AppendMethod(dst []byte, m Method) []byte { return append(dst, Version, byte(m)) }

// ReadPassword reads a name and a password. missing is as in ReadGreeting.
func ReadPassword(b []byte) (name, password string, missing int, err error) {
	if len(b) > 0 && b[0] != AuthVersion {
		return "", "", 0, ErrVersion
	}
	if len(b) < 2 {
		return "", "", 2 - len(b), nil
	}
	at := 2 + int(b[1]) // of the password's length
	if b[1] == 0 {
		return "", "", 0, ErrEmpty
	}
	if len(b) < at+1 {
		return "", "", at + 1 - len(b), nil
	}
	end := at + 1 + int(b[at])
	if len(b) < end {
		return "", "", end - len(b), nil
	}
	return string(b[2:at]), string(b[at+1 : end]), 0, nil
}

// AppendPassword appends a name, of 1 to 255 bytes, and a password, of at most 255.
func AppendPassword(dst []byte, name, password string) []byte {
	dst = append(append(dst, AuthVersion, byte(len(name))), name...)
	return append(append(dst, byte(len(password))), password...)
}

// AppendPasswordStatus appends the answer to a password.
func AppendPasswordStatus(dst []byte, ok bool) []byte {
	if ok {
		return append(dst, AuthVersion, 0)
	}
	return append(dst, AuthVersion, 1)
}

// ReadRequest reads what a client asks for. missing is as in ReadGreeting. The
// reserved byte may be anything: clients put what they like there.
func ReadRequest(b []byte) (c Command, to Address, missing int, err error) {
	if len(b) > 0 && b[0] != Version {
		return 0, to, 0, ErrVersion
	}
	if len(b) < 5 {
		return 0, to, 5 - len(b), nil // the shortest request is longer
	}
	end := 4
	switch b[3] {
	case typeIPv4:
		end += 4
	case typeIPv6:
		end += 16
	case typeName:
		if b[4] == 0 {
			return 0, to, 0, ErrEmpty
		}
		end += 1 + int(b[4])
	default:
		return 0, to, 0, ErrAddress
	}
	if len(b) < end+2 {
		return 0, to, end + 2 - len(b), nil
	}
	if b[3] == typeName {
		to.Name = string(b[5:end])
	} else {
		ip, _ := netip.AddrFromSlice(b[4:end])
		to.IP = ip.Unmap()
	}
	to.Port = uint16(b[end])<<8 | uint16(b[end+1])
	return Command(b[1]), to, 0, nil
}

// AppendRequest appends a request.
func AppendRequest(dst []byte, c Command, to Address) []byte {
	return appendAddress(append(dst, Version, byte(c), 0), to)
}

// AppendReply appends the answer to a request. XEP-0065 wants the address of the
// request in it; the zero Address is written as 0.0.0.0.
func AppendReply(dst []byte, r Reply, bound Address) []byte {
	return appendAddress(append(dst, Version, byte(r), 0), bound)
}

func appendAddress(dst []byte, a Address) []byte {
	switch {
	case a.Name != "":
		dst = append(append(dst, typeName, byte(len(a.Name))), a.Name...)
	case a.IP.Is6():
		dst = append(append(dst, typeIPv6), a.IP.AsSlice()...)
	case a.IP.Is4():
		dst = append(append(dst, typeIPv4), a.IP.AsSlice()...)
	default:
		dst = append(dst, typeIPv4, 0, 0, 0, 0)
	}
	return append(dst, byte(a.Port>>8), byte(a.Port))
}
