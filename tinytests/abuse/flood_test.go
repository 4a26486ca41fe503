package abuse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// numbered finds the numbers of the messages that body made.
var numbered = regexp.MustCompile(`<body>(\d+) x*</body>`)

// body is a message text with a number, of so many bytes.
func body(i, size int) string {
	text := strconv.Itoa(i) + " "
	return "<body>" + text + strings.Repeat("x", size-len(text)) + "</body>"
}

// numbers reads the numbers of the messages in what came.
func numbers(t *testing.T, got string) (list []int) {
	t.Helper()
	for _, m := range numbered.FindAllStringSubmatch(got, -1) {
		i, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, i)
	}
	return list
}

// A client that never reads: when a limit is reached its session ends, and what it
// has not acknowledged comes when it is back, all of it, in order. The sender is
// not slowed and the others do not notice.
func TestClientThatNeverReads(t *testing.T) {
	const count, size = 200, 20_000 // 4 MB, more than the kernel's buffers and ours
	for _, managed := range []bool{false, true} {
		t.Run(fmt.Sprintf("managed %v", managed), func(t *testing.T) {
			n := start(t, "c2s.rate=0", "xmpp.outbox=128KB", "xmpp.unacknowledged=256KB", "xmpp.offline.bytes=16MB", "xmpp.archive.enabled=false")
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
			for from := 0; !strings.Contains(string(juliet.got[from:]), "<body>end</body>"); {
				from = max(0, len(juliet.got)-100)
				if err := juliet.read(); err != nil {
					t.Fatalf("%v, after %v", err, numbers(t, string(juliet.got)))
				}
			}
			back := numbers(t, string(juliet.got))
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
