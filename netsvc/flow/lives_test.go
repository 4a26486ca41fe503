package flow

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRandomLives lets many connections live in all ways at once, with
// everything that may meet: the race detector, one final Turn for each, one
// fate for each Item and no memory left are what it tests.
func TestRandomLives(t *testing.T) {
	const workers, rounds = 20, 15
	p := NewPump(Options{Shards: 2})
	defer p.Close()
	var group sync.WaitGroup
	lives := make(chan *life, workers*rounds)
	for worker := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range rounds {
				l := &life{random: random, over: make(chan bool)}
				l.live(t, p, kinds[random.IntN(len(kinds))])
				lives <- l
			}
		})
	}
	group.Wait()
	close(lives)
	for l := range lives {
		eventually(t, "all fates were told", func() bool { return l.told.Load() == l.added.Load() })
	}
	eventually(t, "all is given back", func() bool {
		s := p.Stats()
		return s.Conns == 0 && s.Pool.Out == 0
	})
}

// life is a Handler that does something else at each Turn.
type life struct {
	random      *rand.Rand // owned by the worker
	added, told atomic.Int64
	over        chan bool
}

func (l *life) Written(bool) { l.told.Add(1) }

func (l *life) Turn(c *Conn, b *Buffer, err error) Next {
	if final(err) {
		l.end(c)
		return More
	}
	moment := time.Duration(rand.IntN(2000)) * time.Microsecond
	next := More
	switch rand.IntN(20) {
	case 0:
		time.Sleep(2 * stuckAfter)
	case 1:
		c.ResumeAfter(moment)
		next = Pause
	case 2:
		c.Kick()
	case 3:
		c.SetReadDeadline(time.Now().Add(moment))
	case 4:
		return c.Leave(func() { l.fill(c, b) })
	case 5:
		panic("a bad Turn")
	}
	if rand.IntN(3) > 0 { // else the bytes wait for the next Turn
		l.added.Add(1)
		if !c.Outbox().Add(Item{Segs: [][]byte{bytes.Clone(b.Bytes()), pattern(rand.IntN(20_000))}, Done: l}) {
			l.added.Add(-1)
		}
		b.Discard(b.Len())
	}
	return next
}

func (l *life) end(c *Conn) {
	c.Close()
	close(l.over) // panics the second time
}

// fill reads three times and then is served again.
func (l *life) fill(c *Conn, b *Buffer) {
	for range 3 {
		c.Kick()
		if err := c.Fill(b); final(err) {
			b.Release()
			l.end(c)
			return
		}
	}
	c.Serve(b, l)
}

func (l *life) live(t *testing.T, p *Pump, k kind) {
	var server, client net.Conn
	if k.pipe {
		server, client = net.Pipe()
	} else {
		server, client = tcp(t)
	}
	if k.bare || k.pipe {
		p = nil
	}
	c, peer := p.NewConn(server), client
	if k.version != 0 {
		peer = secure(t, c, client, k.version)
	}
	c.Serve(new(Buffer), l)
	go io.Copy(io.Discard, peer)
	for range l.random.IntN(40) {
		if _, err := peer.Write(pattern(1 + l.random.IntN(3000))); err != nil {
			break
		}
		switch l.random.IntN(20) {
		case 0:
			time.Sleep(time.Millisecond)
		case 1:
			go c.Kick()
			go c.Resume()
		}
	}
	switch l.random.IntN(4) {
	case 0:
		c.Close()
	case 1:
		peer.Close()
	case 2:
		l.added.Add(1)
		c.Outbox().Close(5*time.Millisecond, []byte("bye"), l)
	case 3:
		if reset, ok := client.(*net.TCPConn); ok {
			reset.SetLinger(0)
		}
		client.Close()
	}
	receive(t, l.over)
	client.Close()
}
