package socks5

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/quota"
	"linnet/netsvc/transfer"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/socks"
)

func subject(a account.Account) quota.Subject {
	return quota.Subject{ID: a.ID, Name: a.JID.String(), Group: a.JID.Domain()}
}

// noise writes n random bytes and returns their hash.
func noise(w io.Writer, n int64) ([]byte, error) {
	h := sha256.New()
	_, err := io.CopyN(io.MultiWriter(w, h), rand.NewChaCha8([32]byte{byte(n)}), n)
	return h.Sum(nil), err
}

func TestTransfer(t *testing.T) {
	l := newLab(t, nil)
	from, to := l.begin("s1")
	const size = 5<<20 + 77
	var sent []byte
	var wait sync.WaitGroup
	wait.Go(func() {
		var err error
		if sent, err = noise(from, size); err != nil {
			t.Error(err)
		}
		from.CloseWrite()
	})
	got := sha256.New()
	if n, err := io.Copy(got, to); n != size || err != nil {
		t.Fatalf("%d bytes came, %v", n, err)
	}
	wait.Wait()
	if !bytes.Equal(got.Sum(nil), sent) {
		t.Error("other bytes came")
	}
	// One direction has ended, the other one has not.
	if _, err := to.Write([]byte("thanks")); err != nil {
		t.Fatal(err)
	}
	to.CloseWrite()
	answer, err := io.ReadAll(from)
	if string(answer) != "thanks" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	l.eventually("the end", func() bool { return l.Metric("transfersCompleted") == 1 && l.Metric("transfersOpen") == 0 })
	if out, in := l.used("romeo@montague.lit"); out != size || in != 6 {
		t.Errorf("romeo used %d, %d", out, in)
	}
	if out, in := l.used("juliet@capulet.lit"); out != 6 || in != size {
		t.Errorf("juliet used %d, %d", out, in)
	}
	l.eventually("its size in the average", func() bool { return l.Metric("transferAverage") == size+6 })
	if n, _ := l.proxy.live.gate.Count(); n != 0 {
		t.Errorf("%d places taken", n)
	}
}

// What was sent before the activation waits in the kernel.
func TestEarlyBytes(t *testing.T) {
	l := newLab(t, nil)
	r := request("s1")
	to, from := l.connect(r.Keys[0]), l.connect(r.Keys[0])
	from.Write([]byte("early"))
	from.CloseWrite()
	if err := l.activate(r); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(to); string(b) != "early" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// The requester is found by the address of his stream, whoever came first.
func TestWhoIsWho(t *testing.T) {
	a, b := &party{addr: netip.MustParseAddr("192.0.2.1")}, &party{addr: netip.MustParseAddr("192.0.2.2")}
	same := &party{addr: netip.MustParseAddr("192.0.2.1")}
	for _, tt := range []struct {
		name    string
		parties []*party
		address string
		want    *party
	}{
		{name: "the later one", parties: []*party{a, b}, want: b},
		{name: "by address, first", parties: []*party{a, b}, address: "192.0.2.1:5", want: a},
		{name: "by address, second", parties: []*party{a, b}, address: "192.0.2.2:5", want: b},
		{name: "mapped", parties: []*party{a, b}, address: "[::ffff:192.0.2.1]:5", want: a},
		{name: "both", parties: []*party{a, same}, address: "192.0.2.1:5", want: same},
		{name: "neither", parties: []*party{a, b}, address: "192.0.2.9:5", want: b},
	} {
		if got := order(tt.parties, tt.address); got[0] != tt.want {
			t.Errorf("%s: %v", tt.name, got[0].addr)
		}
	}
}

func TestActivation(t *testing.T) {
	l := newLab(t, nil)
	r := request("s1")
	if err := l.activate(r); err != transfer.ErrUnknown {
		t.Errorf("nobody: %v", err)
	}
	to := l.connect(r.Keys[0])
	if err := l.activate(r); err != transfer.ErrAlone {
		t.Errorf("one: %v", err)
	}
	from := l.connect(r.Keys[0])
	third := l.dial()
	if reply, err := ask(third, r.Keys[0]); reply != socks.NotAllowed || err != nil {
		t.Errorf("a third: %d, %v", reply, err)
	}
	// Who did not offer the proxy has another key.
	wrong := request("s1")
	wrong.Keys = []string{transfer.Key("s1", juliet.String(), romeo.String())}
	if err := l.activate(wrong); err != transfer.ErrUnknown {
		t.Errorf("the other party: %v", err)
	}
	if err := l.activate(r); err != nil {
		t.Fatal(err)
	}
	if err := l.activate(r); err != transfer.ErrUnknown {
		t.Errorf("again: %v", err)
	}
	from.Write([]byte("x"))
	if n, err := to.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Error(err)
	}
}

// A party that went away makes room for another with the same key.
func TestComesAgain(t *testing.T) {
	l := newLab(t, nil)
	r := request("s1")
	l.connect(r.Keys[0]).Close()
	l.connect(r.Keys[0]).Close()
	var a, b *net.TCPConn
	l.eventually("room for two", func() bool {
		a, b = l.dial(), l.dial()
		one, _ := ask(a, r.Keys[0])
		two, _ := ask(b, r.Keys[0])
		if one == socks.Succeeded && two == socks.Succeeded {
			return true
		}
		a.Close()
		b.Close()
		return false
	})
	if err := l.activate(r); err != nil {
		t.Error(err)
	}
}

// Whoever wants something else gets nothing.
func TestStrangers(t *testing.T) {
	l := newLab(t, nil)
	key := transfer.Key("s", "a", "b")
	for _, tt := range []struct {
		name, sends, gets string
	}{
		{"version 4", "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", ""},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", ""},
		{"password only", "\x05\x01\x02", "\x05\xff"},
		{"an address", "\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"},
		{"a name", "\x05\x01\x00\x05\x01\x00\x03\x09localhost\x00\x50", "\x05\x00\x05\x02\x00\x03\x09localhost\x00\x50"},
		{"capital letters", "\x05\x01\x00\x05\x01\x00\x03\x28" + strings.ToUpper(key) + "\x00\x00", "\x05\x00\x05\x02\x00\x03\x28" + strings.ToUpper(key) + "\x00\x00"},
		{"bind", "\x05\x01\x00\x05\x02\x00\x03\x28" + key + "\x00\x00", "\x05\x00\x05\x07\x00\x03\x28" + key + "\x00\x00"},
		{"UDP", "\x05\x01\x00\x05\x03\x00\x03\x28" + key + "\x00\x00", "\x05\x00\x05\x07\x00\x03\x28" + key + "\x00\x00"},
		{"no type of address", "\x05\x01\x00\x05\x01\x00\x09\x00", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := l.dial()
			c.Write([]byte(tt.sends))
			got, _ := io.ReadAll(c) // a reset is as good as an end
			if string(got) != tt.gets && !(tt.gets == "" && len(got) == 0) {
				t.Errorf("got %q, want %q", got, tt.gets)
			}
		})
	}
	l.eventually("all places free", func() bool { n, _ := l.proxy.live.gate.Count(); return n == 0 })
	if l.Metric("socks5Rejected") == 0 {
		t.Error("nobody was counted")
	}
}

func TestGate(t *testing.T) {
	l := newLab(t, map[string]string{"socks5/pending_per_address": "2"})
	r := request("s1")
	l.connect(r.Keys[0])
	l.connect(r.Keys[0])
	c := l.dial()
	if _, err := ask(c, request("s2").Keys[0]); err == nil {
		t.Error("a third connection from one address was taken")
	}
	if err := l.activate(r); err != nil {
		t.Fatal(err)
	}
	l.connect(request("s2").Keys[0]) // those in a transfer do not count
}

func TestNobodyActivates(t *testing.T) {
	l := newLab(t, map[string]string{"socks5/activation": "1s", "socks5/handshake": "1s"})
	c := l.connect(request("s1").Keys[0])
	silent := l.dial()
	for _, c := range []net.Conn{c, silent} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, context.DeadlineExceeded) || err == nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	l.eventually("nobody waits", func() bool { n, _ := l.proxy.live.gate.Count(); return n == 0 && l.Metric("transfersWaiting") == 0 })
}

// A limit ends the transfer to the byte, and the users are told which.
func TestLimit(t *testing.T) {
	l := newLab(t, map[string]string{"quota/user": "3MB"})
	told := make(chan transfer.Notice, 1)
	l.desk.Tell(func(n transfer.Notice) { told <- n })
	from, to := l.begin("s1")
	go noise(from, 10<<20)
	n, _ := io.Copy(io.Discard, to)
	if n != 3<<20 {
		t.Errorf("%d bytes came", n)
	}
	notice := <-told
	var lim *quota.Limit
	if !errors.As(notice.Cause, &lim) || lim.Scope != quota.User || notice.Request.SID != "s1" {
		t.Errorf("notice %+v", notice)
	}
	r := request("s2")
	to, from = l.connect(r.Keys[0]), l.connect(r.Keys[0])
	if err := l.activate(r); !errors.As(err, &lim) {
		t.Errorf("another one: %v", err)
	}
	for _, c := range []net.Conn{from, to} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("the connection is still there")
		}
	}
}

func TestHook(t *testing.T) {
	l := newLab(t, nil)
	l.desk.Hook("billing", func(_ context.Context, r transfer.Request) transfer.Decision {
		if r.SID == "bad" {
			return transfer.Decision{Deny: true, Reason: "no money"}
		}
		return transfer.Decision{Limit: 1000}
	})
	r := request("bad")
	l.connect(r.Keys[0])
	l.connect(r.Keys[0])
	if err := l.activate(r); err == nil || err.Error() != "no money" {
		t.Errorf("denied: %v", err)
	}
	from, to := l.begin("good")
	go noise(from, 5000)
	if n, _ := io.Copy(io.Discard, to); n != 1000 {
		t.Errorf("%d bytes came, 1000 were allowed", n)
	}
}

func TestTooMany(t *testing.T) {
	l := newLab(t, map[string]string{"socks5/transfers_per_user": "1"})
	l.begin("s1")
	r := request("s2")
	l.connect(r.Keys[0])
	l.connect(r.Keys[0])
	var refused *transfer.Refusal
	if err := l.activate(r); !errors.As(err, &refused) {
		t.Errorf("a second one: %v", err)
	}
}

func TestReset(t *testing.T) {
	l := newLab(t, nil)
	from, to := l.begin("s1")
	from.SetLinger(0)
	from.Close()
	if _, err := io.ReadAll(to); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
}

// What did not reach a receiver who breaks off is in nobody's account.
func TestBreaksOff(t *testing.T) {
	l := newLab(t, nil)
	from, to := l.begin("s1")
	from.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)) // by then nothing moves: he does not read
	if _, err := noise(from, 64<<20); err == nil {
		t.Fatal("all of it is on its way")
	}
	to.SetLinger(0)
	to.Close()
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
	if out, in := l.used("romeo@montague.lit"); out+in != l.Metric("transferFlow") {
		t.Errorf("%d bytes are in the ledger, %d flowed", out+in, l.Metric("transferFlow"))
	}
}

func TestIdle(t *testing.T) {
	l := newLab(t, nil)
	l.proxy.limits.idle = 50 * time.Millisecond // the option allows no such time
	from, to := l.begin("s1")
	for _, c := range []net.Conn{from, to} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("an idle transfer goes on")
		}
	}
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
}

func TestCommands(t *testing.T) {
	l := newLab(t, nil)
	from, _ := l.begin("s1")
	l.begin("s2")
	r, err := l.run("transfer list")
	if err != nil || len(r.Rows) != 2 || r.Rows[0][1] != romeo.String() || r.Rows[0][2] != juliet.String() {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := l.run("transfer cut", "id", r.Rows[0][0]); err != nil {
		t.Error(err)
	}
	if _, err := from.Read(make([]byte, 1)); err == nil {
		t.Error("it goes on")
	}
	if _, err := l.run("transfer cut", "id", "99"); err == nil {
		t.Error("an unknown transfer was cut")
	}
	if _, err := l.run("transfer cut"); err == nil {
		t.Error("nothing was cut")
	}
	if r, err := l.run("transfer cut", "user", "juliet@capulet.lit"); err != nil || r.Fields[0].Values[0] != "1" {
		t.Errorf("%+v, %v", r, err)
	}
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
}

// An account that is disabled takes its transfers along.
func TestDisabled(t *testing.T) {
	l := newLab(t, nil)
	from, _ := l.begin("s1")
	if err := account.Of(l.proxy.host).Disable(t.Context(), jid.MustParse("juliet@capulet.lit"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Read(make([]byte, 1)); err == nil {
		t.Error("it goes on")
	}
}

// A transfer goes on over a reload, and its rate is the new one.
func TestReload(t *testing.T) {
	l := newLab(t, nil)
	from, to := l.begin("s1")
	l.Again(map[string]string{"node.socks5/listen": "127.0.0.1:0", "node.socks5/idle": "1m"})
	go func() {
		noise(from, 1<<20)
		from.Close()
	}()
	if n, err := io.Copy(io.Discard, to); n != 1<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestStop(t *testing.T) {
	l := newLab(t, nil)
	from, _ := l.begin("s1")
	waits := l.connect(request("s2").Keys[0])
	if err := l.proxy.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{from, waits} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlives the service")
		}
	}
	if l.desk.Proxy() != nil {
		t.Error("the proxy is still offered")
	}
}

// Many transfers at once, each way, with their bytes checked.
func TestMany(t *testing.T) {
	l := newLab(t, map[string]string{"socks5/chunk": "16KB"})
	var wait sync.WaitGroup
	var total int64
	for i := range 30 {
		size := int64(i) * 40_000
		total += size
		from, to := l.begin("s" + string(rune('A'+i)))
		if i%2 == 1 {
			from, to = to, from
		}
		sent := make(chan []byte, 1)
		wait.Go(func() {
			sum, _ := noise(from, size)
			sent <- sum
			from.CloseWrite()
			io.Copy(io.Discard, from)
			from.Close()
		})
		wait.Go(func() {
			h := sha256.New()
			if n, err := io.Copy(h, to); n != size || err != nil {
				t.Errorf("transfer %d: %d of %d bytes, %v", i, n, size, err)
			}
			if !bytes.Equal(h.Sum(nil), <-sent) {
				t.Errorf("transfer %d: other bytes came", i)
			}
			to.Close()
		})
	}
	wait.Wait()
	l.eventually("the end", func() bool { return l.Metric("transfersOpen") == 0 })
	out, in := l.used("romeo@montague.lit")
	if out+in != total || l.Metric("transferBytes") != total || l.Metric("transferFlow") != total {
		t.Errorf("%d bytes are in the ledger, %d in the metric, %d flowed", out+in, l.Metric("transferBytes"), total)
	}
}
