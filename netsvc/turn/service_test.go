package turn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/offer"
	"linnet/netsvc/outside"
	"linnet/netsvc/turn/credential"
	"linnet/netsvc/turn/guard"
	"linnet/netsvc/wire/jid"
)

// Clients over each transport meet each other: RFC 8656 section 2.1 and 3.1.
func TestTransports(t *testing.T) {
	p := start(t, nil)
	dial := func(over string, c credential.Credential) *turn.Client {
		switch over {
		case "tcp":
			s, err := net.Dial("tcp4", p.listen("tcp"))
			if err != nil {
				t.Fatal(err)
			}
			return p.client(turn.NewSTUNConn(s), s.RemoteAddr().String(), c)
		case "tls":
			s, err := tls.Dial("tcp4", p.listen("tls"), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			return p.client(turn.NewSTUNConn(s), s.RemoteAddr().String(), c)
		}
		return p.udpClient(c)
	}
	romeo, juliet := p.user("romeo"), p.user("juliet")
	for _, tc := range [][2]string{{"tcp", "tcp"}, {"tls", "tls"}, {"tcp", "udp"}, {"udp", "tls"}} {
		t.Run(tc[0]+" to "+tc[1], func(t *testing.T) {
			a, b := dial(tc[0], romeo), dial(tc[1], juliet)
			ra, rb := allocate(t, a), allocate(t, b)
			meet(t, ra, rb)
			for _, n := range []int{1, 2, 3, 4, 1200} { // pion's own framing holds back what is short
				talk(t, ra, rb, strings.Repeat("a", n))
				talk(t, rb, ra, strings.Repeat("b", n))
			}
			r, err := p.running.Run("turn list", nil)
			if err != nil || len(r.Rows) != 2 || r.Rows[0][3] != tc[0] || r.Rows[1][3] != tc[1] {
				t.Errorf("%v, %v", r, err)
			}
			a.Close() // a stream's end is its allocation's
			b.Close()
			p.running.Run("turn cut", command.Values{"user": {"juliet@example.org"}})
			p.running.Run("turn cut", command.Values{"user": {"romeo@example.org"}})
			p.gone(0)
		})
	}
}

// An account that is disabled has no call, not even one whose relay the ledger has not let open yet.
func TestDisabledWhileItOpens(t *testing.T) {
	p := start(t, nil)
	who, err := p.accounts().Create(t.Context(), account.NewAccount{JID: jid.MustParse("romeo@example.org"), Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	u := &guard.User{Tag: tag{owner: owner{account: who.ID}, label: "romeo@example.org", jid: who.JID}}
	cut := make(chan bool, 1)
	c, code := p.node.server.enter(u, u.Tag.(tag), &guard.Ask{Cut: func() { cut <- true }})
	if code != 0 {
		t.Fatal(code)
	}
	defer c.Close()
	if r, err := p.running.Run("turn list", nil); err != nil || len(r.Rows) != 0 {
		t.Errorf("%v, %v", r, err)
	}
	if err := p.accounts().Disable(t.Context(), who.JID, ""); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cut:
	case <-time.After(time.Minute):
		t.Error("his call goes on")
	}
}

// refused tells with which code an allocation is refused, "" when it is not.
func refused(t *testing.T, k *turn.Client) string {
	t.Helper()
	c, err := k.Allocate()
	if err == nil {
		c.Close()
		return ""
	}
	for _, code := range []string{"400", "401", "403", "438", "440", "442", "486", "508"} {
		if strings.Contains(err.Error(), "error "+code) {
			return code
		}
	}
	return err.Error()
}

// Who may call.
func TestWhoMayCall(t *testing.T) {
	p := start(t, nil)
	keeper := p.node.server.keeper
	who, err := p.accounts().Create(t.Context(), account.NewAccount{JID: jid.MustParse("romeo@example.org"), Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	old := keeper.Issue(who.ID, now, time.Hour)
	if _, err := p.running.Run("turn secret rotate", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.running.Run("turn user set", command.Values{"name": {"phone"}, "password": {"1234"}}); err != nil {
		t.Fatal(err)
	}
	good := keeper.Issue(who.ID, now, time.Hour)
	change := func(c credential.Credential, f func(*credential.Credential)) credential.Credential { f(&c); return c }
	for _, tc := range []struct {
		name string
		c    credential.Credential
		code string
	}{
		{"a credential", good, ""},
		{"one of the secret before", old, ""},
		{"an operator's user", credential.Credential{Name: "phone", Password: "1234"}, ""},
		{"his wrong password", credential.Credential{Name: "phone", Password: "12345"}, "401"},
		{"no such user", credential.Credential{Name: "fax", Password: "1234"}, "401"},
		{"the account's password", credential.Credential{Name: "romeo@example.org", Password: "secret"}, "401"},
		{"the account's password, short name", credential.Credential{Name: "romeo", Password: "secret"}, "401"},
		{"expired", keeper.Issue(who.ID, now.Add(-2*time.Hour), time.Hour), "401"},
		{"too far in the future", keeper.Issue(who.ID, now, 8*24*time.Hour), "401"},
		{"a later time than was issued", change(good, func(c *credential.Credential) { c.Name = "9" + c.Name[1:] }), "401"},
		{"of nobody", keeper.Issue(who.ID+1000, now, time.Hour), "401"},
		{"of another box", credential.NewSecret(1, now).Issue(who.ID, now, time.Hour), "401"},
		{"of a secret that is not there", credential.NewSecret(77, now).Issue(who.ID, now, time.Hour), "401"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := refused(t, p.udpClient(tc.c)); got != tc.code {
				t.Errorf("refused with %q", got)
			}
		})
	}
	if err := p.accounts().Disable(t.Context(), who.JID, ""); err != nil {
		t.Fatal(err)
	}
	if got := refused(t, p.udpClient(good)); got != "401" {
		t.Errorf("a disabled account is refused with %q", got)
	}
	if _, err := p.running.Run("turn user remove", command.Values{"name": {"phone"}}); err != nil {
		t.Fatal(err)
	}
	if got := refused(t, p.udpClient(credential.Credential{Name: "phone", Password: "1234"})); got != "401" {
		t.Errorf("a removed user is refused with %q", got)
	}
}

// The password of an operator's user cannot be guessed for long, and nobody else is kept out by who tries.
func TestGuessing(t *testing.T) {
	p := start(t, map[string]string{"account/address_failures": "3"})
	if _, err := p.running.Run("turn user set", command.Values{"name": {"phone"}, "password": {"1234"}}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if got := refused(t, p.udpClient(credential.Credential{Name: "phone", Password: "guess"})); got != "401" {
			t.Errorf("a guess is refused with %q", got)
		}
	}
	if got := refused(t, p.udpClient(credential.Credential{Name: "phone", Password: "1234"})); got != "401" {
		t.Errorf("after many guesses the right one is refused with %q", got)
	}
	if got := refused(t, p.udpClient(p.user("romeo"))); got != "" {
		t.Errorf("a credential is refused with %q", got)
	}
}

// While memory is scarce nothing new begins, and what goes on goes on.
func TestScarceMemory(t *testing.T) {
	p := start(t, nil)
	a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
	meet(t, a, b)
	p.running.Press(module.Red)
	talk(t, a, b, "still here")
	if got := refused(t, p.udpClient(p.user("nurse"))); got != "508" {
		t.Errorf("refused with %q", got)
	}
	p.running.Press(module.Green)
	if got := refused(t, p.udpClient(p.user("tybalt"))); got != "" {
		t.Errorf("refused with %q", got)
	}
}

// One socket for all addresses serves both families, and answers from where it was asked.
func TestBothFamilies(t *testing.T) {
	p := start(t, nil)
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6unspecified})
	if err != nil {
		t.Skip(err)
	}
	p.closers = append(p.closers, c.Close)
	go p.running.Listener("udp").Packets(c)
	port := fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port)
	var relays []net.PacketConn
	for i, at := range []string{"127.0.0.1", "::1", "127.0.0.7"} {
		server := net.JoinHostPort(at, port)
		s, err := net.Dial("udp", server) // connected: it hears nothing from another address
		if err != nil {
			t.Skip(err)
		}
		ask := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
		answer := &stun.Message{Raw: make([]byte, 100)}
		s.Write(ask.Raw)
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := answer.ReadFrom(s); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		s.SetReadDeadline(time.Time{})
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(answer); err != nil || mapped.String() != s.LocalAddr().String() {
			t.Fatalf("%v is told %v, %v", s.LocalAddr(), mapped, err)
		}
		if strings.Contains(at, ":") {
			s.Close()
			continue // pion's client knows IPv4 only
		}
		k := p.client(connected{s}, server, p.user(fmt.Sprint("user", i)))
		relays = append(relays, allocate(t, k))
	}
	meet(t, relays[0], relays[1])
	talk(t, relays[0], relays[1], "from one address to the other")
	talk(t, relays[1], relays[0], "and back")
	r, err := p.running.Run("turn list", nil)
	if err != nil || len(r.Rows) != 2 {
		t.Fatal(r, err)
	}
}

// connected is a connected socket as a net.PacketConn.
type connected struct{ net.Conn }

func (c connected) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	return n, c.RemoteAddr(), err
}
func (c connected) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }

// What ends calls that go on.
func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(p *place) error
	}{
		{"account disabled", func(p *place) error {
			return p.accounts().Disable(context.Background(), jid.MustParse("romeo@example.org"), "")
		}},
		{"account deleted", func(p *place) error {
			return p.accounts().Delete(context.Background(), jid.MustParse("romeo@example.org"))
		}},
		{"cut by number", func(p *place) error {
			_, err := p.running.Run("turn cut", command.Values{"number": {"1"}})
			return err
		}},
		{"another realm", func(p *place) error {
			p.running.Again(options(map[string]string{"turn/realm": "elsewhere"}))
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, nil)
			allocate(t, p.udpClient(p.user("romeo")))
			allocate(t, p.udpClient(p.user("juliet")))
			if err := tc.end(p); err != nil {
				t.Fatal(err)
			}
			left := int64(1)
			if tc.name == "another realm" {
				left = 0
			}
			p.gone(left)
		})
	}
}

// Another realm: the socket goes on, with the new one.
func TestRealm(t *testing.T) {
	p := start(t, nil)
	p.running.Again(options(map[string]string{"turn/realm": "elsewhere"}))
	c := p.user("romeo")
	s, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: p.udp, TURNServerAddr: p.udp, Conn: s, Username: c.Name, Password: c.Password, Realm: "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	defer s.Close()
	if err := k.Listen(); err != nil {
		t.Fatal(err)
	}
	allocate(t, k)
}

// Calls go on over a reload that changes something else.
func TestReload(t *testing.T) {
	p := start(t, nil)
	a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
	meet(t, a, b)
	talk(t, a, b, "before")
	p.running.Again(options(map[string]string{"turn/user_allocations": "1"}))
	talk(t, a, b, "after")
	if got := refused(t, p.udpClient(p.node.server.keeper.Issue(1, time.Now(), time.Hour))); got != "486" && got != "401" {
		t.Errorf("refused with %q", got)
	}
}

// Limits: allocations of a user and of all, ports, families, bytes.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values map[string]string
		before int // allocations of another user
		first  string
		second string
	}{
		{"of a user", map[string]string{"turn/user_allocations": "1"}, 1, "", "486"},
		{"of all", map[string]string{"turn/allocations": "2"}, 1, "", "508"},
		{"ports", map[string]string{"turn/relay_ports": "21600"}, 0, "", "508"},
		{"no IPv4", map[string]string{"turn/relay_addresses": "::1"}, 0, "440", "440"},
		{"denied", map[string]string{"quota/user": "deny"}, 0, "486", "486"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := start(t, tc.values)
			for i := range tc.before {
				allocate(t, p.udpClient(p.user(fmt.Sprint("tybalt", i))))
			}
			c := p.user("romeo")
			k := p.udpClient(c)
			_, err := k.Allocate()
			got := ""
			if err != nil {
				got = tc.first
				if !strings.Contains(err.Error(), tc.first) || tc.first == "" {
					got = err.Error()
				}
			}
			if got != tc.first {
				t.Errorf("the first is refused with %q", got)
			}
			if got := refused(t, p.udpClient(c)); got != tc.second {
				t.Errorf("the second is refused with %q", got)
			}
		})
	}
}

// A call that has used up what its user may relay ends.
func TestBytes(t *testing.T) {
	p := start(t, map[string]string{"quota/user": "64KB"})
	a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
	meet(t, a, b)
	talk(t, a, b, "hello")
	data := make([]byte, 1000)
	for range 6000 { // the sender's limit is reached first, or both
		if p.running.Metric("turnAllocations") < 2 {
			break
		}
		a.WriteTo(data, b.LocalAddr())
		time.Sleep(time.Millisecond)
	}
	if n := p.running.Metric("turnAllocations"); n == 2 {
		t.Error("nobody is cut")
	}
	if n := p.running.Metric("turnBytesInside"); n < 30_000 || n > 64<<10 {
		t.Errorf("%d bytes went through", n)
	}
}

// What is faster than it may be loses packets, for one user and for all together.
func TestRates(t *testing.T) {
	for _, option := range []string{"turn/user_rate", "turn/rate"} {
		t.Run(option, func(t *testing.T) {
			p := start(t, map[string]string{option: "20KB"})
			a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
			meet(t, a, b)
			talk(t, a, b, "hello")
			for i := 0; p.running.Metric("turnLost") == 0; i++ {
				if i == 6000 {
					t.Fatal("nothing is lost")
				}
				a.WriteTo(make([]byte, 1200), b.LocalAddr())
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// Before the clock is set there are no credentials, nor is one believed that seems good; a question for an address is
// answered.
func TestUnsetClock(t *testing.T) {
	p := startAt(t, moduletest.Options{Values: options(nil), Built: time.Now().Add(24 * time.Hour)}, nil)
	for _, s := range offer.Of(p.node.host).List() {
		if s.Type != "stun" || s.Issue != nil {
			t.Errorf("%v is offered", s.Place)
		}
	}
	k := p.udpClient(p.user("romeo"))
	if _, err := k.SendBindingRequest(); err != nil {
		t.Error(err)
	}
	if got := refused(t, k); got != "401" {
		t.Errorf("refused with %q", got)
	}
	if _, err := p.node.server.issue(1); err != offer.ErrNotNow {
		t.Error(err)
	}
	if _, err := p.running.Run("turn secret rotate", nil); err == nil {
		t.Error("the secret is replaced, for a time that nobody knows")
	}
}

func TestBucket(t *testing.T) {
	var k bucket
	sent := 0
	for range 1000 {
		if k.take(100, 10_000) {
			sent += 100
		}
	}
	if sent < 10_000 || sent > 20_000 {
		t.Errorf("%d bytes at once", sent)
	}
}

// What clients are told, for each way that this box may stand.
func TestAnnounce(t *testing.T) {
	mapped := func(o *outside.Outside) {
		o.Publish(netip.MustParseAddr("5.6.7.8"), func(at outside.Target) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("5.6.7.8"), at.Port+1)
		})
	}
	for _, tc := range []struct {
		name   string
		values map[string]string
		router func(*outside.Outside)
		want   []string
	}{
		{"no public address", map[string]string{"turn/relay_addresses": "192.168.1.2"}, nil, []string{"stun :3478/tcp", "stun :3478/udp", "turn :3478/tcp", "turn :3478/udp"}},
		{"public address", map[string]string{"turn/relay_addresses": "8.8.8.8"}, nil, []string{"stun 8.8.8.8:3478/tcp", "stun 8.8.8.8:3478/udp", "turn 8.8.8.8:3478/tcp", "turn 8.8.8.8:3478/udp"}},
		{"both families", map[string]string{"turn/relay_addresses": "8.8.8.8,2a00::1"}, nil, []string{"stun 2a00::1:3478/tcp", "stun 2a00::1:3478/udp", "stun 8.8.8.8:3478/tcp", "stun 8.8.8.8:3478/udp", "turn 2a00::1:3478/tcp", "turn 2a00::1:3478/udp", "turn 8.8.8.8:3478/tcp", "turn 8.8.8.8:3478/udp"}},
		{"by hand", map[string]string{"turn/relay_addresses": "192.168.1.2", "turn/external_address": "5.6.7.8"}, mapped, []string{"stun 5.6.7.8:3478/tcp", "stun 5.6.7.8:3478/udp", "turn 5.6.7.8:3478/tcp", "turn 5.6.7.8:3478/udp"}},
		{"behind a router", map[string]string{"turn/relay_addresses": "192.168.1.2"}, mapped, []string{"stun 5.6.7.8:3479/tcp", "stun 5.6.7.8:3479/udp", "turn 5.6.7.8:3479/tcp", "turn 5.6.7.8:3479/udp"}},
		{"name", map[string]string{"turn/relay_addresses": "8.8.8.8", "turn/host": "turn.example.net"}, nil, []string{"stun turn.example.net:3478/tcp", "stun turn.example.net:3478/udp", "turn turn.example.net:3478/tcp", "turn turn.example.net:3478/udp"}},
		{"nowhere", map[string]string{"turn/listen": ""}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &place{t: t}
			p.running = moduletest.Start(t, module.Info{Name: "node", New: func() module.Module { p.node = new(node); return p.node }}, moduletest.Options{Values: options(tc.values)})
			o := offer.Of(p.node.host)
			if tc.router != nil {
				heard := make(chan bool, 100)
				defer o.Watch(func(_, _ []offer.Service) { heard <- true })()
				tc.router(outside.Of(p.node.host))
				for range 600 {
					if slices.Equal(offers(o), tc.want) {
						break
					}
					select {
					case <-heard:
					case <-time.After(100 * time.Millisecond):
					}
				}
			}
			if got := offers(o); !slices.Equal(got, tc.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// The router's address is no peer: what it forwards is not for strangers.
func TestRouterIsNoPeer(t *testing.T) {
	p := start(t, nil)
	router := netip.MustParseAddr("5.6.7.8")
	a := allocate(t, p.udpClient(p.user("romeo")))
	o := outside.Of(p.node.host)
	o.Publish(router, func(outside.Target) netip.AddrPort { return netip.AddrPort{} })
	relay := p.node.server.list(isOpen)[0].relay
	for range 600 {
		if !relay.Permits(router) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := a.WriteTo([]byte("knock"), &net.UDPAddr{IP: router.AsSlice(), Port: 80}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the router is a peer: %v", err)
	}
	// One whose relays are known by the router's address reaches those, and no other port there.
	p = start(t, map[string]string{"turn/external_address": "5.6.7.8"})
	a = allocate(t, p.udpClient(p.user("romeo")))
	if got := a.LocalAddr().(*net.UDPAddr); !got.IP.Equal(router.AsSlice()) {
		t.Fatalf("the relay is at %v", got)
	}
	if _, err := a.WriteTo([]byte("knock"), &net.UDPAddr{IP: router.AsSlice(), Port: 80}); err != nil {
		t.Fatal(err)
	}
	for range 600 {
		if p.running.Metric("turnForbidden") > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if p.running.Metric("turnForbidden") != 1 || p.running.Metric("turnBytesSent") != 0 {
		t.Errorf("%d forbidden, %d bytes sent", p.running.Metric("turnForbidden"), p.running.Metric("turnBytesSent"))
	}
}

// The provider gives another address: relays that begin then have it, clients are told, and calls go on.
func TestAddressChanges(t *testing.T) {
	var now atomic.Pointer[netip.Addr]
	now.Store(new(netip.Addr))
	p := startAt(t, moduletest.Options{Values: options(map[string]string{"turn/relay_addresses": ""})}, func(network, _ string) netip.Addr {
		if network == "udp4" {
			return *now.Load()
		}
		return netip.Addr{}
	})
	become := func(v4 string) {
		a, _ := netip.ParseAddr(v4)
		now.Store(&a)
		p.node.server.follow()
	}
	become("127.0.0.1")
	a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
	meet(t, a, b)
	talk(t, a, b, "before")
	become("")
	if got := refused(t, p.udpClient(p.user("nurse"))); got != "440" {
		t.Errorf("without an address refused with %q", got)
	}
	talk(t, a, b, "without")
	become("127.0.0.2")
	c := allocate(t, p.udpClient(p.user("tybalt")))
	if !strings.HasPrefix(c.LocalAddr().String(), "127.0.0.2:") {
		t.Errorf("the new relay is at %v", c.LocalAddr())
	}
	talk(t, b, a, "after")
	meet(t, a, c)
	talk(t, c, a, "from the new to the old")
	become("8.8.8.8")
	if got := offers(offer.Of(p.node.host)); len(got) == 0 || !strings.Contains(got[0], "8.8.8.8") {
		t.Errorf("clients are told %q", got)
	}
}

// TLS is announced with a certificate that clients trust, and under the names that it covers.
func TestAnnounceTLS(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(template, parent *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), now.Add(-time.Hour), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "the world's"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root := make(ca, ca)
	leaf := make(&x509.Certificate{Subject: pkix.Name{CommonName: "example.org"}, DNSNames: []string{"example.org", "turn.example.org"}}, root)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, private := dir+"/cert.pem", dir+"/key.pem"
	os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600)
	os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	trusted := x509.NewCertPool()
	trusted.AddCert(root)
	for _, tc := range []struct {
		name  string
		files bool
		host  string
		roots *x509.CertPool
		want  []string
	}{
		{"of the local CA", false, "", trusted, nil},
		{"trusted", true, "", trusted, []string{"turns example.org:5349/tcp"}},
		{"of a CA that nobody knows", true, "", x509.NewCertPool(), nil},
		{"under another name", true, "turn.example.org", trusted, []string{"turns turn.example.org:5349/tcp"}},
		{"under a name that it does not cover", true, "example.net", trusted, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values := options(map[string]string{"turn/host": tc.host, "turn/listen": ""})
			if tc.files {
				values["tls/certificate"], values["tls/key"] = certificate, private
			}
			var n *node
			r := moduletest.Start(t, module.Info{Name: "node", New: func() module.Module { n = new(node); return n }}, moduletest.Options{Values: values})
			n.server.announcer.roots = tc.roots
			r.Again(values)
			if got := offers(offer.Of(n.host)); !slices.Equal(got, tc.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func offers(o *offer.Offers) (list []string) {
	for _, s := range o.List() {
		list = append(list, fmt.Sprintf("%s %s:%d/%s", s.Type, s.Host, s.Port, s.Transport))
	}
	slices.Sort(list)
	return list
}

// Behind a router, relays are on ports that it has mapped, under the address that it gave, and on no other.
func TestMappedAhead(t *testing.T) {
	// 127.0.0.1 is no private address: the rules are changed behind the options' back.
	p := start(t, map[string]string{"turn/relay_ports": "50000-50063"})
	s := p.node.server
	r := *s.rules.Load()
	r.relay4 = netip.MustParseAddr("192.168.1.2")
	s.ahead.use(&r)
	o := outside.Of(p.node.host)
	if n := len(o.Wanted()); n != spare {
		t.Fatalf("%d ports are wanted", n)
	}
	publish := func() {
		o.Publish(netip.MustParseAddr("127.0.0.1"), func(at outside.Target) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), at.Port-40000)
		})
	}
	publish()
	a, b := allocate(t, p.udpClient(p.user("romeo"))), allocate(t, p.udpClient(p.user("juliet")))
	at := netip.MustParseAddrPort(a.LocalAddr().String())
	if at.Addr() != netip.MustParseAddr("127.0.0.9") || at.Port() < 10000 || at.Port() > 10063 {
		t.Errorf("the relay is at %v", at)
	}
	if n := len(o.Wanted()); n != spare+2 {
		t.Errorf("%d ports are wanted with two in use", n)
	}
	meet(t, a, b)
	talk(t, a, b, "inside")
	// No port is mapped: nobody waits.
	o.Publish(netip.MustParseAddr("127.0.0.1"), func(outside.Target) netip.AddrPort { return netip.AddrPort{} })
	if got := refused(t, p.udpClient(p.user("nurse"))); got != "508" {
		t.Errorf("refused with %q", got)
	}
	publish()
	a.Close()
	b.Close()
	p.gone(0)
	for range 600 {
		if len(o.Wanted()) == spare {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d ports are wanted in the end", len(o.Wanted()))
}
