package board

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// flags of an address (IFA_F_* of linux/if_addr.h)
const (
	flagTemporary = 0x01
	flagTentative = 0x40
)

// Addresses reads the addresses of all interfaces, IPv4 first, in the kernel's order.
func (b *Board) Addresses() ([]Address, error) {
	list, err := b.kernel.Addresses4()
	b.root.Fields("proc/net/if_inet6", func(words []string) bool {
		if len(words) < 6 {
			return true
		}
		raw, bad := hex.DecodeString(words[0])
		addr, ok := netip.AddrFromSlice(raw)
		index, bits, flags := hexadecimal(words[1]), hexadecimal(words[2]), hexadecimal(words[4])
		if bad != nil || !ok || bits > 128 {
			return true
		}
		list = append(list, Address{Index: index, Prefix: netip.PrefixFrom(addr, bits),
			Temporary: flags&flagTemporary != 0, Tentative: flags&flagTentative != 0})
		return true
	})
	if len(list) == 0 && err != nil {
		return nil, err
	}
	return list, nil
}

func hexadecimal(s string) int {
	n, _ := strconv.ParseUint(s, 16, 31)
	return int(n)
}

// Neighbour is a host on the link of an interface and the address of its hardware (ARP).
type Neighbour struct {
	Device    string // the name of the interface
	Addr      netip.Addr
	Hardware  []byte
	Permanent bool // set by the administrator
}

// flags of a neighbour (ATF_* of linux/if_arp.h)
const (
	flagComplete  = 0x02
	flagPermanent = 0x04
)

// Neighbours reads the IPv4 neighbours whose hardware address is known, at most limit of them: a machine at an
// exchange has thousands.
func (b *Board) Neighbours(limit int) []Neighbour {
	var list []Neighbour
	b.root.Fields("proc/net/arp", func(words []string) bool {
		if len(words) < 6 {
			return true
		}
		addr, err := netip.ParseAddr(words[0])
		flags, _ := strconv.ParseUint(words[2], 0, 16)
		if err != nil || flags&flagComplete == 0 {
			return true // the head line; nobody answered
		}
		hardware := make([]byte, 0, 8)
		for part := range strings.SplitSeq(words[3], ":") {
			hardware = append(hardware, byte(hexadecimal(part)))
		}
		list = append(list, Neighbour{Device: words[5], Addr: addr, Hardware: hardware, Permanent: flags&flagPermanent != 0})
		return len(list) < limit
	})
	return list
}
