package kills

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// book is what everybody saw: each message with what became of it. Its methods are safe for concurrent use.
type book struct {
	mu      sync.Mutex
	begin   time.Time
	pairs   map[[2]string]*pair
	open    map[*message]bool // acknowledged and nowhere seen yet
	wrong   []string
	crashes int // ends of the program without an orderly shutdown
	counts  counts
	news    chan struct{} // somebody got something
}

type counts struct {
	sent, acked, got, answered, archived int
	again                                int // came a second time, as XEP-0198 permits
	resumed, failed, known               int // answers to <resume/>; with a count
	behind                               int // <failed/> with a smaller count than was acknowledged before
}

// pair are one sender's messages to one receiver, the first with number 0.
type pair struct {
	from, to *person
	messages []*message
	last     int // greatest number that came to the receiver
	kept     int // the same in the receiver's archive
}

// message is one message. Its id on the wire names the pair and the number.
type message struct {
	pair     *pair
	n        int
	sent     time.Duration // since the book was opened, as all times
	acked    time.Duration // 0 for not
	how      string        // how its sender learned that
	answered string        // the condition of the error it was answered with
	archived bool          // stands in the recipient's archive
	got      []*receipt
}

// receipt is one arrival of a message at its recipient's client.
type receipt struct {
	when    time.Duration
	conn    *wire
	stream  *managed // nil without stream management
	crashes int      // before it
	acked   bool     // the client has acknowledged it on its stream
	closed  bool     // and then closed the stream in order
	sure    bool     // and the server has since answered what waits for the account's writes
}

func newBook() *book {
	return &book{begin: time.Now(), pairs: map[[2]string]*pair{}, open: map[*message]bool{}, news: make(chan struct{}, 1)}
}

// fault notes what must not happen.
func (b *book) fault(format string, args ...any) {
	if len(b.wrong) < 20 {
		b.wrong = append(b.wrong, fmt.Sprintf("%6.3f ", b.now().Seconds())+fmt.Sprintf(format, args...))
	}
}

// Fault is fault for those who do not hold the lock.
func (b *book) Fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault(format, args...)
}

func (b *book) now() time.Duration { return time.Since(b.begin) }

// faults returns what was wrong, nil for nothing.
func (b *book) faults() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(b.wrong, "\n"))
}

// write makes the next message of a pair.
func (b *book) write(from, to *person) *message {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{from.name, to.name}
	p := b.pairs[key]
	if p == nil {
		p = &pair{from: from, to: to, last: -1, kept: -1}
		b.pairs[key] = p
	}
	m := &message{pair: p, n: len(p.messages), sent: b.now()}
	p.messages = append(p.messages, m)
	b.counts.sent++
	return m
}

func (m *message) id() string {
	return m.pair.from.name + "-" + m.pair.to.name + "-" + strconv.Itoa(m.n)
}

// find returns the message of an id, nil if there is none.
func (b *book) find(id string) *message {
	part := strings.Split(id, "-")
	if len(part) != 3 {
		return nil
	}
	p := b.pairs[[2]string{part[0], part[1]}]
	n, err := strconv.Atoi(part[2])
	if p == nil || err != nil || n < 0 || n >= len(p.messages) {
		return nil
	}
	return p.messages[n]
}

// acknowledge notes that the server has taken the messages; how is "a", "resumed" or "failed".
func (b *book) acknowledge(list []*message, how string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range list {
		if m == nil || m.acked != 0 {
			continue
		}
		m.acked, m.how = b.now(), how
		b.counts.acked++
		if len(m.got) == 0 && m.answered == "" && !m.archived {
			b.open[m] = true
		}
	}
}

// answer notes an error that came back.
func (b *book) answer(id, condition string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.find(id)
	if m == nil {
		b.fault("an error came for %q, which nobody sent", id)
		return
	}
	m.answered = condition
	b.counts.answered++
	delete(b.open, m)
}

// receive notes an arrival.
func (b *book) receive(by *person, id string, conn *wire, stream *managed) *receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.find(id)
	if m == nil || m.pair.to != by {
		b.fault("%s got %q, which nobody sent to him", by.name, id)
		return &receipt{}
	}
	r := &receipt{when: b.now(), conn: conn, stream: stream, crashes: b.crashes}
	for _, old := range m.got {
		switch {
		case old.conn == conn:
			b.fault("twice over one connection: %s", b.story(m, r))
		case old.sure:
			b.fault("again, though the acknowledgement was committed: %s", b.story(m, r))
		case old.stream != nil && old.stream == stream && old.acked:
			b.fault("again on the same stream, though it was acknowledged: %s", b.story(m, r))
		case old.closed && old.crashes == b.crashes:
			b.fault("again, though it was acknowledged before the stream was closed: %s", b.story(m, r))
		case old.stream == nil && stream == nil && old.crashes == b.crashes:
			b.fault("again, though it was written to the socket: %s", b.story(m, r))
		}
	}
	if len(m.got) == 0 {
		if m.n < m.pair.last {
			b.fault("out of order: %s\n       behind %s", b.story(m, r), b.story(m.pair.messages[m.pair.last], nil))
		}
		m.pair.last = max(m.pair.last, m.n)
		b.counts.got++
	} else {
		b.counts.again++
	}
	m.got = append(m.got, r)
	delete(b.open, m)
	select {
	case b.news <- struct{}{}:
	default:
	}
	return r
}

// told notes that the client has acknowledged what it got, known for good, that the server cannot forget that any more.
func (b *book) told(list []*receipt)  { b.mark(list, func(r *receipt) { r.acked = true }) }
func (b *book) known(list []*receipt) { b.mark(list, func(r *receipt) { r.sure = true }) }

// closed notes that a client closed its stream, and the server did, after it had acknowledged what it got.
func (b *book) closed(list []*receipt) { b.mark(list, func(r *receipt) { r.closed = true }) }

func (b *book) mark(list []*receipt, f func(*receipt)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range list {
		f(r)
	}
}

// found notes that a message stands in an archive, behind all that were found before.
func (b *book) found(by *person, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.find(id)
	switch {
	case m == nil || m.pair.to != by:
		b.fault("%q stands in the archive of %s, who was not sent it", id, by.name)
		return
	case m.archived:
		b.fault("twice in the archive: %s", b.story(m, nil))
	case m.n < m.pair.kept:
		b.fault("out of order in the archive, behind number %d: %s", m.pair.kept, b.story(m, nil))
	}
	m.pair.kept = max(m.pair.kept, m.n)
	m.archived = true
	b.counts.archived++
	delete(b.open, m)
}

// crash notes an end that was none in order.
func (b *book) crash() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crashes++
}

// missing lists the recipients of messages that were acknowledged and are nowhere.
func (b *book) missing() map[*person]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	who := map[*person]int{}
	for m := range b.open {
		who[m.pair.to]++
	}
	return who
}

// lost makes what is missing a fault.
func (b *book) lost() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.open {
		b.fault("lost: %s", b.story(m, nil))
	}
	clear(b.open)
}

// complete makes everything a fault that was sent and has not come, acknowledged or not.
func (b *book) complete() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pairs {
		for _, m := range p.messages {
			if len(m.got) == 0 && !m.archived {
				b.fault("never came: %s", b.story(m, nil))
			}
		}
	}
}

// tally returns the figures so far.
func (b *book) tally() counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// story tells what is known of a message; now is an arrival that is not in it yet.
func (b *book) story(m *message, now *receipt) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s (to %s) sent %.3f", m.id(), m.pair.to.kind(), m.sent.Seconds())
	if m.acked != 0 {
		fmt.Fprintf(&s, ", acknowledged %.3f by <%s/>", m.acked.Seconds(), m.how)
	}
	if m.answered != "" {
		s.WriteString(", answered with " + m.answered)
	}
	got := m.got
	if now != nil {
		got = append(got[:len(got):len(got)], now)
	}
	for _, r := range got {
		fmt.Fprintf(&s, ", came %.3f over %p after %d crashes", r.when.Seconds(), r.conn, r.crashes)
		if r.acked {
			s.WriteString(" and was acknowledged")
		}
		if r.sure {
			s.WriteString(" for good")
		}
	}
	if m.archived {
		s.WriteString(", archived")
	}
	return s.String()
}

func (c *counts) add(o counts) {
	c.sent += o.sent
	c.acked += o.acked
	c.got += o.got
	c.answered += o.answered
	c.archived += o.archived
	c.again += o.again
	c.resumed += o.resumed
	c.failed += o.failed
	c.known += o.known
	c.behind += o.behind
}

func (c counts) String() string {
	return fmt.Sprintf("%d messages sent, %d acknowledged, %d came, %d of them again, %d answered, %d seen in archives; %d resumed, %d not (%d with a count, %d of these behind)",
		c.sent, c.acked, c.got, c.again, c.answered, c.archived, c.resumed, c.failed, c.known, c.behind)
}
