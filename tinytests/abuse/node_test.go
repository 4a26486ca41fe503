package abuse

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"linnet/appliance"
	_ "linnet/appliance/features" // a node of everything that this build has
	"linnet/netsvc/command"
	"linnet/netsvc/metric"
)

// node is an appliance in this process, as seen by one test.
type node struct {
	t   *testing.T
	app *appliance.Appliance
	by  *bystanders
}

// bystanders are two who are logged in and do no wrong.
type bystanders struct {
	peers [2]*peer
	count int // of their messages
}

// password of every account.
const password = "r0m30myr0m30"

// start starts a node with these options, each "section.option=value". Tests run
// side by side from here on: most of what they do is wait.
func start(t *testing.T, set ...string) *node {
	t.Helper()
	t.Parallel()
	app, err := appliance.New(appliance.Options{
		Data: t.TempDir(), Version: "test",
		Set: append([]string{
			"domain=localhost", "services=",
			"c2s.listen=127.0.0.1:0", "c2s.direct_tls=127.0.0.1:0", "c2s.plain=127.0.0.1:0",
			"account.iterations=4096", // the least that is allowed: logins are not what is measured here
		}, set...),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	n := &node{t: t, app: app, by: new(bystanders)}
	n.accounts("benvolio", "balthasar")
	n.by.peers = [2]*peer{n.login("benvolio/street"), n.login("balthasar/street")}
	return n
}

// each runs a test for each row, and then lets the bystanders chat.
func each[T any](n *node, rows []T, name func(T) string, f func(*node, T)) {
	for _, row := range rows {
		n.t.Run(name(row), func(t *testing.T) {
			f(&node{t, n.app, n.by}, row)
			n.fine()
		})
	}
}

// accounts makes accounts at localhost.
func (n *node) accounts(names ...string) {
	n.t.Helper()
	for _, name := range names {
		n.run("user add", command.Values{"jid": {name + "@localhost"}, "password": {password}})
	}
}

// run runs a command as the administrator on this machine.
func (n *node) run(name string, args command.Values) *command.Result {
	n.t.Helper()
	caller := command.Caller{Name: "test", Role: command.Admin, Via: "test", Local: true}
	r, err := n.app.Commands().Run(context.Background(), caller, name, args)
	if err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
	return r
}

// metric reads a counter or gauge, the row with these labels where it has some.
func (n *node) metric(name string, labels ...string) (value int64) {
	n.t.Helper()
	known := false
	n.app.Metrics().Walk(func(s metric.Sample) bool {
		if s.Desc.Name == name {
			known = true
			if slices.Equal(s.Labels, labels) || len(s.Labels)+len(labels) == 0 {
				value = s.Value
			}
		}
		return true
	})
	if !known && len(labels) == 0 {
		n.t.Fatalf("there is no metric %s", name)
	}
	return value
}

// counts calls f and wants it to raise the counter by so much.
func (n *node) counts(by int64, f func(), name string, labels ...string) {
	n.t.Helper()
	before := n.metric(name, labels...)
	f()
	n.until(func() bool { return n.metric(name, labels...) >= before+by }, "%s %v stayed at %d, or near it", name, labels, before)
	if now := n.metric(name, labels...); now != before+by {
		n.t.Errorf("%s %v went from %d to %d, not by %d", name, labels, before, now, by)
	}
}

// until waits for something that happens soon by itself.
func (n *node) until(is func() bool, format string, args ...any) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			n.t.Fatalf(format, args...)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// fine has the bystanders chat, both ways.
func (n *node) fine() {
	n.t.Helper()
	for i, to := range [2]string{"balthasar", "benvolio"} {
		n.by.count++
		n.by.peers[i].send("<message to='%s@localhost/street' type='chat' id='f%d'><body>%d</body></message>", to, n.by.count, n.by.count)
		n.by.peers[1-i].expect("<message [^>]*id='f%d'[^>]*><body>%d</body>.*?</message>", n.by.count, n.by.count)
	}
}

// addr returns where a listener of c2s is: "c2s", "direct" or "plain".
func (n *node) addr(listener string) string {
	n.t.Helper()
	for _, b := range n.app.Bound() {
		if b.Name == listener {
			return b.Addr.String()
		}
	}
	n.t.Fatalf("there is no listener %s", listener)
	return ""
}

// dial connects to a listener.
func (n *node) dial(listener string) *peer { return n.dialFrom("127.0.0.1", listener) }

// dialFrom connects from one of the many addresses that a loopback has.
func (n *node) dialFrom(local, listener string) *peer {
	n.t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c, err := d.Dial("tcp", n.addr(listener))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return &peer{t: n.t, conn: c, name: fmt.Sprint(c.LocalAddr())}
}
