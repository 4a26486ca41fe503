package agentx

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/notice"
)

// Patience with a master.
const (
	answering = 5 * time.Second // for what we ask; the master's own is told it in Open
	pause     = 2 * time.Second // before a master that has gone is looked for again
	pinging   = 30 * time.Second
)

// registered is what we answer for.
var registered = []mib.OID{{1, 3, 6, 1, 2, 1, 27}, mib.Enterprise}

// session is the connection to a master, one after the other. It belongs to the goroutine of run; tell may be called by
// anybody.
type session struct {
	master string // "unix:/path" or "tcp:host:port"
	tree   *mib.Tree
	log    *log.Logger

	mu   sync.Mutex // guards what follows: writing, which notifications do, too
	conn net.Conn   // nil while there is none that is open
	id   uint32
	last uint32 // packet of ours
}

// dial connects to the master.
func (s *session) dial(ctx context.Context) (net.Conn, error) {
	network, address, _ := strings.Cut(s.master, ":")
	if strings.HasPrefix(s.master, "/") {
		network, address = "unix", s.master
	}
	d := net.Dialer{Timeout: answering}
	return d.DialContext(ctx, network, address)
}

// run serves masters until ctx ends.
func (s *session) run(ctx context.Context) {
	silent := false // a master that is not there is said once
	for ctx.Err() == nil {
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			silent = false
		}
		if !silent {
			s.log.Warn("no SNMP master", "addr", s.master, "cause", err)
		}
		silent = true
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// serve is one connection, from Open to its end. A mistake in one of the groups costs the session and not the program.
func (s *session) serve(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("answer panicked", "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() {
		s.close()
		c.Close()
	})()
	if err := s.open(c); err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		s.conn = nil
		s.mu.Unlock()
	}()
	s.log.Info("SNMP master found", "addr", s.master)
	quiet := false
	for {
		h, payload, err := read(c, pinging)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && !quiet:
			quiet = true // a master that does not answer this is gone
			err = s.send(typePing, func(b []byte) []byte { return b })
		case err == nil:
			quiet = false
			err = s.reply(c, h, payload)
		}
		if err != nil {
			return err
		}
	}
}

// open opens a session and registers what we have.
func (s *session) open(c net.Conn) error {
	s.mu.Lock()
	s.id, s.last = 0, 0
	s.mu.Unlock()
	ask := func(kind byte, payload func([]byte) []byte) (header, error) {
		s.last++
		b := finish(payload(newPDU(kind, s.id, 0, s.last)))
		if err := s.write(c, b); err != nil {
			return header{}, err
		}
		h, body, err := read(c, answering)
		for err == nil && h.kind != typeResponse { // a region is asked for as soon as it is registered
			if err = s.reply(c, h, body); err == nil {
				h, body, err = read(c, answering)
			}
		}
		if err != nil {
			return h, err
		}
		if h.packet != s.last || len(body) < 8 {
			return h, errMalformed
		}
		if code := h.order.Uint16(body[4:]); code != 0 {
			return h, fmt.Errorf("the master refuses with error %d", code)
		}
		return h, nil
	}
	h, err := ask(typeOpen, func(b []byte) []byte {
		b = append(b, byte(answering/time.Second), 0, 0, 0)
		return appendString(appendOID(b, mib.Enterprise), "linnet")
	})
	if err != nil {
		return err
	}
	s.id = h.session
	for _, oid := range registered {
		if _, err := ask(typeRegister, func(b []byte) []byte {
			return appendOID(append(b, 0, 127, 0, 0), oid) // the master's timeout, the usual priority
		}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.conn = c
	s.mu.Unlock()
	return nil
}

// reply answers a PDU of the master's; io.EOF when it says good-bye.
func (s *session) reply(c net.Conn, h header, payload []byte) error {
	if h.kind == typeClose {
		return io.EOF
	}
	if out := answer(s.tree, h, payload); out != nil {
		return s.write(c, out)
	}
	return nil
}

// close says good-bye, if there is somebody.
func (s *session) close() {
	_ = s.send(typeClose, func(b []byte) []byte { return append(b, 5, 0, 0, 0) }) // reasonShutdown
}

// tell has the master send a notification, if there is one.
func (s *session) tell(n *notice.Notification) {
	if n == nil {
		return
	}
	_ = s.send(typeNotify, func(b []byte) []byte {
		for _, bind := range n.Binds[:len(n.Binds)-n.Private] {
			b = appendBind(b, bind.OID, bind.Value)
		}
		return b
	})
}

var (
	errNoMaster = errors.New("there is no master")
	errPanicked = errors.New("the session ended by a mistake in the program")
)

// send sends a PDU of ours; the answer comes among the master's PDUs and says nothing we need.
func (s *session) send(kind byte, payload func([]byte) []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return errNoMaster
	}
	s.last++
	return s.writeLocked(s.conn, finish(payload(newPDU(kind, s.id, 0, s.last))))
}

func (s *session) write(c net.Conn, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(c, b)
}

func (s *session) writeLocked(c net.Conn, b []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(answering)); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

// read reads one PDU. What the header claims is bounded before anything is made for it.
func read(c net.Conn, patience time.Duration) (header, []byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return header{}, nil, err
	}
	var b [headerSize]byte
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return header{}, nil, err
	}
	// Once it has begun it comes at once: half a PDU is no silence, behind which the next one could begin.
	if err := c.SetReadDeadline(time.Now().Add(answering)); err != nil {
		return header{}, nil, err
	}
	if _, err := io.ReadFull(c, b[1:]); err != nil {
		return header{}, nil, errMalformed
	}
	h, err := readHeader(b[:])
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.size)
	if _, err := io.ReadFull(c, payload); err != nil {
		return h, nil, errMalformed
	}
	return h, payload, nil
}

// answer does what a master asks for; nil when there is nothing to say.
func answer(tree *mib.Tree, h header, payload []byte) []byte {
	r := &reader{b: payload, order: h.order}
	if h.flags&flagContext != 0 {
		r.skipString()
	}
	out := newPDU(typeResponse, h.session, h.transaction, h.packet)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0) // the time, which is the master's; the error and its index
	start := len(out)
	fail := func(code, index int) {
		out = out[:start]
		binary.BigEndian.PutUint16(out[headerSize+4:], uint16(code))
		binary.BigEndian.PutUint16(out[headerSize+6:], uint16(index))
	}
	request := &mib.Request{Now: time.Now()}
	switch h.kind {
	case typeGet:
		for _, s := range r.ranges() {
			out = appendBind(out, s.begin, tree.Get(request, s.begin))
		}
	case typeGetNext:
		for _, s := range r.ranges() {
			out, _ = appendNext(out, tree, request, s)
		}
	case typeGetBulk:
		out = appendBulk(out, tree, request, int(r.uint16()), int(r.uint16()), r.ranges())
	case typeTestSet:
		fail(int(mib.NotWritable), 1)
	case typeCommitSet:
		fail(int(mib.CommitFailed), 0)
	case typeUndoSet:
		fail(int(mib.UndoFailed), 0)
	case typeResponse, typeCleanupSet, typeClose:
		return nil
	default:
		fail(errorParse, 0)
	}
	if r.bad || len(out) > maxPayload {
		fail(errorParse, 0)
	}
	return finish(out)
}

// appendNext appends the first instance in a range, and returns its name; the end of the view when there is none.
func appendNext(out []byte, tree *mib.Tree, r *mib.Request, s searchRange) ([]byte, mib.OID) {
	if s.include {
		if v := tree.Get(r, s.begin); !v.Kind().Exception() {
			return appendBind(out, s.begin, v), s.begin
		}
	}
	next, v := tree.Next(r, s.begin, nil)
	if v.Kind().Exception() || len(s.end) > 0 && next.Compare(s.end) >= 0 {
		return appendBind(out, s.begin, mib.Exceptional(mib.EndOfMIBView)), nil
	}
	return appendBind(out, next, v), next
}

func appendBulk(out []byte, tree *mib.Tree, r *mib.Request, single, repeat int, ranges []searchRange) []byte {
	single = min(single, len(ranges))
	for _, s := range ranges[:single] {
		out, _ = appendNext(out, tree, r, s)
	}
	ranges = ranges[single:]
	for more := len(ranges) > 0; repeat > 0 && more && len(out) < maxAnswer; repeat-- {
		more = false
		for i := range ranges {
			var next mib.OID
			if out, next = appendNext(out, tree, r, ranges[i]); next != nil {
				ranges[i] = searchRange{begin: next, end: ranges[i].end}
				more = true
			}
		}
	}
	return out
}
