package c2s

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/xmpp/server"
)

// node is this edge with what it stands on, without sockets: connections are wires,
// and time is fake.
type node struct {
	*moduletest.Running
	t     *testing.T
	parts *parts
}

// parts are the services as one module: c2s under its own name, the others within it.
type parts struct {
	host module.Host
	all  []module.Module
}

func (p *parts) Setup(h module.Host) error {
	p.host = h
	var errs []error
	for _, name := range []string{"account", "cert", server.Name, "c2s"} {
		i := slices.IndexFunc(module.All(), func(i module.Info) bool { return i.Name == name })
		m := module.All()[i].New()
		p.all = append(p.all, m)
		sub := h
		if name != "c2s" {
			sub = h.Sub(name)
		}
		errs = append(errs, m.Setup(sub))
	}
	return errors.Join(errs...)
}

func (p *parts) Start(ctx context.Context) error {
	var errs []error
	for _, m := range p.all {
		if s, ok := m.(module.Starter); ok {
			errs = append(errs, s.Start(ctx))
		}
	}
	return errors.Join(errs...)
}

func (p *parts) Switch() {
	for _, m := range p.all {
		if s, ok := m.(module.Switcher); ok {
			s.Switch()
		}
	}
}

func (p *parts) Stop(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(p.all) {
		if s, ok := m.(module.Stopper); ok {
			errs = append(errs, s.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

func (p *parts) Pressure(by module.Pressure) { p.edge().Pressure(by) }

func (p *parts) edge() *edge { return p.all[len(p.all)-1].(*edge) }

// options are values in pairs; the cheapest passwords are among them.
func options(values ...string) map[string]string {
	o := map[string]string{"c2s.account/iterations": "4096"}
	for i := 0; i < len(values); i += 2 {
		o[values[i]] = values[i+1]
	}
	return o
}

const password = "r0m30myr0m30"

// run runs a test in a bubble, with a node that has the accounts romeo and juliet.
func run(t *testing.T, values map[string]string, f func(t *testing.T, n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t}
		info := module.Info{Name: "c2s", New: func() module.Module {
			n.parts = new(parts)
			return n.parts
		}}
		n.Running = moduletest.Start(t, info, moduletest.Options{Values: values, Site: &module.Site{Domains: []string{"montague.lit"}, Data: t.TempDir()}})
		for _, name := range []string{"romeo", "juliet"} {
			if _, err := n.accounts().Create(t.Context(), account.NewAccount{JID: jid.MustParse(name + "@montague.lit"), Password: password}); err != nil {
				t.Fatal(err)
			}
		}
		f(t, n)
		synctest.Wait()
	})
}

func (n *node) accounts() *account.Accounts { return account.Of(n.parts.host) }

// dial connects to a listener from an address; "" is some address of this network.
func (n *node) dial(listener, from string) *peer {
	n.t.Helper()
	if from == "" {
		from = "192.0.2.1"
	}
	here, there := wires(net.ParseIP(from))
	go n.Listener(listener).Serve(there)
	synctest.Wait()
	p := &peer{t: n.t, conn: here, wire: here}
	n.t.Cleanup(func() { here.Close() })
	return p
}

// login logs "name/resource" in, without TLS.
func (n *node) login(full string) *peer {
	n.t.Helper()
	name, resource, _ := strings.Cut(full, "/")
	return n.dial("plain", "").open().authenticate(name).bind(resource)
}

// counts compares the counters of connections.
func (n *node) counts(accepted, negotiated, failed int64) {
	n.t.Helper()
	synctest.Wait()
	sum := int64(0)
	for _, listener := range []string{"c2s", "direct", "plain"} {
		sum += n.accepted(listener)
	}
	if sum != accepted || n.Metric("clientsNegotiated") != negotiated || n.Metric("clientsFailed") != failed {
		n.t.Errorf("%d accepted, %d negotiated, %d failed, not %d, %d, %d", sum, n.Metric("clientsNegotiated"), n.Metric("clientsFailed"), accepted, negotiated, failed)
	}
}

// accepted is how many connections came to a listener.
func (n *node) accepted(listener string) (count int64) {
	n.Walk(func(s metric.Sample) bool {
		if s.Labels[0] == listener {
			count = s.Value
		}
		return true
	}, "clientsAccepted")
	return count
}

// peer is a client's end of a connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	wire *wire
	over bool // the server has closed it
}

const (
	header = "<?xml version='1.0'?><stream:stream to='montague.lit' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	errs   = "urn:ietf:params:xml:ns:xmpp-streams"
)

func (p *peer) send(text string) *peer {
	io.WriteString(p.conn, text)
	return p
}

// take returns what has come, once everything is at rest.
func (p *peer) take() string {
	synctest.Wait()
	p.wire.SetReadDeadline(time.Unix(1, 0))
	defer p.wire.SetReadDeadline(time.Time{})
	var all []byte
	b := make([]byte, 32<<10)
	for {
		n, err := p.conn.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			p.over = p.over || !errors.Is(err, os.ErrDeadlineExceeded)
			return string(all)
		}
	}
}

// expect takes what has come, which must contain the pieces in this order; with none,
// nothing may have come.
func (p *peer) expect(pieces ...string) string {
	p.t.Helper()
	got := p.take()
	rest := got
	for _, piece := range pieces {
		_, behind, ok := strings.Cut(rest, piece)
		if !ok {
			p.t.Fatalf("got\n  %s\nwant, in this order, %q", got, pieces)
		}
		rest = behind
	}
	if len(pieces) == 0 && got != "" {
		p.t.Fatalf("got\n  %s\nwant nothing", got)
	}
	return got
}

// fails wants the stream to end with the condition, and the connection with it once
// the client has closed its side.
func (p *peer) fails(condition string) {
	p.t.Helper()
	p.expect("<stream:error><"+condition+" xmlns='"+errs+"'/>", "</stream:stream>")
	p.wire.Close()
}

// ends wants the connection to be closed without a word.
func (p *peer) ends() {
	p.t.Helper()
	if p.expect(); !p.over {
		p.t.Fatal("the connection is open")
	}
}

// alive wants an answer, and nothing before it.
func (p *peer) alive() {
	p.t.Helper()
	p.send("<iq type='get' id='alive' to='montague.lit'><x xmlns='urn:example'/></iq>")
	if got := p.take(); !strings.HasPrefix(got, "<iq ") || !strings.Contains(got, "id='alive'") {
		p.t.Fatalf("got %q", got)
	}
}

// open begins a stream and takes the features.
func (p *peer) open() *peer {
	p.t.Helper()
	p.send(header).expect("<stream:stream ", "<stream:features>", "</stream:features>")
	return p
}

// handshake goes on inside TLS.
func (p *peer) handshake(alpn ...string) *tls.Conn {
	p.t.Helper()
	c := tls.Client(p.wire, &tls.Config{ServerName: "montague.lit", InsecureSkipVerify: true, NextProtos: alpn})
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn = c
	return c
}

func (p *peer) startTLS() *peer {
	p.t.Helper()
	p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	p.handshake()
	return p
}

func auth(name string) string {
	text := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + password))
	return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + text + "</auth>"
}

func (p *peer) authenticate(name string) *peer {
	p.t.Helper()
	p.send(auth(name)).expect("<success ")
	return p.open()
}

func bind(resource string) string {
	return "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>"
}

func (p *peer) bind(resource string) *peer {
	p.t.Helper()
	p.send(bind(resource)).expect("type='result'", "/"+resource+"</jid>")
	return p
}

// wire is one end of a connection in memory. What is written waits at the other end.
type wire struct {
	in, out *half
	remote  net.Addr
}

// half is one direction.
type half struct {
	mu     sync.Mutex
	change sync.Cond
	bytes  []byte
	closed bool      // no more will come
	until  time.Time // the reader's deadline; zero: none
}

// wires returns a client's end, and the server's, which sees the client's address.
func wires(client net.IP) (here, there *wire) {
	up, down := new(half), new(half)
	up.change.L, down.change.L = &up.mu, &down.mu
	here = &wire{down, up, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 5222}}
	return here, &wire{up, down, &net.TCPAddr{IP: client, Port: 40000}}
}

func (w *wire) Read(b []byte) (int, error) {
	h := w.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case len(h.bytes) > 0:
			n := copy(b, h.bytes)
			h.bytes = h.bytes[n:]
			return n, nil
		case h.closed:
			return 0, io.EOF
		case !h.until.IsZero() && !time.Now().Before(h.until):
			return 0, os.ErrDeadlineExceeded
		}
		h.change.Wait()
	}
}

func (w *wire) Write(b []byte) (int, error) {
	h := w.out
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, net.ErrClosed
	}
	h.bytes = append(h.bytes, b...)
	h.change.Broadcast()
	return len(b), nil
}

func (w *wire) Close() error {
	for _, h := range []*half{w.in, w.out} {
		h.mu.Lock()
		h.closed = true
		h.change.Broadcast()
		h.mu.Unlock()
	}
	return nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	h := w.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = t
	h.change.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, h.change.Broadcast)
	}
	return nil
}

func (w *wire) SetDeadline(t time.Time) error      { return w.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return nil } // writing takes no time
func (w *wire) LocalAddr() net.Addr                { return w.remote }
func (w *wire) RemoteAddr() net.Addr               { return w.remote }

// CloseWrite says that no more will come from this end.
func (w *wire) CloseWrite() error {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	w.out.closed = true
	w.out.change.Broadcast()
	return nil
}
