package scenario

import "fmt"

// friends makes mutual subscriptions the way clients do (RFC 6121 section 3.1), and waits until both rosters say
// so. The clients it uses are gone afterwards.
func (r *run) friends(names []string) error {
	first, err := r.visit(names[0])
	if err != nil {
		return err
	}
	defer first.cut()
	for _, name := range names[1:] {
		other, err := r.visit(name)
		if err != nil {
			return err
		}
		for _, ask := range [][2]*client{{first, other}, {other, first}} {
			from, to := ask[0], ask[1]
			if err := from.send("<presence type='subscribe' to='" + bare(to.jid) + "'/>"); err != nil {
				return err
			}
			if err := r.await(to, func(e *Element) bool {
				return e.is(nsClient, "presence") && e.Attr("type") == "subscribe" && e.Attr("from") == bare(from.jid)
			}); err != nil {
				return fmt.Errorf("%s did not get the subscription request: %w", bare(to.jid), err)
			}
			to.send("<presence type='subscribed' to='" + bare(from.jid) + "'/>")
			if err := r.await(from, func(e *Element) bool {
				return e.is(nsClient, "presence") && e.Attr("type") == "subscribed" && e.Attr("from") == bare(to.jid)
			}); err != nil {
				return fmt.Errorf("%s did not get the subscription: %w", bare(from.jid), err)
			}
		}
		for _, c := range []*client{first, other} {
			peer := bare(other.jid)
			if c == other {
				peer = bare(first.jid)
			}
			if err := r.both(c, peer); err != nil {
				return err
			}
		}
		if err := r.leave(other); err != nil {
			return err
		}
	}
	return r.leave(first)
}

// visit logs in with a resource of its own and becomes available.
func (r *run) visit(name string) (*client, error) {
	c, err := r.start([]string{name + "/friendship", "as", "friendship." + name}, false)
	delete(r.clients, "friendship."+name)
	if err != nil {
		return nil, err
	}
	c.send("<iq type='get' id='r0'><query xmlns='jabber:iq:roster'/></iq><presence/>")
	return c, r.await(c, func(e *Element) bool { return e.is(nsClient, "presence") && e.Attr("from") == c.jid })
}

// both asks for the roster until it shows a subscription in both directions.
func (r *run) both(c *client, peer string) error {
	last := "no roster"
	for i := 0; i < 20; i++ {
		c.send(fmt.Sprintf("<iq type='get' id='b%d'><query xmlns='jabber:iq:roster'/></iq>", i))
		done := false
		if err := r.await(c, func(e *Element) bool {
			if !e.is(nsClient, "iq") || e.Attr("id") != fmt.Sprintf("b%d", i) {
				return false
			}
			last = e.String()
			if q := e.Kid("jabber:iq:roster", "query"); q != nil {
				for _, item := range q.Kids {
					done = done || item.Attr("jid") == peer && item.Attr("subscription") == "both"
				}
			}
			return true
		}); err != nil || done {
			return err
		}
		if err := r.server.Wait(r.server.Quiet() / 10); err != nil {
			return err
		}
	}
	return fmt.Errorf("the roster of %s does not show %s with subscription both: %s", c.jid, peer, last)
}

func (r *run) leave(c *client) error {
	c.send("<presence type='unavailable'/></stream:stream>")
	for {
		if _, err := c.next(r.server.Patience()); err == errEnded {
			c.conn.Close()
			return nil
		} else if err != nil {
			return fmt.Errorf("the server did not close: %w", err)
		}
	}
}

// await drops what comes until one element fits.
func (r *run) await(c *client, fits func(*Element) bool) error {
	for {
		e, err := c.next(r.server.Patience())
		if err != nil || fits(e) {
			return err
		}
	}
}

func bare(jid string) string {
	for i := range jid {
		if jid[i] == '/' {
			return jid[:i]
		}
	}
	return jid
}
