package portmap

import (
	"net"
	"net/netip"
	"time"

	"linnet/netsvc/wire/natpmp"
	"linnet/netsvc/wire/pcp"
)

// hearEvery is the least time between two rounds of renewal that announcements lead to: anybody near can forge them.
const hearEvery = 10 * time.Second

// ear listens to what a router tells all hosts when it has begun anew or got another address: RFC 6886 section
// 3.2.1, RFC 6887 section 14.1.1. An announcement is a reason to renew, and nothing more.
type ear struct{ conn *net.UDPConn }

// listen begins to listen; heard is called, on a goroutine of its own, for announcements from there. Where another
// program has the port to itself there is nothing to hear, and what would be heard is found at the next check.
func listen(from netip.AddrPort, heard func()) *ear {
	c, err := net.ListenPacket("udp4", "224.0.0.1:5350") // natpmp.AnnouncePort of all hosts, shared with others
	if err != nil {
		return nil
	}
	e := &ear{c.(*net.UDPConn)}
	go e.run(from, heard)
	return e
}

func (e *ear) run(from netip.AddrPort, heard func()) {
	b := make([]byte, 1500)
	last := time.Time{}
	for {
		n, at, err := e.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return // closed
		}
		if netip.AddrPortFrom(at.Addr().Unmap(), at.Port()) == from && announces(b[:n]) && time.Since(last) > hearEvery {
			last = time.Now()
			heard()
		}
	}
}

// announces tells whether a datagram is an announcement of either protocol.
func announces(b []byte) bool {
	if r, err := pcp.ParseResponse(b); err == nil {
		return r.Opcode == pcp.Announce
	}
	r, err := natpmp.ParseResponse(b)
	return err == nil && r.Opcode == natpmp.Address
}

func (e *ear) close() {
	if e != nil {
		_ = e.conn.Close()
	}
}
