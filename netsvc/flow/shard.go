package flow

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stuckAfter is how long a leader may stay in one Turn or flush before
	// another takes over. Shorter wakes the processor for nothing, longer
	// is felt by those who wait behind.
	stuckAfter = 2 * time.Millisecond
	// readMax is about how much one Turn reads: what a connection has more
	// than that waits until the others have had theirs.
	readMax = 16 << 10
	// roundMax is how many Turns are taken before what they wrote is
	// flushed: enough to gather, few enough that the first does not wait
	// long for the last.
	roundMax = 64
)

// shard is one epoll set with its connections and its leader; see the package
// comment. Its mutex owns all of it.
type shard struct {
	pump *Pump

	mu    sync.Mutex
	conns []*Conn // by descriptor
	gen   int32
	count int
	ready fifo // connections whose Turn is due
	dirty fifo // connections with something to write

	epoll  int
	file   *os.File // the epoll set, as package os's poller sees it
	raw    syscall.RawConn
	closed bool

	leader  uint32 // which leader is the present one
	asleep  bool   // it waits for the set
	roused  bool   // it was woken, and sleeps no longer than it must
	steps   uint64 // grows with each Turn and flush it begins
	watch   *time.Timer
	watched bool   // the timer runs
	seen    uint64 // steps at its last tick

	turns, flushes, takeovers uint64

	received, sent atomic.Uint64 // bytes; not owned by mu
}

func (s *shard) init(p *Pump) {
	s.pump = p
	s.epoll = -1
}

// open makes the epoll set and the first leader. The set is itself watched by
// the runtime's poller, so a leader that waits is a parked goroutine, not a
// thread. The caller holds mu.
func (s *shard) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		// Fails on a file that the runtime's poller did not take.
		err = file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		file.Close()
		return err
	}
	s.epoll, s.file, s.raw = fd, file, raw
	s.leader++
	go s.lead(s.leader)
	return nil
}

// add puts c, whose descriptor is set, into the set. Edge-triggered, for both
// directions and once for all: no further system call changes the interest.
func (s *shard) add(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if s.epoll < 0 {
		if err := s.open(); err != nil {
			return err
		}
	}
	for c.fd >= len(s.conns) {
		s.conns = append(s.conns, nil)
	}
	s.gen++
	c.gen = s.gen
	c.shard = s
	s.conns[c.fd] = c
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(c.fd),
		Pad:    c.gen,
	}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		s.conns[c.fd] = nil
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.count++
	return nil
}

// remove forgets c; closing its descriptor takes it out of the set.
func (s *shard) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c.fd] = nil
	s.count--
}

// pushReady queues c for its Turn.
func (s *shard) pushReady(c *Conn) {
	s.mu.Lock()
	s.ready.push(c)
	s.wake()
	s.mu.Unlock()
}

// pushDirty queues c to be flushed.
func (s *shard) pushDirty(c *Conn) {
	s.mu.Lock()
	s.dirty.push(c)
	s.wake()
	s.mu.Unlock()
}

// wake wakes the leader if it sleeps. The caller holds mu.
func (s *shard) wake() {
	if s.closed {
		// Nobody leads any more: what comes late is done one by one.
		go s.rest()
		return
	}
	if s.asleep && !s.roused {
		s.roused = true
		// The cheapest way into the runtime's poller: no system call.
		s.file.SetReadDeadline(woken)
	}
}

// lead is the leader's life. It ends when another took over or the shard is
// closed.
func (s *shard) lead(me uint32) {
	var events [128]unix.EpollEvent
	var hits [len(events)]*Conn
	var n int
	poll := func(fd uintptr) bool {
		var err error
		for {
			n, err = unix.EpollWait(int(fd), events[:], 0)
			if err != unix.EINTR {
				break
			}
		}
		return n != 0
	}
	look := func(fd uintptr) { poll(fd) }
	for {
		idle, leads := s.work(me)
		if !leads {
			return
		}
		n = 0
		if idle {
			leads = s.woke(me, s.raw.Read(poll))
		} else {
			s.raw.Control(look)
		}
		// What the set told is passed on even by a leader that has been
		// replaced: edges come once.
		s.pass(events[:max(n, 0)], hits[:0])
		if !leads {
			return
		}
	}
}

// pass tells connections what the poller saw.
func (s *shard) pass(events []unix.EpollEvent, hits []*Conn) {
	s.mu.Lock()
	for i := range events {
		e := &events[i]
		c := s.conns[e.Fd]
		if c != nil && c.gen != e.Pad {
			c = nil // the event was for the descriptor's last owner
		}
		hits = append(hits, c)
	}
	s.mu.Unlock()
	for i, c := range hits {
		if c != nil {
			c.edge(events[i].Events)
		}
	}
	clear(hits)
}

// work takes the turns and flushes that are due, once around. If nothing is
// left then the leader is declared asleep. It does not lead any more if it was
// replaced meanwhile.
func (s *shard) work(me uint32) (idle, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := min(s.ready.len(), roundMax); n > 0 && s.leads(me) && !s.ready.empty(); n-- {
		c := s.ready.pop()
		s.steps++
		s.turns++
		s.mu.Unlock()
		c.turn()
		s.mu.Lock()
	}
	for n := s.dirty.len(); n > 0 && s.leads(me) && !s.dirty.empty(); n-- {
		c := s.dirty.pop()
		s.steps++
		s.flushes++
		s.mu.Unlock()
		c.flush()
		s.mu.Lock()
	}
	idle = s.ready.empty() && s.dirty.empty()
	leads = s.leads(me)
	s.asleep = s.asleep || idle && leads
	return idle, leads
}

func (s *shard) leads(me uint32) bool { return s.leader == me && !s.closed }

// woke is called when the leader has waited. False means that it leads no more.
func (s *shard) woke(me uint32, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep, s.roused = false, false
	if s.closed || s.leader != me {
		return false
	}
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		s.file.SetReadDeadline(time.Time{})
	}
	if !s.watched {
		s.watched = true
		s.seen = s.steps
		if s.watch == nil {
			s.watch = time.AfterFunc(stuckAfter, s.tick)
		} else {
			s.watch.Reset(stuckAfter)
		}
	}
	return true
}

// tick replaces a leader that has not moved since the last tick. It runs only
// while a leader is awake.
func (s *shard) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asleep || s.closed {
		s.watched = false
		return
	}
	if s.steps == s.seen {
		s.takeovers++
		s.leader++
		go s.lead(s.leader)
	}
	s.seen = s.steps
	s.watch.Reset(stuckAfter)
}

// edge takes note of what the poller saw.
func (c *Conn) edge(events uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.hangup = true
		c.readable = true
	}
	if events&unix.EPOLLIN != 0 {
		c.readable = true
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.writable = true
		if c.out.stalled {
			c.out.stalled = false
			c.out.schedule()
		}
	}
	if c.readable {
		c.rouse()
	}
}

// close closes all connections and ends the leader.
func (s *shard) close() error {
	s.mu.Lock()
	if s.closed || s.epoll < 0 {
		s.closed = true
		s.mu.Unlock()
		return nil
	}
	var all []*Conn
	for _, c := range s.conns {
		if c != nil {
			all = append(all, c)
		}
	}
	s.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	s.mu.Lock()
	s.closed = true
	if s.watch != nil {
		s.watch.Stop()
	}
	s.mu.Unlock()
	err := s.file.Close()
	s.rest()
	return err
}

// rest does what is left in the queues of a closed shard.
func (s *shard) rest() {
	for {
		s.mu.Lock()
		var turn, flush *Conn
		switch {
		case !s.ready.empty():
			turn = s.ready.pop()
		case !s.dirty.empty():
			flush = s.dirty.pop()
		}
		s.mu.Unlock()
		switch {
		case turn != nil:
			turn.turn()
		case flush != nil:
			flush.flush()
		default:
			return
		}
	}
}

func (s *shard) addStats(p *PumpStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Conns += s.count
	p.Turns += s.turns
	p.Flushes += s.flushes
	p.Takeovers += s.takeovers
	p.Ready += s.ready.len()
	p.Dirty += s.dirty.len()
	p.Received += s.received.Load()
	p.Sent += s.sent.Load()
}

// fifo is a queue of connections.
type fifo struct {
	list []*Conn
	head int
}

func (f *fifo) empty() bool { return f.head == len(f.list) }
func (f *fifo) len() int    { return len(f.list) - f.head }

func (f *fifo) push(c *Conn) {
	if f.head > 32 && f.head > len(f.list)/2 {
		n := copy(f.list, f.list[f.head:])
		clear(f.list[n:])
		f.list, f.head = f.list[:n], 0
	}
	f.list = append(f.list, c)
}

func (f *fifo) pop() *Conn {
	c := f.list[f.head]
	f.list[f.head] = nil
	f.head++
	if f.head == len(f.list) {
		f.list, f.head = f.list[:0], 0
	}
	return c
}
