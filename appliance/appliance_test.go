package appliance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/appliance/control"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/store/table"
)

// greeter is a service with everything that a service has: each connection gets one line.
type greeter struct {
	name    string
	host    module.Host
	enabled bool
	addrs   []string
	also    []string
	packets []string
	word    string
	fails   bool
	fixed   int
	live    *greetings
}

// greetings is what outlives generations.
type greetings struct {
	mu      sync.Mutex
	events  []string
	current *greeter
	gone    chan error // why a reader of packets ended
}

func (g *greetings) note(event string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, event)
}

func (g *greetings) take() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := strings.Join(g.events, " ")
	g.events = nil
	return text
}

func greeterInfo(name string) module.Info {
	return module.Info{Name: name, Summary: "Greets.", New: func() module.Module { return &greeter{name: name} }}
}

func (m *greeter) Setup(h module.Host) error {
	m.host = h
	m.live = module.Live(h, "greetings", func() *greetings { return &greetings{gone: make(chan error, 1)} })
	o := h.Options()
	o.Bool(&m.enabled, "enabled", true, "greet at all")
	o.Addrs(&m.addrs, "listen", []string{"127.0.0.1:0"}, "where")
	o.Addrs(&m.also, "also", nil, "where else")
	o.Addrs(&m.packets, "packets", nil, "where datagrams come")
	o.String(&m.word, "word", "hello", "the greeting")
	o.Bool(&m.fails, "fails", false, "fail at the start")
	o.Int(&m.fixed, "fixed", 1, "cannot change").NeedsRestart()
	h.Table(table.New(m.name, table.None))
	count := h.Metrics().Counter(metric.Desc{Name: m.name + "Greetings", Help: "Greetings."})
	greet := func(mark string) func(net.Conn) {
		return func(c net.Conn) {
			defer c.Close()
			if m.word == "panic" {
				panic("no word")
			}
			count.Inc()
			fmt.Fprintf(c, "%s%s from %s\n", m.word, mark, m.name)
		}
	}
	h.Listen(&module.Listener{Name: "greet", Addrs: &m.addrs, Security: module.Plain, Serve: greet("")})
	h.Listen(&module.Listener{Name: "also", Addrs: &m.also, Security: module.Plain, Serve: greet(" also")})
	h.Listen(&module.Listener{Name: "packets", Addrs: &m.packets, Security: module.Plain, Packets: func(c *net.UDPConn) {
		b := make([]byte, 16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				m.live.gone <- err
				return
			}
			if string(b[:n]) == "panic" {
				panic("told to")
			}
			m.live.mu.Lock()
			word := m.live.current.word
			m.live.mu.Unlock()
			c.WriteToUDPAddrPort([]byte(word), from)
		}
	}})
	h.Command(command.Command{Name: m.name + " word", Effect: command.Read, Role: command.User, Help: "The word.",
		Run: func(context.Context, *command.Call) (*command.Result, error) { return command.Say(m.word), nil }})
	return nil
}

func (m *greeter) Enabled() bool { return m.enabled }

func (m *greeter) Start(context.Context) error {
	m.live.note("start " + m.name)
	if m.fails {
		return errors.New("told to fail")
	}
	return nil
}

func (m *greeter) Switch() {
	m.live.note("switch " + m.name)
	m.live.mu.Lock()
	defer m.live.mu.Unlock()
	m.live.current = m
}

func (m *greeter) Stop(context.Context) error {
	m.live.note("stop " + m.name)
	return nil
}

// node is an appliance with a configuration that a test rewrites.
type node struct {
	*Appliance
	t    *testing.T
	file string
	out  welcome
}

// welcome keeps what a start says and tells when it is said.
type welcome struct {
	text []byte
	said chan struct{}
}

func (w *welcome) Write(b []byte) (int, error) {
	w.text = append(w.text, b...)
	close(w.said)
	return len(b), nil
}

func newNode(t *testing.T, conf string) (*node, error) {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, file: filepath.Join(dir, "linnet.toml"), out: welcome{said: make(chan struct{})}}
	n.write(conf)
	var err error
	n.Appliance, err = New(Options{
		Config: n.file, Data: filepath.Join(dir, "data"), Set: []string{"domain=example.org"},
		Services: []module.Info{greeterInfo("alpha"), greeterInfo("beta")},
		Absent:   func(section string) (string, bool) { return "gamma", section == "gamma" },
		Version:  "1.0", Program: "linnet", Out: &n.out,
	})
	return n, err
}

func startNode(t *testing.T, conf string) *node {
	t.Helper()
	n, err := newNode(t, conf)
	if err == nil {
		err = n.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) write(conf string) {
	n.t.Helper()
	if err := os.WriteFile(n.file, []byte(conf), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) greetings() *greetings {
	return n.current.Load().declared.Services[1].Module.(*greeter).live
}

// addr returns the address of a listener, such as "alpha greet".
func (n *node) addr(name string) string {
	n.t.Helper()
	for _, b := range n.Bound() {
		if b.Service+" "+b.Name == name {
			return b.Addr.String()
		}
	}
	n.t.Fatalf("%s does not listen: %v", name, n.Bound())
	return ""
}

// greeting returns what a connection to the address yields.
func greeting(t *testing.T, addr string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "refused"
	}
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "reset"
	}
	return strings.TrimSpace(line)
}

func (n *node) run(name string) string {
	n.t.Helper()
	r, err := n.Commands().Run(n.t.Context(), command.Caller{Name: "test", Role: command.Admin, Local: true, Via: "test"}, name, nil)
	if err != nil {
		return err.Error()
	}
	return r.Text
}

func TestServices(t *testing.T) {
	n := startNode(t, "services = [\"beta\"]")
	if got := n.greetings().take(); got != "start beta switch beta" {
		t.Errorf("events %q", got)
	}
	n.write("[beta]\nenabled = false")
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := n.greetings().take(); got != "start alpha switch alpha stop beta" {
		t.Errorf("events %q", got)
	}
	for name, want := range map[string]string{
		"gamma": "gamma is not in this build: it needs the feature gamma",
		"delta": `no service that can be left off is named "delta"; there are ["alpha" "beta" "*"]`,
	} {
		n.write(fmt.Sprintf("services = [%q]", name))
		if err := n.Reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What keeps a reload from happening is said once: to who asked for it or, where that
// was a signal or a command, in one line of the log.
func TestFailedReloadIsSaidOnce(t *testing.T) {
	n := startNode(t, "")
	n.write("[alpha]\nwrod = 'x'")
	for _, tc := range []struct {
		name   string
		reload func()
		lines  int
	}{
		{"a caller", func() { n.Reload() }, 0},
		{"a signal", func() { n.Hangup() }, 1},
		{"a command", func() { n.run("reload") }, 1},
	} {
		before := n.journal.Next()
		tc.reload()
		count := 0
		for _, l := range n.journal.Last(1000) {
			if l.Number >= before && strings.Contains(l.Text, "wrod") {
				count++
			}
		}
		if count != tc.lines {
			t.Errorf("%s: %d lines in the log, not %d", tc.name, count, tc.lines)
		}
	}
}

// A socket of datagrams is kept over reloads and panics, and shares its port with one of streams.
func TestPackets(t *testing.T) {
	// An address that nobody else uses, so that its ports are free.
	n := startNode(t, "[beta]\npackets = [\"127.3.2.1:0\"]")
	addr := n.addr("beta packets")
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(word string) string {
		t.Helper()
		b := make([]byte, 16)
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := c.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		k, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:k])
	}
	if got := ask("?"); got != "hello" {
		t.Errorf("answered %q", got)
	}
	n.write(fmt.Sprintf("[beta]\nword = \"hi\"\nalso = [%q]\npackets = [\"127.3.2.1:0\"]", addr))
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := greeting(t, addr); got != "hi also from beta" {
		t.Errorf("greeted with %q", got)
	}
	c.Write([]byte("panic"))
	if got := ask("?"); got != "hi" {
		t.Errorf("answered %q", got)
	}
	n.write("")
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := <-n.greetings().gone; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %v from a closed socket", err)
	}
}

func TestStartAndStop(t *testing.T) {
	n := startNode(t, "")
	live := n.greetings()
	if got := live.take(); got != "start alpha start beta switch alpha switch beta" {
		t.Errorf("events %q", got)
	}
	if got := greeting(t, n.addr("alpha greet")); got != "hello from alpha" {
		t.Errorf("greeted with %q", got)
	}
	welcome := string(n.out.text)
	for _, part := range []string{"linnet 1.0 serves example.org", n.addr("beta greet") + " (plain)", "linnet ctl -data " + n.Site().Data + " help"} {
		if !strings.Contains(welcome, part) {
			t.Errorf("the welcome lacks %q:\n%s", part, welcome)
		}
	}
	var out bytes.Buffer
	c := control.Client{Dir: n.Site().Data, In: strings.NewReader(""), Out: &out, Err: &out}
	if code := c.Run([]string{"status", "-json"}); code != 0 || !strings.Contains(out.String(), `"version":"1.0"`) || !strings.Contains(out.String(), `"listener":"greet"`) {
		t.Errorf("status: %d %s", code, out.String())
	}
	addr := n.addr("alpha greet")
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if got := live.take(); got != "stop beta stop alpha" {
		t.Errorf("events %q", got)
	}
	if got := greeting(t, addr); got != "refused" {
		t.Errorf("after the end: %q", got)
	}
	out.Reset()
	if code := c.Run([]string{"status"}); code != control.ExitNoServer {
		t.Errorf("after the end: %d %s", code, out.String())
	}
	if err := n.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestReload(t *testing.T) {
	n := startNode(t, "")
	live := n.greetings()
	alpha, beta := n.addr("alpha greet"), n.addr("beta greet")
	live.take()
	for _, step := range []struct {
		name, conf string
		problem    string // a part; "" when the reload succeeds
		events     string
		alpha      string // greetings at the addresses of the start
		beta       string
	}{
		{"nothing changed", "", "", "switch alpha switch beta", "hello from alpha", "hello from beta"},
		{"another word", "[alpha]\nword = 'moin'", "", "switch alpha switch beta", "moin from alpha", "hello from beta"},
		{"a mistake", "[alpha]\nword = 'tach'\nwrod = 'x'", `did you mean "word"?`, "", "moin from alpha", "hello from beta"},
		{"needs a restart", "[alpha]\nword = 'tach'\nfixed = 2", "[alpha] fixed: a change needs a restart", "", "moin from alpha", "hello from beta"},
		{"a feature that is not there", "[gamma]", "without the feature gamma", "", "moin from alpha", "hello from beta"},
		{"beta goes", "[beta]\nenabled = false\n[alpha]\nword = 'servus'", "", "switch alpha stop beta", "servus from alpha", "refused"},
		{"beta fails to come back", "[beta]\nfails = true\n[alpha]\nword = 'tach'", "beta: told to fail", "start beta stop beta", "servus from alpha", "refused"},
	} {
		n.write(step.conf)
		err := n.Reload()
		if (err == nil) != (step.problem == "") || err != nil && !strings.Contains(err.Error(), step.problem) {
			t.Errorf("%s: error %v, want a part %q", step.name, err, step.problem)
		}
		if got := live.take(); got != step.events {
			t.Errorf("%s: events %q, want %q", step.name, got, step.events)
		}
		if got := greeting(t, alpha); got != step.alpha {
			t.Errorf("%s: alpha says %q, want %q", step.name, got, step.alpha)
		}
		if got := greeting(t, beta); got != step.beta {
			t.Errorf("%s: beta says %q, want %q", step.name, got, step.beta)
		}
		if open := len(n.sockets.open); open != len(n.Bound()) {
			t.Errorf("%s: %d sockets are open, %d are in use", step.name, open, len(n.Bound()))
		}
	}
	if got := n.run("beta word"); !strings.Contains(got, "there is no command") {
		t.Errorf("the command of a service that is gone: %q", got)
	}
	up := func() (list string) {
		n.Metrics().Walk(func(s metric.Sample) bool {
			list += fmt.Sprint(s.Labels[0], s.Value, " ")
			return true
		}, "serviceUp")
		return list
	}
	if got := up(); got != "appliance1 alpha1 beta0 " {
		t.Errorf("services: %s", got)
	}
	n.write("")
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := live.take(); got != "start beta switch alpha switch beta" {
		t.Errorf("beta comes back: events %q", got)
	}
	if got := greeting(t, n.addr("beta greet")); got != "hello from beta" {
		t.Errorf("beta comes back: %q", got)
	}
	if got := up(); got != "appliance1 alpha1 beta1 " {
		t.Errorf("services: %s", got)
	}
	count := int64(0)
	n.Metrics().Walk(func(s metric.Sample) bool {
		if s.Desc.Name == "alphaGreetings" {
			count = s.Value
		}
		return true
	})
	if count != 7 {
		t.Errorf("%d greetings counted over all generations", count)
	}
	if n.greetings() != live || live.current.live != live {
		t.Error("the live state is another one")
	}
}

// free returns a port that nobody uses on any address: connections of others that linger on one of them would keep
// it from being bound on all.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func TestReloadAddresses(t *testing.T) {
	one, two, three := free(t), free(t), free(t)
	local := func(port string) string { return "127.0.0.1:" + port }
	n := startNode(t, fmt.Sprintf("[alpha]\nlisten = '%s'\n[beta]\nlisten = '%s'", local(one), local(two)))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, step := range []struct {
		name, conf string
		fails      bool
		want       []string // at ports one, two and three
	}{
		{"more", fmt.Sprintf("[alpha]\nlisten = ['%s', '%s']\n[beta]\nlisten = '%s'", local(one), local(three), local(two)), false,
			[]string{"hello from alpha", "hello from beta", "hello from alpha"}},
		{"one that is taken", fmt.Sprintf("[alpha]\nlisten = '%s'\n[beta]\nlisten = '%s'", local(one), taken.Addr()), true,
			[]string{"hello from alpha", "hello from beta", "hello from alpha"}},
		{"one address twice", fmt.Sprintf("[alpha]\nlisten = '%s'\n[beta]\nlisten = '%s'", local(one), local(one)), true,
			[]string{"hello from alpha", "hello from beta", "hello from alpha"}},
		{"fewer", fmt.Sprintf("[alpha]\nlisten = '%s'\n[beta]\nlisten = []", local(one)), false,
			[]string{"hello from alpha", "refused", "refused"}},
		{"from one listener to another", fmt.Sprintf("[alpha]\nlisten = []\nalso = '%s'\n[beta]\nlisten = '%s'", local(two), local(one)), false,
			[]string{"hello from beta", "hello also from alpha", "refused"}},
		{"all addresses of a port", fmt.Sprintf("[alpha]\nlisten = []\n[beta]\nlisten = '0.0.0.0:%s'", one), false,
			[]string{"hello from beta", "refused", "refused"}},
		{"back to one, and another taken", fmt.Sprintf("[alpha]\nlisten = '%s'\n[beta]\nlisten = '%s'", taken.Addr(), local(one)), true,
			[]string{"hello from beta", "refused", "refused"}},
	} {
		n.write(step.conf)
		if err := n.Reload(); (err != nil) != step.fails {
			t.Errorf("%s: %v", step.name, err)
		}
		var got []string
		for _, port := range []string{one, two, three} {
			got = append(got, greeting(t, local(port)))
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct{ name, conf, want, events string }{
		{"address", fmt.Sprintf("[alpha]\nlisten = '%s'", taken.Addr()), "alpha cannot listen on " + taken.Addr().String() + ": another program does", ""},
		{"service", "[beta]\nfails = true", "beta: told to fail", "start alpha start beta stop beta stop alpha"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := newNode(t, tc.conf)
			if err != nil {
				t.Fatal(err)
			}
			live := n.first.Load().fresh["greetings"].(*greetings)
			if err := n.Start(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
			if got := live.take(); got != tc.events {
				t.Errorf("events %q, want %q", got, tc.events)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			// Nothing is left locked: the same directory serves at once.
			again, err := New(Options{Data: n.first.Load().base.data, Set: []string{"domain=example.org"}, Services: []module.Info{greeterInfo("alpha")}})
			if err == nil {
				err = again.Start(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewFails(t *testing.T) {
	for _, tc := range []struct{ name, conf, want string }{
		{"several mistakes", "data = 1\n[alpha]\nwrod = 1\n[beta]\nlisten = 'x'", "linnet.toml:1: data: "},
		{"syntax", "[alpha", "linnet.toml:1: "},
		{"one address twice", "[alpha]\nlisten='127.0.0.1:5222'\n[beta]\nlisten='127.0.0.1:5222'", "linnet.toml:4: [beta] listen: 127.0.0.1:5222 is taken by listen of [alpha] in line 2"},
		{"all addresses of IPv6 before those of IPv4", "[alpha]\nlisten='[::]:5222'\n[beta]\nlisten='0.0.0.0:5222'", "linnet.toml:4: [beta] listen: 0.0.0.0:5222 is taken by [::]:5222, listen of [alpha] in line 2; [::] and 0.0.0.0 both are"},
		{"all addresses of IPv4 before those of IPv6", "[alpha]\nlisten='0.0.0.0:5222'\n[beta]\nlisten='[::]:5222'", "linnet.toml:4: [beta] listen: [::]:5222 is taken by 0.0.0.0:5222, listen of [alpha] in line 2; [::] and 0.0.0.0 both are"},
		{"one address before all", "[alpha]\nlisten='127.0.0.1:5222'\nalso=':5222'", "linnet.toml:3: [alpha] also: [::]:5222 is taken by 127.0.0.1:5222, listen of [alpha] in line 2; [::] and 0.0.0.0 both are"},
		{"all addresses in one list", "[alpha]\nlisten=['0.0.0.0:5222', '[::]:5222']", "linnet.toml:2: [alpha] listen: [::]:5222 is taken by 0.0.0.0:5222 of the same list; "},
		{"two spellings of one address", "[alpha]\nlisten=['[::1]:5222', '[0::1]:5222']", "linnet.toml:2: [alpha] listen: [0::1]:5222 is taken by [::1]:5222 of the same list"},
		{"all addresses for datagrams", "[alpha]\npackets=['[::]:5222']\n[beta]\npackets=['192.0.2.1:5222']", "linnet.toml:4: [beta] packets: 192.0.2.1:5222 is taken by [::]:5222, packets of [alpha] in line 2; "},
		{"one address twice in a list", "[alpha]\nlisten=['127.0.0.1:5222', '127.0.0.1:5222']", "linnet.toml:2: [alpha] listen: 127.0.0.1:5222 is there twice"},
		{"everything at once", "domains = ['a b']\nadmins = ['example.org']\n[memory]\nlimit = 64", "linnet.toml:2: admins: \"example.org\" is not an address such as alice@example.org\n"},
		{"two spellings of the domain", "domains = ['a']", "either domain or domains"},
		{"admin", "admins = ['example.org']", `linnet.toml:1: admins: "example.org" is not an address`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := newNode(t, tc.conf)
			var problems config.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
			if (tc.name == "several mistakes" || tc.name == "everything at once") && len(problems) != 3 {
				t.Errorf("%d problems: %v", len(problems), problems)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(n.file), "data")); !os.IsNotExist(err) {
				t.Error("something was written before the mistakes were found")
			}
		})
	}
	if _, err := New(Options{Config: "/nonexistent/linnet.toml"}); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("a missing file: %v", err)
	}
	twice := []module.Info{greeterInfo("alpha"), {Name: "again", New: greeterInfo("alpha").New}}
	if _, err := New(Options{Services: twice}); err == nil || !strings.Contains(err.Error(), "mistakes in declarations") {
		t.Errorf("mistakes in declarations: %v", err)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	n := startNode(t, "[alpha]\nword = 'panic'")
	for range 3 {
		if got := greeting(t, n.addr("alpha greet")); got != "" && got != "reset" {
			t.Errorf("greeted with %q", got)
		}
	}
	if got := greeting(t, n.addr("beta greet")); got != "hello from beta" {
		t.Errorf("another connection: %q", got)
	}
	if got := n.sockets.panics.Value(); got != 3 {
		t.Errorf("%d panics counted", got)
	}
}

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  func(n *node, cancel func())
		want error
	}{
		{"context", func(_ *node, cancel func()) { cancel() }, nil},
		{"shutdown", func(n *node, _ func()) { n.run("shutdown") }, nil},
		{"restart", func(n *node, _ func()) { n.run("restart") }, ErrRestart},
		{"device", func(n *node, _ func()) { n.current.Load().base.host.Device().Stop("test") }, nil},
		{"close", func(n *node, _ func()) { _ = n.Close() }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := newNode(t, "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error)
			go func() { done <- n.Run(ctx) }()
			<-n.out.said
			tc.ask(n, cancel)
			if err := <-done; !errors.Is(err, tc.want) {
				t.Errorf("Run returns %v, want %v", err, tc.want)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	n := startNode(t, "[alpha]\nword = 'moin'\n[log]\nlevel = 'warn'")
	for _, tc := range []struct {
		argv string
		want []string // parts
	}{
		{"status", []string{"domains        example.org", "store is       good", "alpha    greet"}},
		{"stat store", []string{"storeCommits", "storeWritten", "bytes"}},
		{"stat serviceUp -level info", []string{"no metric begins with"}},
		{"stat nonsense", []string{"no metric begins with"}},
		{"config show alpha", []string{`alpha    word     "moin"`, "file", "linnet.toml:2"}},
		{"config show [alpha] -changed", []string{`alpha    word    "moin"  file`}},
		{"config show aplha", []string{"did you mean [alpha]?"}},
		{"config sample", []string{"[alpha]", `#word = "hello"`, "[memory]"}},
		{"log level info", nil},
		{"log show", []string{"msg=command", "log level"}},
		{"reload", []string{"in force"}},
		{"alpha word", []string{"moin"}},
		{"backup " + filepath.Join(t.TempDir(), "copy"), []string{"file  ", "size  ", "KB"}},
		{"backup /nonexistent/copy", []string{"no backup can be written to /nonexistent: no such file"}},
		{"backup " + n.file, []string{"is there already"}},
		{"shutdown -yes -delay 25h", []string{"longer than a day"}},
		{"shutdown -yes -announcement bye", []string{"the announcement was not made"}},
	} {
		var out bytes.Buffer
		c := control.Client{Dir: n.Site().Data, In: strings.NewReader(""), Out: &out, Err: &out}
		c.Run(strings.Fields(tc.argv))
		for _, part := range tc.want {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s lacks %q:\n%s", tc.argv, part, out.String())
			}
		}
	}
	n.write("[alpha]\nwrod = 'x'")
	if got := n.run("reload"); !strings.Contains(got, "nothing was changed") || !strings.Contains(got, "linnet.toml:2: [alpha] wrod") {
		t.Errorf("reload of a mistake: %q", got)
	}
}

// A reload that is asked for while the node ends is refused; it must not keep the end from coming.
func TestReloadWhileClosing(t *testing.T) {
	n := startNode(t, "")
	n.work.Lock()
	if err := n.Reload(); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a reload beside another: %v", err)
	}
	n.work.Unlock()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Reload(); err == nil {
		t.Error("a node that has ended is reloaded")
	}
}

// Three nodes in one process know nothing of each other.
func TestThreeNodes(t *testing.T) {
	var nodes []*node
	for i := range 3 {
		nodes = append(nodes, startNode(t, fmt.Sprintf("[alpha]\nword = 'node %d'", i)))
	}
	for i, n := range nodes {
		if got, want := greeting(t, n.addr("alpha greet")), fmt.Sprintf("node %d from alpha", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Connections, commands and reloads at once; it is the race detector that judges.
func TestConcurrent(t *testing.T) {
	n := startNode(t, "")
	addr := n.addr("alpha greet")
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 10 {
			if err := n.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 30 {
				if got := greeting(t, addr); got != "hello from alpha" {
					t.Errorf("greeted with %q", got)
				}
				n.run("status")
				n.Metrics().Walk(func(metric.Sample) bool { return true })
			}
		})
	}
	wg.Wait()
}
