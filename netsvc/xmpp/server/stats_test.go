package server

import (
	"strings"
	"testing"

	"linnet/netsvc/metric"
)

// values reads metrics: by name, and behind it the labels.
func (n *node) values(names ...string) map[string]int64 {
	list := map[string]int64{}
	n.running.Walk(func(s metric.Sample) bool {
		v := s.Value
		if s.Desc.Kind == metric.KindTime {
			v = int64(s.Count)
		}
		list[strings.Join(append([]string{s.Desc.Name}, s.Labels...), " ")] = v
		return true
	}, names...)
	return list
}

func TestTraffic(t *testing.T) {
	run(t, func(n *node) {
		romeo := n.online(n.user("romeo"), "orchard")
		juliet := n.online(n.user("juliet"), "balcony")
		before := n.values()
		if before["hostSessions montague.lit"] != 2 || before["sessionsAvailable"] != 2 {
			t.Errorf("sessions: %v", before)
		}
		const sent = 2*timedOne + 1
		for range sent {
			romeo.send("<message to='juliet@montague.lit/balcony' type='chat'><body>hi</body></message>")
		}
		juliet.read()
		after := n.values()
		for name, want := range map[string]int64{
			"stanzas montague.lit message in":   sent,
			"stanzas montague.lit message out":  sent,
			"stanzas montague.lit presence in":  0,
			"stanzas montague.lit presence out": 0,
			"stanzas montague.lit iq in":        0,
			"routed":                            sent,
			"stanzaTime":                        3,
		} {
			if got := after[name] - before[name]; got != want {
				t.Errorf("%s grew by %d, want %d", name, got, want)
			}
		}
		juliet.Disconnect()
		n.settle()
		if got := n.values("hostSessions")["hostSessions montague.lit"]; got != 1 {
			t.Errorf("%d sessions", got)
		}
	})
}
