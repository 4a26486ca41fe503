package natlab

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"
)

// victim is a host that writes down whatever comes to it.
type victim struct {
	*Client
	at netip.AddrPort // of TCP and UDP

	mu  sync.Mutex
	got []string
}

func newVictim(inet *Internet, name string) *victim {
	inet.lab.t.Helper()
	v := &victim{Client: inet.Client(name, None)}
	v.at = netip.AddrPortFrom(v.Public, 7)
	udp := v.UDP(v.at)
	go func() {
		b := make([]byte, 2<<10)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			v.note(fmt.Sprintf("udp from %v: %.20q", from.Addr(), b[:n]))
		}
	}()
	var l net.Listener
	err := v.Inside(func() (err error) {
		l, err = net.Listen("tcp4", v.at.String())
		return err
	})
	if err != nil {
		inet.lab.t.Fatal(err)
	}
	inet.lab.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			v.note("tcp from " + c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
	return v
}

func (v *victim) note(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.got = append(v.got, what)
}

func (v *victim) list() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// TestStranger has somebody without an account look for a way to send one byte by a node that has every service open
// to the internet, while two users are in a call through it.
func TestStranger(t *testing.T) {
	binary := program(t)
	lab := NewLab(t)
	inet := lab.Internet(0)
	server := inet.Client("node", None)
	n := server.Start(binary, "services=turn,socks5", "c2s.listen=[::]:5222", "c2s.direct_tls=[::]:5223")
	romeo, juliet := inet.Client("romeo", EndpointIndependent), inet.Client("juliet", Symmetric)
	var relays [2]Relay
	for i, c := range []*Client{romeo, juliet} {
		u := n.Login(c.Space, []string{"romeo", "juliet"}[i], netip.AddrPortFrom(server.Public, 5223))
		defer u.Close()
		var err error
		if relays[i], err = u.Services(); err != nil {
			t.Fatal(err)
		}
	}
	one, two := romeo.Call(relays[0]), juliet.Call(relays[1])
	relayThrough(t, one, two)
	v := newVictim(inet, "victim")
	stranger := inet.Client("stranger", None)

	open := scan(t, stranger, server.Public)
	for _, port := range []uint16{3478, 5222, 5223, 1080} {
		if !slices.Contains(open, port) {
			t.Errorf("the scanner does not find port %d among %v", port, open)
		}
	}
	for _, port := range open {
		at := netip.AddrPortFrom(server.Public, port)
		secure := speaksTLS(stranger, at)
		for name, ask := range proxies(v.at, relays[0]) {
			attempt(t, stranger, at, false, name, ask)
			if secure {
				attempt(t, stranger, at, true, name, ask)
			}
		}
	}
	pour(t, stranger, server.Public, datagrams(v.at, relays[0]))
	bySOCKS(t, stranger, netip.AddrPortFrom(server.Public, 1080))

	// The ears are open: what is sent to the victim directly arrives, after all that the node might have sent.
	lab.Wait("the victim hears", func() bool {
		stranger.UDP(netip.AddrPortFrom(stranger.Addr, 0)).WriteToUDPAddrPort([]byte("direct"), v.at)
		time.Sleep(20 * time.Millisecond)
		return len(v.list()) > 0
	})
	for _, what := range v.list() {
		if !strings.HasPrefix(what, fmt.Sprintf("udp from %v: \"direct\"", stranger.Public)) {
			t.Errorf("the victim got a byte: %s", what)
		}
	}
	for _, k := range []*Caller{one, two} {
		k.mu.Lock()
		for text, from := range k.heard {
			if strings.Contains(text, "stranger") {
				t.Errorf("a user got a byte: %q from %v", text, from)
			}
		}
		k.mu.Unlock()
	}
	relayThrough(t, one, two) // and the users are not disturbed
	if log := string(n.Log()); strings.Contains(log, "panic") {
		t.Errorf("the program's log has a panic:\n%s", log)
	}
}

// scan lists the ports of a host that take connections.
func scan(t *testing.T, from *Client, host netip.Addr) (open []uint16) {
	t.Helper()
	err := from.Inside(func() error {
		for port := 1; port < 1<<16; port++ {
			c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, uint16(port))))
			if err == nil {
				open = append(open, uint16(port))
				c.Close()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// proxies are ways to ask for a connection to somebody else, each a sequence of what is sent.
func proxies(to netip.AddrPort, sniffed Relay) map[string][][]byte {
	ip, port := to.Addr().As4(), to.Port()
	target := append(ip[:], byte(port>>8), byte(port))
	name := to.Addr().String()
	byName := append(append([]byte{byte(len(name))}, name...), byte(port>>8), byte(port))
	list := map[string][][]byte{
		"SOCKS5 connect":          {{5, 1, 0}, append([]byte{5, 1, 0, 1}, target...), []byte("stranger")},
		"SOCKS5 connect by name":  {{5, 1, 0}, append([]byte{5, 1, 0, 3}, byName...), []byte("stranger")},
		"SOCKS5 bind":             {{5, 1, 0}, append([]byte{5, 2, 0, 1}, target...), []byte("stranger")},
		"SOCKS5 udp":              {{5, 1, 0}, append([]byte{5, 3, 0, 1}, target...), []byte("stranger")},
		"SOCKS5 with a password":  {{5, 1, 2}, []byte("\x01\x05romeo\x08password"), append([]byte{5, 1, 0, 1}, target...), []byte("stranger")},
		"SOCKS5 without greeting": {append([]byte{5, 1, 0, 1}, target...), []byte("stranger")},
		"SOCKS4":                  {append([]byte{4, 1, target[4], target[5]}, append(ip[:], 0)...), []byte("stranger")},
		"HTTP connect":            {[]byte("CONNECT " + to.String() + " HTTP/1.1\r\nHost: " + to.String() + "\r\n\r\n"), []byte("stranger")},
		"HTTP proxy":              {[]byte("GET http://" + to.String() + "/stranger HTTP/1.1\r\nHost: " + to.String() + "\r\n\r\n")},
	}
	for i, d := range datagrams(to, sniffed) {
		list[fmt.Sprintf("TURN %d", i)] = [][]byte{d, []byte("stranger")}
	}
	return list
}

// datagrams are messages that a relay might fall for: data without an allocation, requests without a credential, with
// a made-up one, and with a user's name that was overheard.
func datagrams(to netip.AddrPort, sniffed Relay) [][]byte {
	peer := stunPeer{to}
	udp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	tcp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{6, 0, 0, 0}}
	data := stun.RawAttribute{Type: stun.AttrData, Value: []byte("stranger")}
	channel := stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 0, 0, 0}}
	guess := stun.NewLongTermIntegrity(sniffed.Username, "example.org", "password")
	identity := []stun.Setter{stun.NewUsername(sniffed.Username), stun.NewRealm("example.org"), stun.NewNonce("nonce"), guess}
	kind := func(m stun.Method, c stun.MessageClass) stun.Setter { return stun.NewType(m, c) }
	build := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID}, setters...)...).Raw
	}
	list := [][]byte{
		[]byte("stranger"),
		append([]byte{0x40, 0, 0, 8}, "stranger"...),
		build(kind(stun.MethodSend, stun.ClassIndication), peer, data),
		build(kind(stun.MethodAllocate, stun.ClassRequest), udp),
		build(kind(stun.MethodAllocate, stun.ClassRequest), tcp),
		build(kind(stun.MethodCreatePermission, stun.ClassRequest), peer),
		build(kind(stun.MethodChannelBind, stun.ClassRequest), channel, peer),
		build(kind(stun.MethodConnect, stun.ClassRequest), peer),
		build(append([]stun.Setter{kind(stun.MethodAllocate, stun.ClassRequest), udp}, identity...)...),
		build(append([]stun.Setter{kind(stun.MethodCreatePermission, stun.ClassRequest), peer}, identity...)...),
		build(append([]stun.Setter{kind(stun.MethodChannelBind, stun.ClassRequest), channel, peer}, identity...)...),
		build(append([]stun.Setter{kind(stun.MethodConnect, stun.ClassRequest), peer}, identity...)...),
	}
	return append(list, list[1], list[2]) // again, in case a request before was granted
}

// stunPeer is an XOR-PEER-ADDRESS.
type stunPeer struct{ netip.AddrPort }

// AddTo implements stun.Setter.
func (p stunPeer) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress{IP: p.Addr().AsSlice(), Port: int(p.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// speaksTLS tells whether a port begins with a handshake.
func speaksTLS(from *Client, at netip.AddrPort) bool {
	c, err := from.TCP(at)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() == nil
}

// attempt sends a sequence to an open port, each part after the answer to the one before or a moment.
func attempt(t *testing.T, from *Client, at netip.AddrPort, overTLS bool, name string, parts [][]byte) {
	t.Helper()
	c, err := from.TCP(at)
	if err != nil {
		return // it has closed, or there were too many
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if overTLS {
		s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		if s.Handshake() != nil {
			return
		}
		c = s
	}
	b := make([]byte, 4<<10)
	for _, part := range parts {
		if _, err := c.Write(part); err != nil {
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := c.Read(b); err == io.EOF {
			return
		} else if strings.Contains(string(b[:n]), "stranger") {
			t.Errorf("%s at %v: echoed by %q", name, at, b[:n])
		}
	}
}

// pour sends every message to every port, from one socket.
func pour(t *testing.T, from *Client, host netip.Addr, messages [][]byte) {
	t.Helper()
	s := from.UDP(netip.AddrPortFrom(from.Addr, 0))
	for port := 1; port < 1<<16; port++ {
		list := messages
		if port < 1024 && port%64 != 0 || port > 3600 && port < 49000 { // nothing listens there; a taste is enough
			list = messages[:1]
		}
		for _, m := range list {
			_, _ = s.WriteToUDPAddrPort(m, netip.AddrPortFrom(host, uint16(port)))
		}
	}
}

// bySOCKS connects both ends of a transfer that no user has asked for, under the same name: nothing may pass.
func bySOCKS(t *testing.T, from *Client, at netip.AddrPort) {
	t.Helper()
	hash := strings.Repeat("0123456789", 4)
	var ends [2]net.Conn
	for i := range ends {
		c, err := from.TCP(at)
		if err != nil {
			t.Errorf("the proxy for transfers: %v", err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = c.Write([]byte{5, 1, 0})
		if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
			t.Errorf("the proxy's greeting: %v", err)
			return
		}
		_, _ = c.Write(append(append([]byte{5, 1, 0, 3, 40}, hash...), 0, 0))
		if _, err := io.ReadFull(c, make([]byte, 47)); err != nil {
			t.Errorf("the proxy's answer: %v", err)
			return
		}
		ends[i] = c
	}
	_, _ = ends[0].Write([]byte("stranger"))
	_ = ends[1].SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := ends[1].Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("%d bytes came through a transfer that nobody activated, %v", n, err)
	}
}

// TestUserStaysOutside has a user, with credentials, ask the node to relay into the networks that it is a part of, and
// to itself.
func TestUserStaysOutside(t *testing.T) {
	binary := program(t)
	lab := NewLab(t)
	inet := lab.Internet(0)
	server := inet.Client("node", None)
	lan := lab.Space("lan")
	lab.Cable(server.Space, "lan0", "192.168.77.1/24", lan, "eth0", "192.168.77.2/24")
	n := server.Start(binary, "services=turn", "c2s.listen=", "c2s.direct_tls=[::]:5223", "turn.tls=")
	mallory := inet.Client("mallory", EndpointIndependent)
	u := n.Login(mallory.Space, "mallory", netip.AddrPortFrom(server.Public, 5223))
	defer u.Close()
	r, err := u.Services()
	if err != nil {
		t.Fatal(err)
	}
	inside := lan.UDP(netip.MustParseAddrPort("192.168.77.2:7"))
	k := mallory.Call(r)
	relay, client, err := k.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"192.168.77.2:7", "192.168.77.1:5223", "127.0.0.1:5223", "0.0.0.0:7", "224.0.0.1:7", "255.255.255.255:7", "10.0.0.1:7", server.Public.String() + ":5223"} {
		addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
		err := permit(client, addr)
		if _, werr := relay.WriteTo([]byte("mallory"), addr); err == nil && werr == nil && addr.IP.String() != server.Public.String() {
			t.Errorf("a relay may send to %s", to)
		}
	}
	_ = inside.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, from, err := inside.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("a host inside got %d bytes from %v", n, from)
	}
}

func permit(client *turn.Client, addr net.Addr) error { return client.CreatePermission(addr) }
