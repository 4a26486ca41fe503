package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// load is a number of streams through one server.
type load struct {
	streams []*stream
	wait    sync.WaitGroup
	going   atomic.Bool
	stalled chan struct{} // receivers wait for it to be closed; nil: they do not
	closed  atomic.Bool
}

// stream is one transfer: what is written to from comes out at to.
type stream struct {
	from, to    *net.TCPConn
	out, in     atomic.Int64
	brokenAfter atomic.Pointer[error]
}

// open makes streams through the server, which stand still until begin.
func open(s relay, n int) (*load, error) {
	l := &load{}
	for range n {
		from, to, err := s.connect()
		if err != nil {
			l.close()
			return nil, err
		}
		l.streams = append(l.streams, &stream{from: from, to: to})
	}
	return l, nil
}

// stall makes receivers not read, until resume.
func (l *load) stall()  { l.stalled = make(chan struct{}) }
func (l *load) resume() { close(l.stalled) }

func (l *load) begin() {
	piece := make([]byte, 256<<10)
	for _, s := range l.streams {
		l.wait.Go(func() {
			for {
				n, err := s.from.Write(piece)
				s.out.Add(int64(n))
				if err != nil {
					l.broken(s, err)
					return
				}
			}
		})
		l.wait.Go(func() {
			if l.stalled != nil {
				<-l.stalled
			}
			// Copied, as by real receivers: one that threw the bytes away in the kernel would sleep after every
			// segment, and waking it is charged to the server.
			b := make([]byte, len(piece))
			for {
				n, err := s.to.Read(b)
				s.in.Add(int64(n))
				if err != nil {
					l.broken(s, err)
					return
				}
			}
		})
	}
}

// once moves one byte through each stream.
func (l *load) once() error {
	for _, s := range l.streams {
		if _, err := s.from.Write([]byte{1}); err != nil {
			return err
		}
		if _, err := s.to.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) broken(s *stream, err error) {
	if !l.closed.Load() {
		s.brokenAfter.CompareAndSwap(nil, &err)
	}
}

// failure is the first stream's that ended by itself.
func (l *load) failure() error {
	for i, s := range l.streams {
		if err := s.brokenAfter.Load(); err != nil {
			return fmt.Errorf("stream %d ended: %w", i, *err)
		}
	}
	return nil
}

func (l *load) moved() []float64 { return l.each(func(s *stream) int64 { return s.in.Load() }) }
func (l *load) sent() []float64  { return l.each(func(s *stream) int64 { return s.out.Load() }) }

func (l *load) each(f func(*stream) int64) (list []float64) {
	for _, s := range l.streams {
		list = append(list, float64(f(s)))
	}
	return list
}

func (l *load) close() {
	l.closed.Store(true)
	if l.stalled != nil {
		select {
		case <-l.stalled:
		default:
			close(l.stalled)
		}
	}
	for _, s := range l.streams {
		s.from.SetLinger(0)
		s.from.Close()
		s.to.Close()
	}
	done := make(chan struct{})
	go func() { l.wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
	}
}
