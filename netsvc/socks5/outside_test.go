package socks5

import (
	"net/netip"
	"testing"

	"linnet/netsvc/outside"
)

// The port is asked for at the router in front, and clients are told where it is.
func TestOutside(t *testing.T) {
	l := newLab(t, map[string]string{"socks5/listen": "[::]:1080"})
	l.proxy.ownAddresses = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.168.1.5")} }
	out := outside.Of(l.proxy.host)
	if w := out.Wanted(); len(w) != 1 || w[0] != (outside.Target{Network: "tcp", Port: 1080}) {
		t.Fatalf("wanted %v", w)
	}
	if got := list(l.desk.Proxy().Streamhosts()); got != "192.168.1.5/1080 " {
		t.Errorf("before: %s", got)
	}
	at := netip.MustParseAddrPort("9.9.9.9:40000")
	if !l.proxy.gateway.rules().Permits(at.Addr()) {
		t.Error("the gateway leads to nobody")
	}
	out.Publish(at.Addr(), func(outside.Target) netip.AddrPort { return at })
	if l.proxy.gateway.rules().Permits(at.Addr()) {
		t.Error("the gateway leads to the router's own address")
	}
	if got := list(l.desk.Proxy().Streamhosts()); got != "9.9.9.9/40000 192.168.1.5/1080 " {
		t.Errorf("mapped: %s", got)
	}
	l.Again(map[string]string{"node.socks5/listen": "[::]:1080", "node.socks5/announce": "proxy.example.org"})
	if w := out.Wanted(); len(w) != 0 {
		t.Errorf("wanted %v although the operator says where it is", w)
	}
	if got := list(l.desk.Proxy().Streamhosts()); got != "proxy.example.org/1080 " {
		t.Errorf("announced: %s", got)
	}
	l.Again(map[string]string{"node.socks5/listen": "[::]:1081"})
	if w := out.Wanted(); len(w) != 1 || w[0].Port != 1081 {
		t.Errorf("wanted %v after a reload", w)
	}
	if err := l.proxy.Stop(t.Context()); err != nil || len(out.Wanted()) != 0 {
		t.Errorf("wanted %v after the stop, %v", out.Wanted(), err)
	}
}
