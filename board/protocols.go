package board

import (
	"strings"

	"linnet/board/sysfs"
)

// Protocols are the counters of the network stack, by the kernel's own names: "Ip.InReceives", "Tcp.RetransSegs",
// "IpExt.InOctets", "Ip6.InReceives", "IcmpMsg.InType3".
//
// They are as wide as a word of the kernel, so on a 32-bit machine most of them wrap after 2^32; those of IpExt and
// Ip6 have 64 bits everywhere.
type Protocols map[string]uint64

// Protocols reads the counters of IP, ICMP, TCP and UDP, of both versions of IP where there are two.
func (b *Board) Protocols() (Protocols, error) {
	p := make(Protocols, 256)
	p.pairs(b.root, "proc/net/snmp", "")
	if len(p) == 0 {
		return nil, errNothing
	}
	p.pairs(b.root, "proc/net/netstat", "IpExt:")
	b.root.Fields("proc/net/snmp6", func(words []string) bool {
		if len(words) == 2 {
			// "Ip6InReceives", "Icmp6InMsgs", "Udp6InDatagrams", "UdpLite6…": the name ends with the first 6.
			if i := strings.IndexByte(words[0], '6'); i > 0 {
				p[words[0][:i+1]+"."+words[0][i+1:]] = sysfs.Uint(words[1])
			}
		}
		return true
	})
	return p, nil
}

// pairs reads lines that come in twos, names above values, of one protocol or of all.
func (p Protocols) pairs(r sysfs.Root, path, only string) {
	var names []string
	r.Fields(path, func(words []string) bool {
		switch {
		case only != "" && words[0] != only:
		case len(names) == 0 || names[0] != words[0]:
			names = words
		default:
			prefix := strings.TrimSuffix(words[0], ":") + "."
			for i := 1; i < min(len(names), len(words)); i++ {
				if words[i][0] == '-' { // Tcp.MaxConn is -1: without limit
					p[prefix+names[i]] = -sysfs.Uint(words[i][1:])
				} else {
					p[prefix+names[i]] = sysfs.Uint(words[i])
				}
			}
			names = nil
		}
		return true
	})
}
