package abuse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// body is a message text with a number, of so many bytes.
func body(i, size int) string {
	text := strconv.Itoa(i) + " "
	return "<body>" + text + strings.Repeat("x", size-len(text)) + "</body>"
}

// numbers reads the numbers of the whole messages that body made, in what came. (A regular
// expression takes seconds for as much, under the race detector.)
func numbers(t *testing.T, got string) (list []int) {
	t.Helper()
	for {
		message, rest, whole := strings.Cut(got, "</message>")
		if !whole {
			return list
		}
		got = rest
		_, text, _ := strings.Cut(message, "<body>")
		if number, _, numbered := strings.Cut(text, " "); numbered {
			i, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, i)
		}
	}
}

// takes wants the numbered messages to come, all of them and in order.
func (p *peer) takes(count int) {
	p.t.Helper()
	for i := range count {
		if got := numbers(p.t, p.upTo("</message>")); len(got) != 1 || got[0] != i {
			p.t.Fatalf("%s got %v instead of message %d", p.name, got, i)
		}
	}
}

// A client that never reads: when a limit is reached its session ends, and what it
// has not acknowledged comes when it is back, all of it, in order. The sender is
// not slowed and the others do not notice.
func TestClientThatNeverReads(t *testing.T) {
	const count, size = 200, 45_000 // 9 MB: the kernel takes up to 4 MB here and some more over there, and ours are small
	for _, managed := range []bool{false, true} {
		t.Run(fmt.Sprintf("managed %v", managed), func(t *testing.T) {
			n := start(t, "c2s.rate=0", "xmpp.outbox=128KB", "xmpp.unacknowledged=256KB", "xmpp.offline.bytes=32MB", "xmpp.archive.enabled=false")
			n.accounts("romeo", "juliet")
			romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony")
			if managed {
				juliet.manage()
			}
			juliet.available()
			n.counts(1, func() {
				for i := range count {
					romeo.send("<message to='juliet@localhost' type='chat' id='m'>%s</message>", body(i, size))
				}
				romeo.send("<message to='juliet@localhost' type='chat' id='m'><body>end</body></message>")
				romeo.alive()
				n.fine()
				n.until(func() bool { return n.metric("sessions") == 3 }, "the session does not end")
			}, "slowClients")
			if got := n.metric("streamErrors", "resource-constraint"); got != 1 {
				t.Errorf("%d streams ended with resource-constraint, not 1", got)
			}
			// What had left for the network may still arrive.
			seen := numbers(t, juliet.rest())
			juliet = n.login("juliet/balcony").available()
			juliet.t = t
			back := numbers(t, juliet.upTo("<body>end</body>"))
			if managed {
				seen = nil // nothing was acknowledged: all of it comes again
			}
			all := append(seen, back...)
			for i, m := range all {
				if i != m {
					t.Fatalf("in the place of message %d is %d: %v and then %v", i, m, seen, back)
				}
			}
			if len(all) != count {
				t.Errorf("%d messages, not %d", len(all), count)
			}
			n.fine()
		})
	}
}

// A client that sends faster than it may waits, and is not disconnected; what it
// sends arrives, and the others chat meanwhile.
func TestClientThatDoesNotStop(t *testing.T) {
	const count, size = 60, 10_000
	n := start(t, "c2s.rate=512KB", "c2s.burst=256KB")
	n.accounts("romeo", "juliet")
	romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony").available()
	for i := range count {
		romeo.send("<message to='juliet@localhost/balcony' type='chat' id='m'>%s</message>", body(i, size))
		if i%10 == 0 {
			n.fine()
		}
	}
	juliet.takes(count)
	romeo.alive()
	juliet.alive()
	if n.metric("clientsSlowed") == 0 {
		t.Error("the client was not slowed")
	}
	n.fine()
}

// A session that waited with more than may wait for one connection is resumed all
// the same, and all of it comes.
func TestResumptionWithAFullQueue(t *testing.T) {
	const count, size = 20, 10_000
	n := start(t, "xmpp.outbox=64KB", "xmpp.unacknowledged=256KB", "c2s.stanza=20000", "c2s.rate=0")
	n.accounts("romeo", "juliet")
	romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony").available()
	id := juliet.manage()
	juliet.conn.Close()
	n.until(func() bool { return n.metric("clientConnections") == 3 }, "the end is not noticed")
	for i := range count {
		romeo.send("<message to='juliet@localhost/balcony' type='chat' id='m'>%s</message>", body(i, size))
	}
	romeo.alive()
	juliet = n.dial("plain").authenticate("juliet")
	juliet.send("%s", resume(id, 0))
	juliet.expect("<resumed [^>]*/>")
	juliet.takes(count)
	if n.metric("slowClients") != 0 {
		t.Error("the session ended")
	}
	n.fine()
}

// The largest stanza that one client may send is one that another can be given, with
// the smallest outbox there is.
func TestLargestStanza(t *testing.T) {
	const size = 256 << 10
	n := start(t, "xmpp.outbox=64KB", "xmpp.unacknowledged=64KB", "c2s.rate=0")
	n.accounts("romeo", "juliet")
	each(n, []bool{false, true}, strconv.FormatBool, func(n *node, managed bool) {
		romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony")
		if managed {
			juliet.manage()
		}
		juliet.available()
		romeo.send("%s", pad(size, toJuliet+"><body>", "</body></message>"))
		if got := juliet.upTo("</message>"); !strings.Contains(got, "xxx</body>") {
			n.t.Errorf("got %s", short([]byte(got)))
		}
		romeo.alive()
		juliet.send(closing)
		juliet.expect("(?:<r [^>]*/>)?" + closing)
		juliet.end()
	})
}

// What waits for a client that nobody looks at (XEP-0352) has a limit in bytes, at
// which it is sent.
func TestHeldBytes(t *testing.T) {
	n := start(t, "c2s.rate=0")
	n.accounts("romeo", "juliet")
	romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony").available()
	juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
	juliet.alive()
	typing := func(size int) {
		romeo.send("%s", pad(size, toJuliet+"><composing xmlns='http://jabber.org/protocol/chatstates'/><thread>", "</thread></message>"))
		romeo.alive()
	}
	typing(30_000)
	typing(30_000)
	n.fine()
	juliet.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if k, _ := juliet.conn.Read(make([]byte, 100)); k > 0 {
		t.Error("nothing was held back")
	}
	typing(30_000)
	for range 3 {
		juliet.expect("<message [^>]*><composing .*?</message>")
	}
	n.fine()
}

// A page of the archive is bounded in bytes too: a stranger who sends large messages
// must not make a conversation unreadable.
func TestPageOfLargeMessages(t *testing.T) {
	const count, size = 20, 100_000
	n := start(t, "c2s.rate=0")
	n.accounts("romeo", "juliet")
	romeo, juliet := n.login("romeo/orchard"), n.login("juliet/balcony").available()
	for i := range count {
		romeo.send("<message to='juliet@localhost/balcony' type='chat' id='m'>%s</message>", body(i, size))
	}
	juliet.takes(count)
	seen := 0
	for after := ""; ; {
		juliet.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>100</max>%s</set></query></iq>", after)
		got := juliet.upTo("</iq>")
		page := numbers(t, got)
		for _, i := range page {
			if i != seen {
				t.Fatalf("message %d came in the place of %d", i, seen)
			}
			seen++
		}
		if strings.Contains(got, "complete='true'") {
			break
		}
		last := regexp.MustCompile("<last>(.*)</last>").FindStringSubmatch(got)
		if last == nil || len(page) == 0 {
			t.Fatalf("a page without an end: %s", short([]byte(got)))
		}
		after = "<after>" + last[1] + "</after>"
	}
	if seen != count {
		t.Errorf("%d messages, not %d", seen, count)
	}
	n.fine()
}
