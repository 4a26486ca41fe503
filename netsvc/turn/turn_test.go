package turn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/turn/credential"
	"linnet/netsvc/wire/jid"
)

// node is the service with what it stands on: accounts, the ledger, certificates.
type node struct {
	*service
	outward func(network, to string) netip.Addr // instead of asking the kernel, unless nil
	host    module.Host
	parts   []module.Module
}

func (n *node) Setup(h module.Host) error {
	n.host = h
	var errs []error
	for _, name := range []string{"account", "quota", "cert", "turn"} {
		for _, info := range module.All() {
			if info.Name == name {
				m := info.New()
				n.parts = append(n.parts, m)
				errs = append(errs, m.Setup(h.Sub(name)))
			}
		}
	}
	n.service = n.parts[3].(*service)
	if n.outward != nil {
		n.server.outward = n.outward
	}
	return errors.Join(errs...)
}

func (n *node) Start(ctx context.Context) error {
	for _, m := range n.parts {
		if err := m.(module.Starter).Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) Switch() {
	for _, m := range n.parts {
		m.(module.Switcher).Switch()
	}
}

func (n *node) Stop(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(n.parts) {
		if s, ok := m.(module.Stopper); ok {
			errs = append(errs, s.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

func (p *place) accounts() *account.Accounts { return account.Of(p.node.host) }

// place is a running service with its sockets.
type place struct {
	t       *testing.T
	running *moduletest.Running
	node    *node
	udp     string
	closers []func() error
}

func start(t *testing.T, values map[string]string) *place {
	t.Helper()
	return startAt(t, moduletest.Options{Values: options(values)}, nil)
}

// startAt is start where outward says which way leads to the internet.
func startAt(t *testing.T, o moduletest.Options, outward func(network, to string) netip.Addr) *place {
	t.Helper()
	p := &place{t: t}
	p.running = moduletest.Start(t, module.Info{Name: "node", New: func() module.Module { p.node = &node{outward: outward}; return p.node }}, o)
	t.Cleanup(func() { // before the service is stopped, as the appliance does it
		for _, c := range p.closers {
			c()
		}
	})
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p.udp = c.LocalAddr().String()
	p.closers = append(p.closers, c.Close)
	go p.running.Listener("udp").Packets(c)
	return p
}

func options(values map[string]string) map[string]string {
	all := map[string]string{"node.turn/relay_addresses": "127.0.0.1", "node.account/iterations": "4096", "node.turn/answers": "10000"}
	for k, v := range values {
		all["node."+k] = v
	}
	return all
}

// listen opens a stream listener and returns its address.
func (p *place) listen(name string) string {
	p.t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.closers = append(p.closers, l.Close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.running.Listener(name).Serve(c)
		}
	}()
	return l.Addr().String()
}

// user makes an account and returns a credential for it.
func (p *place) user(name string) credential.Credential {
	p.t.Helper()
	who, err := p.accounts().Create(p.t.Context(), account.NewAccount{JID: jid.MustParse(name + "@example.org"), Password: "x"})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.node.server.keeper.Issue(who.ID, time.Now(), time.Hour)
}

// client is pion's, over any socket.
func (p *place) client(over net.PacketConn, to string, c credential.Credential) *turn.Client {
	p.t.Helper()
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	k, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: to, TURNServerAddr: to, Conn: over, Username: c.Name, Password: c.Password, Realm: "example.org", LoggerFactory: quiet, RTO: 5 * time.Second})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := k.Listen(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { k.Close(); over.Close() })
	return k
}

func (p *place) udpClient(c credential.Credential) *turn.Client {
	p.t.Helper()
	s, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	return p.client(s, p.udp, c)
}

func allocate(t *testing.T, k *turn.Client) net.PacketConn {
	t.Helper()
	c, err := k.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// talk sends from a to b until it arrives: the permission of the other side may come later.
func talk(t *testing.T, a, b net.PacketConn, text string) {
	t.Helper()
	p := make([]byte, 1600)
	for range 120 {
		if _, err := a.WriteTo([]byte(text), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		b.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, from, err := b.ReadFrom(p)
		if err == nil && string(p[:n]) == text {
			if from.String() != a.LocalAddr().String() {
				t.Fatalf("it comes from %v", from)
			}
			return
		}
	}
	t.Fatalf("%q does not arrive", text)
}

// meet lets both sides permit each other.
func meet(t *testing.T, a, b net.PacketConn) {
	t.Helper()
	for _, c := range [][2]net.PacketConn{{a, b}, {b, a}} {
		if _, err := c[0].WriteTo([]byte("hello"), c[1].LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
}

// Two clients that can only use relays of this box meet: their packets stay inside.
func TestTwoClients(t *testing.T) {
	p := start(t, nil)
	a, b := p.udpClient(p.user("romeo")), p.udpClient(p.user("juliet"))
	mapped, err := a.SendBindingRequest()
	if err != nil || !strings.HasPrefix(mapped.String(), "127.0.0.1:") {
		t.Fatalf("%v, %v", mapped, err)
	}
	ra, rb := allocate(t, a), allocate(t, b)
	if got := netip.MustParseAddrPort(ra.LocalAddr().String()); got.Port() < 49152 || got.Port() > 49407 {
		t.Errorf("relay at %v", got)
	}
	meet(t, ra, rb)
	talk(t, ra, rb, "wherefore art thou")
	talk(t, rb, ra, "by a name I know not")
	if p.running.Metric("turnBytesInside") == 0 || p.running.Metric("turnBytesSent") != 0 {
		t.Errorf("inside %d, outside %d", p.running.Metric("turnBytesInside"), p.running.Metric("turnBytesSent"))
	}
	r, err := p.running.Run("turn list", nil)
	if err != nil || len(r.Rows) != 2 || r.Rows[0][1] != "romeo@example.org" {
		t.Fatalf("%v, %v", r, err)
	}
	if _, err := p.running.Run("turn cut", command.Values{"user": {"romeo@example.org"}}); err != nil {
		t.Fatal(err)
	}
	p.gone(1)
	ra.Close()
	rb.Close()
	p.gone(0)
	if p.running.Metric("turnBroken")+p.running.Metric("turnPanics") > 0 {
		t.Error("something is broken")
	}
}

// gone waits until n relays are left.
func (p *place) gone(n int64) {
	p.t.Helper()
	for range 6000 {
		if p.running.Metric("turnAllocations") == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("%d relays are left", p.running.Metric("turnAllocations"))
}

// One address has so many streams; the places of those that end are free again.
func TestConnections(t *testing.T) {
	p := start(t, map[string]string{"turn/connections_per_address": "1"})
	at := p.listen("tcp")
	ask := func() (net.Conn, error) {
		c, err := net.Dial("tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw); err != nil {
			return c, err
		}
		_, err = c.Read(make([]byte, 100))
		return c, err
	}
	first, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); err == nil || p.running.Metric("turnConnections") != 1 {
		t.Errorf("a second stream is served; %d are", p.running.Metric("turnConnections"))
	}
	first.Close()
	for range 6000 {
		if p.running.Metric("turnConnections") == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := ask(); err != nil {
		t.Error(err)
	}
}

// All mistakes are told at once, each with its option.
func TestMistakes(t *testing.T) {
	good := service{relayPorts: "50000-50063", listen: []string{"[::]:3478"}, behaviorPort: 3480}
	bad := good
	bad.relayPorts, bad.realm, bad.relayAddresses, bad.external = "80", "a:b", []string{"::"}, "5.6.7"
	bad.behavior, bad.allow, bad.deny = []string{"192.0.2.1"}, []string{"10.0.0.0/33"}, []string{"x"}
	taken := good
	taken.behavior, taken.behaviorPort, taken.deny = []string{"192.0.2.1", "192.0.2.2"}, 3477, []string{"x"}
	for _, tc := range []struct {
		name    string
		service service
		want    string
	}{
		{"none", good, ""},
		{"all", bad, "relay_ports realm relay_addresses external_address behavior allow_peers deny_peers"},
		{"a port that is taken", taken, "behavior_port deny_peers"},
	} {
		schema := config.NewSchema()
		schema.Section("turn").Check(tc.service.check)
		var got []string
		for _, p := range schema.Validate() {
			got = append(got, p.Option)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: mistakes in %q, want %s", tc.name, got, tc.want)
		}
	}
}
