package board

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// machine is the Kernel that the program runs on.
type machine struct{}

// Space implements Kernel.
func (machine) Space(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{}, err
	}
	size := uint64(st.Frsize)
	if size == 0 {
		size = uint64(st.Bsize)
	}
	return Space{Block: size, Total: st.Blocks * size, Free: st.Bfree * size, Available: st.Bavail * size,
		Files: st.Files, FilesFree: st.Ffree}, nil
}

// Addresses4 implements Kernel, with one question to rtnetlink.
func (machine) Addresses4() ([]Address, error) {
	reply, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_INET)
	if err != nil {
		return nil, err
	}
	return parseAddresses(reply)
}

// parseAddresses reads RTM_NEWADDR messages (rtnetlink(7)).
func parseAddresses(reply []byte) ([]Address, error) {
	messages, err := syscall.ParseNetlinkMessage(reply)
	if err != nil {
		return nil, err
	}
	var list []Address
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		// struct ifaddrmsg: family, prefix length, flags, scope, index
		family, bits := m.Data[0], int(m.Data[1])
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil || family != syscall.AF_INET || bits > 32 {
			continue
		}
		a := Address{Index: int(binary.NativeEndian.Uint32(m.Data[4:]))}
		var local, peer netip.Addr
		for _, attribute := range attributes {
			addr, ok := netip.AddrFromSlice(attribute.Value)
			switch {
			case !ok:
			case attribute.Attr.Type == syscall.IFA_LOCAL:
				local = addr
			case attribute.Attr.Type == syscall.IFA_ADDRESS:
				peer = addr // of the other end of a line between two; otherwise the same
			case attribute.Attr.Type == syscall.IFA_BROADCAST:
				a.Broadcast = addr
			}
		}
		if !local.IsValid() {
			local = peer
		}
		if local.IsValid() {
			a.Prefix = netip.PrefixFrom(local, bits)
			list = append(list, a)
		}
	}
	return list, nil
}
