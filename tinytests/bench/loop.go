package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// loop serves many clients from one goroutine with epoll. A goroutine per client costs the load about as much as the
// floor program costs the server, and then the load would be the bottleneck; this way it has room to spare on its core.
type loop struct {
	epoll   int
	timer   int // a timerfd that ticks, or 0
	ticks   func(n int) error
	clients []*client
	scratch []byte
	events  []unix.EpollEvent
}

// timerSlot marks the timer among the events, whose other values index clients.
const timerSlot = -1

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{epoll: epoll, scratch: make([]byte, 64<<10), events: make([]unix.EpollEvent, 256)}, nil
}

// add takes a logged-in client over.
func (l *loop) add(c *client) error {
	if err := c.wire.detach(); err != nil {
		return err
	}
	c.wire.scratch = l.scratch
	l.clients = append(l.clients, c)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(l.clients) - 1)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.wire.fd, &event); err != nil {
		return err
	}
	// TLS may hold bytes already, of which epoll knows nothing.
	if err := c.pump(); err != nil {
		return err
	}
	return c.flush()
}

// tick calls f from the loop at a fixed rate, with the number of periods that have passed.
func (l *loop) tick(every time.Duration, f func(n int) error) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	period := unix.NsecToTimespec(every.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: period, Value: period}, nil); err != nil {
		return err
	}
	l.timer, l.ticks = fd, f
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: timerSlot})
}

// stopTick ends what tick began.
func (l *loop) stopTick() {
	if l.timer != 0 {
		unix.Close(l.timer)
		l.timer = 0
	}
}

// stall is how long a loop waits for a message before it calls the server stuck.
const stall = 20 * time.Second

// until serves the clients until done says so or, with a deadline that is not zero, until then. Without a deadline,
// silence for longer than stall is an error.
func (l *loop) until(deadline time.Time, done func() bool) error {
	quiet := time.Now()
	for !done() {
		wait := 100
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return nil
			}
			wait = min(wait, int(left.Milliseconds())+1)
		}
		n, err := unix.EpollWait(l.epoll, l.events, wait)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			quiet = time.Now()
		} else if deadline.IsZero() && time.Since(quiet) > stall {
			return fmt.Errorf("nothing arrived for %v", stall)
		}
		for i := range max(n, 0) {
			if err := l.serve(l.events[i].Fd); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) serve(slot int32) error {
	if slot == timerSlot {
		var expired [8]byte
		if _, err := unix.Read(l.timer, expired[:]); err != nil {
			return nil // stopped or not yet
		}
		return l.ticks(int(binary.NativeEndian.Uint64(expired[:])))
	}
	c := l.clients[slot]
	c.wire.armed = true
	if err := c.pump(); err != nil {
		return err
	}
	// Only now, so that a group that came in one read is answered in one write, as by the floor and by linnet.
	if err := c.flush(); err != nil {
		return err
	}
	if c.partner != nil {
		return c.partner.flush()
	}
	return nil
}

// close closes all connections without ceremony.
func (l *loop) close() {
	l.stopTick()
	for _, c := range l.clients {
		c.wire.Close()
	}
	unix.Close(l.epoll)
}
