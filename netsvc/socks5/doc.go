// Package socks5 relays files between users: the proxy of XEP-0065 1.8.2 (SOCKS5
// Bytestreams), which XEP-0260 1.0.3 uses as well.
//
// It owns the listener, the connections that wait for their other half, and the
// transfers under way. What users ask by XMPP comes through netsvc/transfer; how many
// bytes may flow is said by netsvc/quota. UDP associations (an option of XEP-0065) are
// left out: no client has them.
//
// # A transfer
//
// Both parties connect and name the same key, the hash of the stream's id and their
// addresses. A connection that waits has no goroutine: a timer ends it. Nothing is
// read of it meanwhile, so that what a party sends too early stays in the kernel
// (the XEP would have it ignored, which no client relies upon).
//
// When the party that offered the proxy activates the transfer, two goroutines move
// the bytes, one for each direction: ask the kernel how many are there, draw so many
// from the ledger, splice them over. So what is counted is what was moved, to the
// byte, and a direction without bytes holds none back from the other.
//
// Which of the two connections is the requester's is not said by the protocol. It is
// the one that comes from the address of his XMPP stream, if only one does, and else
// the later one, for the other party connects first.
//
// # Splice
//
// Bytes are moved by splice(2) within the kernel, which the Go library uses when both
// sides are *net.TCPConn and the source is limited by an *io.LimitedReader, and not
// when either is wrapped in anything else. A transfer has a pipe for each direction
// while it moves bytes: 6 descriptors at most. On boards with little memory a piece is
// at most 64 KiB, and the socket buffers are small where there are many transfers, so
// that a hundred receivers that do not read pin little.
//
// # Strangers
//
// A connection that names no key is refused: nothing is ever connected to from here
// on the port of XEP-0065. Connections that are not in a transfer are limited in all
// and by address; a key can be named by two connections only.
package socks5
