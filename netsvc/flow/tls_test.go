package flow

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tap is the client's transport: it can hold back what is written.
type tap struct {
	net.Conn
	mu   sync.Mutex
	hold bool
	held []byte
	// glue, if not nil, says after how many writes holding begins by itself.
	glue *int
}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.glue != nil && *w.glue == 0 {
		w.hold = true
		w.glue = nil
	} else if w.glue != nil {
		*w.glue--
	}
	if w.hold {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// SetWriteDeadline is for what crypto/tls does behind a close_notify, which
// would keep the test from sending what was held.
func (w *tap) SetWriteDeadline(time.Time) error { return nil }

// take returns what was held, and goes on holding.
func (w *tap) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.held
	w.held = nil
	w.hold = true
	return b
}

// consumed waits until the server has read everything that was sent to it.
func consumed(t *testing.T, c *Conn) {
	t.Helper()
	eventually(t, "the server read all", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fd < 0 || c.serve.queued || c.serve.turning || c.users > 0 {
			return false
		}
		n, err := unix.IoctlGetInt(c.fd, unix.SIOCINQ)
		return err == nil && n == 0 && !c.readable
	})
}

func forTLS(t *testing.T, test func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler))) {
	for _, w := range ways {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(w.name+" "+tls.VersionName(version), func(t *testing.T) { test(t, version, w.start) })
		}
	}
}

// TestRecordsCutAnywhere sends two records in two segments, cut at each byte.
func TestRecordsCutAnywhere(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		server, client := tcp(t)
		c := newPump(t).NewConn(server)
		wire := &tap{Conn: client}
		peer := secure(t, c, wire, version)
		defer c.Close()
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		wire.take()
		cut := 0
		for size := 1; cut < size; cut++ {
			first, second := fmt.Sprint("first ", cut), fmt.Sprint("second ", cut)
			peer.Write([]byte(first))
			peer.Write([]byte(second))
			records := wire.take()
			size = len(records)
			client.Write(records[:cut])
			consumed(t, c)
			client.Write(records[cut:])
			want, got := first+second, ""
			for len(got) < len(want) {
				got += string(receive(t, h.bytes))
			}
			if got != want {
				t.Fatalf("cut at %d: got %q, want %q", cut, got, want)
			}
		}
		if cut < 40 {
			t.Fatalf("two records of %d bytes?", cut)
		}
	})
}

func TestRecordsByteByByte(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		server, client := tcp(t)
		c := newPump(t).NewConn(server)
		wire := &tap{Conn: client}
		peer := secure(t, c, wire, version)
		defer c.Close()
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		wire.take()
		word := pattern(300)
		peer.Write(word)
		peer.CloseWrite() // a close_notify
		records := wire.take()
		for i := range records {
			client.Write(records[i : i+1])
			if i < len(records)-1 {
				consumed(t, c)
			}
		}
		if got := receive(t, h.bytes); !bytes.Equal(got, word) {
			t.Fatal("bytes changed on the way")
		}
		// The socket is not closed: this end is the close_notify's.
		if err := receive(t, h.ends); err != io.EOF {
			t.Fatalf("close_notify: %v", err)
		}
	})
}

// TestDataBehindFinished has the handshake's end and data in one segment,
// which the layer reads together: no edge comes for the data.
func TestDataBehindFinished(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		server, client := tcp(t)
		c := newPump(t).NewConn(server)
		defer c.Close()
		writes := 1 // the ClientHello
		wire := &tap{Conn: client, glue: &writes}
		config := clientConfig()
		peer := tls.Client(wire, config)
		if version == tls.VersionTLS12 {
			// The client waits for the server's Finished before it
			// sends data, unless it resumes; so only a half.
			wire.glue = nil
		}
		go func() {
			peer.Write([]byte("first"))
			peer.Write([]byte("second"))
			client.Write(wire.take())
		}()
		if err := c.StartTLS(context.Background(), serverConfig(version)); err != nil {
			t.Fatal(err)
		}
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		got := ""
		for len(got) < len("firstsecond") {
			got += string(receive(t, h.bytes))
		}
		if got != "firstsecond" {
			t.Fatalf("got %q", got)
		}
	})
}

func TestCloseNotifyBehindData(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		for _, closes := range []bool{false, true} {
			server, client := tcp(t)
			c := newPump(t).NewConn(server)
			wire := &tap{Conn: client}
			peer := secure(t, c, wire, version)
			h := newTurns()
			var b Buffer
			start(c, &b, h)
			wire.take()
			peer.Write([]byte("last words"))
			peer.CloseWrite()
			client.Write(wire.take())
			if closes {
				client.Close()
			}
			if got := receive(t, h.bytes); string(got) != "last words" {
				t.Fatalf("got %q", got)
			}
			if err := receive(t, h.ends); err != io.EOF {
				t.Fatal(err)
			}
			c.Close()
		}
	})
}

func TestDamagedRecordEnds(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		server, client := tcp(t)
		c := newPump(t).NewConn(server)
		defer c.Close()
		wire := &tap{Conn: client}
		peer := secure(t, c, wire, version)
		h := newTurns()
		var b Buffer
		start(c, &b, h)
		wire.take()
		peer.Write([]byte("good"))
		peer.Write([]byte("bad"))
		records := wire.take()
		records[len(records)-1] ^= 1
		client.Write(records)
		if got := receive(t, h.bytes); string(got) != "good" {
			t.Fatalf("got %q", got)
		}
		if err := receive(t, h.ends); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("a damaged record ends with %v", err)
		}
		// The alert that says so leaves although nobody adds anything.
		var alert *net.OpError
		if _, err := peer.Read(make([]byte, 1)); !errors.As(err, &alert) || !strings.Contains(err.Error(), "bad record MAC") {
			t.Fatalf("the peer saw %v", err)
		}
	})
}

// speaker writes TLS 1.3 records of its own making, since crypto/tls sends no
// KeyUpdate. It knows the client's secret from the key log.
type speaker struct {
	t      *testing.T
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1.
func (s *speaker) expand(label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 "+label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	b, err := hkdf.Expand(sha256.New, s.secret, string(info), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *speaker) setKey() {
	block, err := aes.NewCipher(s.expand("key", 16))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		s.t.Fatal(err)
	}
	s.iv, s.seq = s.expand("iv", 12), 0
}

// update goes on to the next generation of keys (RFC 8446, section 7.2).
func (s *speaker) update() {
	s.secret = s.expand("traffic upd", 32)
	s.setKey()
}

// record protects one record.
func (s *speaker) record(kind byte, content []byte) []byte {
	inner := append(bytes.Clone(content), kind)
	header := []byte{23, 3, 3}
	header = binary.BigEndian.AppendUint16(header, uint16(len(inner)+s.aead.Overhead()))
	nonce := bytes.Clone(s.iv)
	for i := range 8 {
		nonce[len(nonce)-1-i] ^= byte(s.seq >> (8 * i))
	}
	s.seq++
	return s.aead.Seal(header, nonce, inner, header)
}

const (
	handshakeRecord = 22
	dataRecord      = 23
)

// keyLog keeps the client's first traffic secret.
type keyLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *keyLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *keyLog) secret(t *testing.T, label string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if f := strings.Fields(line); f[0] == label {
			b, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatal("no " + label)
	return nil
}

// TestKeyUpdateCutAnywhere sends data, a KeyUpdate that asks for one in return,
// and data under the new keys, cut at each byte, and with the KeyUpdate message
// itself split between two records. The server's answers are read by crypto/tls,
// which follows the server's own update.
func TestKeyUpdateCutAnywhere(t *testing.T) {
	for _, w := range ways {
		for _, split := range []bool{false, true} {
			t.Run(fmt.Sprint(w.name, " split ", split), func(t *testing.T) {
				server, client := tcp(t)
				c := newPump(t).NewConn(server)
				defer c.Close()
				logged := new(keyLog)
				config := clientConfig()
				config.KeyLogWriter = logged
				peer := tls.Client(client, config)
				failed := make(chan error, 1)
				go func() { failed <- peer.Handshake() }()
				if err := c.StartTLS(context.Background(), serverConfig(tls.VersionTLS13)); err != nil {
					t.Fatal(err)
				}
				if err := receive(t, failed); err != nil {
					t.Fatal(err)
				}
				if peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
					t.Skip("the test speaks AES-128-GCM only, which is not what this processor prefers")
				}
				s := &speaker{t: t, secret: logged.secret(t, "CLIENT_TRAFFIC_SECRET_0")}
				s.setKey()
				h := newTurns()
				var b Buffer
				w.start(c, &b, h)
				cut := 0
				for size := 1; cut < size; cut++ {
					update := []byte{24, 0, 0, 1, 1} // update_requested
					sent := s.record(dataRecord, []byte("before "))
					if split {
						sent = append(sent, s.record(handshakeRecord, update[:2])...)
						sent = append(sent, s.record(handshakeRecord, update[2:])...)
					} else {
						sent = append(sent, s.record(handshakeRecord, update)...)
					}
					s.update()
					sent = append(sent, s.record(dataRecord, []byte("after"))...)
					size = len(sent)
					client.Write(sent[:cut])
					consumed(t, c)
					client.Write(sent[cut:])
					got := ""
					for len(got) < len("before after") {
						got += string(receive(t, h.bytes))
					}
					if got != "before after" {
						t.Fatalf("cut at %d: got %q", cut, got)
					}
					answer := fmt.Sprint("answer ", cut)
					c.Outbox().AddBytes([]byte(answer))
					if got := readAll(t, peer, len(answer)); string(got) != answer {
						t.Fatalf("cut at %d: got %q", cut, got)
					}
				}
				if cut < 70 {
					t.Fatalf("three records of %d bytes?", cut)
				}
			})
		}
	}
}

// TestKeyUpdateAnswered holds the server to answering a KeyUpdate even when it
// has nothing else to say.
func TestKeyUpdateAnswered(t *testing.T) {
	server, client := tcp(t)
	c := newPump(t).NewConn(server)
	defer c.Close()
	logged := new(keyLog)
	config := clientConfig()
	config.KeyLogWriter = logged
	peer := tls.Client(client, config)
	go peer.Handshake()
	silent := serverConfig(tls.VersionTLS13)
	silent.SessionTicketsDisabled = true
	if err := c.StartTLS(context.Background(), silent); err != nil {
		t.Fatal(err)
	}
	if peer.Handshake() != nil || peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("the test speaks AES-128-GCM only")
	}
	s := &speaker{t: t, secret: logged.secret(t, "CLIENT_TRAFFIC_SECRET_0")}
	s.setKey()
	c.Serve(new(Buffer), newTurns())
	client.Write(s.record(handshakeRecord, []byte{24, 0, 0, 1, 1}))
	if record := readAll(t, client, 5+5+1+16); record[0] != dataRecord {
		t.Fatalf("answered % x", record)
	}
}

// TestLargeRecords streams full records against a reader with little room.
func TestLargeRecords(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		for _, limit := range []int{100, recordMax - 1, recordMax, recordMax + 1, layerSize, 200_000} {
			server, client := tcp(t)
			c := newPump(t).NewConn(server)
			peer := secure(t, c, client, version)
			h := newTurns()
			var b Buffer
			b.SetMax(limit)
			start(c, &b, h)
			want := pattern(300_000)
			go peer.Write(want)
			var got []byte
			for len(got) < len(want) {
				part := receive(t, h.bytes)
				if len(part) > limit {
					t.Fatalf("%d bytes passed a maximum of %d", len(part), limit)
				}
				got = append(got, part...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("limit %d: bytes changed on the way", limit)
			}
			c.Close()
			client.Close()
		}
	})
}

// TestLayerGivesMemoryBack fails when a new version of crypto/tls is not
// understood any more, see layer.go: then idle connections are larger.
func TestLayerGivesMemoryBack(t *testing.T) {
	forTLS(t, func(t *testing.T, version uint16, start func(*Conn, *Buffer, Handler)) {
		server, client := tcp(t)
		c := newPump(t).NewConn(server)
		defer c.Close()
		peer := secure(t, c, client, version)
		layer := c.tls.Load()
		if n := layerMemory(layer); n > 0 {
			t.Fatalf("%d bytes are kept after the handshake", n)
		}
		h := newTurns()
		start(c, new(Buffer), h)
		peer.Write(pattern(100_000))
		for n := 0; n < 100_000; {
			n += len(receive(t, h.bytes))
		}
		consumed(t, c)
		if n := layerMemory(layer); n > 0 {
			t.Fatalf("%d bytes are kept after large records", n)
		}
	})
}
