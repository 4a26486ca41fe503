// Package loopback finds addresses for servers that tests run as processes of their own.
//
// A port of 127.0.0.1 that the kernel chose is anybody's as soon as it is closed: the listener of another test, or a
// connection, can have it before the server does, or while that restarts. On Linux all of 127.0.0.0/8 is this machine.
// So each process of tests has an address there, and takes ports of it that the kernel gives to nobody by itself.
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
)

// Ports below those that the kernel chooses from.
const (
	firstPort = 20000
	ports     = 12000
)

// Free returns n different addresses, such as "127.80.12.7:23001", on which nobody listens, for TCP or UDP.
func Free(n int) ([]string, error) {
	pid := os.Getpid() // at most 22 bits
	host := netip.AddrFrom4([4]byte{127, 64 | byte(pid>>16)&63, byte(pid >> 8), byte(pid)})
	var list []string
	for _, p := range rand.Perm(ports) {
		if len(list) == n {
			return list, nil
		}
		if at := netip.AddrPortFrom(host, uint16(firstPort+p)); free(at) {
			list = append(list, at.String())
		}
	}
	return nil, errors.New("no port is free")
}

func free(at netip.AddrPort) bool {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	defer ln.Close()
	pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	pc.Close()
	return true
}
