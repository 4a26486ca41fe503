package turn

import (
	"net"
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
