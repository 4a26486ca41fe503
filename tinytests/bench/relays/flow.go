package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/burst"
)

// flow is one client with an allocation, and its peer.
type flow struct {
	client, peer   *net.UDPConn
	clients, peers *burst.Socket
	server, relay  netip.AddrPort
	data, framed   []byte
	arrived        atomic.Int64
	out            burst.Out
	realm, nonce   string
}

// size of the data in a packet.
const size = 200

var errAnswer = errors.New("no answer")

// open makes flows; of none it only sees whether the server answers.
func open(n int) (flows []*flow, err error) {
	defer func() {
		if err != nil {
			closeAll(flows)
		}
	}()
	if n == 0 {
		f, err := newFlow()
		if err != nil {
			return nil, err
		}
		defer f.close()
		_, err = f.ask(stun.BindingRequest)
		return nil, err
	}
	for range n {
		f, err := newFlow()
		if err != nil {
			return flows, err
		}
		flows = append(flows, f)
		if err := f.allocate(); err != nil {
			return flows, err
		}
	}
	for _, f := range flows {
		f.client.SetReadDeadline(time.Time{})
		go f.count(f.clients)
		go f.count(f.peers)
	}
	return flows, nil
}

func closeAll(flows []*flow) {
	for _, f := range flows {
		f.close()
	}
}

func newFlow() (*flow, error) {
	f := &flow{server: netip.MustParseAddrPort(net.JoinHostPort(theirs, turnPort)), data: make([]byte, size)}
	f.framed = append([]byte{0x40, 0, 0, size}, f.data...)
	at := net.UDPAddr{IP: net.ParseIP(ours)}
	var err error
	for _, c := range []struct {
		conn  **net.UDPConn
		burst **burst.Socket
	}{{&f.client, &f.clients}, {&f.peer, &f.peers}} {
		if *c.conn, err = net.ListenUDP("udp4", &at); err != nil {
			return nil, err
		}
		_ = (*c.conn).SetReadBuffer(4 << 20)
		if *c.burst, err = burst.New(*c.conn, false); err != nil {
			return nil, err
		}
		(*c.burst).Plain()
	}
	return f, nil
}

func (f *flow) close() {
	f.client.Close()
	f.peer.Close()
}

// ask sends a message until it is answered.
func (f *flow) ask(setters ...stun.Setter) (*stun.Message, error) {
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2000)
	for range 10 {
		if _, err := f.client.WriteToUDPAddrPort(m.Raw, f.server); err != nil {
			return nil, err
		}
		f.client.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			n, _, err := f.client.ReadFromUDPAddrPort(b)
			if err != nil {
				break
			}
			a := &stun.Message{Raw: b[:n]}
			if a.Decode() == nil && a.TransactionID == m.TransactionID {
				return a, nil
			}
		}
	}
	return nil, errAnswer
}

// request is ask with credentials.
func (f *flow) request(method stun.Method, setters ...stun.Setter) (*stun.Message, error) {
	all := append([]stun.Setter{stun.NewType(method, stun.ClassRequest)}, setters...)
	all = append(all, stun.NewUsername(user), stun.NewRealm(f.realm), stun.NewNonce(f.nonce), stun.NewLongTermIntegrity(user, f.realm, password))
	a, err := f.ask(all...)
	if err == nil && a.Type.Class != stun.ClassSuccessResponse {
		var code stun.ErrorCodeAttribute
		_ = code.GetFrom(a)
		err = fmt.Errorf("%v: %d", method, code.Code)
	}
	return a, err
}

type attribute struct {
	kind  stun.AttrType
	value []byte
}

func (a attribute) AddTo(m *stun.Message) error { m.Add(a.kind, a.value); return nil }

type address struct {
	kind stun.AttrType
	at   netip.AddrPort
}

func (a address) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress{IP: a.at.Addr().AsSlice(), Port: int(a.at.Port())}.AddToAs(m, a.kind)
}

// allocate makes an allocation with channel 0x4000 to the peer.
func (f *flow) allocate() error {
	transport := attribute{stun.AttrRequestedTransport, []byte{17, 0, 0, 0}}
	a, err := f.ask(stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport)
	if err != nil {
		return err
	}
	realm, err := a.Get(stun.AttrRealm)
	if err != nil {
		return err
	}
	nonce, err := a.Get(stun.AttrNonce)
	if err != nil {
		return err
	}
	f.realm, f.nonce = string(realm), string(nonce)
	if a, err = f.request(stun.MethodAllocate, transport); err != nil {
		return err
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(a, stun.AttrXORRelayedAddress); err != nil {
		return err
	}
	f.relay = netip.AddrPortFrom(netip.MustParseAddr(relayed.IP.String()), uint16(relayed.Port))
	at := f.peer.LocalAddr().(*net.UDPAddr).AddrPort()
	_, err = f.request(stun.MethodChannelBind, attribute{stun.AttrChannelNumber, []byte{0x40, 0, 0, 0}}, address{stun.AttrXORPeerAddress, netip.AddrPortFrom(at.Addr().Unmap(), at.Port())})
	return err
}

// up sends packets from the client to the peer, down the other way.
func (f *flow) up(n int) int   { return f.send(f.clients, f.framed, f.server, n) }
func (f *flow) down(n int) int { return f.send(f.peers, f.data, f.relay, n) }

func (f *flow) send(s *burst.Socket, p []byte, to netip.AddrPort, n int) int {
	for range n {
		f.out.Add(p, to, netip.Addr{})
	}
	return n - f.out.Flush(s)
}

// count counts what arrives whole.
func (f *flow) count(s *burst.Socket) {
	for {
		d, err := s.Next()
		if err != nil {
			return
		}
		if len(d.Data) == size || len(d.Data) == size+4 && binary.BigEndian.Uint16(d.Data) == 0x4000 {
			f.arrived.Add(1)
		}
	}
}

func (f *flow) received() int { return int(f.arrived.Load()) }
