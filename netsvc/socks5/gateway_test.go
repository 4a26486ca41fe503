package socks5

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/socks"
)

// only permits one address, as the rules would one of the internet.
type only netip.Addr

func (o only) Permits(a netip.Addr) bool { return a == netip.Addr(o) }

// world is a server beyond the gateway: it sends back what it gets.
func world(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// outlet is a lab with a gateway, and its address.
func outlet(t *testing.T, values map[string]string) (*lab, string) {
	t.Helper()
	all := map[string]string{"socks5/gateway": "127.0.0.1:0"}
	for k, v := range values {
		all[k] = v
	}
	l := newLab(t, all)
	for j, password := range map[jid.JID]string{romeo: "secret", juliet: "rose"} {
		if err := account.Of(l.proxy.host).SetPassword(t.Context(), j.Bare(), password); err != nil {
			t.Fatal(err)
		}
	}
	l.proxy.gateway.rules = func() rules { return only(netip.MustParseAddr("127.0.0.1")) }
	l.proxy.gateway.resolve = func(_ context.Context, name string) ([]netip.Addr, error) {
		switch name {
		case "world.lit":
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
		case "inside.lit":
			return []netip.Addr{netip.MustParseAddr("192.168.1.1")}, nil
		}
		return nil, errors.New("no such name")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go l.Listener("gateway").Serve(c)
		}
	}()
	return l, ln.Addr().String()
}

// wish asks a gateway for an address. The status is that of the password.
func (l *lab) wish(at, name, password string, to socks.Address) (c *net.TCPConn, status byte, reply socks.Reply) {
	l.t.Helper()
	was := l.addr
	l.addr = at
	c = l.dial()
	l.addr = was
	c.Write(socks.AppendGreeting(nil, socks.NoAuth, socks.Password))
	b := make([]byte, 300)
	if _, err := io.ReadFull(c, b[:2]); err != nil || socks.Method(b[1]) != socks.Password {
		l.t.Fatalf("method %d, %v", b[1], err)
	}
	c.Write(socks.AppendPassword(nil, name, password))
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		l.t.Fatal(err)
	}
	if status = b[1]; status != 0 {
		return c, status, 0
	}
	c.Write(socks.AppendRequest(nil, socks.Connect, to))
	if _, err := io.ReadFull(c, b[:10]); err != nil {
		l.t.Fatal(err)
	}
	return c, 0, socks.Reply(b[1])
}

func TestGateway(t *testing.T) {
	l, at := outlet(t, nil)
	w := world(t)
	for _, tt := range []struct {
		name, user, password string
		to                   socks.Address
		status               byte
		reply                socks.Reply
	}{
		{name: "an address", user: "romeo@montague.lit", password: "secret", to: socks.Address{IP: w.Addr(), Port: w.Port()}},
		{name: "a name, of the main domain", user: "romeo", password: "secret", to: socks.Address{Name: "world.lit", Port: w.Port()}},
		{name: "another domain", user: "juliet@capulet.lit", password: "rose", to: socks.Address{Name: "world.lit", Port: w.Port()}},
		{name: "a wrong password", user: "romeo", password: "guess", status: 1},
		{name: "an unknown name", user: "ghost", password: "secret", status: 1},
		{name: "an unknown domain", user: "romeo@elsewhere.lit", password: "secret", status: 1},
		{name: "no name at all", user: "@montague.lit", password: "secret", status: 1},
		{name: "an inner address", user: "romeo", password: "secret", to: socks.Address{IP: netip.MustParseAddr("192.168.1.1"), Port: 80}, reply: socks.NotAllowed},
		{name: "a name of one", user: "romeo", password: "secret", to: socks.Address{Name: "inside.lit", Port: 80}, reply: socks.NotAllowed},
		{name: "a name of nothing", user: "romeo", password: "secret", to: socks.Address{Name: "nowhere.lit", Port: 80}, reply: socks.HostUnreachable},
		{name: "no port", user: "romeo", password: "secret", to: socks.Address{IP: w.Addr()}, reply: socks.NotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, status, reply := l.wish(at, tt.user, tt.password, tt.to)
			if status != tt.status || reply != tt.reply {
				t.Fatalf("status %d, reply %d", status, reply)
			}
			if status != 0 || reply != 0 {
				if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Error("the connection goes on")
				}
				return
			}
			c.Write([]byte("hello"))
			c.CloseWrite()
			if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
	if out, in := l.used("romeo@montague.lit"); out != 10 || in != 10 {
		t.Errorf("romeo used %d, %d", out, in)
	}
	l.eventually("all places free", func() bool { n, _ := l.proxy.live.gate.Count(); return n == 0 })
}

// Without a password nobody gets anywhere; nor with one at the proxy for files.
func TestGatewayNeedsPassword(t *testing.T) {
	l, at := outlet(t, nil)
	l.addr = at
	c := l.dial()
	c.Write(socks.AppendGreeting(nil, socks.NoAuth))
	if b, _ := io.ReadAll(c); string(b) != "\x05\xff" {
		t.Errorf("%q", b)
	}
}

// Nobody listens at the gateway for others, nor has datagrams relayed.
func TestGatewayConnectsOnly(t *testing.T) {
	l, at := outlet(t, nil)
	l.addr = at
	for _, command := range []socks.Command{socks.Bind, socks.UDPAssociate} {
		c := l.dial()
		c.Write(socks.AppendGreeting(nil, socks.Password))
		c.Write(socks.AppendPassword(nil, "romeo", "secret"))
		c.Write(socks.AppendRequest(nil, command, socks.Address{Name: "world.lit", Port: 80}))
		b := make([]byte, 14)
		if _, err := io.ReadFull(c, b); err != nil || string(b[:4]) != "\x05\x02\x01\x00" || socks.Reply(b[5]) != socks.CommandUnknown {
			t.Errorf("command %d: %x, %v", command, b, err)
		}
	}
}

// Guesses are refused after a while, right ones too.
func TestGatewayGuard(t *testing.T) {
	l, at := outlet(t, map[string]string{"account/pair_failures": "2"})
	for range 3 {
		if _, status, _ := l.wish(at, "romeo", "guess", socks.Address{}); status == 0 {
			t.Fatal("a guess was right")
		}
	}
	if _, status, _ := l.wish(at, "romeo", "secret", socks.Address{}); status == 0 {
		t.Error("the right password was looked at")
	}
}

func TestGatewayLimit(t *testing.T) {
	l, at := outlet(t, map[string]string{"quota/file": "1000"})
	w := world(t)
	c, _, reply := l.wish(at, "romeo", "secret", socks.Address{IP: w.Addr(), Port: w.Port()})
	if reply != socks.Succeeded {
		t.Fatal(reply)
	}
	c.Write(make([]byte, 1200))
	if n, _ := io.Copy(io.Discard, c); n > 0 {
		t.Errorf("%d bytes came back", n)
	}
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
	if out, in := l.used("romeo@montague.lit"); out+in != 1000 {
		t.Errorf("used %d, %d", out, in)
	}
}

func TestGatewayOptions(t *testing.T) {
	for _, tt := range []struct {
		g  gateway
		ok bool
	}{
		{gateway{}, true},
		{gateway{listen: []string{"192.168.1.1:1081"}, allow: []string{"10.0.0.0/8"}}, true},
		{gateway{listen: []string{"[::]:1081"}}, false},
		{gateway{listen: []string{"0.0.0.0:1081"}}, false},
		{gateway{listen: []string{"9.9.9.9:1081"}}, false},
		{gateway{listen: []string{"localhost:1081"}}, false},
		{gateway{allow: []string{"everything"}}, false},
	} {
		if err := tt.g.check(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.g, err)
		}
	}
}
