package snmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"
)

// packets answers what comes in on a socket until that is closed.
func (a *Agent) packets(c *net.UDPConn) {
	d := newDesk(a)
	in := make([]byte, maxMessage)
	var control []byte
	if tellDestination(c) {
		control = make([]byte, 128)
	}
	for {
		n, size, flags, from, err := c.ReadMsgUDPAddrPort(in, control)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(10 * time.Millisecond) // out of memory: nothing else makes it fail
			continue
		case flags&syscall.MSG_TRUNC != 0:
			a.stats.inc(inPackets)
			a.stats.inc(parseErrors)
			continue
		}
		if out := d.protected(in[:n], from.Addr()); out != nil {
			// An answer that cannot be sent is lost as it could be lost on its way.
			_, _, _ = c.WriteMsgUDPAddrPort(out, source(control[:size]), from)
		}
	}
}

// protected is answer, but that a mistake in one of the groups costs one answer and not the agent.
func (d *desk) protected(packet []byte, from netip.Addr) (out []byte) {
	defer func() {
		if p := recover(); p != nil {
			out = nil
			a := d.agent
			now := int64(time.Since(a.made)) + 1
			if last := a.lastPanic.Load(); last == 0 || now-last > int64(time.Minute) {
				a.lastPanic.Store(now)
				a.log.Error("answer panicked", "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}
	}()
	return d.answer(packet, from)
}

// tellDestination makes the kernel say which of our addresses a datagram came to, on a socket of all of them.
// Without it an answer leaves from the address that the route prefers, and managers drop what they did not ask.
func tellDestination(c *net.UDPConn) bool {
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsUnspecified() {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	done := false
	err = raw.Control(func(fd uintptr) {
		if local.IP.To4() != nil {
			done = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1) == nil
		} else {
			done = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1) == nil
		}
	})
	return err == nil && done
}

// source turns what the kernel said about a datagram's destination, in place, into what makes the answer leave
// from there; nil leaves the choice to the kernel.
func source(control []byte) []byte {
	const head = int(unsafe.Sizeof(syscall.Cmsghdr{}))
	if len(control) < head {
		return nil
	}
	size := 0
	if unsafe.Sizeof(uintptr(0)) == 8 {
		size = int(min(binary.NativeEndian.Uint64(control), uint64(len(control))))
	} else {
		size = int(min(binary.NativeEndian.Uint32(control), uint32(len(control))))
	}
	level := binary.NativeEndian.Uint32(control[head-8:])
	kind := binary.NativeEndian.Uint32(control[head-4:])
	switch data := control[head:max(size, head)]; {
	case level == syscall.IPPROTO_IP && kind == syscall.IP_PKTINFO && len(data) == 12:
		clear(data[:4]) // the interface: the route may go by another one
	case level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_PKTINFO && len(data) == 20:
		addr := netip.AddrFrom16([16]byte(data[:16]))
		if addr.IsMulticast() {
			return nil
		}
		if !addr.IsLinkLocalUnicast() {
			clear(data[16:])
		}
	default:
		return nil
	}
	return control
}
