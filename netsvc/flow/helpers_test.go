package flow

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen; it is reached only
// by a test that fails.
const patience = 10 * time.Second

// certificate is one for tests, made once: an ECDSA key costs little, but a
// test binary that makes hundreds is slow under the race detector.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"example.org"},
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverConfig(version uint16) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate()},
		MinVersion:   version, MaxVersion: version,
		NextProtos: []string{"xmpp-client"},
	}
}

func tlsClient(nc net.Conn) *tls.Conn { return tls.Client(nc, clientConfig()) }

func clientConfig() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "example.org", NextProtos: []string{"xmpp-client"}}
}

// kind is a way to be connected.
type kind struct {
	name    string
	version uint16 // of TLS; 0: none
	pipe    bool   // net.Pipe instead of TCP
	bare    bool   // TCP without a Pump
}

var kinds = []kind{
	{name: "plain"},
	{name: "tls13", version: tls.VersionTLS13},
	{name: "tls12", version: tls.VersionTLS12},
	{name: "pipe", pipe: true},
	{name: "pipe tls", pipe: true, version: tls.VersionTLS13},
	{name: "no pump", bare: true},
	{name: "no pump tls", bare: true, version: tls.VersionTLS13},
}

// forKinds runs test for each kind of connection.
func forKinds(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

// newPump returns a pump with one shard that is closed, and whose goroutines
// are gone, when the test ends.
func newPump(t *testing.T) *Pump {
	p := NewPump(Options{Shards: 1})
	t.Cleanup(func() {
		p.Close()
		eventually(t, "all lent memory is back", func() bool { return p.Stats().Pool.Out == 0 })
	})
	return p
}

// tcp returns the two ends of a loopback connection.
func tcp(t *testing.T) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	// Also keeps it from being collected, which would close it.
	t.Cleanup(func() { client.Close() })
	return server, client
}

// dial returns a connection of the kind and the peer's end of it.
func dial(t *testing.T, p *Pump, k kind) (*Conn, net.Conn) {
	t.Helper()
	server, client := net.Conn(nil), net.Conn(nil)
	if k.pipe {
		server, client = net.Pipe()
	} else {
		server, client = tcp(t)
	}
	if k.bare || k.pipe {
		p = nil
	}
	c := p.NewConn(server)
	if k.version != 0 {
		client = secure(t, c, client, k.version)
	}
	t.Cleanup(func() { c.Close(); client.Close() })
	return c, client
}

// secure does both ends of a handshake.
func secure(t *testing.T, c *Conn, client net.Conn, version uint16) *tls.Conn {
	t.Helper()
	peer := tls.Client(client, clientConfig())
	failed := make(chan error, 1)
	go func() { failed <- peer.Handshake() }()
	if err := c.StartTLS(context.Background(), serverConfig(version)); err != nil {
		t.Fatal("server's handshake:", err)
	}
	if err := <-failed; err != nil {
		t.Fatal("client's handshake:", err)
	}
	return peer
}

// eventually waits until what is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came true: " + what)
		}
	}
}

// receive returns the next value of ch.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %T came\n%s", *new(T), stacks())
		panic("unreachable")
	}
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

// turns is a Handler that passes on what its Turns get, and answers with next.
type turns struct {
	bytes chan []byte
	ends  chan error // Kick, deadline and the final error
	next  func(c *Conn, b *Buffer) Next
}

func newTurns() *turns {
	return &turns{bytes: make(chan []byte, 1000), ends: make(chan error, 10)}
}

func (h *turns) Turn(c *Conn, b *Buffer, err error) Next {
	if err != nil {
		h.ends <- err
		return More
	}
	if h.next != nil {
		return h.next(c, b)
	}
	h.bytes <- bytes.Clone(b.Bytes())
	b.Discard(b.Len())
	return More
}

// fills makes a Handler of a goroutine that calls Fill, so that one test holds
// both ways of reading to the same.
func fills(c *Conn, b *Buffer, h Handler) {
	go func() {
		for {
			err := c.Fill(b)
			if h.Turn(c, b, err); final(err) {
				b.Release()
				return
			}
		}
	}()
}

// ways are the two ways of reading.
var ways = []struct {
	name  string
	start func(c *Conn, b *Buffer, h Handler)
}{
	{"fill", fills},
	{"serve", (*Conn).Serve},
}

// fates records what Dones were told, in order.
type fates struct {
	mu   sync.Mutex
	told []fate
}

type fate struct {
	item int
	ok   bool
}

type done struct {
	fates *fates
	item  int
}

func (d done) Written(ok bool) {
	d.fates.mu.Lock()
	d.fates.told = append(d.fates.told, fate{d.item, ok})
	d.fates.mu.Unlock()
}

func (f *fates) all() []fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fate(nil), f.told...)
}

// pattern returns n bytes that tell where they belong.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

// readAll reads n bytes from r.
func readAll(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if k, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("read %d of %d bytes: %v", k, n, err)
	}
	return b
}

// limited returns the outbox of c with another limit.
func limited(c *Conn, limit int) *Outbox {
	c.Outbox().SetLimit(limit)
	return c.Outbox()
}
