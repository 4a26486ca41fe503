package server

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/store"
)

// node is a server with its accounts and whatever extensions the test binary has,
// without edges: clients are sinks.
type node struct {
	*Server
	t       *testing.T
	running *moduletest.Running
}

// both is the account service and the server as one module.
type both struct {
	parts []module.Module
}

func (b *both) Setup(h module.Host) error {
	var errs []error
	for _, info := range module.All() {
		if info.Name == "account" || info.Name == Name {
			m := info.New()
			b.parts = append(b.parts, m)
			errs = append(errs, m.Setup(h))
		}
	}
	return errors.Join(errs...)
}

func (b *both) Start(ctx context.Context) error {
	var errs []error
	for _, m := range b.parts {
		errs = append(errs, m.(module.Starter).Start(ctx))
	}
	return errors.Join(errs...)
}

func (b *both) Stop(ctx context.Context) error {
	return errors.Join(b.parts[1].(module.Stopper).Stop(ctx), b.parts[0].(module.Stopper).Stop(ctx))
}

func (b *both) Switch() {
	for _, m := range b.parts {
		if s, ok := m.(module.Switcher); ok {
			s.Switch()
		}
	}
}

// run runs a test against a node in a bubble: time is fake, and settle waits until
// nothing more happens.
func run(t *testing.T, f func(n *node)) {
	t.Helper()
	runBuilt(t, time.Time{}, f)
}

// runBuilt is run for a program that was made at that time.
func runBuilt(t *testing.T, built time.Time, f func(n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &both{}
		var srv *Server
		info := module.Info{Name: "node", New: func() module.Module { return b }}
		r := moduletest.Start(t, info, moduletest.Options{Built: built, Site: &module.Site{Domains: []string{"montague.lit"}, Data: t.TempDir()}})
		srv = b.parts[1].(*service).g.Server
		f(&node{Server: srv, t: t, running: r})
	})
}

func (n *node) settle() { synctest.Wait() }

// user makes an account, without deriving keys.
func (n *node) user(name string) users.Account {
	n.t.Helper()
	u, err := n.accounts.Create(context.Background(), users.NewAccount{JID: jid.MustParse(name + "@montague.lit")})
	if err != nil {
		n.t.Fatal(err)
	}
	return u
}

// account returns the account of that name, made if need be.
func (n *node) account(name string) users.Account {
	n.t.Helper()
	u, ok, err := n.accounts.Lookup(jid.MustParse(name + "@montague.lit"))
	if err != nil {
		n.t.Fatal(err)
	}
	if !ok {
		u = n.user(name)
	}
	return u
}

// offlineRows counts the messages in all offline stores and spools.
func (n *node) offlineRows(t *testing.T) int {
	t.Helper()
	n.settle()
	return n.rows()
}

// rows is offlineRows as of now.
func (n *node) rows() (rows int) {
	for _, tab := range n.store.Options().Tables {
		if tab.Name != "offline" {
			continue
		}
		if err := n.store.View(func(tx *store.Tx) error { rows = tx.Count(tab, nil, nil, 0); return nil }); err != nil {
			n.t.Error(err)
		}
	}
	return rows
}

func message(body string) *stanza.Stanza {
	return stanza.NewMessage(stanza.Chat, "", jid.JID{}, jid.JID{}, []byte("<body>"+body+"</body>"))
}

// client is one bound resource with its sink.
type client struct {
	*Session
	n     *node
	sink  *sink
	epoch uint32

	unstick func() // see stick
}

func (n *node) bind(u users.Account, resource string) *client {
	n.t.Helper()
	out := newSink()
	ss, err := n.Bind(u, resource)
	if err != nil {
		n.t.Fatal(err)
	}
	epoch := ss.Attach(Link{Out: out, Addr: "192.0.2.1:5", Secure: true})
	return &client{Session: ss, n: n, sink: out, epoch: epoch}
}

// online binds and sends the initial presence.
func (n *node) online(u users.Account, resource string) *client {
	n.t.Helper()
	c := n.bind(u, resource)
	c.send("<presence/>")
	c.read()
	return c
}

// send gives the server one stanza as the client's reader would.
func (c *client) send(text string) {
	c.n.t.Helper()
	s, err := stanza.Parse([]byte(text))
	if err != nil {
		c.n.t.Fatalf("%s: %v", text, err)
	}
	c.Receive(c.epoch, s.Relay(c.JID(), s.To), nil)
}

// read waits until nothing more happens and returns what came since the last read.
func (c *client) read() string {
	c.n.settle()
	return c.sink.take()
}

// expect fails the test unless exactly these pieces come, in this order.
func (c *client) expect(pieces ...string) {
	c.n.t.Helper()
	got := c.read()
	rest := got
	for _, p := range pieces {
		i := strings.Index(rest, p)
		if i < 0 {
			c.n.t.Fatalf("%s got:\n%s\nwant, in this order: %q", c.JID(), got, pieces)
		}
		rest = rest[i+len(p):]
	}
	if len(pieces) == 0 && got != "" {
		c.n.t.Fatalf("%s got:\n%s\nwant nothing", c.JID(), got)
	}
}

// sink is an Outlet that behaves: it has a limit, tells every Done in order, and
// can be slow.
type sink struct {
	mu      sync.Mutex
	wrote   bytes.Buffer
	queue   []flow.Item // while slow
	slow    bool
	stuck   chan struct{} // Close has to wait for it
	unstick func()
	told    chan struct{} // what was under way has to be told before Close is
	limit   int
	held    int
	closed  bool
}

func newSink() *sink { return &sink{limit: 1 << 20} }

func (k *sink) Add(it flow.Item) bool {
	size := 0
	for _, s := range it.Segs {
		size += len(s)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.held+size > k.limit {
		return false
	}
	if k.slow {
		k.held += size
		k.queue = append(k.queue, it)
		return true
	}
	for _, s := range it.Segs {
		k.wrote.Write(s)
	}
	if it.Done != nil {
		go it.Done.Written(true)
	}
	return true
}

func (k *sink) Lost() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// lose has the client's connection end, which its edge has not noticed.
func (c *client) lose() {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.closed = true
}

// breaks is lose, and returns what tells of everything that is under way that it was not written.
func (c *client) breaks() (tell func()) {
	c.lose()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	queue, told := c.sink.queue, make(chan struct{})
	c.sink.queue, c.sink.told = nil, told
	tell = sync.OnceFunc(func() {
		for _, it := range queue {
			if it.Done != nil {
				it.Done.Written(false)
			}
		}
		close(told)
	})
	c.n.t.Cleanup(tell) // for a test that fails
	return tell
}

// Kill lets a Close that is stuck go on.
func (k *sink) Kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unstick != nil {
		k.unstick()
	}
}

// stick makes the client slow, and the end of its connection wait for unstick.
func (c *client) stick() {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.slow, c.sink.stuck = true, make(chan struct{})
	stuck := c.sink.stuck
	c.unstick = sync.OnceFunc(func() { close(stuck) })
	c.sink.unstick = c.unstick
	c.n.t.Cleanup(c.unstick) // for a test that fails
}

func (k *sink) Close(_ time.Duration, farewell []byte, last flow.Done) {
	k.mu.Lock()
	defer k.mu.Unlock()
	queue := k.queue
	k.queue = nil
	if !k.closed && !k.slow {
		k.wrote.Write(farewell)
	}
	k.closed = true
	stuck, told := k.stuck, k.told
	go func() {
		if stuck != nil {
			<-stuck
		}
		if told != nil {
			<-told
		}
		for _, it := range queue {
			if it.Done != nil {
				it.Done.Written(false)
			}
		}
		if last != nil {
			last.Written(true)
		}
	}()
}

func (k *sink) take() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.wrote.String()
	k.wrote.Reset()
	return s
}
