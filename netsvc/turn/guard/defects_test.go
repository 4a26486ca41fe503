package guard

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"
)

// The first defect of pion that the guard is for, in pion itself: stun/v2 xoraddr.go reads two bytes before it looks
// whether they are there. It happens in pion's goroutine, so a process of its own dies here.
func TestPionDiesOfAnIndication(t *testing.T) {
	if os.Getenv("LINNET_PION_DIES") != "" {
		c := pionAlone(t)
		udpAllocation(t, c, 17)
		c.Write(deadly())
		c.SetReadDeadline(time.Now().Add(time.Minute))
		c.Read(make([]byte, 100)) // the process ends before
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestPionDiesOfAnIndication$")
	c.Env = append(os.Environ(), "LINNET_PION_DIES=1")
	out, err := c.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("out of range")) || !bytes.Contains(out, []byte("GetFromAs")) {
		t.Errorf("%v\n%s", err, out)
	}
	if n := len(deadly()); n != 32 {
		t.Errorf("the packet has %d bytes", n)
	}
}

// pionAlone is a pion server without a guard, and a socket to it.
func pionAlone(t *testing.T) net.Conn {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: realm, LoggerFactory: silence{},
		AuthHandler: func(string, string, net.Addr) ([]byte, bool) { return keyOf("romeo"), true },
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := net.Dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// udpAllocation asks for an allocation of a protocol and returns the answer.
func udpAllocation(t *testing.T, c net.Conn, protocol byte) *stun.Message {
	ask := func(more ...stun.Setter) *stun.Message {
		m := stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), raw{stun.AttrRequestedTransport, []byte{protocol, 0, 0, 0}}}, more...)...)
		c.Write(m.Raw)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		b := make([]byte, 1600)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		a := &stun.Message{Raw: b[:n]}
		if err := a.Decode(); err != nil {
			t.Fatal(err)
		}
		return a
	}
	nonce, err := ask().Get(stun.AttrNonce)
	if err != nil {
		t.Fatal(err)
	}
	return ask(stun.NewUsername("romeo"), stun.NewRealm(realm), raw{stun.AttrNonce, nonce}, stun.MessageIntegrity(keyOf("romeo")))
}

// drip is a connection whose peer has sent b and gone.
type drip struct {
	net.Conn
	b []byte
}

func (d *drip) Read(p []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, d.b)
	d.b = d.b[n:]
	return n, nil
}
func (d *drip) Write(p []byte) (int, error)      { return len(p), nil }
func (d *drip) Close() error                     { return nil }
func (d *drip) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 10), Port: 1} }
func (d *drip) SetReadDeadline(time.Time) error  { return nil }
func (d *drip) SetWriteDeadline(time.Time) error { return nil }

// endless is the second defect: a frame of 20 bytes whose length, with the header's, is 2^16.
func endless() []byte {
	b := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	b[2], b[3] = 0xff, 0xec // 65516
	return b
}

func TestPionReadsAFrameForEver(t *testing.T) {
	c := turn.NewSTUNConn(&drip{b: endless()})
	p := make([]byte, 1600)
	for range 1000 {
		n, _, err := c.ReadFrom(p)
		if n != 0 || err != nil {
			t.Skip("it does not loop: the guard's note about it can go")
		}
	}
	s := Stream(&drip{b: endless()}, "tcp", romeo, server)
	if n, _, err := s.Receive(p); n != 0 || !errors.Is(err, errFrame) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the guard reads %d, %v", n, err)
	}
}

// The third: what the client did not ask for. pion gives a UDP relay for a TCP one. (Its other wrong answers stand in
// netsvc.md; TestAnswers has the right ones.)
func TestPionRelaysUDPForTCP(t *testing.T) {
	if a := udpAllocation(t, pionAlone(t), 6); a.Type.Class != stun.ClassSuccessResponse {
		t.Skip("it does not: the guard's note about it can go")
	}
}
