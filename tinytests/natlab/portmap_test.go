package natlab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// home is a box behind a router by others.
type home struct {
	*Lab
	inet   *Internet
	box    *Client
	dir    string
	daemon *exec.Cmd
}

func newHome(t *testing.T) *home {
	t.Helper()
	if _, err := exec.LookPath("miniupnpd"); err != nil {
		t.Skipf("%v (package miniupnpd)", err)
	}
	l := NewLab(t)
	h := &home{Lab: l, inet: l.Internet(1), dir: t.TempDir()}
	h.box = h.inet.Client("box", EndpointIndependent)
	// The chains that it works with, and what they are called from.
	h.box.Router.Nft(`
table inet filter {
	chain miniupnpd { }
	chain prerouting_miniupnpd { }
	chain postrouting_miniupnpd { }
	chain forward { type filter hook forward priority -10; jump miniupnpd; }
	chain prerouting { type nat hook prerouting priority -110; jump prerouting_miniupnpd; }
	chain postrouting { type nat hook postrouting priority 90; jump postrouting_miniupnpd; }
}`)
	// Its own rule accepts what it has mapped; ours must not drop that afterwards.
	h.box.Router.Nft("insert rule ip lab forward ct status dnat accept")
	return h
}

// route starts miniupnpd.
func (h *home) route(options ...string) {
	h.t.Helper()
	lan := netip.PrefixFrom(h.box.Addr, 24).Masked()
	conf := fmt.Sprintf(`ext_ifname=wan
listening_ip=lan
http_port=0
system_uptime=no
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
%s
allow 1024-65535 %v 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`, strings.Join(options, "\n"), lan)
	path := filepath.Join(h.dir, "miniupnpd.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		h.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(h.dir, "miniupnpd.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.daemon = h.box.Router.Command("miniupnpd", "-d", "-f", path, "-P", filepath.Join(h.dir, "miniupnpd.pid"))
	h.daemon.Stdout, h.daemon.Stderr = log, log
	if err := h.daemon.Start(); err != nil {
		h.t.Fatal(err)
	}
	log.Close()
	h.t.Cleanup(func() {
		h.halt()
		if h.t.Failed() {
			b, _ := os.ReadFile(log.Name())
			h.t.Logf("the log of the router:\n%s", b)
		}
	})
}

// halt ends miniupnpd as a power cut would, with all that it has mapped.
func (h *home) halt() {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Kill()
	_ = h.daemon.Wait()
	h.daemon = nil
	for _, chain := range []string{"miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"} {
		_ = h.box.Router.Command("nft", "flush chain inet filter "+chain).Run()
	}
}

// reached returns where a port is reached according to the program, zero while it is not.
func (h *home) reached(n *Node, port string) netip.AddrPort {
	h.t.Helper()
	for line := range strings.Lines(n.Ctl("portmap", "show")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == port {
			at, _ := netip.ParseAddrPort(f[1])
			return at
		}
	}
	return netip.AddrPort{}
}

// maps lists the router's own rules for what it has mapped.
func (h *home) maps() string {
	h.t.Helper()
	out, err := h.box.Router.Command("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd").CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// greeted tells whether an XMPP server answers there, on the internet's side.
func (h *home) greeted(at netip.AddrPort) bool {
	c, err := h.inet.TCP(at)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	b := make([]byte, 1000)
	n, _ := c.Read(b)
	return strings.Contains(string(b[:n]), "stream")
}

var boxOptions = []string{"services=portmap", "c2s.listen=0.0.0.0:5222", "c2s.direct_tls=", "portmap.ports=tcp/5222", "portmap.lifetime=10m"}

// A router that others wrote maps a port by each of the protocols, people come in by it, and at the end it is closed.
func TestPortmap(t *testing.T) {
	binary := program(t)
	for _, protocol := range []string{"pcp", "nat-pmp", "upnp"} {
		t.Run(protocol, func(t *testing.T) {
			h := newHome(t)
			if protocol == "upnp" {
				h.route("enable_upnp=yes", "enable_natpmp=no")
			} else {
				h.route("enable_upnp=no", "enable_natpmp=yes")
			}
			n := h.box.Start(binary, append(boxOptions, "portmap.protocols="+protocol)...)
			var at netip.AddrPort
			h.Wait("the port is mapped", func() bool {
				at = h.reached(n, "tcp/5222")
				return at.IsValid()
			})
			if at.Addr() != h.box.Public {
				t.Errorf("reached at %v, the router is %v", at, h.box.Public)
			}
			if !strings.Contains(n.Ctl("portmap", "show"), protocol) {
				t.Errorf("not by %s:\n%s", protocol, n.Ctl("portmap", "show"))
			}
			h.Wait("somebody comes in", func() bool { return h.greeted(at) })
			if maps := h.maps(); strings.Count(maps, "dnat") != 1 || !strings.Contains(maps, "5222") {
				t.Errorf("the router maps what it was not asked for:\n%s", maps)
			}
			n.Stop()
			if h.greeted(at) {
				t.Error("the port is open after the end")
			}
			if maps := h.maps(); strings.Contains(maps, "dnat") {
				t.Errorf("the router still maps it:\n%s", maps)
			}
		})
	}
}

// A router that is switched off and on has forgotten everything, says so to all, and maps the port again; which takes
// seconds and not the minutes until the next check.
func TestPortmapRouterRestarts(t *testing.T) {
	binary := program(t)
	h := newHome(t)
	h.route("enable_upnp=no", "enable_natpmp=yes")
	n := h.box.Start(binary, boxOptions...)
	var at netip.AddrPort
	h.Wait("the port is mapped", func() bool {
		at = h.reached(n, "tcp/5222")
		return at.IsValid()
	})
	h.halt()
	if h.greeted(at) {
		t.Fatal("the port is open without the router")
	}
	h.route("enable_upnp=no", "enable_natpmp=yes")
	h.Wait("somebody comes in again", func() bool { return h.greeted(h.reached(n, "tcp/5222")) })
}

// A program that was killed gets its port back from a router that knows it as somebody's: it can show the same nonce.
func TestPortmapCrash(t *testing.T) {
	binary := program(t)
	h := newHome(t)
	h.route("enable_upnp=no", "enable_natpmp=yes")
	n := h.box.Start(binary, boxOptions...)
	var at netip.AddrPort
	mapped := func() bool {
		at = h.reached(n, "tcp/5222")
		return at.IsValid()
	}
	h.Wait("the port is mapped", mapped)
	before := at
	n.Crash()
	h.Wait("the port is mapped again", mapped)
	if at != before || !h.greeted(at) {
		t.Errorf("reached at %v, before at %v", at, before)
	}
	n.Stop()
	if h.greeted(at) {
		t.Error("the port is open after the end")
	}
}

// A router whose own address is private: this one refuses, keeping its reason for itself, and the operator is told
// what it may be.
func TestPortmapDoubleNAT(t *testing.T) {
	binary := program(t)
	h := newHome(t)
	h.box.Router.Shell("ip addr flush dev wan\nip addr add 10.1.2.3/24 dev wan")
	h.route("enable_upnp=yes", "enable_natpmp=yes")
	n := h.box.Start(binary, boxOptions...)
	h.Wait("the operator is told", func() bool { return strings.Contains(n.Ctl("portmap", "show"), "stand behind another router") })
	if at := h.reached(n, "tcp/5222"); at.IsValid() {
		t.Errorf("reached at %v", at)
	}
}
