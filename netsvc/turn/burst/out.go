package burst

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Out gathers datagrams for one socket. It belongs to one goroutine. The zero Out is empty and holds no memory, and so
// does one after Flush.
type Out struct{ b *outbox }

// entry is one datagram.
type entry struct {
	off, n int
	to     netip.AddrPort
	via    netip.Addr // the address to send from; zero: the socket's
}

type outbox struct {
	data    []byte
	entries []entry

	headers  [many]mmsghdr
	vectors  [many]unix.Iovec
	names    [many][unix.SizeofSockaddrInet6]byte
	controls [many][controlLen]byte
	runs     [many]int // how many entries each message has

	socket *Socket // while it is being flushed
	from   int     // the first of headers that is not sent
	to     int     // and behind the last
	errno  syscall.Errno
	write  func(fd uintptr) bool
}

var outboxes = sync.Pool{New: func() any {
	b := &outbox{data: make([]byte, 0, outBytes)}
	b.write = b.send
	for i := range b.headers {
		h := &b.headers[i]
		h.Name = &b.names[i][0]
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
	}
	return b
}}

// Len returns how many datagrams wait.
func (o *Out) Len() int {
	if o.b == nil {
		return 0
	}
	return len(o.b.entries)
}

// Add copies a datagram. It returns false when there is no room: flush first.
func (o *Out) Add(p []byte, to netip.AddrPort, via netip.Addr) bool {
	if o.b == nil {
		o.b = outboxes.Get().(*outbox)
	}
	b := o.b
	if len(b.data)+len(p) > cap(b.data) {
		return false
	}
	b.entries = append(b.entries, entry{len(b.data), len(p), to, via})
	b.data = append(b.data, p...)
	return true
}

// Flush sends what waits over the socket and returns how many datagrams could not be sent. It may wait until the kernel
// has room.
func (o *Out) Flush(s *Socket) (lost int) {
	b := o.b
	if b == nil {
		return 0
	}
	o.b = nil
	b.socket = s
	for i := 0; i < len(b.entries); {
		n := b.fill(i)
		lost += b.flush(n, i)
		for k := range n {
			i += b.runs[k]
		}
	}
	b.data, b.entries, b.socket = b.data[:0], b.entries[:0], nil
	outboxes.Put(b)
	return lost
}

// fill makes messages of the entries from i on and returns how many.
func (b *outbox) fill(i int) (n int) {
	for n < many && i < len(b.entries) {
		run := 1
		if !b.socket.plain.Load() {
			run = b.run(i)
		}
		b.message(n, i, run)
		n++
		i += run
	}
	return n
}

// run counts the entries from i on that can be sent as one: of one size to one receiver, the last may be shorter.
func (b *outbox) run(i int) int {
	first := &b.entries[i]
	if first.n > segment || first.n == 0 {
		return 1
	}
	n, bytes := 1, first.n
	for n < segments && i+n < len(b.entries) {
		e := &b.entries[i+n]
		if e.to != first.to || e.via != first.via || e.n > first.n || e.n == 0 || bytes+e.n > runBytes {
			break
		}
		bytes += e.n
		n++
		if e.n < first.n {
			break
		}
	}
	return n
}

// message fills header k with the entries from i on.
func (b *outbox) message(k, i, run int) {
	first, last := &b.entries[i], &b.entries[i+run-1]
	b.runs[k] = run
	h := &b.headers[k]
	b.vectors[k].Base = unsafe.SliceData(b.data[first.off:cap(b.data)])
	b.vectors[k].SetLen(last.off + last.n - first.off)
	h.Namelen = b.socket.writeAddr(&b.names[k], first.to)
	control := b.controls[k][:0]
	if run > 1 {
		control = appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], uint16(first.n))
	}
	if b.socket.local && first.via.IsValid() {
		control = b.socket.appendVia(control, first.via)
	}
	h.Control = nil
	h.SetControllen(len(control))
	if len(control) > 0 {
		h.Control = &b.controls[k][0]
	}
}

// appendVia says which address to send from.
func (s *Socket) appendVia(control []byte, via netip.Addr) []byte {
	at := len(control)
	sixteen := via.As16()
	if s.v6 {
		control = appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		copy(control[at+unix.CmsgLen(0):], sixteen[:])
	} else {
		control = appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		copy(control[at+unix.CmsgLen(4):], sixteen[12:]) // behind the interface
	}
	return control
}

// appendControl adds a control message of n bytes, all zero, to b, which has room.
func appendControl(b []byte, level, kind int32, n int) []byte {
	at := len(b)
	b = b[:at+unix.CmsgSpace(n)]
	clear(b[at:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return b
}

// flush sends the first n messages, which begin with entry i.
func (b *outbox) flush(n, i int) (lost int) {
	b.from, b.to = 0, n
	for b.from < b.to {
		at := b.from
		b.errno = 0
		if err := b.socket.raw.Write(b.write); err != nil { // closed
			for k := b.from; k < b.to; k++ {
				lost += b.runs[k]
			}
			return lost
		}
		for k := at; k < b.from; k++ {
			i += b.runs[k]
		}
		if b.errno != 0 {
			run := b.runs[b.from]
			if run > 1 { // perhaps it cannot be segmented: one by one, and no more of it if it is said so
				if b.errno == unix.EIO || b.errno == unix.EINVAL {
					b.socket.plain.Store(true)
				}
				lost += b.single(i, run)
			} else {
				lost++
			}
			i += run
			b.from++
		}
	}
	return lost
}

// single sends entries one by one, on the way that net's sockets go.
func (b *outbox) single(i, run int) (lost int) {
	one := outboxes.Get().(*outbox)
	o := Out{one}
	for _, e := range b.entries[i : i+run] {
		o.Add(b.data[e.off:e.off+e.n], e.to, e.via)
	}
	if !b.socket.plain.Load() {
		// The kernel can segment, but not this: a receiver that is not there, for instance.
		one.data, one.entries = one.data[:0], one.entries[:0]
		outboxes.Put(one)
		return run
	}
	return o.Flush(b.socket)
}

// send is called by the poller, until it returns true.
func (b *outbox) send(fd uintptr) bool {
	if h := &b.headers[b.from]; b.to-b.from == 1 && h.Control == nil { // the call that is cheapest for one
		v := &b.vectors[b.from]
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(v.Base)), uintptr(v.Len), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return b.result(1, errno)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.headers[b.from])), uintptr(b.to-b.from), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return b.result(int(n), errno)
}

// result notes how many messages were sent; false is to wait for room and try again.
func (b *outbox) result(n int, errno syscall.Errno) bool {
	switch errno {
	case 0:
		b.from += n
		return true
	case unix.EAGAIN:
		return false
	case unix.EINTR: // again, by flush
		return true
	}
	b.errno = errno
	return true
}

func (s *Socket) writeAddr(b *[unix.SizeofSockaddrInet6]byte, to netip.AddrPort) uint32 {
	*b = [unix.SizeofSockaddrInet6]byte{}
	binary.BigEndian.PutUint16(b[2:], to.Port())
	if s.v6 {
		binary.NativeEndian.PutUint16(b[:], unix.AF_INET6)
		a := to.Addr().As16()
		copy(b[8:], a[:])
		return unix.SizeofSockaddrInet6
	}
	binary.NativeEndian.PutUint16(b[:], unix.AF_INET)
	a := to.Addr().Unmap().As16()
	copy(b[4:8], a[12:])
	return unix.SizeofSockaddrInet4
}
