package loopback

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestFree(t *testing.T) {
	list, err := Free(50)
	if err != nil || len(list) != 50 {
		t.Fatalf("%d addresses, %v", len(list), err)
	}
	if slices.Sort(list); len(slices.Compact(list)) != 50 {
		t.Error("an address is there twice")
	}
	for _, text := range list {
		at, err := netip.ParseAddrPort(text)
		if err != nil || !at.Addr().IsLoopback() || at.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || at.Port() >= 32768 {
			t.Errorf("%s, %v", text, err)
		}
	}
}

func TestTaken(t *testing.T) {
	list, err := Free(2)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", list[0])
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", list[1])
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, text := range list {
		if free(netip.MustParseAddrPort(text)) {
			t.Errorf("%s is free", text)
		}
	}
}
