package guard

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/burst"
)

// The stage: a guard in a bubble of fake time, a client end in memory, and a house whose relays are in memory too.

const realm = "example.org"

var (
	romeo  = netip.MustParseAddrPort("192.0.2.10:40000")
	juliet = netip.MustParseAddrPort("[2001:db8::10]:40000")
	server = netip.MustParseAddrPort("192.0.2.1:3478")
	peerA  = netip.MustParseAddrPort("198.51.100.7:5000")
	peerB  = netip.MustParseAddrPort("198.51.100.8:5000")
	peer6  = netip.MustParseAddrPort("[2001:db8:7::7]:5000")
	denied = netip.MustParseAddrPort("10.0.0.1:5000")
)

// packet is one that went through a pipe.
type packet struct {
	b    []byte
	addr netip.AddrPort
}

// pipe is one direction: a queue that behaves like a socket's.
type pipe struct {
	mu     sync.Mutex
	queue  []packet
	closed bool
	wake   bool
	bell   chan struct{}
}

func newPipe() *pipe { return &pipe{bell: make(chan struct{}, 1)} }

func (p *pipe) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

func (p *pipe) put(b []byte, addr netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.queue = append(p.queue, packet{slices.Clone(b), addr})
	}
	p.ring()
}

func (p *pipe) get() (packet, error) {
	for {
		p.mu.Lock()
		switch {
		case p.wake:
			p.wake = false
			p.mu.Unlock()
			return packet{}, ErrWoken
		case p.closed:
			p.mu.Unlock()
			p.ring()
			return packet{}, net.ErrClosed
		case len(p.queue) > 0:
			first := p.queue[0]
			p.queue = p.queue[1:]
			p.mu.Unlock()
			return first, nil
		}
		p.mu.Unlock()
		<-p.bell
	}
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.ring()
}

// take returns what is there, without waiting.
func (p *pipe) take() (all []packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, p.queue = p.queue, nil
	return all
}

// wire is a Link in memory.
type wire struct{ in, out *pipe }

func (w *wire) Receive(p []byte) (int, Path, error) {
	k, err := w.in.get()
	return copy(p, k.b), Path{From: k.addr}, err
}
func (w *wire) Send(p []byte, to Path)                 { w.out.put(p, to.From) }
func (w *wire) Gather(_ *burst.Out, p []byte, to Path) { w.Send(p, to) }
func (w *wire) Flush(*burst.Out)                       {}
func (w *wire) Buffered() bool                         { w.in.mu.Lock(); defer w.in.mu.Unlock(); return len(w.in.queue) > 0 }
func (w *wire) Wake()                                  { w.in.mu.Lock(); w.in.wake = true; w.in.mu.Unlock(); w.in.ring() }
func (w *wire) Close() error                           { w.in.close(); return nil }
func (w *wire) Local() netip.AddrPort                  { return server }
func (w *wire) Transport() string                      { return "udp" }
func (w *wire) Settle(bool)                            {}

// relay is a Relay in memory.
type relay struct {
	addr    netip.AddrPort
	in, out *pipe
	kept    []packet
	gone    chan struct{}
}

func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	k, err := r.in.get()
	if err != nil {
		return 0, nil, err
	}
	return copy(p, k.b), net.UDPAddrFromAddrPort(k.addr), nil
}

// WriteTo keeps packets until Flush: the guard must not forget it.
func (r *relay) WriteTo(p []byte, to net.Addr) (int, error) {
	r.kept = append(r.kept, packet{slices.Clone(p), to.(*net.UDPAddr).AddrPort()})
	return len(p), nil
}
func (r *relay) Flush() {
	for _, k := range r.kept {
		r.out.put(k.b, k.addr)
	}
	r.kept = nil
}
func (r *relay) Buffered() bool                   { return false }
func (r *relay) Close() error                     { r.in.close(); close(r.gone); return nil }
func (r *relay) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(r.addr) }
func (r *relay) SetDeadline(time.Time) error      { return nil }
func (r *relay) SetReadDeadline(time.Time) error  { return nil }
func (r *relay) SetWriteDeadline(time.Time) error { return nil }
func (r *relay) Addr() netip.AddrPort             { return r.addr }
func (r *relay) Permits(a netip.Addr) bool        { return a != denied.Addr() }

// manor is a House: users romeo and juliet with the password "secret", at most two relays.
type manor struct {
	mu     sync.Mutex
	asked  []Ask
	relays []*relay
	failed []string
	gone   map[string]bool // whose credentials are good no more
	refuse stun.ErrorCode
	slow   time.Duration // how long it takes to open a relay
}

func (m *manor) Realm() string { return realm }

func (m *manor) User(name string, _ netip.AddrPort) *User {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name != "romeo" && name != "juliet" || m.gone[name] {
		return nil
	}
	return &User{Name: name, Key: keyOf(name)}
}

func (m *manor) Failed(u *User, _ netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = append(m.failed, u.Name)
}

func keyOf(name string) []byte { return stun.NewLongTermIntegrity(name, realm, "secret") }

func (m *manor) Open(_ *User, ask *Ask, done func(Relay, stun.ErrorCode)) {
	m.mu.Lock()
	slow := m.slow
	m.asked = append(m.asked, *ask)
	m.mu.Unlock()
	open := func() {
		if r, code := m.open(ask); code != 0 {
			done(nil, code)
		} else {
			done(r, 0)
		}
	}
	if slow == 0 {
		open()
		return
	}
	time.AfterFunc(slow, open)
}

func (m *manor) open(ask *Ask) (*relay, stun.ErrorCode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != 0 {
		return nil, m.refuse
	}
	addr := netip.AddrFrom4([4]byte{192, 0, 2, 1})
	if ask.IPv6 {
		addr = netip.MustParseAddr("2001:db8::1")
	}
	r := &relay{addr: netip.AddrPortFrom(addr, uint16(49152+len(m.relays))), in: newPipe(), out: newPipe(), gone: make(chan struct{})}
	m.relays = append(m.relays, r)
	return r, 0
}

// stage is a guard under test.
type stage struct {
	t     *testing.T
	guard *Guard
	wire  *wire
	house *manor
	count *Counters
	nonce map[netip.AddrPort][]byte
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, wire: &wire{newPipe(), newPipe()}, house: &manor{gone: map[string]bool{}}, count: NewCounters(), nonce: map[netip.AddrPort][]byte{}}
	s.guard = New(s.wire, Options{House: s.house, Nonces: NewNonces(), Limiter: apart(20, 1<<17, romeo.Addr().String(), juliet.Addr().String()), Count: s.count, MaxCall: 24 * time.Hour, Permissions: 4, Channels: 3})
	done := make(chan struct{})
	go func() { s.guard.Serve(); close(done) }()
	t.Cleanup(func() { s.guard.Close(); <-done })
	return s
}

// play runs f with a stage in a bubble.
func play(t *testing.T, f func(*testing.T, *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		f(t, s)
		s.guard.Close()
		synctest.Wait()
		if n := s.count.Broken.Value() + s.count.Panics.Value(); n > 0 {
			t.Errorf("%d broken", n)
		}
		for i, r := range s.house.relays {
			select {
			case <-r.gone:
			default:
				t.Errorf("relay %d is still open", i)
			}
		}
	})
}

// say sends bytes as from somewhere and returns what came back there.
func (s *stage) say(from netip.AddrPort, b []byte) (answers [][]byte) {
	s.t.Helper()
	s.wire.in.put(b, from)
	synctest.Wait()
	for _, p := range s.wire.out.take() {
		if p.addr != from {
			s.t.Errorf("to %v instead of %v: %x", p.addr, from, p.b)
		}
		answers = append(answers, p.b)
	}
	return answers
}

// ask sends a message and returns its one answer, nil if there was none.
func (s *stage) ask(from netip.AddrPort, m *stun.Message) *stun.Message {
	s.t.Helper()
	answers := s.say(from, m.Raw)
	if len(answers) == 0 {
		return nil
	}
	if len(answers) > 1 {
		s.t.Fatalf("%d answers", len(answers))
	}
	a := &stun.Message{Raw: answers[0]}
	if !wellFormed(a.Raw) || a.Decode() != nil {
		s.t.Fatalf("malformed answer %x", a.Raw)
	}
	if a.TransactionID != m.TransactionID || a.Type.Method != m.Type.Method {
		s.t.Fatalf("answer to something else: %v", a)
	}
	return a
}

// signed builds a request of a user with the nonce that the address got, which is asked for when there is none.
func (s *stage) signed(from netip.AddrPort, name string, method stun.Method, attributes ...stun.Setter) *stun.Message {
	s.t.Helper()
	if s.nonce[from] == nil {
		a := s.ask(from, stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)))
		if a == nil {
			s.t.Fatal("no challenge")
		}
		v, _ := a.Get(stun.AttrNonce)
		s.nonce[from] = slices.Clone(v)
	}
	all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	all = append(all, stun.NewUsername(name), stun.NewRealm(realm), raw{stun.AttrNonce, s.nonce[from]}, stun.MessageIntegrity(keyOf(name)))
	return stun.MustBuild(all...)
}

// want checks class, code and signature of an answer to a request of the user ("" for an unsigned answer).
func want(t *testing.T, a *stun.Message, code stun.ErrorCode, name string) {
	t.Helper()
	if a == nil {
		t.Fatal("no answer")
	}
	got := stun.ErrorCode(0)
	if a.Type.Class == stun.ClassErrorResponse {
		var e stun.ErrorCodeAttribute
		if err := e.GetFrom(a); err != nil {
			t.Fatal(err)
		}
		got = e.Code
	}
	if got != code {
		t.Fatalf("code %d instead of %d", got, code)
	}
	err := stun.MessageIntegrity(keyOf(name)).Check(a)
	if name == "" && a.Contains(stun.AttrMessageIntegrity) || name != "" && err != nil {
		t.Fatalf("signature for %q: %v", name, err)
	}
	if a.Contains(stun.AttrSoftware) {
		t.Error("says what software it is")
	}
}

var udp = raw{stun.AttrRequestedTransport, []byte{17, 0, 0, 0}}

// allocate makes an allocation and returns its relay.
func (s *stage) allocate(from netip.AddrPort, name string, more ...stun.Setter) *relay {
	s.t.Helper()
	a := s.ask(from, s.signed(from, name, stun.MethodAllocate, append([]stun.Setter{udp}, more...)...))
	want(s.t, a, 0, name)
	return s.house.relays[len(s.house.relays)-1]
}

func peer(a netip.AddrPort) stun.Setter { return mapped{stun.AttrXORPeerAddress, a} }

func channelNumber(n uint16) stun.Setter {
	return raw{stun.AttrChannelNumber, []byte{byte(n >> 8), byte(n), 0, 0}}
}

func channelData(n uint16, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, n)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

func sendIndication(to netip.AddrPort, data string) []byte {
	return stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peer(to), raw{stun.AttrData, []byte(data)}).Raw
}

// xor reads an address of an answer.
func xor(t *testing.T, a *stun.Message, kind stun.AttrType) netip.AddrPort {
	t.Helper()
	v, err := a.Get(kind)
	if err != nil {
		t.Fatal(kind, err)
	}
	addr, ok := addressOf(v, &a.TransactionID)
	if !ok {
		t.Fatalf("%v is %x", kind, v)
	}
	return addr
}

func lifetime(t *testing.T, a *stun.Message) uint32 {
	t.Helper()
	v, err := a.Get(stun.AttrLifetime)
	if err != nil || len(v) != 4 {
		t.Fatal("no lifetime")
	}
	return binary.BigEndian.Uint32(v)
}

// A call from its beginning to its end, in both address families.
func TestCall(t *testing.T) {
	for _, tc := range []struct {
		name   string
		client netip.AddrPort
		family []stun.Setter
		peer   netip.AddrPort
	}{
		{"IPv4", romeo, nil, peerA},
		{"IPv6 client", juliet, nil, peerA},
		{"IPv6 relay", romeo, []stun.Setter{raw{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}}}, peer6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				a := s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodAllocate, append(tc.family, udp)...))
				want(t, a, 0, "romeo")
				relay := s.house.relays[0]
				if got := xor(t, a, stun.AttrXORRelayedAddress); got != relay.addr {
					t.Errorf("relayed address is %v", got)
				}
				if got := xor(t, a, stun.AttrXORMappedAddress); got != tc.client {
					t.Errorf("mapped address is %v", got)
				}
				if got := lifetime(t, a); got != 600 {
					t.Errorf("lifetime is %d", got)
				}

				// Without a permission nothing passes, either way.
				s.say(tc.client, sendIndication(tc.peer, "too soon"))
				relay.in.put([]byte("too soon"), tc.peer)
				synctest.Wait()
				if out, in := relay.out.take(), s.wire.out.take(); len(out)+len(in) > 0 {
					t.Fatalf("passed without permission: %v %v", out, in)
				}

				want(t, s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodCreatePermission, peer(tc.peer))), 0, "romeo")
				s.say(tc.client, sendIndication(tc.peer, "but soft"))
				if out := relay.out.take(); len(out) != 1 || string(out[0].b) != "but soft" || out[0].addr != tc.peer {
					t.Fatalf("to the peer: %v", out)
				}
				relay.in.put([]byte("ay me"), tc.peer)
				synctest.Wait()
				in := s.wire.out.take()
				if len(in) != 1 || in[0].addr != tc.client {
					t.Fatalf("to the client: %v", in)
				}
				m := &stun.Message{Raw: in[0].b}
				if err := m.Decode(); err != nil {
					t.Fatal(err)
				}
				if data, _ := m.Get(stun.AttrData); string(data) != "ay me" || xor(t, m, stun.AttrXORPeerAddress) != tc.peer {
					t.Fatalf("to the client: %v", m)
				}

				want(t, s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodChannelBind, channelNumber(0x4001), peer(tc.peer))), 0, "romeo")
				s.say(tc.client, channelData(0x4001, "what light"))
				if out := relay.out.take(); len(out) != 1 || string(out[0].b) != "what light" || out[0].addr != tc.peer {
					t.Fatalf("to the peer: %v", out)
				}
				relay.in.put([]byte("wherefore"), tc.peer)
				synctest.Wait()
				if in := s.wire.out.take(); len(in) != 1 || !bytes.HasPrefix(in[0].b, channelData(0x4001, "wherefore")) {
					t.Fatalf("to the client: %v", in)
				}

				a = s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodRefresh, seconds(1200)))
				want(t, a, 0, "romeo")
				if got := lifetime(t, a); got != 1200 {
					t.Errorf("lifetime is %d", got)
				}
				a = s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodRefresh, seconds(0)))
				want(t, a, 0, "romeo")
				<-relay.gone
				want(t, s.ask(tc.client, s.signed(tc.client, "romeo", stun.MethodRefresh, seconds(0))), 437, "romeo")
				if n := s.count.Broken.Value() + s.count.Panics.Value(); n > 0 {
					t.Errorf("%d broken", n)
				}
			})
		})
	}
}
