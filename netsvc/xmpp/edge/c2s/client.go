package c2s

import (
	"errors"
	"os"
	"strconv"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp/server"
	"linnet/netsvc/xmpp/stream"
)

// client is a connection whose stream is negotiated: it takes the stream's
// elements apart and gives them to the session. It is a flow.Handler; while
// nothing arrives it is all there is of the connection.
type client struct {
	edge    *edge
	session *server.Session
	epoch   uint32
	scanner *xmlstream.Scanner
	pace    flow.Bucket // bytes the client may send
}

// desk is what a turn works with and a client that idles has no need of. Clients
// share a few of them, one after another; the addresses that one of them writes to
// are likely the next one's, too.
type desk struct {
	room xmlstream.Scratch
	jids jid.Cache
}

// Turn implements flow.Handler.
func (c *client) Turn(conn *flow.Conn, b *flow.Buffer, err error) flow.Next {
	switch {
	case err == nil || errors.Is(err, flow.ErrKicked) || errors.Is(err, os.ErrDeadlineExceeded):
	default:
		c.gone(conn, err)
		return flow.More
	}
	arrived := b.Len()
	if conn.Outbox().Closing() {
		// Our end of the stream is out. What still comes is read, or the kernel would
		// answer it with a reset, and is for nobody: the session may have been resumed
		// elsewhere, and must not end for what is said here.
		b.Release()
		return c.next(conn, arrived)
	}
	d := c.edge.live.desks.Get().(*desk)
	c.scanner.Borrow(&d.room)
	defer func() {
		c.scanner.Return(&d.room)
		c.edge.live.desks.Put(d)
	}()
	for b.Len() > 0 {
		event, n, err := c.scanner.Scan(b.Bytes())
		if err != nil {
			c.refuse(err)
			b.Release()
			return flow.More
		}
		if event == xmlstream.EventMore {
			break
		}
		switch event {
		case xmlstream.EventElement:
			c.element(d)
		case xmlstream.EventFooter:
			c.session.Closed(c.epoch)
		}
		b.Discard(n)
	}
	return c.next(conn, arrived-b.Len())
}

// next pauses a client that sends faster than it may, or faster than the store
// takes it.
func (c *client) next(conn *flow.Conn, used int) flow.Next {
	if c.edge.store.InFlight() > c.edge.store.Options().MaxInFlight {
		go func() {
			c.edge.store.Wait(c.edge.running)
			conn.Resume()
		}()
		return flow.Pause
	}
	if wait := c.pace.Take(used); wait > 0 {
		c.edge.stats.slowed.Inc()
		conn.ResumeAfter(wait)
		return flow.Pause
	}
	return flow.More
}

// element handles one first-level element.
func (c *client) element(d *desk) {
	el := c.scanner.Element()
	switch string(el.Space()) {
	case xmlstream.ClientSpace:
		c.stanza(el, d)
	case server.ManageSpace:
		c.manage(el)
	case stream.Space:
		c.ofStream(el)
	default:
		if !c.session.Nonza(c.epoch, el) {
			c.session.End("unsupported-stanza-type", "")
		}
	}
}

func (c *client) stanza(el *xmlstream.Element, d *desk) {
	if !c.mine(el, d) {
		c.session.End("invalid-from", "")
		return
	}
	s, bad, err := stanza.Read(el, &d.jids, c.session.JID())
	if err != nil {
		c.refuse(err)
		return
	}
	c.session.Receive(c.epoch, s, bad)
}

// mine checks the 'from' that a client may set, though it need not: its own, full
// or bare (RFC 6120 section 8.1.2.1). Few spell it otherwise than we told them.
func (c *client) mine(el *xmlstream.Element, d *desk) bool {
	from, given := el.Lookup("from")
	own := c.session.JID()
	bare := own.Bare()
	if !given || string(from) == own.String() || string(from) == bare.String() {
		return true
	}
	j, err := d.jids.Get(from)
	return err == nil && (j == own || j == bare)
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// manage handles what XEP-0198 has beside stanzas.
func (c *client) manage(el *xmlstream.Element) {
	switch string(el.Local()) {
	case "r":
		c.session.AckRequested(c.epoch)
	case "a":
		h, ok := number(el.Attr("h"))
		if !ok {
			c.session.End("bad-format", "")
			return
		}
		c.session.Acked(c.epoch, h)
	case "enable":
		most, _ := number(el.Attr("max"))
		resume := el.Attr("resume")
		c.session.Enable(resume == "true" || resume == "1", time.Duration(most)*time.Second)
	case "resume":
		c.session.ResumeBound(c.epoch)
	default:
		c.session.End("unsupported-stanza-type", "")
	}
}

// ofStream handles what belongs to the stream itself. With an error the client has ended
// it (RFC 6120 section 4.9.1.1): it gets a close tag, and no error in return.
func (c *client) ofStream(el *xmlstream.Element) {
	if string(el.Local()) == "error" {
		c.session.Closed(c.epoch)
		return
	}
	c.session.End("unsupported-stanza-type", "")
}

// refuse ends the stream for what was wrong with its XML.
func (c *client) refuse(err error) {
	var bad *xmlstream.Error
	if errors.As(err, &bad) {
		c.session.End(bad.Condition, bad.Text)
		return
	}
	c.session.End("undefined-condition", "")
}

// gone is the end of the connection without the end of the stream.
func (c *client) gone(conn *flow.Conn, err error) {
	var crash *flow.PanicError
	if errors.As(err, &crash) {
		c.edge.panicked(crash)
		c.session.End("internal-server-error", "")
	}
	if errors.Is(err, flow.ErrBufferFull) {
		c.session.End("policy-violation", "the stanza is too big")
	}
	c.session.Detach(c.epoch)
	conn.Close()
}
