package scenario

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"linnet/appliance"
	"linnet/appliance/control"
	_ "linnet/appliance/features" // a node of everything that this build has
)

// Node is one appliance in this process, on loopback addresses that the kernel chooses.
type Node struct {
	dir    string // of the test; the data lies below
	file   string // with the configuration, "" for none
	config string // what stands in it
	app    *appliance.Appliance
	log    lockedBuffer
}

// StartNode starts a node with its data in dir. config is the text of its configuration file, "" for none.
func StartNode(dir, config string) (*Node, error) {
	n := &Node{dir: dir, config: config}
	if config != "" {
		n.file = filepath.Join(dir, "linnet.toml")
		if err := os.WriteFile(n.file, []byte(config), 0o600); err != nil {
			return nil, err
		}
	}
	return n, n.start()
}

func (n *Node) data() string { return filepath.Join(n.dir, "data") }

// settings are what each node of a test has, whatever its file says. Services that a node can be without run where
// the file names them.
func settings(config, starttls, direct string) []string {
	var services []string
	if !strings.Contains(config, "services =") {
		services = []string{"services="}
	}
	return append(services,
		"domain=localhost",
		"c2s.listen="+starttls,
		"c2s.direct_tls="+direct,
		"account.iterations=4096", // scenarios log in thousands of times
	)
}

func (n *Node) start() error {
	app, err := appliance.New(appliance.Options{
		Config: n.file, Data: n.data(), Set: settings(n.config, "127.0.0.1:0", "127.0.0.1:0"), Log: &n.log, Version: "test",
	})
	if err != nil {
		return err
	}
	if err := app.Start(context.Background()); err != nil {
		return err
	}
	n.app = app
	return nil
}

// App is the node itself, for tests that look beneath the protocol.
func (n *Node) App() *appliance.Appliance { return n.app }

// Log is what the node has logged.
func (n *Node) Log() string { return n.log.String() }

// Close stops the node.
func (n *Node) Close() error { return n.app.Close() }

// Domain implements Server.
func (n *Node) Domain() string { return "localhost" }

// Dial implements Server.
func (n *Node) Dial(over string) (net.Conn, error) {
	listener := map[string]string{"starttls": "c2s", "plain": "c2s", "tls": "direct"}[over]
	for _, b := range n.app.Bound() {
		if b.Name == listener {
			return net.DialTimeout("tcp", b.Addr.String(), 5*time.Second)
		}
	}
	return nil, fmt.Errorf("no listener for %q", over)
}

// AddAccount implements Server.
func (n *Node) AddAccount(local, password string) error {
	out, err := n.Ctl("user", "add", local+"@localhost", "-password", password)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// RemoveAccount implements Server. The whole node goes after a scenario.
func (n *Node) RemoveAccount(local, password string) error { return nil }

// Ctl implements Server.
func (n *Node) Ctl(args ...string) (string, error) {
	var out bytes.Buffer
	c := control.Client{Dir: n.data(), In: strings.NewReader(""), Out: &out, Err: &out}
	if code := c.Run(args); code != 0 {
		return out.String(), fmt.Errorf("exit code %d", code)
	}
	return out.String(), nil
}

// Restart implements Server.
func (n *Node) Restart() error {
	if err := n.app.Close(); err != nil {
		return err
	}
	return n.start()
}

// Kill implements Server: a process cannot kill a part of itself.
func (n *Node) Kill() error { return errCannot }

// Wait implements Server.
func (n *Node) Wait(d time.Duration) error {
	if d > 3*time.Second {
		return errCannot
	}
	time.Sleep(d)
	return nil
}

// Patience implements Server.
func (n *Node) Patience() time.Duration { return 5 * time.Second }

// Quiet implements Server.
func (n *Node) Quiet() time.Duration { return 150 * time.Millisecond }
