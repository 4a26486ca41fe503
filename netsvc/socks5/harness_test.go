package socks5

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/command"
	"linnet/netsvc/flow"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/socks"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// services are the accounts, the ledger and the proxy as one module.
type services struct{ parts []module.Module }

func (s *services) Setup(h module.Host) error {
	var errs []error
	for _, name := range []string{"account", "quota", "socks5"} {
		for _, info := range module.All() {
			if info.Name == name {
				m := info.New()
				s.parts = append(s.parts, m)
				errs = append(errs, m.Setup(h.Sub(name)))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *services) Start(ctx context.Context) error {
	for _, m := range s.parts {
		if err := m.(module.Starter).Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *services) Switch() {
	for _, m := range s.parts {
		m.(module.Switcher).Switch()
	}
}

func (s *services) Stop(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(s.parts) {
		errs = append(errs, m.(module.Stopper).Stop(ctx))
	}
	return errors.Join(errs...)
}

// lab is a running proxy.
type lab struct {
	*moduletest.Running
	t     *testing.T
	addr  string
	proxy *proxy
	desk  *transfer.Desk
}

var romeo, juliet = jid.MustParse("romeo@montague.lit/orchard"), jid.MustParse("juliet@capulet.lit/balcony")

func newLab(t *testing.T, values map[string]string) *lab {
	t.Helper()
	all := map[string]string{"node.socks5/listen": "127.0.0.1:0"}
	for k, v := range values {
		all["node."+k] = v
	}
	made := &services{}
	info := module.Info{Name: "node", New: func() module.Module { made = &services{}; return made }}
	l := &lab{t: t}
	l.Running = moduletest.Start(t, info, moduletest.Options{Values: all,
		Site: &module.Site{Domains: []string{"montague.lit", "capulet.lit"}, Data: t.TempDir(), Version: "test"}})
	l.proxy = made.parts[2].(*proxy)
	l.desk = l.proxy.desk
	for _, j := range []jid.JID{romeo, juliet} {
		if _, err := account.Of(l.proxy.host).Create(t.Context(), account.NewAccount{JID: j.Bare()}); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := flow.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = ln.Addr().String()
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go l.Listener("socks5").Serve(c)
		}
	}()
	return l
}

func (l *lab) run(name string, args ...string) (*command.Result, error) {
	v := command.Values{}
	for i := 0; i < len(args); i += 2 {
		v[args[i]] = []string{args[i+1]}
	}
	return l.Run(name, v)
}

// dial opens a connection to the proxy that ends with the test.
func (l *lab) dial() *net.TCPConn {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// ask names a key and returns the reply.
func ask(c net.Conn, key string) (socks.Reply, error) {
	if _, err := c.Write(socks.AppendGreeting(nil, socks.NoAuth)); err != nil {
		return 0, err
	}
	var method [2]byte
	if _, err := io.ReadFull(c, method[:]); err != nil {
		return 0, err
	}
	request := socks.AppendRequest(nil, socks.Connect, socks.Address{Name: key})
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	reply := make([]byte, len(request))
	_, err := io.ReadFull(c, reply)
	return socks.Reply(reply[1]), err
}

// connect is a party that waits for its transfer.
func (l *lab) connect(key string) *net.TCPConn {
	l.t.Helper()
	c := l.dial()
	if r, err := ask(c, key); r != socks.Succeeded || err != nil {
		l.t.Fatalf("reply %d, %v", r, err)
	}
	return c
}

func request(sid string) transfer.Request {
	return transfer.Request{Requester: romeo, Target: juliet, SID: sid, Keys: []string{transfer.Key(sid, romeo.String(), juliet.String())}}
}

// activate asks for the transfer and waits for the answer.
func (l *lab) activate(r transfer.Request) error {
	l.t.Helper()
	answer := make(chan error, 1)
	l.desk.Proxy().Activate(r, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-time.After(patience):
		l.t.Fatal("no answer")
		return nil
	}
}

// begin makes a transfer from romeo to juliet and returns their ends.
func (l *lab) begin(sid string) (from, to *net.TCPConn) {
	l.t.Helper()
	r := request(sid)
	to = l.connect(r.Keys[0]) // the target comes first
	from = l.connect(r.Keys[0])
	if err := l.activate(r); err != nil {
		l.t.Fatal(err)
	}
	return from, to
}

// eventually waits until f is true.
func (l *lab) eventually(what string, f func() bool) {
	l.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: it did not happen", what)
		}
	}
}

func (l *lab) used(who string) (out, in int64) {
	l.t.Helper()
	user, ok, err := account.Of(l.proxy.host).Lookup(jid.MustParse(who))
	if !ok || err != nil {
		l.t.Fatal(err)
	}
	ledger := l.proxy.ledger
	u, err := ledger.UseOf(subject(user), ledger.Month())
	if err != nil {
		l.t.Fatal(err)
	}
	return u.Out, u.In
}
