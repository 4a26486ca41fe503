package budget

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// TestAgent compares a node with the agent, after a walk, with one without.
func TestAgent(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	c.Close()
	without := startNode(t)
	with := startNodeWith(t, fmt.Sprintf(`services = ["snmp"]
[snmp]
listen = ["127.0.0.1:%d"]
[snmp.user.noc]
auth_secret = "a secret phrase"
[snmp.community.old]
name = "public"
sources = ["127.0.0.1"]
[snmp.target.nms]
address = "127.0.0.1:1"
community = "traps"
`, port))
	g := &gosnmp.GoSNMP{Target: "127.0.0.1", Port: uint16(port), Transport: "udp", Version: gosnmp.Version2c, Community: "public",
		Timeout: 10 * time.Second, Retries: 3, MaxRepetitions: 25, MaxOids: 60}
	if err := g.Connect(); err != nil {
		t.Fatal(err)
	}
	defer g.Conn.Close()
	all, err := g.BulkWalkAll(".1.3")
	if err != nil || len(all) < 100 {
		t.Fatalf("%d instances, %v", len(all), err)
	}
	figure := func(n *node) int64 {
		f := n.measure()
		return int64(f.Heap + f.Stacks)
	}
	judge(t, find("agent"), figure(with)-figure(without))
}
