package guard

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/pion/stun/v2"
)

// FuzzGuard lets strangers, a client and peers say anything to a guarded server with pion inside, and wants it alive at
// the end. Its input is a list of steps: who speaks, the length, the bytes. A client's bytes can be attributes, which
// are then signed, so that the fuzzer gets behind the signature.
func FuzzGuard(f *testing.F) {
	step := func(kind byte, b []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(b))), b...)
	}
	attributes := func(s ...stun.Setter) []byte { return stun.MustBuild(s...).Raw[header:] }
	f.Add(step(0, deadly()))
	f.Add(append(step(2, attributes(udp)), step(0, deadly())...))
	f.Add(append(append(append(step(2, attributes(udp)), step(5, attributes(channelNumber(0x4000), peer(peerA)))...), step(0, channelData(0x4000, "data"))...), step(6, []byte("data"))...))
	f.Add(append(append(step(2, attributes(udp)), step(4, attributes(peer(peerA), peer(peerB)))...), step(0, sendIndication(peerA, "x"))...))
	f.Add(append(append(step(2, attributes(udp)), step(3, attributes(seconds(0)))...), step(2, attributes(udp))...))
	f.Add(step(1, endless()))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.guard.Close()
			methods := []stun.Method{stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind}
			for steps := 0; len(b) >= 3 && steps < 20; steps++ {
				kind, n := b[0]%7, min(int(binary.BigEndian.Uint16(b[1:])), len(b)-3, 1500)
				said := b[3 : 3+n]
				b = b[3+n:]
				switch kind {
				case 0:
					s.wire.in.put(said, romeo)
				case 1:
					s.wire.in.put(said, juliet)
				case 6:
					for _, r := range s.house.relays {
						r.in.put(said, peerA)
					}
				default:
					s.wire.in.put(s.signedAttributes(methods[kind-2], said), romeo)
				}
				synctest.Wait()
				for _, r := range s.house.relays {
					for _, p := range r.out.take() {
						if !r.Permits(p.addr.Addr()) {
							t.Fatalf("a packet to %v", p.addr)
						}
					}
				}
			}
			s.wire.out.take()
			other := netip.MustParseAddrPort("192.0.2.99:1")
			want(t, s.ask(other, stun.MustBuild(stun.TransactionID, stun.BindingRequest)), 0, "")
			if s.count.Broken.Value()+s.count.Panics.Value() > 0 {
				t.Fatalf("%d answers of pion that should not be, %d panics", s.count.Broken.Value(), s.count.Panics.Value())
			}
		})
	})
}

// signedAttributes is a request of romeo with these bytes as its first attributes. Addresses in them are those that the
// transaction number of zeros makes of them.
func (s *stage) signedAttributes(method stun.Method, attributes []byte) []byte {
	if s.nonce[romeo] == nil {
		s.nonce[romeo] = s.guard.opts.Nonces.make(romeo)
	}
	m := stun.MustBuild(stun.NewType(method, stun.ClassRequest))
	n := len(attributes) &^ 3
	m.Raw = append(m.Raw, attributes[:n]...)
	m.Length = uint32(n)
	m.WriteLength()
	for _, a := range []stun.Setter{stun.NewUsername("romeo"), stun.NewRealm(realm), raw{stun.AttrNonce, s.nonce[romeo]}, stun.MessageIntegrity(keyOf("romeo"))} {
		a.AddTo(m)
	}
	return m.Raw
}
