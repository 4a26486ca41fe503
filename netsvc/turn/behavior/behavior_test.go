package behavior

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/guard"
)

var (
	plan4 = Plan{First: netip.MustParseAddr("192.0.2.1"), Second: netip.MustParseAddr("192.0.2.2"), Port: 3480}
	plan6 = Plan{First: netip.MustParseAddr("2001:db8::1"), Second: netip.MustParseAddr("2001:db8::2"), Port: 3480}
	romeo = netip.MustParseAddrPort("198.51.100.7:5000")
	rome6 = netip.MustParseAddrPort("[2001:db8:7::7]:5000")
)

// attribute is any attribute.
type attribute struct {
	kind  stun.AttrType
	value []byte
}

func (a attribute) AddTo(m *stun.Message) error { m.Add(a.kind, a.value); return nil }

func change(flags byte) stun.Setter { return attribute{stun.AttrChangeRequest, []byte{0, 0, 0, flags}} }

func request(s ...stun.Setter) []byte {
	return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, s...)...).Raw
}

// classic makes a request of RFC 3489 of another one.
func classic(b []byte) []byte {
	b = slices.Clone(b)
	b[4] = 0
	return b
}

// address reads an address that is not masked.
func address(t *testing.T, m *stun.Message, kind stun.AttrType) netip.AddrPort {
	t.Helper()
	var a stun.MappedAddress
	if err := a.GetFromAs(m, kind); err != nil {
		t.Fatalf("%v: %v", kind, err)
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
}

func decode(t *testing.T, b []byte) *stun.Message {
	t.Helper()
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnswer(t *testing.T) {
	at := netip.AddrPortFrom
	for _, c := range []struct {
		name  string
		plan  Plan
		flags byte
		at    int // socket of the plan
		from  netip.AddrPort
		via   netip.AddrPort
		other netip.AddrPort
	}{
		{"no change", plan4, 0, 0, romeo, at(plan4.First, 3480), at(plan4.Second, 3481)},
		{"port", plan4, 2, 0, romeo, at(plan4.First, 3481), at(plan4.Second, 3481)},
		{"address", plan4, 4, 0, romeo, at(plan4.Second, 3480), at(plan4.Second, 3481)},
		{"both", plan4, 6, 0, romeo, at(plan4.Second, 3481), at(plan4.Second, 3481)},
		{"other bits", plan4, 0xF9, 0, romeo, at(plan4.First, 3480), at(plan4.Second, 3481)},
		{"both, at the last socket", plan4, 6, 3, romeo, at(plan4.First, 3480), at(plan4.First, 3480)},
		{"port, at the second", plan4, 2, 1, romeo, at(plan4.First, 3480), at(plan4.Second, 3480)},
		{"address, at the third", plan4, 4, 2, romeo, at(plan4.First, 3480), at(plan4.First, 3481)},
		{"IPv6", plan6, 6, 0, rome6, at(plan6.Second, 3481), at(plan6.Second, 3481)},
	} {
		t.Run(c.name, func(t *testing.T) {
			here := c.plan.Sockets()[c.at]
			q := request(change(c.flags), stun.Fingerprint)
			b, via, outcome := Answer(c.plan, q, c.from, here)
			if outcome != Answered || via != c.via || !guard.WellFormed(b) {
				t.Fatalf("outcome %d, from %v, want %v", outcome, via, c.via)
			}
			m := decode(t, b)
			var x stun.XORMappedAddress
			if err := x.GetFrom(m); err != nil || x.String() != c.from.String() {
				t.Errorf("mapped address %v, %v", x, err)
			}
			if a := address(t, m, stun.AttrMappedAddress); a != c.from { // RFC 5780 section 6.1: both
				t.Errorf("mapped address, not masked: %v", a)
			}
			if a := address(t, m, stun.AttrResponseOrigin); a != c.via {
				t.Errorf("origin %v", a)
			}
			if a := address(t, m, stun.AttrOtherAddress); a != c.other {
				t.Errorf("other address %v, want %v", a, c.other)
			}
			if m.Type != stun.BindingSuccess || m.TransactionID != decode(t, q).TransactionID || stun.Fingerprint.Check(m) != nil || len(m.Attributes) != 5 {
				t.Errorf("answer %v %v", m, m.Attributes)
			}

			b, via, outcome = Answer(c.plan, classic(request(change(c.flags))), c.from, here)
			if outcome != Answered || via != c.via {
				t.Fatalf("RFC 3489: outcome %d, from %v, want %v", outcome, via, c.via)
			}
			copy(b[4:], q[4:8]) // the cookie, so that it is decoded
			m = decode(t, b)
			if address(t, m, stun.AttrMappedAddress) != c.from || address(t, m, attrSourceAddress) != c.via || address(t, m, attrChangedAddress) != c.other || len(m.Attributes) != 3 {
				t.Errorf("RFC 3489: %v", m.Attributes)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	here := plan4.Sockets()[0]
	for _, c := range []struct {
		name    string
		plan    Plan
		with    stun.Setter
		unknown []byte
	}{
		{"RESPONSE-PORT", plan4, attribute{0x0027, []byte{0x12, 0x34, 0, 0}}, []byte{0, 0x27}},
		{"PADDING", plan4, attribute{stun.AttrType(0x0026), make([]byte, 64)}, []byte{0, 0x26}},
		{"RESPONSE-ADDRESS", plan4, attribute{0x0002, make([]byte, 8)}, []byte{0, 2}},
		{"change without other sockets", Plan{}, change(2), []byte{0, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, via, outcome := Answer(c.plan, request(c.with), romeo, here)
			if outcome != Refused || via != here || !guard.WellFormed(b) {
				t.Fatalf("outcome %d from %v", outcome, via)
			}
			m := decode(t, b)
			var code stun.ErrorCodeAttribute
			if code.GetFrom(m) != nil || code.Code != 420 || m.Type.Class != stun.ClassErrorResponse {
				t.Errorf("%v", m)
			}
			if v, err := m.Get(stun.AttrUnknownAttributes); err != nil || !slices.Equal(v, c.unknown) {
				t.Errorf("unknown attributes %x, %v", v, err)
			}
			b, _, outcome = Answer(c.plan, classic(request(c.with)), romeo, here)
			if outcome != Refused || !slices.Equal(b[len(b)-4:], append(slices.Clone(c.unknown), c.unknown...)) {
				t.Errorf("RFC 3489: outcome %d, %x", outcome, b)
			}
		})
	}
	b, _, outcome := Answer(Plan{}, request(change(0)), romeo, here)
	if m := decode(t, b); outcome != Answered || m.Contains(stun.AttrOtherAddress) {
		t.Errorf("without other sockets: outcome %d, %v", outcome, m.Attributes)
	}
}

func TestMalformed(t *testing.T) {
	whole := request(change(2), stun.Fingerprint)
	broken := slices.Clone(whole)
	broken[len(broken)-1] ^= 1
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"nothing", nil},
		{"cut", whole[:len(whole)-4]},
		{"fingerprint", broken},
		{"short CHANGE-REQUEST", request(attribute{stun.AttrChangeRequest, []byte{1, 2}})},
		{"an answer", stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw},
		{"an indication", stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw},
		{"another method", stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)).Raw},
		{"large", request(attribute{0x8888, make([]byte, largest)})},
	} {
		if b, _, outcome := Answer(plan4, c.b, romeo, plan4.Sockets()[0]); outcome != Malformed || b != nil {
			t.Errorf("%s: outcome %d", c.name, outcome)
		}
	}
}

// TestSockets asks the four sockets, and looks where the answers come from.
func TestSockets(t *testing.T) {
	plan := Plan{First: netip.MustParseAddr("127.0.0.1"), Second: netip.MustParseAddr("127.0.0.2")}
	var sockets []*net.UDPConn
	for try := 0; len(sockets) < 4; try++ {
		for _, c := range sockets {
			c.Close()
		}
		sockets = nil
		plan.Port = uint16(21000 + (os.Getpid()+try*37)%9000)
		for _, at := range plan.Sockets() {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
			if err != nil && try == 50 {
				t.Skipf("no second address on loopback, or no ports: %v", err)
			}
			if err != nil {
				break
			}
			sockets = append(sockets, c)
		}
	}
	allowed := true
	var mu sync.Mutex
	r := &Responder{Count: guard.NewCounters(), Allow: func(netip.Addr, int) bool { mu.Lock(); defer mu.Unlock(); return allowed }}
	r.Use(plan)
	var serving sync.WaitGroup
	for _, c := range sockets {
		serving.Add(1)
		go func() { defer serving.Done(); r.Serve(c) }()
	}
	for r.complete() != plan {
		time.Sleep(time.Millisecond)
	}
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetReadDeadline(time.Now().Add(time.Minute))
	buffer := make([]byte, 1500)
	for _, to := range plan.Sockets() {
		for _, flags := range []byte{0, 2, 4, 6} {
			client.WriteToUDPAddrPort(request(change(flags)), to)
			_, from, err := client.ReadFromUDPAddrPort(buffer)
			if want := plan.other(to, flags&4 != 0, flags&2 != 0); err != nil || from != want {
				t.Fatalf("asked %v with %d: answer from %v, want %v: %v", to, flags, from, want, err)
			}
		}
	}
	mu.Lock()
	allowed = false
	mu.Unlock()
	client.WriteToUDPAddrPort(request(), plan.Sockets()[0])
	client.WriteToUDPAddrPort([]byte("x"), plan.Sockets()[0])
	for r.Count.Limited.Value() != 1 || r.Count.Malformed.Value() != 1 {
		time.Sleep(time.Millisecond)
	}
	if n := r.Count.Bindings.Value(); n != 16 {
		t.Errorf("%d answers counted", n)
	}
	for _, c := range sockets {
		c.Close()
	}
	serving.Wait()
	for _, at := range plan.Sockets() {
		if r.find(&at) != nil {
			t.Error("a closed socket is kept")
		}
	}
	client.SetReadDeadline(time.Unix(1, 0))
	if _, _, err := client.ReadFromUDPAddrPort(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer beyond the limit: %v", err)
	}
}

// FuzzAnswer wants answers that are well-formed and hardly larger than what they answer.
func FuzzAnswer(f *testing.F) {
	f.Add(request(change(6), stun.Fingerprint))
	f.Add(classic(request(change(2))))
	f.Add(request(attribute{0x0027, []byte{1, 2, 0, 0}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []struct {
			plan Plan
			from netip.AddrPort
			more int // bytes
		}{{plan4, romeo, 48}, {plan6, rome6, 96}, {Plan{}, romeo, 36}} {
			at := netip.AddrPortFrom(c.from.Addr().Next(), 3480)
			if c.plan.Port != 0 {
				at = c.plan.Sockets()[0]
			}
			answer, via, outcome := Answer(c.plan, b, c.from, at)
			if outcome == Malformed {
				if answer != nil {
					t.Fatal("an answer to what is none")
				}
				continue
			}
			if len(answer) > len(b)+c.more || int(binary.BigEndian.Uint16(answer[2:]))+header != len(answer) {
				t.Fatalf("%x answers %x", answer, b)
			}
			if binary.BigEndian.Uint32(b[4:]) == cookie && !guard.WellFormed(answer) {
				t.Fatalf("%x is not well-formed", answer)
			}
			if outcome == Refused && via != at {
				t.Fatal("a refusal from another socket")
			}
		}
	})
}
