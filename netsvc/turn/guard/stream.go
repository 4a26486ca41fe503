package guard

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/burst"
)

// The patience with a stream: for the first frame and between frames while there is no allocation, for the rest of a
// frame that has begun, and for a client that does not read.
const (
	idleStream  = 30 * time.Second
	frameTime   = 10 * time.Second
	writeStream = 10 * time.Second
)

var errFrame = errors.New("guard: neither STUN nor ChannelData")

// stream is a connection of TCP or TLS: frames of RFC 8656 section 12.5 and RFC 8489 section 6.2.2. pion's own
// framing computes in 16 bits and so takes a length of 65516 for an empty frame, over and over.
type stream struct {
	conn      net.Conn
	transport string
	from      netip.AddrPort
	local     netip.AddrPort

	buffer []byte // what was read
	have   int    // bytes of buffer from start on
	start  int
	skip   int       // bytes to come that are not worth keeping
	until  time.Time // when the wait for the next frame ends; zero: never
	whole  time.Time // when the rest of a frame must be there; zero: none has begun

	mu   sync.Mutex // guards the deadline against Wake
	wake bool

	send sync.Mutex
	out  []byte
}

// Stream makes the link of a connection. transport is "tcp" or "tls"; from and local are its ends.
func Stream(c net.Conn, transport string, from, local netip.AddrPort) Link {
	return &stream{conn: c, transport: transport, from: from, local: local, until: time.Now().Add(idleStream)}
}

// Receive implements Link: one whole frame, without the padding of ChannelData.
func (s *stream) Receive(p []byte) (int, Path, error) {
	if s.buffer == nil {
		s.buffer = make([]byte, 4096)
	}
	for {
		if s.skip > 0 {
			n := min(s.skip, s.have)
			s.skip, s.start, s.have = s.skip-n, s.start+n, s.have-n
			if s.skip == 0 {
				s.whole = time.Time{}
			}
		}
		b := s.buffer[s.start : s.start+s.have]
		if s.skip == 0 && len(b) >= 4 {
			size, whole, err := frame(b)
			switch {
			case err != nil:
				return 0, Path{From: s.from}, err
			case size > len(p): // larger than any packet that could be relayed
				s.skip = whole
				continue
			case len(b) >= whole:
				n := copy(p, b[:size])
				s.start, s.have = s.start+whole, s.have-whole
				s.patience()
				return n, Path{From: s.from}, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, Path{From: s.from}, err
		}
	}
}

// frame tells the length of the frame that begins with b, at least four bytes, and its length with padding. It
// computes with room: nothing here wraps around.
func frame(b []byte) (size, whole int, err error) {
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 0:
		if n&3 != 0 || len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) != cookie || stun.MessageType(kindOf(b)).Method == 0 {
			return 0, 0, errFrame
		}
		return header + n, header + n, nil
	case 1:
		return 4 + n, 4 + (n+3)&^3, nil
	}
	return 0, 0, errFrame
}

// fill reads more.
func (s *stream) fill() error {
	if s.start > 0 {
		copy(s.buffer, s.buffer[s.start:s.start+s.have])
		s.start = 0
	}
	limit := s.until
	if s.have > 0 || s.skip > 0 {
		if s.whole.IsZero() { // for all of the frame, however slowly it drips
			s.whole = time.Now().Add(frameTime)
		}
		limit = s.whole
	}
	s.mu.Lock()
	if s.wake {
		s.wake = false
		s.mu.Unlock()
		return ErrWoken
	}
	s.conn.SetReadDeadline(limit)
	s.mu.Unlock()
	n, err := s.conn.Read(s.buffer[s.have:])
	s.have += n
	switch {
	case n > 0:
		return nil
	case err != nil && errors.Is(err, os.ErrDeadlineExceeded):
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.wake {
			s.wake = false
			return ErrWoken
		}
	}
	return err
}

// patience sets how long the next frame may take, once one was read whole.
func (s *stream) patience() {
	s.whole = time.Time{}
	if !s.until.IsZero() {
		s.until = time.Now().Add(idleStream)
	}
}

// Settle implements Link: with an allocation, its lifetime is the limit.
func (s *stream) Settle(allocated bool) {
	s.until = time.Time{}
	if !allocated {
		s.until = time.Now().Add(idleStream)
	}
}

// Send implements Link. ChannelData is padded to four bytes (RFC 8656 section 12.5), which pion does. A client that does
// not read loses its connection: half a frame would spoil all that follow.
func (s *stream) Send(p []byte, _ Path) {
	s.send.Lock()
	defer s.send.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(writeStream))
	if _, err := s.conn.Write(p); err != nil {
		s.conn.Close()
	}
}

// Buffered implements Link. More than a header is most likely a frame.
func (s *stream) Buffered() bool { return s.have > header }

// Gather implements Link: a frame is sent at once.
func (s *stream) Gather(_ *burst.Out, p []byte, to Path) { s.Send(p, to) }

// Flush implements Link.
func (s *stream) Flush(*burst.Out) {}

// Wake implements Link.
func (s *stream) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = true
	s.conn.SetReadDeadline(woken)
}

// Close implements Link.
func (s *stream) Close() error { return s.conn.Close() }

// Local implements Link.
func (s *stream) Local() netip.AddrPort { return s.local }

// Transport implements Link.
func (s *stream) Transport() string { return s.transport }
