package budget

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"linnet/appliance/control"
	"linnet/tinytests/scenario"
)

// nodeDir names the directory of a node that this test binary is to be, instead of a test: the clients then are
// in another process and cost nothing here.
const nodeDir = "LINNET_BUDGET_NODE"

// nodeTop is what stands in its configuration before everything else.
const nodeTop = "LINNET_BUDGET_CONFIG"

func TestMain(m *testing.M) {
	if dir := os.Getenv(nodeDir); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// figures are what a node reports about itself.
type figures struct {
	Addr    string // of the listener with STARTTLS
	Heap    uint64 // live bytes, after two collections
	Stacks  uint64
	Mallocs uint64
}

// serve is the node: for each line it reads it writes its figures, until its input ends.
func serve(dir string) error {
	n, err := scenario.StartNode(dir, os.Getenv(nodeTop)+config)
	if err != nil {
		return err
	}
	defer n.Close()
	conn, err := n.Dial("starttls")
	if err != nil {
		return err
	}
	addr := conn.RemoteAddr().String()
	conn.Close()
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs := m.Mallocs
		for range 2 {
			debug.FreeOSMemory()
		}
		runtime.ReadMemStats(&m)
		if err := out.Encode(figures{Addr: addr, Heap: m.HeapAlloc, Stacks: m.StackInuse, Mallocs: mallocs}); err != nil {
			return err
		}
	}
	return nil
}

// config is what the node of the budgets is told: as a board would have it, but that nobody is refused for the
// many logins of one address.
const config = `
[xmpp.archive]
enabled = false
`

// node is the other process, seen from the test. It is a scenario.Server; advance takes its figures.
type node struct {
	t      *testing.T
	dir    string
	addr   string
	ask    io.Writer
	answer *json.Decoder
	taken  []figures
}

func startNode(t *testing.T) *node { return startNodeWith(t, "") }

func startNodeWith(t *testing.T, top string) *node {
	t.Helper()
	if racing {
		t.Skip("the race detector multiplies memory and allocations")
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), nodeDir+"="+dir, nodeTop+"="+top, "GOMAXPROCS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node: %v\n%s", err, stderr.String())
		}
	})
	n := &node{t: t, dir: dir, ask: in, answer: json.NewDecoder(out)}
	n.addr = n.measure().Addr
	n.taken = nil
	return n
}

func (n *node) measure() figures {
	n.t.Helper()
	var f figures
	if _, err := fmt.Fprintln(n.ask); err != nil {
		n.t.Fatal(err)
	}
	if err := n.answer.Decode(&f); err != nil {
		n.t.Fatal(err)
	}
	n.taken = append(n.taken, f)
	return f
}

// play runs the lines of a scenario and returns what its advance lines measured.
func (n *node) play(lines string) []figures {
	n.t.Helper()
	n.taken = nil
	s, err := scenario.Parse(n.t.Name(), []byte(lines))
	if err != nil {
		n.t.Fatal(err)
	}
	if err := scenario.Run(s, n); err != nil {
		n.t.Fatal(err)
	}
	return n.taken
}

var errNo = errors.New("not here")

func (n *node) Domain() string                     { return "localhost" }
func (n *node) RemoveAccount(string, string) error { return nil }
func (n *node) Restart() error                     { return errNo }
func (n *node) Kill() error                        { return errNo }
func (n *node) Patience() time.Duration            { return 20 * time.Second }
func (n *node) Quiet() time.Duration               { return 100 * time.Millisecond }
func (n *node) Dial(string) (net.Conn, error)      { return net.Dial("tcp", n.addr) }
func (n *node) AddAccount(local, pass string) error {
	_, err := n.Ctl("user", "add", local+"@localhost", "-password", pass)
	return err
}

func (n *node) Ctl(args ...string) (string, error) {
	var out bytes.Buffer
	c := control.Client{Dir: n.dir + "/data", In: strings.NewReader(""), Out: &out, Err: &out}
	if code := c.Run(args); code != 0 {
		return out.String(), fmt.Errorf("exit code %d: %s", code, out.String())
	}
	return out.String(), nil
}

// Wait measures.
func (n *node) Wait(d time.Duration) error {
	time.Sleep(d)
	n.measure()
	return nil
}

func TestHeap(t *testing.T) {
	n := startNode(t)
	time.Sleep(500 * time.Millisecond)
	judge(t, find("heap"), int64(n.measure().Heap))
}

// TestSession logs the same users in twice: the first time what is made once and kept, such as accounts in caches
// and pools, is made; the second login of each, with another resource, is what a session costs.
func TestSession(t *testing.T) {
	const users = 150
	n := startNode(t)
	var b strings.Builder
	login := func(resource string) {
		for i := range users {
			fmt.Fprintf(&b, "connect u%d/%s as %s%d\n", i, resource, resource, i)
			fmt.Fprintf(&b, "%s%d: <enable xmlns='urn:xmpp:sm:3' resume='true'/><iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq><presence/>\n", resource, i)
			fmt.Fprintf(&b, "%s%d> ... <presence from='u%d@localhost/%s'/>\n", resource, i, i, resource)
		}
	}
	b.WriteString("accounts")
	for i := range users {
		fmt.Fprintf(&b, " u%d", i)
	}
	b.WriteString("\n")
	login("A")
	b.WriteString("advance 1s\n")
	login("B")
	b.WriteString("advance 1s\n")
	f := n.play(b.String())
	before, after := f[0], f[1]
	t.Logf("%d sessions: heap %d -> %d, stacks %d -> %d", users, before.Heap, after.Heap, before.Stacks, after.Stacks)
	judge(t, find("session"), (int64(after.Heap+after.Stacks)-int64(before.Heap+before.Stacks))/users)
}

func TestStanza(t *testing.T) {
	const messages = 4000
	n := startNode(t)
	f := n.play(fmt.Sprintf(`
accounts romeo juliet
online juliet/balcony as J
connect romeo/orchard as R
repeat 500 R: <message id='w{i}' to='juliet@localhost/balcony' type='chat'><body>{fill 100}</body></message>
J> ... <message id='w500'>...</message>
advance 200ms
repeat %d R: <message id='m{i}' to='juliet@localhost/balcony' type='chat'><body>{fill 100}</body></message>
J> ... <message id='m%d'>...</message>
advance 200ms
`, messages, messages))
	per := float64(f[1].Mallocs-f[0].Mallocs) / messages
	t.Logf("%.2f allocations a message", per)
	judge(t, find("stanza"), int64(per+0.5))
}
