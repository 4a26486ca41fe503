// Package burst reads and writes UDP datagrams many at a time: recvmmsg, sendmmsg, and UDP_SEGMENT for runs of
// datagrams of one size to one receiver, which the kernel then takes as one. What a relay costs is system calls; this
// makes them few when there is much to do, and no more than one each when there is little.
//
// It owns sockets' descriptors while it is called, and no memory in between: buffers are borrowed while bytes are in
// them. Linux only. A kernel or a device that cannot segment is noticed, and asked no more.
package burst

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Size is the largest datagram that can be read whole.
	Size = 2048
	many = 32 // datagrams of one system call

	segments   = 60   // datagrams that are sent as one, fewer than any kernel's limit
	segment    = 1400 // the largest of those: larger ones might not fit the way
	runBytes   = 60000
	outBytes   = 64 << 10
	controlLen = 64 // room for a segment size and a source address
)

// mmsghdr is struct mmsghdr, see recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// Socket is a UDP socket that is read by one goroutine and written by any.
type Socket struct {
	raw   syscall.RawConn
	v6    bool        // of AF_INET6; IPv4 addresses are mapped then
	local bool        // asks for the address that a datagram came to
	plain atomic.Bool // UDP_SEGMENT does not work here

	// Of the reader.
	in   *inbox
	read func(fd uintptr) bool
	errs syscall.Errno
}

// New makes a Socket of c, whose read deadline stays in force. With local, the address that a datagram came to is told
// and can be answered from: for sockets that are bound to all addresses.
func New(c *net.UDPConn, local bool) (*Socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{raw: raw}
	s.read = s.receive
	var failed error
	err = raw.Control(func(fd uintptr) {
		domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err != nil {
			failed = err
			return
		}
		s.v6 = domain == unix.AF_INET6
		level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
		if s.v6 {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
		}
		if s.local = local; local {
			failed = unix.SetsockoptInt(int(fd), level, option, 1)
		}
	})
	if err == nil {
		err = failed
	}
	return s, err
}

// Datagram is one that was read. Data is good until the next call of Next.
type Datagram struct {
	Data []byte
	From netip.AddrPort
	To   netip.Addr // the address that it came to, if that was asked for
	Cut  bool       // it was larger than Size
}

// inbox holds the datagrams of one system call.
type inbox struct {
	n, next  int
	used     int  // headers that the kernel has written to since they were set up
	local    bool // what they were set up for
	headers  [many]mmsghdr
	vectors  [many]unix.Iovec
	names    [many][unix.SizeofSockaddrInet6]byte
	controls [many][controlLen]byte
	data     [many][Size]byte
}

var inboxes = sync.Pool{New: func() any {
	b := &inbox{used: many}
	for i := range b.headers {
		h := &b.headers[i]
		b.vectors[i].Base = &b.data[i][0]
		b.vectors[i].SetLen(Size)
		h.Name = &b.names[i][0]
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
	}
	return b
}}

// Buffered returns how many datagrams Next will return without asking the kernel.
func (s *Socket) Buffered() int {
	if s.in == nil {
		return 0
	}
	return s.in.n - s.in.next
}

// Next returns the next datagram, and waits for it. The error is that of the net package: a deadline, or the end of
// the socket; or a system call's.
func (s *Socket) Next() (d Datagram, err error) {
	if s.Buffered() == 0 {
		s.Release()
		if err := s.raw.Read(s.read); err != nil {
			s.Release()
			return d, err
		}
		if s.errs != 0 {
			err := s.errs
			s.errs = 0
			s.Release()
			return d, err
		}
	}
	b := s.in
	i := b.next
	b.next++
	h := &b.headers[i]
	d.Data = b.data[i][:h.n]
	d.From = s.readAddr(&b.names[i])
	d.Cut = h.Flags&unix.MSG_TRUNC != 0
	if s.local {
		d.To = readLocal(b.controls[i][:h.Controllen])
	}
	return d, nil
}

// Release gives the buffers back. What was not read yet is lost.
func (s *Socket) Release() {
	if s.in != nil {
		inboxes.Put(s.in)
		s.in = nil
	}
}

// receive is called by the poller, until it returns true. It borrows buffers only to try.
func (s *Socket) receive(fd uintptr) bool {
	b := inboxes.Get().(*inbox)
	if b.local != s.local {
		b.local, b.used = s.local, many
	}
	for i := range b.headers[:b.used] {
		h := &b.headers[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.Control, h.Flags = nil, 0
		h.SetControllen(0)
		if s.local {
			h.Control = &b.controls[i][0]
			h.SetControllen(controlLen)
		}
	}
	// Raw, because it does not wait: the scheduler need not get ready to run something else meanwhile, which costs more
	// than the call where packets come one at a time.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])), many, unix.MSG_DONTWAIT, 0, 0)
	b.used = 0
	switch errno {
	case 0:
		b.n, b.next, b.used = int(n), 0, int(n)
		s.in = b
		return true
	case unix.EAGAIN, unix.EINTR:
		inboxes.Put(b)
		return false
	}
	inboxes.Put(b)
	s.errs = errno
	return true
}

func (s *Socket) readAddr(b *[unix.SizeofSockaddrInet6]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	if s.v6 {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
}

// readLocal finds IPV6_PKTINFO, which IPv4 datagrams on a socket of both families have, too, or else IP_PKTINFO, that
// of a socket where there is no IPv6.
func readLocal(control []byte) netip.Addr {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(control) {
			break
		}
		if h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && n >= unix.CmsgLen(unix.SizeofInet6Pktinfo) {
			return netip.AddrFrom16([16]byte(control[unix.CmsgLen(0):])).Unmap()
		}
		if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && n >= unix.CmsgLen(unix.SizeofInet4Pktinfo) {
			return netip.AddrFrom4([4]byte(control[unix.CmsgLen(4):])) // behind the interface
		}
		control = control[min(len(control), unix.CmsgSpace(n-unix.CmsgLen(0))):]
	}
	return netip.Addr{}
}

// Plain keeps the socket from segmenting: each datagram is sent as what it is, as a load for measurements must be.
func (s *Socket) Plain() { s.plain.Store(true) }
