package portmap

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// network is where this box stands: its router, and the address it has towards it.
type network struct {
	gateway, local netip.Addr
}

var errNoGateway = errors.New("there is no default gateway")

// here looks for the network that the box is in now.
func here() (network, error) {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return network{}, err
	}
	gateway, err := defaultGateway(string(table))
	if err != nil {
		return network{}, err
	}
	return towards(gateway)
}

// towards finds the address that packets to the gateway are sent from. Nothing is sent: the kernel chooses it as a
// UDP socket is connected.
func towards(gateway netip.Addr) (network, error) {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(gateway, 9)))
	if err != nil {
		return network{}, err
	}
	defer c.Close()
	local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	return network{gateway, local}, nil
}

// defaultGateway reads the kernel's table of IPv4 routes as /proc/net/route shows it: the default route with a
// gateway that is up and has the least metric.
func defaultGateway(table string) (netip.Addr, error) {
	const up, gatewayed = 1, 2 // RTF_UP, RTF_GATEWAY
	best, found := netip.Addr{}, false
	least := uint64(0)
	for line := range strings.Lines(table) {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask …
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 16)
		if err != nil || flags&(up|gatewayed) != up|gatewayed {
			continue
		}
		metric, err := strconv.ParseUint(f[6], 10, 32)
		if err != nil || found && metric >= least {
			continue
		}
		word, err := strconv.ParseUint(f[2], 16, 32)
		if err != nil {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(word)) // the kernel prints the word as it lies in its memory
		best, least, found = netip.AddrFrom4(b), metric, true
	}
	if !found {
		return netip.Addr{}, errNoGateway
	}
	return best, nil
}
