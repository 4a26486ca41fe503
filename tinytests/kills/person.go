package kills

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"linnet/netsvc/wire/xmlstream"
)

// person is one account and its only client. The mutex guards everything below it; it is held while writing, so that
// what is counted is in the order of the wire.
type person struct {
	role
	book *book
	addr string

	mu      sync.Mutex
	conn    *wire         // nil while away
	done    chan struct{} // closed when the reader of conn has ended
	stream  *managed      // nil without stream management, and before the first login
	hidden  bool          // unavailable
	manner  manner
	unsure  []*receipt            // acknowledged, and the server may not know for good
	asked   map[string][]*receipt // by the id of a request that waits for the account's writes
	asks    int
	answers map[string]chan *page // by the id of a query
	pages   map[string]*page      // under way
	after   string                // the last id read from the archive
}

// managed is the client's half of XEP-0198. It outlives connections.
type managed struct {
	id    string
	queue []*message // sent and not acknowledged; nil stands for what is no message
	acked uint32
	got   uint32     // stanzas received
	told  uint32     // of them acknowledged
	fresh []*receipt // received and not acknowledged
}

// manner is how a receiver acknowledges.
type manner int

const (
	prompt manner = iota // when asked
	eager                // also when not asked
	late                 // some time after it was asked
	never
	manners
)

// login brings the person onto the server: by resuming, or with a new stream. resumed tells which.
func (p *person) login() (r resumption, err error) {
	w, err := dial(p.addr)
	if err != nil {
		return r, err
	}
	if err := w.login(p.name); err != nil {
		w.conn.Close()
		return r, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.arrive(w, &r)
	if err != nil {
		w.conn.Close()
		return r, err
	}
	w.conn.SetReadDeadline(time.Time{})
	p.conn, p.done = w, make(chan struct{})
	for _, list := range p.asked {
		p.unsure = append(p.unsure, list...)
	}
	p.asked, p.answers, p.pages = map[string][]*receipt{}, map[string]chan *page{}, map[string]*page{}
	go p.read(w, p.done)
	return r, nil
}

// arrive resumes the stream or begins a new one. The caller holds mu.
func (p *person) arrive(w *wire, r *resumption) (err error) {
	if p.stream != nil && p.stream.id != "" {
		if *r, err = w.resume(p.stream.id, p.stream.got); err != nil {
			return err
		}
		p.resumed(*r)
		if r.ok {
			if p.hidden {
				p.hidden = false
				p.stream.queue = append(p.stream.queue, nil)
			}
			return p.again(w)
		}
	}
	p.hidden = false
	p.stream, p.unsure, p.asked = nil, nil, nil
	if err := w.bind(); err != nil {
		return err
	}
	if p.managed {
		s := new(managed)
		if s.id, err = w.enable(); err != nil {
			return err
		}
		p.stream = s
		s.queue = append(s.queue, nil)
	}
	return w.write("<presence/>")
}

// resumed takes in what a server says that had the stream, or once had it.
func (p *person) resumed(r resumption) {
	s, how := p.stream, "failed"
	if r.ok {
		how = "resumed"
		p.told(s)
	}
	p.book.mu.Lock()
	c := &p.book.counts
	switch {
	case r.ok:
		c.resumed++
	case r.knows:
		c.known++
		fallthrough
	default:
		c.failed++
	}
	sent := s.acked + uint32(len(s.queue))
	if r.knows {
		switch {
		case int32(r.h-sent) > 0:
			p.book.fault("%s: <%s h='%d'/>, only %d were sent", p.name, how, r.h, sent)
			r.h = sent
		case int32(r.h-s.acked) < 0 && r.ok:
			p.book.fault("%s: <resumed h='%d'/>, %d were acknowledged before", p.name, r.h, s.acked)
		case int32(r.h-s.acked) < 0:
			c.behind++
		}
	}
	p.book.mu.Unlock()
	if r.knows && int32(r.h-s.acked) > 0 {
		p.acknowledged(r.h, how)
	}
}

// again sends what the server has not taken over the old connection.
func (p *person) again(w *wire) error {
	var b strings.Builder
	for _, m := range p.stream.queue {
		if m == nil {
			b.WriteString("<presence/>") // presence twice does no harm, and it keeps the count
		} else {
			m.append(&b)
		}
	}
	return w.write(b.String())
}

func (m *message) append(b *strings.Builder) {
	b.WriteString("<message type='chat' to='")
	b.WriteString(m.pair.to.name)
	b.WriteString("@" + domain + "' id='")
	b.WriteString(m.id())
	b.WriteString("'><body>")
	b.WriteString(strings.Repeat("wherefore ", m.n%7))
	b.WriteString("</body></message>")
}

// acknowledged takes in that the server has handled h of our stanzas. The caller holds mu.
func (p *person) acknowledged(h uint32, how string) {
	s := p.stream
	n := h - s.acked
	if n > uint32(len(s.queue)) {
		p.book.Fault("%s: <%s h='%d'/> after %d, with %d sent", p.name, how, h, s.acked, int(s.acked)+len(s.queue))
		return
	}
	p.book.acknowledge(s.queue[:n], how)
	s.queue = append([]*message(nil), s.queue[n:]...)
	s.acked = h
}

// told notes that all that was received is acknowledged to the server. The caller holds mu.
func (p *person) told(s *managed) {
	p.book.told(s.fresh)
	p.unsure = append(p.unsure, s.fresh...)
	s.fresh, s.told = nil, s.got
}

// read is the reader of one connection.
func (p *person) read(w *wire, done chan struct{}) {
	defer close(done)
	for {
		el, err := w.next()
		p.mu.Lock()
		if err != nil {
			if p.conn == w {
				p.conn = nil
			}
			w.closed = err == io.EOF && !w.failed
			for _, answer := range p.answers {
				close(answer)
			}
			p.answers = nil
			p.mu.Unlock()
			w.conn.Close()
			return
		}
		if el != nil {
			p.take(w, el)
		}
		p.mu.Unlock()
	}
}

// take handles one element. The caller holds mu.
func (p *person) take(w *wire, el *xmlstream.Element) {
	switch kind := string(el.Local()); kind {
	case "message", "presence", "iq":
		s := p.stream
		if s != nil {
			s.got++
		}
		switch kind {
		case "message":
			p.message(w, el)
		case "iq":
			p.reply(el)
		}
		if s != nil && p.manner == eager && rand.IntN(4) == 0 && p.conn == w {
			p.tell(w)
		}
	case "r":
		switch {
		case p.stream == nil || p.conn != w:
		case p.manner == late:
			time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.conn == w {
					p.tell(w)
				}
			})
		case p.manner != never:
			p.tell(w)
		}
	case "a":
		h, err := number(el.Attr("h"))
		if err != nil || p.stream == nil {
			p.book.Fault("%s got %s", p.name, el.Raw())
		} else {
			p.acknowledged(h, "a")
		}
	case "error":
		w.failed = true
		if text := string(el.Raw()); !strings.Contains(text, "system-shutdown") && !strings.Contains(text, "conflict") {
			p.book.Fault("%s: the stream ends with %s", p.name, text)
		}
	}
}

func (p *person) message(w *wire, el *xmlstream.Element) {
	switch {
	case el.Attr("type") == "error":
		p.book.answer(el.Attr("id"), condition(el))
	case len(el.Kids()) > 0 && string(el.KidLocal(&el.Kids()[0])) == "result":
		p.result(el)
	default:
		r := p.book.receive(p, el.Attr("id"), w, p.stream)
		if p.stream != nil {
			p.stream.fresh = append(p.stream.fresh, r)
		}
	}
}

// condition is the name of a stanza error's condition.
func condition(el *xmlstream.Element) string {
	n, err := xmlstream.Parse(el.Raw(), xmlstream.ClientSpace)
	if err != nil {
		return err.Error()
	}
	if first := n.Child(xmlstream.ClientSpace, "error").First(); first != nil {
		return first.Name.Local
	}
	return "nothing"
}

// tell acknowledges what was received, and now and then asks what is answered only when the server can no longer forget
// that. The caller holds mu.
func (p *person) tell(w *wire) {
	s := p.stream
	p.told(s)
	text := "<a xmlns='" + manageSpace + "' h='" + strconv.FormatUint(uint64(s.got), 10) + "'/>"
	if len(p.unsure) > 0 && rand.IntN(3) == 0 {
		p.asks++
		id := "sure-" + strconv.Itoa(p.asks)
		p.asked[id] = p.unsure
		p.unsure = nil
		s.queue = append(s.queue, nil)
		text += "<iq type='get' id='" + id + "'><prefs xmlns='" + archiveSpace + "'/></iq>"
	}
	w.write(text) // an error is the reader's to see
}

func (p *person) reply(el *xmlstream.Element) {
	id := el.Attr("id")
	if list, ok := p.asked[id]; ok {
		p.book.known(list)
		delete(p.asked, id)
		return
	}
	p.finish(id, el)
}

// leave ends the stream in order and waits for its end.
func (p *person) leave() {
	p.mu.Lock()
	w, done := p.conn, p.done
	if w == nil {
		p.mu.Unlock()
		return
	}
	if p.stream != nil {
		p.tell(w)
	}
	told := slices.Clone(p.unsure)
	for _, list := range p.asked {
		told = append(told, list...)
	}
	w.write("</stream:stream>")
	p.mu.Unlock()
	select {
	case <-done:
	case <-time.After(patience):
		p.book.Fault("%s: the server does not end the stream", p.name)
		w.cut()
		<-done
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.closed {
		p.book.closed(told)
	}
	if p.conn == nil { // it was broken off otherwise, and somebody may have come back
		p.stream = nil
	}
}

// vanish loses the connection.
func (p *person) vanish() {
	p.mu.Lock()
	w, done := p.conn, p.done
	p.conn = nil
	p.mu.Unlock()
	if w != nil {
		w.cut()
		<-done
	}
}

// forget gives up what could be resumed.
func (p *person) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream = nil
}

// wait returns when the connection has ended.
func (p *person) wait() {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done != nil {
		<-done
	}
}

// away reports whether there is no connection.
func (p *person) away() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn == nil
}

// window is how many stanzas a sender leaves unacknowledged.
const window = 48

// speak sends a few messages, each to somebody else by chance. It reports whether there was room for them.
func (p *person) speak(to []*person) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || len(p.stream.queue) >= window {
		return false
	}
	var b strings.Builder
	for range 1 + rand.IntN(6) {
		m := p.book.write(p, to[rand.IntN(len(to))])
		p.stream.queue = append(p.stream.queue, m)
		m.append(&b)
	}
	b.WriteString("<r xmlns='" + manageSpace + "'/>")
	p.conn.write(b.String())
	return true
}

// clear waits until everything that was sent is acknowledged.
func (p *person) clear() error {
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		w, s := p.conn, p.stream
		if s == nil || len(s.queue) == 0 {
			p.mu.Unlock()
			return nil
		}
		n := len(s.queue)
		if w != nil {
			w.write("<r xmlns='" + manageSpace + "'/>")
		}
		p.mu.Unlock()
		if w == nil {
			return errGone
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s: %d stanzas are never acknowledged", p.name, n)
		}
	}
}

// show sends presence.
func (p *person) show(available bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return
	}
	if p.stream != nil {
		p.stream.queue = append(p.stream.queue, nil)
	}
	p.hidden = !available
	if available {
		p.conn.write("<presence/>")
	} else {
		p.conn.write("<presence type='unavailable'/>")
	}
}

// page is one page of an archive.
type page struct {
	ids      []string // of our messages
	last     string
	complete bool
	err      error
}

var errGone = errors.New("the connection has ended")

// request sends a query and waits for its page.
func (p *person) request(payload string) (*page, error) {
	p.mu.Lock()
	if p.conn == nil {
		p.mu.Unlock()
		return nil, errGone
	}
	p.asks++
	id := "query-" + strconv.Itoa(p.asks)
	answer := make(chan *page, 1)
	p.answers[id], p.pages[id] = answer, new(page)
	if p.stream != nil {
		p.stream.queue = append(p.stream.queue, nil)
	}
	p.conn.write("<iq type='set' id='" + id + "'>" + strings.ReplaceAll(payload, "QUERY", id) + "</iq>")
	p.mu.Unlock()
	select {
	case got := <-answer:
		if got == nil {
			return nil, errGone
		}
		return got, got.err
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: no answer to %s", p.name, payload)
	}
}

// result takes in one message of a page.
func (p *person) result(el *xmlstream.Element) {
	n, err := xmlstream.Parse(el.Raw(), xmlstream.ClientSpace)
	if err != nil {
		p.book.Fault("%s got %s", p.name, el.Raw())
		return
	}
	r := n.Child(archiveSpace, "result")
	m := r.Child("urn:xmpp:forward:0", "forwarded").Child(xmlstream.ClientSpace, "message")
	if pg := p.pages[r.Attr("queryid")]; pg != nil && m != nil {
		pg.ids = append(pg.ids, m.Attr("id"))
	}
}

// finish takes in the answer to a query.
func (p *person) finish(id string, el *xmlstream.Element) {
	answer, pg := p.answers[id], p.pages[id]
	if answer == nil {
		return
	}
	delete(p.answers, id)
	delete(p.pages, id)
	n, err := xmlstream.Parse(el.Raw(), xmlstream.ClientSpace)
	if err != nil || n.Attr("type") != "result" {
		pg.err = fmt.Errorf("%s: the query is answered with %s", p.name, el.Raw())
	} else {
		fin := n.Child(archiveSpace, "fin")
		pg.complete = fin.Attr("complete") == "true"
		pg.last = fin.Child("http://jabber.org/protocol/rsm", "set").ChildText("http://jabber.org/protocol/rsm", "last")
	}
	answer <- pg
}

// peruse reads what is new in the archive of the person's account.
func (p *person) peruse() error {
	for {
		after := ""
		if p.after != "" {
			after = "<after>" + p.after + "</after>"
		}
		pg, err := p.request("<query xmlns='" + archiveSpace + "' queryid='QUERY'><set xmlns='http://jabber.org/protocol/rsm'><max>100</max>" + after + "</set></query>")
		if err != nil {
			return err
		}
		for _, id := range pg.ids {
			p.book.found(p, id)
		}
		if pg.last != "" {
			p.after = pg.last
		}
		if pg.complete {
			return nil
		}
	}
}
