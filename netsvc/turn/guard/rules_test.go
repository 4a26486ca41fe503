package guard

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v2"
)

// What each request is answered with, in the order of the specifications. Requests are romeo's; where there is an
// allocation it is his, with IPv4 relay and channel 0x4001 bound to peerA.
func TestAnswers(t *testing.T) {
	v6 := raw{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}}
	v4 := raw{stun.AttrRequestedAddressFamily, []byte{1, 0, 0, 0}}
	token := raw{stun.AttrReservationToken, []byte("12345678")}
	dual := raw{attrAdditionalFamily, []byte{2, 0, 0, 0}}
	list := func(s ...stun.Setter) []stun.Setter { return s }
	for _, tc := range []struct {
		name   string
		rule   string
		method stun.Method
		has    bool // an allocation
		attrs  []stun.Setter
		code   stun.ErrorCode
	}{
		{"allocate", "RFC 8656 7.2", stun.MethodAllocate, false, list(udp), 0},
		{"again", "RFC 8656 7.2 (2)", stun.MethodAllocate, true, list(udp), 437},
		{"no transport", "RFC 8656 7.2 (3)", stun.MethodAllocate, false, nil, 400},
		{"short transport", "RFC 8656 7.2 (3)", stun.MethodAllocate, false, list(raw{stun.AttrRequestedTransport, []byte{17}}), 400},
		{"TCP", "RFC 8656 7.2 (3), RFC 6062", stun.MethodAllocate, false, list(raw{stun.AttrRequestedTransport, []byte{6, 0, 0, 0}}), 442},
		{"SCTP", "RFC 8656 7.2 (3)", stun.MethodAllocate, false, list(raw{stun.AttrRequestedTransport, []byte{132, 0, 0, 0}}), 442},
		{"DONT-FRAGMENT", "RFC 8656 7.2 (4)", stun.MethodAllocate, false, list(udp, raw{stun.AttrDontFragment, nil}), 0},
		{"DONT-FRAGMENT with a value", "RFC 8656 18.6", stun.MethodAllocate, false, list(udp, raw{stun.AttrDontFragment, []byte{1}}), 400},
		{"token", "RFC 8656 7.2 (5)", stun.MethodAllocate, false, list(udp, token), 508},
		{"short token", "RFC 8656 18.9", stun.MethodAllocate, false, list(udp, raw{stun.AttrReservationToken, []byte("1234")}), 400},
		{"token and EVEN-PORT", "RFC 8656 7.2 (5)", stun.MethodAllocate, false, list(udp, token, raw{stun.AttrEvenPort, []byte{0}}), 400},
		{"token and family", "RFC 8656 7.2 (5)", stun.MethodAllocate, false, list(udp, token, v4), 400},
		{"token and second family", "RFC 8656 7.2 (5)", stun.MethodAllocate, false, list(udp, token, dual), 400},
		{"IPv4", "RFC 8656 7.2 (6)", stun.MethodAllocate, false, list(udp, v4), 0},
		{"IPv6", "RFC 8656 7.2 (6)", stun.MethodAllocate, false, list(udp, v6), 0},
		{"no such family", "RFC 8656 7.2 (6)", stun.MethodAllocate, false, list(udp, raw{stun.AttrRequestedAddressFamily, []byte{3, 0, 0, 0}}), 440},
		{"short family", "RFC 8656 18.8", stun.MethodAllocate, false, list(udp, raw{stun.AttrRequestedAddressFamily, []byte{1}}), 400},
		{"EVEN-PORT", "RFC 8656 7.2 (7)", stun.MethodAllocate, false, list(udp, raw{stun.AttrEvenPort, []byte{0}}), 0},
		{"EVEN-PORT with R", "RFC 8656 7.2 (7)", stun.MethodAllocate, false, list(udp, raw{stun.AttrEvenPort, []byte{0x80}}), 508},
		{"long EVEN-PORT", "RFC 8656 18.5", stun.MethodAllocate, false, list(udp, raw{stun.AttrEvenPort, []byte{0, 0}}), 400},
		{"second family", "RFC 8656 7.2 (8)", stun.MethodAllocate, false, list(udp, dual), 0},
		{"second family IPv4", "RFC 8656 7.2 (8)", stun.MethodAllocate, false, list(udp, raw{attrAdditionalFamily, []byte{1, 0, 0, 0}}), 400},
		{"both families", "RFC 8656 7.2 (8)", stun.MethodAllocate, false, list(udp, dual, v6), 400},
		{"unknown", "RFC 8489 6.3.1", stun.MethodAllocate, false, list(udp, raw{0x7777, []byte("what")}), 420},
		{"unknown, optional", "RFC 8489 6.3.1", stun.MethodAllocate, false, list(udp, raw{0xC777, []byte("what")}), 0},
		{"access token", "RFC 7635", stun.MethodAllocate, false, list(udp, raw{0x001B, make([]byte, 8)}), 420},
		{"mobility", "RFC 8016 3.2.1", stun.MethodAllocate, false, list(udp, raw{0x8030, nil}), 0},

		{"refresh nothing", "RFC 8656 5", stun.MethodRefresh, false, nil, 437},
		{"refresh", "RFC 8656 8.2", stun.MethodRefresh, true, nil, 0},
		{"refresh, right family", "RFC 8656 8.2", stun.MethodRefresh, true, list(v4), 0},
		{"refresh, other family", "RFC 8656 8.2", stun.MethodRefresh, true, list(v6), 443},
		{"refresh, short family", "RFC 8656 18.8", stun.MethodRefresh, true, list(raw{stun.AttrRequestedAddressFamily, nil}), 400},
		{"refresh with transport", "RFC 8489 6.3.1", stun.MethodRefresh, true, list(udp), 420},

		{"permit, nothing", "RFC 8656 5", stun.MethodCreatePermission, false, list(peer(peerA)), 437},
		{"permit nobody", "RFC 8656 10.2", stun.MethodCreatePermission, true, nil, 400},
		{"permit", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(peerA)), 0},
		{"permit two", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(peerA), peer(peerB)), 0},
		{"permit, malformed", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(peerB), raw{stun.AttrXORPeerAddress, nil}), 400},
		{"permit, wrong length", "RFC 8489 14.2", stun.MethodCreatePermission, true, list(raw{stun.AttrXORPeerAddress, make([]byte, 12)}), 400},
		{"permit, other family", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(peer6)), 443},
		{"permit, v4-mapped", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(raw{stun.AttrXORPeerAddress, append([]byte{0, 2, 0, 0}, make([]byte, 16)...)}), 443},
		{"permit, forbidden", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(denied)), 403},
		{"permit two, one forbidden", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(peerB), peer(denied)), 403},
		{"permit the limit", "", stun.MethodCreatePermission, true, list(peer(hostile(1)), peer(hostile(2)), peer(hostile(3))), 0},
		{"permit too many", "RFC 8656 10.2", stun.MethodCreatePermission, true, list(peer(hostile(1)), peer(hostile(2)), peer(hostile(3)), peer(hostile(4))), 508},
		{"permit one often", "", stun.MethodCreatePermission, true, list(peer(hostile(1)), peer(hostile(1)), peer(hostile(1)), peer(hostile(1)), peer(hostile(1))), 0},

		{"bind, nothing", "RFC 8656 5", stun.MethodChannelBind, false, list(channelNumber(0x4000), peer(peerA)), 437},
		{"bind", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4000), peer(peerB)), 0},
		{"bind the last", "RFC 8656 12", stun.MethodChannelBind, true, list(channelNumber(0x4FFF), peer(peerB)), 0},
		{"bind the last of old", "RFC 5766 11", stun.MethodChannelBind, true, list(channelNumber(0x7FFF), peer(peerB)), 0},
		{"bind beyond", "RFC 8656 12", stun.MethodChannelBind, true, list(channelNumber(0x8000), peer(peerB)), 400},
		{"bind below", "RFC 8656 12", stun.MethodChannelBind, true, list(channelNumber(0x3FFF), peer(peerB)), 400},
		{"bind no number", "RFC 8656 12.2", stun.MethodChannelBind, true, list(peer(peerB)), 400},
		{"bind, short number", "RFC 8656 18.1", stun.MethodChannelBind, true, list(raw{stun.AttrChannelNumber, []byte{0x40, 0}}, peer(peerB)), 400},
		{"bind no peer", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4000)), 400},
		{"bind two peers", "RFC 8656 12.1", stun.MethodChannelBind, true, list(channelNumber(0x4000), peer(peerA), peer(peerB)), 400},
		{"bind again", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4001), peer(peerA)), 0},
		{"bind to another peer", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4001), peer(peerB)), 400},
		{"bind another number", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4002), peer(peerA)), 400},
		{"bind another port", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4002), peer(netip.AddrPortFrom(peerA.Addr(), 9))), 0},
		{"bind, other family", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4000), peer(peer6)), 443},
		{"bind, forbidden", "RFC 8656 12.2", stun.MethodChannelBind, true, list(channelNumber(0x4000), peer(denied)), 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				if tc.has {
					s.allocate(romeo, "romeo")
					want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodChannelBind, channelNumber(0x4001), peer(peerA))), 0, "romeo")
				}
				opened := len(s.house.relays)
				a := s.ask(romeo, s.signed(romeo, "romeo", tc.method, tc.attrs...))
				want(t, a, tc.code, "romeo")
				if tc.code == 420 && !a.Contains(stun.AttrUnknownAttributes) {
					t.Error("does not say which attributes")
				}
				if tc.code != 0 && s.count.Refused.With(codes[tc.code]).Value() == 0 {
					t.Error("not counted")
				}
				if tc.code != 0 && len(s.house.relays) != opened {
					t.Error("a relay was opened")
				}
				// What was refused has changed nothing: peerB came in by a success only.
				if tc.code != 0 && tc.has {
					s.say(romeo, sendIndication(peerB, "x"))
					if got := s.house.relays[0].out.take(); len(got) > 0 {
						t.Errorf("to the peer: %v", got)
					}
				}
				if n := s.count.Broken.Value() + s.count.Panics.Value(); n > 0 {
					t.Errorf("%d broken", n)
				}
			})
		})
	}
}

func hostile(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, n}), 9)
}

// Who is asked for credentials, and with which words: RFC 8489 section 9.2.4. Unsigned answers all of them, and at most
// 150 bytes.
func TestCredentials(t *testing.T) {
	type build func(s *stage) *stun.Message
	sign := func(name, password, in string, nonce func(*stage) []byte, after ...stun.Setter) build {
		return func(s *stage) *stun.Message {
			s.signed(romeo, "romeo", stun.MethodAllocate) // fetches the nonce
			all := []stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udp}
			if name != "" {
				all = append(all, stun.NewUsername(name))
			}
			if in != "" {
				all = append(all, stun.NewRealm(in))
			}
			if nonce != nil {
				all = append(all, raw{stun.AttrNonce, nonce(s)})
			}
			all = append(all, stun.NewLongTermIntegrity(name, in, password))
			return stun.MustBuild(append(all, after...)...)
		}
	}
	fresh := func(s *stage) []byte { return s.nonce[romeo] }
	forged := func(s *stage) []byte { return append(bytes.Clone(s.nonce[romeo][:21]), 'x') }
	foreign := func(s *stage) []byte { s.signed(juliet, "romeo", stun.MethodAllocate); return s.nonce[juliet] }
	beside := func(s *stage) []byte {
		return s.guard.opts.Nonces.make(netip.AddrPortFrom(romeo.Addr(), romeo.Port()+1))
	}
	old := func(s *stage) []byte { time.Sleep(time.Hour + time.Second); return s.nonce[romeo] }
	for _, tc := range []struct {
		name  string
		build build
		code  stun.ErrorCode
	}{
		{"nothing", func(*stage) *stun.Message {
			return stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udp)
		}, 401},
		{"SHA-256 only", func(*stage) *stun.Message {
			return stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udp, raw{attrIntegritySHA256, make([]byte, 32)})
		}, 401},
		{"good", sign("romeo", "secret", realm, fresh), 0},
		{"no name", sign("", "secret", realm, fresh), 400},
		{"no realm", sign("romeo", "secret", "", fresh), 400},
		{"no nonce", sign("romeo", "secret", realm, nil), 400},
		{"forged nonce", sign("romeo", "secret", realm, forged), 438},
		{"nonce of another address", sign("romeo", "secret", realm, foreign), 438},
		{"nonce of another port", sign("romeo", "secret", realm, beside), 438},
		{"old nonce", sign("romeo", "secret", realm, old), 438},
		{"empty nonce", sign("romeo", "secret", realm, func(*stage) []byte { return nil }), 438},
		{"other realm", sign("romeo", "secret", "example.com", fresh), 401},
		{"unknown user", sign("tybalt", "secret", realm, fresh), 401},
		{"wrong password", sign("romeo", "guess", realm, fresh), 401},
		{"with fingerprint", sign("romeo", "secret", realm, fresh, stun.Fingerprint), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				m := tc.build(s)
				a := s.ask(romeo, m)
				if tc.code == 0 {
					want(t, a, 0, "romeo")
					if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(a) != nil {
						t.Error("no fingerprint")
					}
					return
				}
				want(t, a, tc.code, "")
				if told := len(s.house.failed) > 0; told != (tc.name == "wrong password") {
					t.Errorf("the house was told of a failure: %v", told)
				}
				if tc.code != 400 {
					if v, _ := a.Get(stun.AttrRealm); string(v) != realm {
						t.Errorf("realm %q", v)
					}
					if v, _ := a.Get(stun.AttrNonce); len(v) == 0 {
						t.Error("no nonce")
					}
				}
				if len(a.Raw) > 150 {
					t.Errorf("%d bytes", len(a.Raw))
				}
			})
		})
	}
}

// The longest realm that there may be still fits.
func TestChallengeIsShort(t *testing.T) {
	n := NewNonces().make(juliet)
	for _, code := range []stun.ErrorCode{401, 438} {
		m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), code, raw{stun.AttrNonce, n}, raw{stun.AttrRealm, make([]byte, MaxRealm)})
		if len(m.Raw) > 150 {
			t.Errorf("%d: %d bytes", code, len(m.Raw))
		}
	}
}

// The credential of an allocation is that of its beginning, RFC 8656 section 5: nobody else manages it, and it is good
// when it cannot begin another one any more.
func TestOthersDoNotManage(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.allocate(romeo, "romeo")
		for _, m := range []*stun.Message{
			s.signed(romeo, "juliet", stun.MethodRefresh, seconds(0)),
			s.signed(romeo, "juliet", stun.MethodCreatePermission, peer(peerA)),
			s.signed(romeo, "juliet", stun.MethodChannelBind, channelNumber(0x4000), peer(peerA)),
		} {
			want(t, s.ask(romeo, m), 441, "juliet")
		}
		want(t, s.ask(romeo, s.signed(romeo, "juliet", stun.MethodAllocate, udp)), 437, "juliet")
		s.house.gone["romeo"] = true
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh)), 0, "romeo")
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodCreatePermission, peer(peerA))), 0, "romeo")
		want(t, s.ask(juliet, s.signed(juliet, "romeo", stun.MethodAllocate, udp)), 401, "")
	})
}

// A lost answer is given again, not a second allocation: RFC 8656 section 7.2 (2).
func TestRetransmission(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		m := s.signed(romeo, "romeo", stun.MethodAllocate, udp, seconds(900))
		first, second := s.ask(romeo, m), s.ask(romeo, m)
		want(t, second, 0, "romeo")
		if !bytes.Equal(first.Raw, second.Raw) || len(s.house.relays) != 1 {
			t.Errorf("%x\n%x\n%d relays", first.Raw, second.Raw, len(s.house.relays))
		}
	})
}

// What stands behind MESSAGE-INTEGRITY was not signed and does not count: RFC 8489 section 14.5.
func TestUnsignedAttributes(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		r := s.allocate(romeo, "romeo")
		m := s.signed(romeo, "romeo", stun.MethodCreatePermission, peer(peerA))
		m.Add(stun.AttrXORPeerAddress, func() []byte {
			p := new(stun.Message)
			p.TransactionID = m.TransactionID
			peer(peerB).AddTo(p)
			v, _ := p.Get(stun.AttrXORPeerAddress)
			return v
		}())
		want(t, s.ask(romeo, m), 0, "romeo")
		s.say(romeo, sendIndication(peerA, "a"))
		s.say(romeo, sendIndication(peerB, "b"))
		if got := r.out.take(); len(got) != 1 || got[0].addr != peerA {
			t.Errorf("to peers: %v", got)
		}
		// And without the signed one there is none at all.
		m = s.signed(romeo, "romeo", stun.MethodCreatePermission)
		peer(peerB).AddTo(m)
		want(t, s.ask(romeo, m), 400, "romeo")
	})
}

// What the house refuses.
func TestRefusals(t *testing.T) {
	for _, code := range []stun.ErrorCode{440, 486, 508} {
		play(t, func(t *testing.T, s *stage) {
			s.house.refuse = code
			want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodAllocate, udp)), code, "romeo")
			s.house.refuse = 0
			s.allocate(romeo, "romeo")
		})
	}
}

// A house that takes its time: others are served meanwhile, a client that asks again is not given two, and what comes
// too late is closed.
func TestSlowHouse(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		other := s.allocate(juliet, "juliet")
		want(t, s.ask(juliet, s.signed(juliet, "juliet", stun.MethodCreatePermission, peer(peerA))), 0, "juliet")
		s.house.slow = time.Second
		m := s.signed(romeo, "romeo", stun.MethodAllocate, udp)
		for range 2 {
			if a := s.ask(romeo, m); a != nil {
				t.Fatalf("answered with %v", a)
			}
		}
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodAllocate, udp)), 437, "romeo")
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh)), 437, "romeo")
		s.say(juliet, sendIndication(peerA, "meanwhile"))
		if len(other.out.take()) != 1 {
			t.Error("others have to wait")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		out := s.wire.out.take()
		if len(out) != 1 || len(s.house.relays) != 2 {
			t.Fatalf("%d answers, %d relays", len(out), len(s.house.relays))
		}
		a := &stun.Message{Raw: out[0].b}
		if err := a.Decode(); err != nil || a.TransactionID != m.TransactionID {
			t.Fatal(err)
		}
		want(t, a, 0, "romeo")
		// One that is cut before it has begun does not live.
		tybalt := netip.MustParseAddrPort("192.0.2.77:7")
		s.say(tybalt, s.signed(tybalt, "romeo", stun.MethodAllocate, udp).Raw)
		s.house.asked[len(s.house.asked)-1].Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		select {
		case <-s.house.relays[2].gone:
		default:
			t.Error("it lives")
		}
		s.wire.out.take()
		s.say(tybalt, s.signed(tybalt, "romeo", stun.MethodAllocate, udp).Raw)
		s.guard.Close()
		time.Sleep(time.Second)
		synctest.Wait() // play looks whether the relay was closed
	})
}

// What the house is asked.
func TestAsk(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.allocate(romeo, "romeo", raw{stun.AttrDontFragment, nil}, raw{stun.AttrEvenPort, []byte{0}})
		s.allocate(juliet, "juliet", raw{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}})
		a, b := s.house.asked[0], s.house.asked[1]
		if !a.DontFragment || !a.EvenPort || a.IPv6 || a.From != romeo || a.To != server || a.Transport != "udp" {
			t.Errorf("%+v", a)
		}
		if b.DontFragment || b.EvenPort || !b.IPv6 || b.From != juliet {
			t.Errorf("%+v", b)
		}
	})
}

// Lifetimes: RFC 8656 sections 7.2 and 8.2. A client that is silent loses its allocation on time, one that refreshes
// keeps it, and nobody longer than a call may take.
func TestLifetime(t *testing.T) {
	for _, tc := range []struct {
		name    string
		asked   []stun.Setter
		granted uint32
	}{
		{"default", nil, 600},
		{"shorter than the default", []stun.Setter{seconds(60)}, 600},
		{"zero", []stun.Setter{seconds(0)}, 600},
		{"longer", []stun.Setter{seconds(1800)}, 1800},
		{"longest", []stun.Setter{seconds(1 << 31)}, mostLife},
		{"malformed", []stun.Setter{raw{stun.AttrLifetime, []byte{1}}}, 600},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				a := s.ask(romeo, s.signed(romeo, "romeo", stun.MethodAllocate, append(tc.asked, udp)...))
				want(t, a, 0, "romeo")
				if got := lifetime(t, a); got != tc.granted {
					t.Fatalf("lifetime is %d", got)
				}
				relay := s.house.relays[0]
				time.Sleep(time.Duration(tc.granted)*time.Second - time.Second)
				synctest.Wait()
				select {
				case <-relay.gone:
					t.Fatal("gone too early")
				default:
				}
				time.Sleep(time.Second)
				synctest.Wait()
				select {
				case <-relay.gone:
				default:
					t.Fatal("still there")
				}
				delete(s.nonce, romeo)
				want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh)), 437, "romeo")
			})
		})
	}
	t.Run("longer than a call may take", func(t *testing.T) {
		play(t, func(t *testing.T, s *stage) {
			s.guard.opts.MaxCall = time.Minute
			a := s.ask(romeo, s.signed(romeo, "romeo", stun.MethodAllocate, udp))
			want(t, a, 0, "romeo")
			if got := lifetime(t, a); got != 60 {
				t.Errorf("lifetime is %d", got)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			<-s.house.relays[0].gone
		})
	})
	t.Run("a call", func(t *testing.T) {
		play(t, func(t *testing.T, s *stage) {
			relay := s.allocate(romeo, "romeo")
			begin := time.Now()
			for {
				time.Sleep(9 * time.Minute)
				delete(s.nonce, romeo)
				a := s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh))
				if a.Type.Class == stun.ClassErrorResponse {
					want(t, a, 437, "romeo")
					break
				}
			}
			<-relay.gone
			if d := time.Since(begin); d < 24*time.Hour || d > 24*time.Hour+9*time.Minute {
				t.Errorf("ended after %v", d)
			}
		})
	})
}

// Permissions last five minutes, channels ten: RFC 8656 sections 9 and 12.
func TestPermissionsEnd(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		relay := s.allocate(romeo, "romeo", seconds(3000))
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodCreatePermission, peer(peerA))), 0, "romeo")
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodChannelBind, channelNumber(0x4000), peer(peerB))), 0, "romeo")
		passes := func(b []byte) bool { s.say(romeo, b); return len(relay.out.take()) > 0 }
		for _, step := range []struct {
			after             time.Duration
			send, channelSend bool
		}{
			{5*time.Minute - time.Second, true, true},
			{5*time.Minute + time.Second, false, true},
			{10*time.Minute - time.Second, false, true},
			{10*time.Minute + time.Second, false, false},
		} {
			time.Sleep(step.after - time.Duration(time.Now().UnixNano()%int64(time.Hour)))
			if got := passes(sendIndication(peerA, "x")); got != step.send {
				t.Errorf("after %v the permission is %v", step.after, got)
			}
			if got := passes(channelData(0x4000, "x")); got != step.channelSend {
				t.Errorf("after %v the channel is %v", step.after, got)
			}
		}
		time.Sleep(time.Minute)
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodChannelBind, channelNumber(0x4000), peer(peerA))), 0, "romeo")
		// What ended makes room for others.
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodCreatePermission, peer(hostile(1)), peer(hostile(2)), peer(hostile(3)))), 0, "romeo")
	})
}

func TestChannelsAreFew(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.allocate(romeo, "romeo")
		for i := range uint16(4) {
			a := s.ask(romeo, s.signed(romeo, "romeo", stun.MethodChannelBind, channelNumber(0x4000+i), peer(netip.AddrPortFrom(peerA.Addr(), i+1))))
			want(t, a, map[bool]stun.ErrorCode{true: 0, false: 508}[i < 3], "romeo")
		}
	})
}

// The end of an allocation must not hit the next one of the same client: pion's own addresses of both would be the
// same, and the goroutine that ends late would delete the new one (1 of 2,000 without the guard).
func TestAllocateAfterRefreshZero(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		for range 300 {
			delete(s.nonce, romeo)
			s.allocate(romeo, "romeo")
			want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh, seconds(0))), 0, "romeo")
			relay := s.allocate(romeo, "romeo")
			want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodCreatePermission, peer(peerA))), 0, "romeo")
			s.say(romeo, sendIndication(peerA, "x"))
			if len(relay.out.take()) != 1 {
				t.Fatal("the new allocation is gone")
			}
			want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh, seconds(0))), 0, "romeo")
			s.house.relays = s.house.relays[:0]
			time.Sleep(2 * time.Second) // the limit of challenges
		}
	})
}

// Cut ends one allocation, from anywhere, and no other.
func TestCut(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		first, second := s.allocate(romeo, "romeo"), s.allocate(juliet, "juliet")
		cut := s.house.asked[0].Cut
		go cut()
		go cut()
		synctest.Wait()
		<-first.gone
		select {
		case <-second.gone:
			t.Error("the other one is gone, too")
		default:
		}
		want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodRefresh)), 437, "romeo")
		want(t, s.ask(juliet, s.signed(juliet, "juliet", stun.MethodRefresh)), 0, "juliet")
		third := s.allocate(romeo, "romeo")
		cut()
		synctest.Wait()
		select {
		case <-third.gone:
			t.Error("an old order hit a new allocation")
		default:
		}
	})
}

// Binding: RFC 8489 section 12, and how much larger than the question its answer may be.
func TestBinding(t *testing.T) {
	for _, tc := range []struct {
		name  string
		from  netip.AddrPort
		attrs []stun.Setter
		code  stun.ErrorCode
		most  float64
	}{
		{"IPv4", romeo, nil, 0, 2},
		{"IPv6", juliet, nil, 0, 2.6},
		{"IPv4 with fingerprint", romeo, []stun.Setter{stun.Fingerprint}, 0, 2},
		{"software", romeo, []stun.Setter{stun.NewSoftware("x")}, 0, 2},
		{"CHANGE-REQUEST", romeo, []stun.Setter{raw{stun.AttrChangeRequest, make([]byte, 4)}}, 420, 2},
		{"unknown", juliet, []stun.Setter{raw{0x7777, nil}}, 420, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				m := stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, tc.attrs...)...)
				a := s.ask(tc.from, m)
				want(t, a, tc.code, "")
				if tc.code == 0 && xor(t, a, stun.AttrXORMappedAddress) != tc.from {
					t.Error("not the address")
				}
				if float64(len(a.Raw)) > tc.most*float64(len(m.Raw)) {
					t.Errorf("%d bytes for %d", len(a.Raw), len(m.Raw))
				}
			})
		})
	}
}

// Clients of RFC 3489: no cookie, 16 bytes of transaction, and the address as it is.
func TestClassic(t *testing.T) {
	const id = "0123456789abcdef"
	build := func(attrs string) []byte {
		return []byte("\x00\x01\x00" + string(rune(len(attrs))) + id + attrs)
	}
	v4 := "\x01\x01\x00\x0c" + id + "\x00\x01\x00\x08\x00\x01\x9c\x40\xc0\x00\x02\x0a"
	for _, tc := range []struct {
		name   string
		from   netip.AddrPort
		ask    []byte
		answer string
	}{
		{"plain", romeo, build(""), v4},
		{"IPv6", juliet, build(""), "\x01\x01\x00\x18" + id + "\x00\x01\x00\x14\x00\x02\x9c\x40\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x10"},
		{"change nothing", romeo, build("\x00\x03\x00\x04\x00\x00\x00\x00"), v4},
		{"change the port", romeo, build("\x00\x03\x00\x04\x00\x00\x00\x02"), "\x01\x11\x00\x10" + id + "\x00\x09\x00\x04\x00\x00\x04\x14\x00\x0a\x00\x04\x00\x03\x00\x03"},
		{"unknown, optional", romeo, build("\x80\x03\x00\x04\x00\x00\x00\x02"), v4},
		{"cut", romeo, build("\x00\x03\x00\x08\x00\x00\x00\x02"), ""},
		{"longer", romeo, append(build(""), 0), ""},
		{"another method", romeo, []byte("\x00\x03\x00\x00" + id), ""},
		{"a response", romeo, []byte("\x01\x01\x00\x00" + id), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				got := string(bytes.Join(s.say(tc.from, tc.ask), nil))
				if got != tc.answer {
					t.Errorf("%x", got)
				}
				if len(got) > 52 || float64(len(got)) > 2.6*float64(len(tc.ask)) {
					t.Errorf("%d bytes for %d", len(got), len(tc.ask))
				}
				if (s.count.Malformed.Value() > 0) != (tc.answer == "") {
					t.Error("counted wrongly")
				}
				for range 30 {
					s.say(tc.from, tc.ask)
				}
				if tc.answer != "" && s.count.Limited.Value() != 11 {
					t.Errorf("%d limited", s.count.Limited.Value())
				}
			})
		})
	}
}

// Strangers are limited, those who have an allocation are not.
func TestStrangersAreLimited(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.allocate(juliet, "juliet")
		answered := 0
		for range 100 {
			if s.ask(romeo, stun.MustBuild(stun.TransactionID, stun.BindingRequest)) != nil {
				answered++
			}
			if s.ask(juliet, stun.MustBuild(stun.TransactionID, stun.BindingRequest)) == nil {
				t.Fatal("somebody with an allocation is limited")
			}
		}
		if answered != 20 {
			t.Errorf("%d answers", answered)
		}
		if n := s.count.Limited.Value(); n != 80 {
			t.Errorf("%d counted", n)
		}
		time.Sleep(time.Second)
		if s.ask(romeo, stun.MustBuild(stun.TransactionID, stun.BindingRequest)) == nil {
			t.Error("limited for ever")
		}
	})
}

// apart makes a limiter in which those addresses do not happen to share a place.
func apart(per, bytes int, addrs ...string) *Limiter {
	for {
		l, places := NewLimiter(per, bytes), map[*bucket]bool{}
		for _, a := range addrs {
			places[l.source(netip.MustParseAddr(a))] = true
		}
		if len(places) == len(addrs) {
			return l
		}
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := apart(20, 1000, "192.0.2.1", "2001:db8:0:1::1", "2001:db8:0:100::1", "192.0.2.3")
		allowed := func(a string, n int) (count int) {
			for range 100 {
				if l.Allow(netip.MustParseAddr(a), n) {
					count++
				}
			}
			return count
		}
		for _, tc := range []struct {
			name, addr string
			bytes, n   int
		}{
			{"one address", "192.0.2.1", 1, 20},
			{"the same again", "192.0.2.1", 1, 0},
			{"mapped", "::ffff:192.0.2.1", 1, 0},
			{"an IPv6 network", "2001:db8:0:1::1", 1, 20},
			{"the same network", "2001:db8:0:2::1", 1, 0},
			{"another network", "2001:db8:0:100::1", 1, 20},
			{"all together", "192.0.2.3", 100, 9},
		} {
			if got := allowed(tc.addr, tc.bytes); got != tc.n {
				t.Errorf("%s: %d answers instead of %d", tc.name, got, tc.n)
			}
		}
	})
}

// What no client makes is dropped and counted, before pion could see it.
func TestDropped(t *testing.T) {
	good := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewSoftware("x"), stun.Fingerprint).Raw
	change := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	indication := func(attrs ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication)}, attrs...)...).Raw
	}
	data := raw{stun.AttrData, []byte("data")}
	for _, tc := range []struct {
		name      string
		b         []byte
		malformed bool // counted as that, otherwise as stray or not at all
	}{
		{"empty", []byte{}, true},
		{"one byte", []byte{0}, true},
		{"header cut", good[:19], true},
		{"cut", good[:len(good)-1], true},
		{"longer", append(bytes.Clone(good), 0, 0, 0, 0), true},
		{"cookie", change(4, 0), true},
		{"length not of four", change(2, 0, 3), true},
		{"length", change(2, 0xff, 0xfc), true},
		{"attribute beyond the end", change(22, 0xff, 0xff), true},
		{"fingerprint wrong", change(len(good)-1, ^good[len(good)-1]), true},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more"), true},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), true},
		{"channel of nobody", channelData(0x4002, "data"), false},
		{"channel beyond", channelData(0x8000, "data"), true},
		{"channel data cut", channelData(0x4001, "data")[:7], true},
		{"no peer", indication(data), true},
		{"no data", indication(peer(peerA)), true},
		{"two peers", indication(peer(peerA), peer(peerA), data), true},
		{"no permission", indication(peer(peerB), data), false},
		{"unknown attribute", indication(peer(peerA), data, raw{0x7777, nil}), true},
		{"the packet that ends pion", deadly(), true},
		{"response", stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw, false},
		{"data indication", stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication), peer(peerA), data).Raw, false},
		{"binding indication", stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw, false},
		{"connect", stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodConnect, stun.ClassRequest)).Raw, false},
		{"unknown method", stun.MustBuild(stun.TransactionID, stun.NewType(0xABC, stun.ClassRequest)).Raw, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				relay := s.allocate(romeo, "romeo")
				want(t, s.ask(romeo, s.signed(romeo, "romeo", stun.MethodChannelBind, channelNumber(0x4001), peer(peerA))), 0, "romeo")
				for _, from := range []netip.AddrPort{romeo, juliet} {
					before, stray := s.count.Malformed.Value(), s.count.Stray.Value()
					if answers := s.say(from, tc.b); len(answers) > 0 {
						t.Errorf("answered with %x", answers)
					}
					if got := relay.out.take(); len(got) > 0 {
						t.Errorf("to the peer: %v", got)
					}
					if from == romeo && (s.count.Malformed.Value() > before) != tc.malformed {
						t.Errorf("malformed counted: %v", !tc.malformed)
					}
					if alone := tc.name == "channel of nobody" || tc.name == "no permission"; from == romeo && (s.count.Stray.Value() > stray) != alone {
						t.Errorf("stray counted: %v", !alone)
					}
				}
				s.say(romeo, channelData(0x4001, "alive"))
				if len(relay.out.take()) != 1 {
					t.Error("does not relay any more")
				}
				if n := s.count.Panics.Value(); n > 0 {
					t.Errorf("%d panics", n)
				}
			})
		})
	}
}

// deadly is the indication of 32 bytes that ends pion: its last attribute is a peer's address of no length.
func deadly() []byte {
	return stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), raw{stun.AttrData, []byte("1234")}, raw{stun.AttrXORPeerAddress, nil}).Raw
}

// RFC 5769: requests and responses that must be read and known to be good.
func TestVectors(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		long           bool
		hex            string
	}{
		{"2.1 request", "VOkJxbRl1RmTxUk/WvJxBt", false, `
			00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c
			69 65 6e 74 00 24 00 04 6e 00 01 ff 80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09 65 76 74 6a 3a 68 36 76
			59 20 20 20 00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2 80 28 00 04 e5 7a 3b cf`},
		{"2.2 IPv4 response", "VOkJxbRl1RmTxUk/WvJxBt", false, `
			01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
			00 20 00 08 00 01 a1 47 e1 12 a6 43 00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
			80 28 00 04 c0 7d 4c 96`},
		{"2.3 IPv6 response", "VOkJxbRl1RmTxUk/WvJxBt", false, `
			01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
			00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9 00 08 00 14 a3 82 95 4e 4b e6 7b f1
			17 84 c9 7c 82 92 c2 75 bf e3 ed 41 80 28 00 04 c8 fb 0b 4c`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := hex.DecodeString(strings.Join(strings.Fields(tc.hex), ""))
			if err != nil {
				t.Fatal(err)
			}
			if !wellFormed(b) {
				t.Fatal("taken for malformed")
			}
			var r request
			if !r.read(b, Path{From: romeo}) || !r.integrity || !r.fingerprint {
				t.Fatal("not read")
			}
			if err := stun.NewShortTermIntegrity(tc.password).Check(&r.message); err != nil {
				t.Error(err)
			}
			for want, response := range map[string]bool{"192.0.2.1:32853": strings.Contains(tc.name, "IPv4"), "[2001:db8:1234:5678:11:2233:4455:6677]:32853": strings.Contains(tc.name, "IPv6")} {
				if v, ok := r.get(stun.AttrXORMappedAddress); ok && response {
					if got, ok := addressOf(v, &r.id); !ok || got.String() != want {
						t.Errorf("address %v", got)
					}
				}
			}
		})
	}
}
