package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store"
	"linnet/store/table"
)

// managed binds with stream management and resumption.
func (n *node) managed(name, resource string) *client {
	n.t.Helper()
	c := n.bind(n.account(name), resource)
	c.Enable(true, 0)
	c.expect("<enabled", "resume='true'")
	c.send("<presence/>")
	c.read()
	return c
}

func (c *client) id() string { return c.Session.managed.id }

// resume comes back over a new connection.
func (c *client) resume(h uint32) *client {
	c.n.t.Helper()
	out := newSink()
	ss, epoch, err := c.n.Resume(context.Background(), c.account.id, c.id(), h, Link{Out: out, Addr: "192.0.2.2:5", Secure: true})
	if err != nil {
		c.n.t.Fatal(err)
	}
	return &client{Session: ss, n: c.n, sink: out, epoch: epoch}
}

// An <r/> is answered at once with what is settled; what is owed follows by itself.
func TestAckWaitsForTheRecipient(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>1</body></message>")
		romeo.AckRequested(romeo.epoch)
		romeo.expect("<a xmlns='urn:xmpp:sm:3' h='1'/>") // the presence
		juliet.expect("<body>1</body>")
		time.Sleep(askDelay)
		juliet.expect("<r xmlns='urn:xmpp:sm:3'/>")
		juliet.Acked(juliet.epoch, 1)
		romeo.expect("<a xmlns='urn:xmpp:sm:3' h='2'/>")
	})
}

// What is not acknowledged in time is stored, and then acknowledged to the sender.
func TestSpoolAfterASecond(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>1</body></message>")
		romeo.AckRequested(romeo.epoch)
		romeo.expect("h='1'")
		time.Sleep(2 * time.Second)
		romeo.expect("h='2'")
		juliet.read()
		if rows := n.offlineRows(t); rows != 1 {
			t.Fatalf("%d rows in the spool, want 1", rows)
		}
		juliet.Acked(juliet.epoch, 1)
		n.settle()
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows in the spool after the acknowledgement, want 0", rows)
		}
	})
}

// What comes between the end of a connection and the moment its edge tells waits for the resumption.
func TestLostConnection(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		juliet.lose()
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>1</body></message>")
		n.settle()
		juliet.Detach(juliet.epoch)
		again := juliet.resume(0)
		again.expect("<resumed", "<body>1</body>")

		again.Detach(again.epoch)
		out := newSink()
		out.closed = true
		if _, _, err := n.Resume(context.Background(), again.account.id, again.id(), 0, Link{Out: out}); err == nil || errors.Is(err, ErrNotResumed) {
			t.Fatalf("resumed on a connection that was gone: %v", err)
		}
		again.resume(0).expect("<resumed", "<body>1</body>")
		if slow := n.current().stats.slow.Value(); slow != 0 {
			t.Fatalf("%d clients were too slow", slow)
		}
	})
	run(t, func(n *node) { // without stream management
		romeo, juliet := n.online(n.account("romeo"), "orchard"), n.online(n.account("juliet"), "balcony")
		juliet.lose()
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>1</body></message>")
		n.settle()
		if rows, slow := n.offlineRows(t), n.current().stats.slow.Value(); rows != 1 || slow != 0 {
			t.Fatalf("%d rows, %d clients were too slow", rows, slow)
		}
	})
}

// A resumed stream brings everything after h, in order, and nothing else.
func TestResume(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		for i := range 5 {
			romeo.send(fmt.Sprintf("<message type='chat' to='juliet@montague.lit'><body>m%d</body></message>", i))
		}
		juliet.read()
		juliet.Detach(juliet.epoch)
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>m5</body></message>")
		again := juliet.resume(2)
		again.expect("<resumed xmlns='urn:xmpp:sm:3' previd=", "h='1'", "m2", "m3", "m4", "m5")
		time.Sleep(askDelay)
		again.expect("<r ")
		juliet.send("<message type='chat' to='romeo@montague.lit'><body>stale</body></message>")
		again.send("<message type='chat' to='romeo@montague.lit'><body>fresh</body></message>")
		if got := romeo.read(); strings.Contains(got, "stale") || !strings.Contains(got, "fresh") {
			t.Fatalf("romeo got %q", got)
		}
		again.Acked(again.epoch, 6)
		romeo.read()
		third := again.resume(6)
		third.expect("<resumed")
		if strings.Contains(third.read(), "<message") {
			t.Fatal("acknowledged messages came again")
		}
	})
}

// A client that acknowledges more than it got is sent away (XEP-0198 section 4).
func TestHandledCountTooHigh(t *testing.T) {
	run(t, func(n *node) {
		c := n.managed("juliet", "balcony")
		c.Acked(c.epoch, 99)
		c.expect("<stream:error>", "<undefined-condition", "<handled-count-too-high", "h='99'", "</stream:stream>")
	})
}

// A session whose client does not come back hands its messages on, in order, with
// the time they were sent.
func TestLapsedSessionGoesOffline(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		for i := range 3 {
			romeo.send(fmt.Sprintf("<message type='chat' to='juliet@montague.lit/balcony'><body>m%d</body></message>", i))
		}
		juliet.read()
		juliet.Detach(juliet.epoch)
		time.Sleep(11 * time.Minute)
		late := n.bind(n.account("juliet"), "late")
		late.send("<presence/>")
		late.expect("m0", "urn:xmpp:delay", "m1", "urn:xmpp:delay", "m2", "urn:xmpp:delay")
	})
}

// What went to a dead session goes to another client that is there.
func TestLapsedSessionGoesToAnother(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.send("<message type='chat' to='juliet@montague.lit/balcony'><body>m0</body></message>")
		juliet.read()
		juliet.Detach(juliet.epoch)
		other := n.managed("juliet", "chamber")
		time.Sleep(11 * time.Minute)
		other.expect("m0")
		if rows := n.offlineRows(t); rows != 1 { // spooled: she has not acknowledged it
			t.Fatalf("%d rows, want 1", rows)
		}
	})
}

// What waits for the account's writes after an acknowledgement waits until the message is out
// of the spool, also when it was only on its way there.
func TestAcknowledgedWhileItIsSpooled(t *testing.T) {
	run(t, func(n *node) {
		romeo, c := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		goOn := n.stall()
		romeo.say(juliet, 0, 1)
		time.Sleep(2 * time.Second) // settle_after
		c.Acked(c.epoch, c.managed.sent)
		rows := -1
		n.store.Barrier(func() { rows = n.rows() })
		goOn()
		if rows != 0 {
			n.t.Fatalf("%d rows, want 0", rows)
		}
	})
}

// failingSpool is a spool whose commits fail for a while.
type failingSpool struct {
	xmpp.Spool
	fails bool
	there map[uint64]bool // in the account's box
}

func (s *failingSpool) Put(b *store.Batch, a xmpp.Account, st *stanza.Stanza) uint64 {
	row := s.Spool.Put(b, a, st)
	s.there[row] = true
	if s.fails {
		b.Put(table.New("nowhere", table.Account), []byte{0}, nil)
	}
	return row
}

func (s *failingSpool) Drop(b *store.Batch, a xmpp.Account, row uint64) {
	s.Spool.Drop(b, a, row)
	delete(s.there, row)
}

// A message that could not be spooled is tried again, or kept when its client goes; it leaves nothing
// behind in the account's box, and is not acknowledged before.
func TestSpoolFails(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("lost=", lost), func(t *testing.T) {
			run(t, func(n *node) {
				romeo, c := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
				spool := &failingSpool{n.current().spool, true, map[uint64]bool{}}
				n.current().spool = spool
				romeo.say(juliet, 0, 1)
				goOn := n.stall()
				time.Sleep(2 * time.Second) // settle_after
				n.settle()
				if len(spool.there) != 1 {
					n.t.Fatalf("%d rows are on their way, want 1", len(spool.there))
				}
				if lost {
					c.End("", "")
				}
				n.settle()
				spool.fails = false
				goOn()
				if len(spool.there) != 0 {
					n.t.Fatalf("%d rows stay in the box", len(spool.there))
				}
				romeo.AckRequested(romeo.epoch)
				if !lost {
					romeo.expect("h='1'")
					time.Sleep(2 * time.Second)
				}
				romeo.expect("h='2'")
				if rows := n.offlineRows(t); rows != 1 {
					n.t.Fatalf("%d rows, want 1", rows)
				}
			})
		})
	}
}

// What one client has acknowledged is put away with another's session, and not kept for the person.
func TestShutdownAfterOneAcknowledged(t *testing.T) {
	run(t, func(n *node) {
		romeo, a, b := n.managed("romeo", "orchard"), n.managed("juliet", "a"), n.managed("juliet", "b")
		romeo.say(juliet, 0, 1)
		a.hears(0, 1)
		b.Acked(b.epoch, b.managed.sent)
		seen := a.managed.sent - 1
		n.parkAll()
		if rows := n.offlineRows(t); rows != 0 {
			n.t.Fatalf("%d rows, want 0", rows)
		}
		n.wake()
		a.resume(seen).hears(0, 1)
	})
}

// Several clients of one account: one acknowledgement is enough, nothing comes twice.
func TestOneOfSeveralIsEnough(t *testing.T) {
	run(t, func(n *node) {
		romeo, a, b := n.managed("romeo", "orchard"), n.managed("juliet", "a"), n.managed("juliet", "b")
		a.read()
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>m0</body></message>")
		a.expect("m0")
		b.expect("m0")
		a.Acked(a.epoch, a.Session.managed.sent)
		b.End("", "")
		n.settle()
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows, want 0", rows)
		}
		if got := a.read(); strings.Contains(got, "m0") {
			t.Fatalf("again: %q", got)
		}
	})
}

// A client that never reads loses its session, not its messages, and not their
// order.
func TestSlowClient(t *testing.T) {
	for _, managed := range []bool{false, true} {
		t.Run(fmt.Sprint("managed=", managed), func(t *testing.T) {
			run(t, func(n *node) {
				romeo := n.online(n.user("romeo"), "orchard")
				var juliet *client
				if managed {
					juliet = n.managed("juliet", "balcony")
				} else {
					juliet = n.online(n.user("juliet"), "balcony")
				}
				juliet.sink.mu.Lock()
				juliet.sink.slow, juliet.sink.limit = true, 2000
				juliet.sink.mu.Unlock()
				for i := range 40 {
					romeo.send(fmt.Sprintf("<message type='chat' to='juliet@montague.lit'><body>m%02d</body></message>", i))
				}
				n.settle()
				late := n.bind(n.account("juliet"), "late")
				late.send("<presence/>")
				got := late.read()
				at := -1
				for i := range 40 {
					next := strings.Index(got, fmt.Sprintf("m%02d", i))
					if next < at || next < 0 {
						t.Fatalf("m%02d is missing or out of order in:\n%s", i, got)
					}
					if strings.Count(got, fmt.Sprintf("m%02d", i)) != 1 {
						t.Fatalf("m%02d came twice", i)
					}
					at = next
				}
			})
		})
	}
}

// A resource that is bound anew ends the old session with a conflict.
func TestConflict(t *testing.T) {
	run(t, func(n *node) {
		u := n.user("juliet")
		old := n.online(u, "balcony")
		n.online(u, "balcony")
		old.expect("<stream:error>", "<conflict", "</stream:stream>")
	})
}

// parkAll is the first half of a restart.
func (n *node) parkAll() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	n.park(ctx)
	if ctx.Err() != nil {
		n.t.Fatal("the shutdown takes too long")
	}
	n.settle()
}

// wake is the second half: the same store, as a new process finds it.
func (n *node) wake() {
	n.t.Helper()
	for i := range n.shards {
		n.shards[i].all, n.shards[i].idle = nil, nil
	}
	n.resumable.all = nil
	n.sessions.Store(0)
	if err := n.unpark(); err != nil {
		n.t.Fatal(err)
	}
	n.settle()
}

// Sessions that can be resumed survive a restart with all that was owed.
func TestRestart(t *testing.T) {
	run(t, func(n *node) {
		romeo, juliet := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.send("<message type='chat' to='juliet@montague.lit'><body>m0</body></message>")
		juliet.read()
		n.parkAll()
		juliet.expect("<system-shutdown")
		n.wake()
		again := juliet.resume(0)
		again.expect("<resumed", "h='1'", "m0")
		back := romeo.resume(0)
		back.expect("<resumed", "h='2'")
		again.Acked(again.epoch, 1)
		n.settle()
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows, want 0", rows)
		}
		if again.Presence() == nil {
			t.Fatal("the presence is gone")
		}
	})
}

// The program does not end before clients were told why, unless they do not read.
func TestShutdownSaysGoodbye(t *testing.T) {
	for _, reads := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Hour} {
		run(t, func(n *node) {
			c := n.managed("juliet", "balcony")
			c.stick()
			time.AfterFunc(reads, c.unstick)
			began := time.Now()
			n.parkAll()
			if took, want := time.Since(began), min(reads, goodbyeTime); took != want {
				n.t.Errorf("a client reads after %v, and the end takes %v, want %v", reads, took, want)
			}
			c.unstick()
			n.wake()
		})
	}
}

// A clock that is set between two runs does not end what waits for its client.
func TestRestartWithoutAClock(t *testing.T) {
	runBuilt(t, time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), func(n *node) { // that is a day ahead
		c := n.managed("juliet", "balcony")
		n.parkAll()
		time.Sleep(48 * time.Hour)
		n.wake()
		c.resume(0).expect("<resumed")
	})
}

// Restarts make nothing come twice, nor out of order: neither what a client had in
// hand of its offline messages, nor what was in the spool.
func TestRestartAgain(t *testing.T) {
	run(t, func(n *node) {
		romeo := n.managed("romeo", "orchard")
		n.account("juliet")
		romeo.say(juliet, 0, 2) // offline
		c := n.managed("juliet", "balcony")
		romeo.say(juliet, 2, 4)
		time.Sleep(2 * time.Second) // spooled
		romeo.say(juliet, 4, 6)
		for range 3 {
			n.parkAll()
			n.wake()
		}
		c = c.resume(0)
		c.hears(0, 6)
		n.parkAll()
		n.wake()
		c = c.resume(3)
		c.hears(3, 6)
		if rows := n.offlineRows(t); rows != 3 {
			t.Fatalf("%d rows, want those of m3, m4 and m5", rows)
		}
		c.End("", "")
		late := n.bind(n.account("juliet"), "late")
		late.send("<presence/>")
		late.hears(3, 6)
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows, want 0", rows)
		}
	})
}

// A shutdown that was cut short leaves nothing to resume, and no message behind.
func TestShutdownCutShort(t *testing.T) {
	run(t, func(n *node) {
		romeo, c := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.say(juliet, 0, 3)
		n.parkAll()
		var b store.Batch
		b.Delete(n.tables.parked, wholeMark) // what the last commit would have brought
		if err := n.store.Apply(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		n.wake()
		if _, _, err := n.Resume(context.Background(), c.account.id, c.id(), 0, Link{Out: newSink()}); !errors.Is(err, ErrNotResumed) {
			t.Fatalf("resumed: %v", err)
		}
		fresh := n.bind(n.account("juliet"), "balcony")
		fresh.send("<presence/>")
		fresh.hears(0, 3)
	})
}

// What comes while sessions are put away is kept, and comes behind what they had.
func TestMessagesDuringShutdown(t *testing.T) {
	run(t, func(n *node) {
		ben, c := n.online(n.account("benvolio"), "square"), n.managed("juliet", "balcony")
		ben.say(juliet, 0, 2)
		c.Session.freeze(new(goodbyes))
		ben.say(juliet, 2, 4)
		var b store.Batch
		for i := range c.Session.managed.queue {
			c.Session.managed.queue[i].shelve(&b)
		}
		c.Session.drain()
		c.Session.account.wait(0, -1)
		n.store.Submit(&b, nil)
		n.settle()
		n.wake()
		fresh := n.bind(n.account("juliet"), "balcony")
		fresh.send("<presence/>")
		fresh.hears(0, 4)
	})
	run(t, func(n *node) {
		romeo, c := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.say(juliet, 0, 2)
		n.parkAll()
		n.Route(message("m2").Relay(romeo.JID(), c.JID().Bare()))
		n.settle()
		n.wake()
		c = c.resume(0)
		c.hears(0, 3)
	})
}

// What waits behind a session that is ending waits at shutdown, too.
func TestShutdownDuringAnEnd(t *testing.T) {
	run(t, func(n *node) {
		ben, old := n.online(n.account("benvolio"), "square"), n.managed("juliet", "balcony")
		ben.say(juliet, 0, 2)
		old.stick()
		old.Closed(old.epoch)
		fresh := n.managed("juliet", "garden")
		ben.say(juliet, 2, 4)
		time.AfterFunc(time.Second, old.unstick)
		n.parkAll()
		n.wake()
		fresh = fresh.resume(0)
		fresh.hears(0, 4)
	})
}

// Numbers wrap at 2^32.
func TestAcknowledgeWraps(t *testing.T) {
	m := &managed{limit: 1 << 20, sent: 0xfffffffe}
	for range 4 {
		m.push(queued{stanza: message("x"), copy: new(owed)})
	}
	if got, ok := m.acknowledge(0, nil); !ok || len(got) != 2 {
		t.Fatalf("acknowledge(0): %d, %v", len(got), ok)
	}
	if got, ok := m.acknowledge(2, nil); !ok || len(got) != 2 {
		t.Fatalf("acknowledge(2): %d, %v", len(got), ok)
	}
	if _, ok := m.acknowledge(3, nil); ok {
		t.Fatal("acknowledge(3): accepted more than was sent")
	}
	if got, ok := m.acknowledge(1, nil); !ok || len(got) != 0 {
		t.Fatalf("acknowledge(1), again: %d, %v", len(got), ok)
	}
}
