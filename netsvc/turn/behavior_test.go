package turn

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v2"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name string
		list []string
		ok   bool
	}{
		{"none", nil, true},
		{"two", []string{"192.0.2.1", "192.0.2.2"}, true},
		{"two of IPv6", []string{"2001:db8::1", "2001:db8::2"}, true},
		{"one", []string{"192.0.2.1"}, false},
		{"three", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, false},
		{"the same", []string{"192.0.2.1", "192.0.2.1"}, false},
		{"two families", []string{"192.0.2.1", "2001:db8::1"}, false},
		{"all addresses", []string{"0.0.0.0", "192.0.2.1"}, false},
		{"a group", []string{"224.0.0.1", "192.0.2.1"}, false},
		{"a port", []string{"192.0.2.1:1", "192.0.2.2"}, false},
	} {
		p, err := plan(c.list, 3480)
		if (err == nil) != c.ok || (p.Port != 0) != (c.ok && c.list != nil) {
			t.Errorf("%s: %v, %v", c.name, p, err)
		}
	}
}

// One socket cannot be two: that is found by a check, and not when it is too late.
func TestHolder(t *testing.T) {
	for _, c := range []struct{ listen, at, by string }{
		{"[::]:3478", "192.0.2.1:3480", ""},
		{"[::]:3480", "192.0.2.1:3480", "[::]:3480"},
		{"0.0.0.0:3480", "192.0.2.1:3480", "0.0.0.0:3480"},
		{"192.0.2.1:3480", "192.0.2.1:3480", "192.0.2.1:3480"},
		{"192.0.2.3:3480", "192.0.2.1:3480", ""},
		{"localhost:3480", "192.0.2.1:3480", ""},
	} {
		if by := holder([]string{"127.0.0.9:1", c.listen}, netip.MustParseAddrPort(c.at)); by != c.by {
			t.Errorf("%s is taken by %q beside %s", c.at, by, c.listen)
		}
	}
	p := &service{relayPorts: "49152-49407", listen: []string{"[::]:3478"}, behavior: []string{"192.0.2.1", "192.0.2.2"}, behaviorPort: 3477}
	if err := p.check(); err == nil {
		t.Error("the second port is that of all others, and passes")
	}
	p.behaviorPort = 3480
	if err := p.check(); err != nil {
		t.Error(err)
	}
}

// TestBehavior asks the ordinary listener: it has no other address, whatever is configured.
func TestBehavior(t *testing.T) {
	p := start(t, map[string]string{"turn/behavior": "127.0.0.1,127.0.0.2", "turn/behavior_port": "3490"})
	if want := []string{"127.0.0.1:3490", "127.0.0.1:3491", "127.0.0.2:3490", "127.0.0.2:3491"}; !slices.Equal(*p.running.Listener("behavior").Addrs, want) {
		t.Errorf("listens at %v", *p.running.Listener("behavior").Addrs)
	}
	c, err := net.Dial("udp", p.udp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw); err != nil {
		t.Fatal(err)
	}
	m := &stun.Message{Raw: make([]byte, 1500)}
	n, err := c.Read(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	m.Raw = m.Raw[:n]
	if err := m.Decode(); err != nil || !m.Contains(stun.AttrXORMappedAddress) || m.Contains(stun.AttrOtherAddress) || m.Contains(stun.AttrResponseOrigin) {
		t.Errorf("%v %v", m, err)
	}
}
