package socks5

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"linnet/netsvc/module"
	"linnet/netsvc/wire/socks"
)

// party is one connection that has named a key.
type party struct {
	conn  *net.TCPConn
	addr  netip.Addr
	leave func() // gives back its place at the gate
}

// admitted gives back the place at the gate.
func (p *party) admitted() {
	p.leave()
	p.leave = func() {}
}

func (p *party) close() {
	p.conn.Close()
	p.admitted()
}

// pair is those who have named the same key, in the order in which they came.
type pair struct {
	parties []*party // 1 or 2
	timer   *time.Timer
}

// waiting are the pairs that have not been activated, by key.
type waiting struct {
	mu     sync.Mutex
	pairs  map[string]*pair
	closed bool
}

// join adds a party; false when there are two already. A party whose connection is
// gone makes room. whole pairs, and halves, are ended when nobody activates them
// within the time given.
func (w *waiting) join(key string, p *party, within time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	q := w.pairs[key]
	if q == nil {
		if w.pairs == nil {
			w.pairs = make(map[string]*pair)
		}
		q = new(pair)
		w.pairs[key] = q
		q.timer = time.AfterFunc(within, func() { w.expire(key, q) })
	} else {
		q.bury()
		if len(q.parties) == 2 {
			return false
		}
		q.timer.Reset(within)
	}
	q.parties = append(q.parties, p)
	return true
}

// bury removes those whose connection is gone.
func (q *pair) bury() {
	live := q.parties[:0]
	for _, p := range q.parties {
		if alive(p.conn) {
			live = append(live, p)
		} else {
			p.close()
		}
	}
	q.parties = live
}

// leave takes back a party that could not be told that it is in.
func (w *waiting) leave(key string, p *party) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.pairs[key]
	if q == nil {
		return
	}
	for i, other := range q.parties {
		if other == p {
			q.parties = append(q.parties[:i], q.parties[i+1:]...)
			p.close()
		}
	}
	w.dropEmpty(key, q)
}

func (w *waiting) dropEmpty(key string, q *pair) {
	if len(q.parties) == 0 {
		q.timer.Stop()
		delete(w.pairs, key)
	}
}

func (w *waiting) expire(key string, q *pair) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pairs[key] != q {
		return
	}
	delete(w.pairs, key)
	for _, p := range q.parties {
		p.close()
	}
}

// take gives the pair of the first key that somebody has named, and how many parties
// it has: with two they are the caller's from now on, with one they go on waiting.
func (w *waiting) take(keys []string) (parties []*party, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		q := w.pairs[key]
		if q == nil {
			continue
		}
		q.bury()
		n = max(n, len(q.parties))
		if len(q.parties) == 2 {
			q.timer.Stop()
			delete(w.pairs, key)
			return q.parties, 2
		}
		w.dropEmpty(key, q)
	}
	return nil, n
}

func (w *waiting) count() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.pairs {
		n += int64(len(q.parties))
	}
	return n
}

// close ends all; nobody can join until open.
func (w *waiting) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for key, q := range w.pairs {
		q.timer.Stop()
		for _, p := range q.parties {
			p.close()
		}
		delete(w.pairs, key)
	}
}

func (w *waiting) open() {
	w.mu.Lock()
	w.closed = false
	w.mu.Unlock()
}

// alive reports whether the peer of a connection has neither closed nor reset it, as
// far as the kernel knows. It reads nothing.
func alive(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ok = n > 0 || err == unix.EAGAIN || err == unix.EINTR
	})
	return ok && err == nil
}

// serve takes a connection up to where it waits for its other half.
func (p *proxy) serve(nc net.Conn) {
	c, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return
	}
	addr := nc.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	leave, ok := func() {}, p.host.Pressure() != module.Red
	if ok {
		leave, ok = p.live.gate.Enter(addr)
	}
	if !ok {
		c.Close()
		return
	}
	who := &party{conn: c, addr: addr, leave: leave}
	c.SetDeadline(time.Now().Add(p.handshake))
	key, err := p.greet(c)
	if err != nil {
		p.stats.rejected.Inc()
		who.close()
		return
	}
	// The deadline goes before anybody else can have the connection.
	c.SetDeadline(time.Time{})
	if !p.live.waiting.join(key, who, p.activation) {
		p.stats.rejected.Inc()
		c.Write(socks.AppendReply(nil, socks.NotAllowed, socks.Address{Name: key}))
		who.close()
		return
	}
	// It fits into the send buffer of any fresh connection: this does not wait.
	if _, err := c.Write(socks.AppendReply(make([]byte, 0, 64), socks.Succeeded, socks.Address{Name: key})); err != nil {
		p.live.waiting.leave(key, who)
	}
}

// errRefused is a client that was told what is wrong.
var errRefused = os.ErrPermission

// greet is RFC 1928 sections 3 to 6, up to the reply.
func (p *proxy) greet(c *net.TCPConn) (key string, err error) {
	room := make([]byte, 0, socks.MaxRequest)
	var methods []byte
	if _, err = exactly(c, room, func(b []byte) (missing int, err error) {
		methods, missing, err = socks.ReadGreeting(b)
		return missing, err
	}); err != nil {
		return "", err
	}
	method := socks.NoAcceptable
	for _, m := range methods {
		if socks.Method(m) == socks.NoAuth {
			method = socks.NoAuth
		}
	}
	if _, err = c.Write(socks.AppendMethod(make([]byte, 0, 2), method)); err != nil || method == socks.NoAcceptable {
		return "", errRefused
	}
	var command socks.Command
	var to socks.Address
	_, err = exactly(c, room, func(b []byte) (missing int, err error) {
		command, to, missing, err = socks.ReadRequest(b)
		return missing, err
	})
	reply := socks.Succeeded
	switch {
	case err == socks.ErrAddress:
		reply = socks.AddressUnknown
	case err != nil:
		return "", err
	case command != socks.Connect:
		reply = socks.CommandUnknown
	case !isKey(to.Name):
		reply = socks.NotAllowed // nothing else is connected to from here
	}
	if reply != socks.Succeeded {
		c.Write(socks.AppendReply(nil, reply, to))
		return "", errRefused
	}
	return to.Name, nil
}

// isKey reports whether a name is a SHA-1 in hexadecimal, as XEP-0065 has it.
func isKey(name string) bool {
	if len(name) != 40 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// exactly reads one message and not a byte more.
func exactly(c *net.TCPConn, b []byte, read func([]byte) (missing int, err error)) ([]byte, error) {
	for {
		missing, err := read(b)
		if err != nil || missing == 0 {
			return b, err
		}
		if len(b)+missing > cap(b) {
			return b, socks.ErrEmpty
		}
		n, err := c.Read(b[len(b) : len(b)+missing])
		b = b[:len(b)+n]
		if err != nil {
			return b, err
		}
		if n == 0 {
			return b, syscall.ECONNRESET
		}
	}
}
