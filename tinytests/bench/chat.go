package main

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	pairCount = 200
	inFlight  = 4 // messages of a pair sent and not yet received
	askEvery  = 5 // stanzas after which a client with stream management asks for an acknowledgement, as slixmpp does
)

// accountName returns the name of the i-th account.
func accountName(i int) string { return "u" + strconv.Itoa(i) }

// connectAll logs in the first n accounts, a few at a time, and hands them to the loop in account order.
func (l *loop) connectAll(how login, n int) error {
	const atOnce = 16
	clients := make([]*client, n)
	errs := make([]error, atOnce)
	var group sync.WaitGroup
	for worker := range atOnce {
		group.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += atOnce {
				clients[i], errs[worker] = how.connect(accountName(i))
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, c := range clients {
		if err := l.add(c); err != nil {
			return err
		}
	}
	return nil
}

// chat is a load of pairs: one client sends to the other's bare JID, and nobody else.
type chat struct {
	loop    *loop
	pairs   []*pair
	refill  bool // each message received is followed by the next one of its pair
	timed   bool // latencies are taken
	sent    uint64
	got     uint64
	latency []time.Duration
	next    int // the pair whose turn it is, when paced
}

type pair struct {
	chat     *chat
	from     *client
	frame    *frame
	order    order
	underway []time.Time // when timed: the send times of the messages not yet received
}

// newChat makes pairs of a loop's clients: the first with the second, and so on.
func newChat(l *loop) *chat {
	ch := &chat{loop: l}
	for i := 0; i+1 < len(l.clients); i += 2 {
		from, to := l.clients[i], l.clients[i+1]
		number := len(ch.pairs)
		p := &pair{chat: ch, from: from, frame: newFrame(number, to.account+"@"+domain), order: order{pair: number}}
		to.message, to.partner = p.receive, from
		ch.pairs = append(ch.pairs, p)
	}
	return ch
}

// send appends the pair's next message to what its sender will write.
func (p *pair) send() {
	if p.chat.timed {
		p.underway = append(p.underway, time.Now())
	}
	p.from.out = append(p.from.out, p.frame.next()...)
	p.from.said++
	p.chat.sent++
	if p.from.managed && p.from.said-p.from.asked >= askEvery {
		p.from.ask()
	}
}

func (p *pair) receive(stanza []byte) error {
	if err := p.order.check(stanza); err != nil {
		return err
	}
	p.chat.got++
	if p.chat.timed {
		p.chat.latency = append(p.chat.latency, time.Since(p.underway[0]))
		p.underway = p.underway[1:]
	}
	if p.chat.refill {
		p.send()
	}
	return nil
}

func never() bool { return false }

// saturate keeps inFlight messages of every pair under way.
func (ch *chat) saturate() error {
	ch.refill = true
	for _, p := range ch.pairs {
		for range inFlight {
			p.send()
		}
		if err := p.from.flush(); err != nil {
			return err
		}
	}
	return nil
}

// pace sends one message per period, the pairs taking turns, whatever has or has not arrived.
func (ch *chat) pace(every time.Duration) error {
	ch.timed = true
	return ch.loop.tick(every, func(n int) error {
		for range n {
			p := ch.pairs[ch.next]
			ch.next = (ch.next + 1) % len(ch.pairs)
			p.send()
			if err := p.from.flush(); err != nil {
				return err
			}
		}
		return nil
	})
}

// serve runs the load for a while.
func (ch *chat) serve(d time.Duration) error {
	return ch.loop.until(time.Now().Add(d), never)
}

// drain ends the load: nothing more is sent, everything sent must arrive and, with stream management, be acknowledged.
func (ch *chat) drain() error {
	ch.refill = false
	ch.loop.stopTick()
	deadline := time.Now().Add(2 * stall)
	for {
		if err := ch.askAll(); err != nil {
			return err
		}
		if err := ch.loop.until(time.Now().Add(time.Second), ch.done); err != nil {
			return err
		}
		if ch.done() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d messages were sent, %d have arrived, %d stanzas are not acknowledged", ch.sent, ch.got, ch.unsettled())
		}
	}
}

func (ch *chat) askAll() error {
	for _, p := range ch.pairs {
		if p.from.managed && p.from.settled != p.from.said {
			p.from.ask()
			if err := p.from.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ch *chat) done() bool { return ch.got == ch.sent && ch.unsettled() == 0 }

func (ch *chat) unsettled() int {
	n := 0
	for _, p := range ch.pairs {
		if p.from.managed {
			n += int(p.from.said - p.from.settled)
		}
	}
	return n
}

// sortedLatency returns the latencies taken so far in ascending order.
func (ch *chat) sortedLatency() []time.Duration {
	return slices.Sorted(slices.Values(ch.latency))
}
