package server

import (
	"slices"

	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/stream"
)

// timedOne is of how many stanzas of one kind and host one is timed: two looks at the clock for each would cost
// more than counting everything else.
const timedOne = 64

// stats are the server's metrics.
type stats struct {
	stanzas  *metric.Counters
	routed   *metric.Counter
	took     *metric.Timer
	ended    *metric.Counters // by stream error condition
	bounced  *metric.Counter
	unstored *metric.Counter
	gaps     *metric.Counter
	spooled  *metric.Counter
	slow     *metric.Counter
	resumed  *metric.Counter
	lapsed   *metric.Counter
	crowded  *metric.Counter
}

// traffic counts the stanzas of the clients of one host: cells that accounts keep, so that counting is one
// addition.
type traffic struct {
	host    string
	in, out [3]*metric.Counter // by stanza.Kind
}

func (st *stats) traffic(host string) *traffic {
	t := &traffic{host: host}
	for kind, name := range [...]string{stanza.Message: "message", stanza.Presence: "presence", stanza.IQ: "iq"} {
		t.in[kind] = st.stanzas.With(host, name, "in")
		t.out[kind] = st.stanzas.With(host, name, "out")
	}
	return t
}

// trafficOf returns the counters of a served host.
func (s *Server) trafficOf(host string) *traffic {
	for _, t := range s.traffic {
		if t.host == host {
			return t
		}
	}
	return s.traffic[0]
}

// available counts the sessions that have sent presence.
func (s *Server) available() (n int64) {
	s.Online(func(a xmpp.Account) bool {
		for _, ss := range a.Sessions() {
			if ss.Presence() != nil {
				n++
			}
		}
		return true
	})
	return n
}

// count shows how many sessions each host has.
func (s *Server) count(row func(value int64, labels ...string)) {
	counts := make([]int64, len(s.hosts))
	s.Online(func(a xmpp.Account) bool {
		if i := slices.Index(s.hosts, a.JID().Domain()); i >= 0 {
			counts[i] += int64(len(a.Sessions()))
		}
		return true
	})
	for i, host := range s.hosts {
		row(counts[i], host)
	}
}

func newStats(m *metric.Section, s *Server) *stats {
	m.GaugeFunc(metric.Desc{Name: "sessions", Help: "bound resources, those waiting to be resumed included"}, s.sessions.Load)
	m.GaugeFunc(metric.Desc{Name: "sessionsResumable", Help: "sessions that can be resumed"}, func() int64 {
		s.resumable.mu.Lock()
		defer s.resumable.mu.Unlock()
		return int64(len(s.resumable.all))
	})
	m.GaugeFunc(metric.Desc{Name: "sessionsAvailable", Help: "sessions with available presence"}, s.available)
	m.GaugesFunc(metric.Desc{Name: "hostSessions", Help: "bound resources of each domain", Labels: []string{"host"}}, s.count)
	return &stats{
		stanzas:  m.Counters(metric.Desc{Name: "stanzas", Help: "stanzas from and to clients", Labels: []string{"host", "kind", "direction"}, MaxRows: 384, Rate: true}),
		routed:   m.Counter(metric.Desc{Name: "routed", Help: "stanzas that were brought on their way", Rate: true}),
		took:     m.Timer(metric.Desc{Name: "stanzaTime", Help: "processing of stanzas from clients: of each kind, one in 64 is timed"}),
		ended:    m.Counters(metric.Desc{Name: "streamErrors", Help: "streams of clients ended with an error, by its condition", Labels: []string{"condition"}, MaxRows: 32}),
		bounced:  m.Counter(metric.Desc{Name: "bounced", Help: "stanzas answered with an error"}),
		unstored: m.Counter(metric.Desc{Name: "unstored", Help: "commits of stanzas that failed"}),
		gaps:     m.Counter(metric.Desc{Name: "archiveGaps", Help: "messages delivered whose archive copy could not be stored"}),
		spooled:  m.Counter(metric.Desc{Name: "spooled", Help: "messages stored because their client did not acknowledge them in time"}),
		slow:     m.Counter(metric.Desc{Name: "slowClients", Help: "sessions ended because the client did not read fast enough"}),
		resumed:  m.Counter(metric.Desc{Name: "resumed", Help: "sessions resumed by their client"}),
		crowded:  m.Counter(metric.Desc{Name: "sessionsRefused", Help: "sessions refused because the account had too many"}),
		lapsed:   m.Counter(metric.Desc{Name: "lapsed", Help: "sessions whose client did not come back to resume them"}),
	}
}

// CountError counts a stream that ended with an error before it had a session: its
// edge told the client.
func (s *Server) CountError(e *stream.Error) { s.current().stats.ended.With(string(e.Condition)).Inc() }
