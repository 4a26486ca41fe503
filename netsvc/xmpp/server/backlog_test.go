package server

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/wire/stanza"
	"linnet/store"
)

// stall keeps the store from committing anything until the function it returns is
// called.
func (n *node) stall() (goOn func()) {
	n.settle()
	busy, release := make(chan struct{}), make(chan struct{})
	n.store.Submit(&store.Batch{}, func(error) {
		close(busy)
		<-release
	})
	<-busy
	open := sync.OnceFunc(func() { close(release) })
	n.t.Cleanup(open) // for a test that fails
	return func() { open(); n.settle() }
}

var numbered = regexp.MustCompile(`<body>m(\d+)</body>`)

// say sends messages with these numbers.
func (c *client) say(to string, from, until int) {
	c.n.t.Helper()
	for i := from; i < until; i++ {
		c.send(fmt.Sprintf("<message type='chat' to='%s'><body>m%d</body></message>", to, i))
	}
}

// hears fails the test unless exactly these numbers come, in this order.
func (c *client) hears(from, until int) {
	c.n.t.Helper()
	var want []string
	for i := from; i < until; i++ {
		want = append(want, fmt.Sprint(i))
	}
	c.heard(strings.Join(want, " "))
}

// heard is hears with a list.
func (c *client) heard(want string) {
	c.n.t.Helper()
	var got []string
	text := c.read()
	for _, m := range numbered.FindAllStringSubmatch(text, -1) {
		got = append(got, m[1])
	}
	if list := strings.Join(got, " "); list != want {
		c.n.t.Fatalf("%s hears %q, want %q, in\n%s", c.JID(), list, want, text)
	}
}

const juliet = "juliet@montague.lit"

// What comes while somebody appears does not overtake what was kept before.
func TestKeptMessagesComeFirst(t *testing.T) {
	run(t, func(n *node) {
		romeo := n.managed("romeo", "orchard")
		n.account("juliet")
		goOn := n.stall()
		romeo.say(juliet, 0, 3) // offline, and not committed yet
		balcony := n.bind(n.account("juliet"), "balcony")
		balcony.send("<presence/>")
		romeo.say(juliet, 3, 6)
		balcony.hears(0, 0)
		goOn()
		balcony.hears(0, 6)
	})
}

// The same where an ended session gives back what it lost, and while its connection
// is still being closed.
func TestLostMessagesComeFirst(t *testing.T) {
	for _, managed := range []bool{false, true} {
		t.Run(fmt.Sprint("managed=", managed), func(t *testing.T) {
			run(t, func(n *node) {
				romeo := n.managed("romeo", "orchard")
				var old *client
				if managed {
					old = n.managed("juliet", "balcony")
				} else {
					old = n.online(n.account("juliet"), "balcony")
				}
				old.stick()
				romeo.say(juliet, 0, 3)
				goOn := n.stall()
				fresh := n.bind(n.account("juliet"), "balcony") // in the place of the old one
				romeo.say(juliet, 3, 5)                         // to nobody who could take them
				fresh.send("<presence/>")
				romeo.say(juliet, 5, 8)
				fresh.hears(0, 0)
				old.unstick()
				goOn()
				fresh.hears(0, 8)
			})
		})
	}
}

// The same where the connection of a session without stream management is lost: whether its edge notices that before
// what was under way is told as not written, or after that.
func TestBrokenConnection(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint("edge first=", first), func(t *testing.T) {
			run(t, func(n *node) {
				romeo, old := n.managed("romeo", "orchard"), n.online(n.account("juliet"), "balcony")
				old.stick()
				romeo.say(juliet, 0, 3)
				under := old.breaks()
				if first {
					old.Detach(old.epoch)
					romeo.say(juliet, 3, 5)
					n.settle()
				}
				under()
				n.settle()
				old.Detach(old.epoch)
				romeo.say(juliet, 5, 6)
				old.unstick()
				n.settle()
				fresh := n.bind(n.account("juliet"), "garden")
				fresh.send("<presence/>")
				if first {
					fresh.hears(0, 6)
				} else {
					fresh.heard("0 1 2 5")
				}
			})
		})
	}
}

// A message on its way into the spool when its client goes comes before later ones.
func TestSpooledMessagesComeFirst(t *testing.T) {
	run(t, func(n *node) {
		romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.say(juliet, 0, 2)
		goOn := n.stall()
		time.Sleep(2 * time.Second) // settle_after
		romeo.say(juliet, 2, 3)
		old.End("", "")
		romeo.say(juliet, 3, 5)
		fresh := n.bind(n.account("juliet"), "chamber")
		fresh.send("<presence/>")
		romeo.say(juliet, 5, 6)
		goOn()
		fresh.hears(0, 6)
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows are left", rows)
		}
	})
}

// Past its limit what waits does not wait for the grace of a connection that ends, and
// comes in the same order.
func TestBacklogIsBounded(t *testing.T) {
	run(t, func(n *node) {
		romeo := n.online(n.account("romeo"), "orchard")
		old := n.online(n.account("juliet"), "balcony")
		old.stick()
		romeo.say(juliet, 0, 2)
		fresh := n.bind(n.account("juliet"), "balcony")
		fresh.send("<presence/>")
		n.current().limits.outbox = 1000
		romeo.say(juliet, 2, 40)
		fresh.hears(0, 40) // although nobody unsticks the old one
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows are left", rows)
		}
	})
}

// Past its limit what waits for a client that takes its offline messages is kept with
// them, and comes in the same order.
func TestBacklogIsKept(t *testing.T) {
	run(t, func(n *node) {
		romeo := n.online(n.account("romeo"), "orchard")
		n.account("juliet")
		large := strings.Repeat("x", 20<<10)
		for i := range 4 { // more than is handed out at a time
			romeo.send(fmt.Sprintf("<message type='chat' to='%s'><body>m%d</body><x xmlns='x'>%s</x></message>", juliet, i, large))
		}
		n.settle()
		balcony := n.bind(n.account("juliet"), "balcony")
		balcony.Enable(true, 0)
		balcony.send("<presence/>")
		balcony.hears(0, 2)
		n.current().limits.outbox = 1000
		romeo.say(juliet, 4, 40)
		n.settle()
		if rows := n.offlineRows(t); rows < 20 {
			t.Fatalf("%d rows: everything waits in memory", rows)
		}
		n.current().limits.outbox = 1 << 20
		balcony.Acked(balcony.epoch, 2)
		balcony.hears(2, 40)
		balcony.Acked(balcony.epoch, 40)
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows are left", rows)
		}
	})
}

// Messages that are not to be kept are settled when they are routed, and never
// stored.
func TestNothingStoredOfWhatMustNotBe(t *testing.T) {
	for _, tt := range []struct{ name, message string }{
		{"hint", "<message type='chat' to='" + juliet + "'><body>secret</body><no-store xmlns='urn:xmpp:hints'/></message>"},
		{"headline", "<message type='headline' to='" + juliet + "'><body>news</body></message>"},
		{"state", "<message type='chat' to='" + juliet + "'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(n *node) {
				romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
				romeo.send(tt.message)
				romeo.AckRequested(romeo.epoch)
				romeo.expect("h='2'")
				time.Sleep(2 * time.Second)
				if rows := n.offlineRows(t); rows != 0 {
					t.Fatalf("%d rows in the spool", rows)
				}
				old.End("", "")
				if rows := n.offlineRows(t); rows != 0 {
					t.Fatalf("%d rows after the session's end", rows)
				}
			})
		})
	}
}

// A message of a room that its session lost is answered, so that the room knows; no
// other resource gets it (RFC 6121 section 8.5.3.2.1).
func TestLostGroupchat(t *testing.T) {
	run(t, func(n *node) {
		romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		other := n.managed("juliet", "chamber")
		romeo.send("<message type='groupchat' id='g1' to='" + juliet + "/balcony'><body>all</body></message>")
		old.End("", "")
		romeo.expect("id='g1'", "type='error'", "<service-unavailable")
		if got := other.read(); strings.Contains(got, "all") {
			t.Fatalf("chamber got %s", got)
		}
		if rows := n.offlineRows(t); rows != 0 {
			t.Fatalf("%d rows", rows)
		}
	})
}

// A message of type normal is for the resource it is addressed to (RFC 6121 section 8.5.3.2.1); one that its session
// lost is another's all the same, and one in the recipient's archive is not refused.
func TestNormalMessages(t *testing.T) {
	run(t, func(n *node) {
		romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		other := n.managed("juliet", "chamber")
		romeo.send("<message to='" + juliet + "/balcony'><body>lost</body></message>")
		old.End("", "")
		other.expect("lost")
		romeo.send("<message to='" + juliet + "/balcony' id='n1'><body>late</body></message>")
		romeo.expect("id='n1'", "type='error'", "<service-unavailable")
		romeo.send("<message to='" + juliet + "/balcony' id='n2'><body>archived</body><kept xmlns='" + keeperSpace + "'/></message>")
		if got := romeo.read() + other.read(); strings.Contains(got, "error") || strings.Contains(got, "<message") {
			n.t.Errorf("got %s", got)
		}
		time.Sleep(2 * time.Second) // settle_after
		romeo.AckRequested(romeo.epoch)
		romeo.expect("h='4'")
		if rows := n.offlineRows(t); rows != 1 { // what chamber has not acknowledged
			n.t.Errorf("%d rows", rows)
		}
	})
}

// A message whose session ends between the choice and the look at the backlog waits behind what does so already.
func TestSessionEndsDuringTheChoice(t *testing.T) {
	run(t, func(n *node) {
		romeo, c := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		a := c.account
		a.wait(0, 1) // as the end of a session begins
		romeo.say(juliet, 0, 1)
		s, err := stanza.Parse([]byte("<message type='chat' from='romeo@montague.lit/orchard' to='" + juliet + "'><body>m1</body></message>"))
		if err != nil {
			t.Fatal(err)
		}
		took := choose(nil, s, a)
		c.Session.ended.Store(true)
		late := newOwed(a, s, receipt{})
		if len(took) != 1 || !a.queue(late, nil, took) {
			t.Fatal("it overtakes")
		}
		late.drop()
		a.wait(0, -1)
		n.settle()
		fresh := n.bind(n.account("juliet"), "garden")
		fresh.send("<presence/>")
		fresh.hears(0, 2)
	})
}

// What is archived waits without a row of its own, however long, so that nobody's row is older than that of a message
// before it.
func TestArchivedMessagesWaitInOrder(t *testing.T) {
	say := func(c *client, n int) {
		c.send(fmt.Sprintf("<message type='chat' to='%s'><body>m%d</body><kept xmlns='%s'/></message>", juliet, n, keeperSpace))
	}
	for _, late := range []time.Duration{0, 3 * time.Second} {
		run(t, func(n *node) {
			romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
			say(romeo, 0) // in the session's hands
			old.account.wait(0, 1)
			say(romeo, 1) // behind an end that begins
			old.stick()
			old.Closed(old.epoch)
			old.account.wait(0, -1)
			say(romeo, 2) // nobody is there
			n.settle()
			time.Sleep(late)
			old.unstick()
			n.settle()
			fresh := n.bind(n.account("juliet"), "garden")
			fresh.send("<presence/>")
			fresh.hears(0, 3)
		})
	}
}

// A message that somebody keeps, or a commit has, does not go into the spool beside that, and is not taken for one that
// did.
func TestOneRowForAMessage(t *testing.T) {
	for _, state := range []uint32{keeping, stored, done} {
		run(t, func(n *node) {
			c := n.managed("juliet", "balcony")
			o := newOwed(c.account, message("x").Relay(c.JID(), c.JID().Bare()), receipt{})
			o.state.Or(state)
			o.spool()
			if rows := n.offlineRows(t); rows != 0 || o.is(spooling) {
				t.Errorf("state %b: %d rows, spooling %v", state, rows, o.is(spooling))
			}
			o.finish()
			o.drop()
		})
	}
}

// Two messages that wait too long, one of them just being kept, have rows in their order.
func TestSpooledBesideOneThatIsKept(t *testing.T) {
	run(t, func(n *node) {
		romeo, old := n.managed("romeo", "orchard"), n.online(n.account("juliet"), "balcony")
		old.stick()
		go old.End("", "")
		n.settle()
		romeo.say(juliet, 0, 2) // to nobody
		n.settle()
		swept := make(chan bool)
		whileKept = func() {
			whileKept = nil
			go func() {
				romeo.managed.ledger.spoolOverdue(0)
				close(swept)
			}()
			for range 10000 { // it can do as much as it is allowed to
				runtime.Gosched()
			}
		}
		old.unstick()
		<-swept
		n.settle()
		fresh := n.bind(n.account("juliet"), "garden")
		fresh.send("<presence/>")
		fresh.hears(0, 2)
		if whileKept != nil {
			n.t.Error("nothing was kept")
		}
	})
}

// What waits for the end of a session is not kept before what that session lost.
func TestKickWaitsForEnds(t *testing.T) {
	run(t, func(n *node) {
		romeo, old := n.managed("romeo", "orchard"), n.managed("juliet", "balcony")
		romeo.say(juliet, 0, 2)
		old.stick()
		old.Closed(old.epoch)
		romeo.say(juliet, 2, 4) // to nobody
		old.account.kick()
		n.settle()
		if old.account.backlog.first() == nil {
			n.t.Error("it did not wait for the end")
		}
		old.unstick()
		n.settle()
		fresh := n.bind(n.account("juliet"), "garden")
		fresh.send("<presence/>")
		fresh.hears(0, 4)
	})
}
