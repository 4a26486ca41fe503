package server

import (
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp/stream"
)

// stats are the server's metrics.
type stats struct {
	stanzas  [3]*metric.Counter // by stanza.Kind, from clients
	ended    *metric.Counters   // by stream error condition
	bounced  *metric.Counter
	unstored *metric.Counter
	gaps     *metric.Counter
	spooled  *metric.Counter
	slow     *metric.Counter
	resumed  *metric.Counter
	lapsed   *metric.Counter
	crowded  *metric.Counter
}

func newStats(m *metric.Section, s *Server) *stats {
	m.GaugeFunc(metric.Desc{Name: "sessions", Help: "bound resources, those waiting to be resumed included"}, s.sessions.Load)
	m.GaugeFunc(metric.Desc{Name: "sessionsResumable", Help: "sessions that can be resumed"}, func() int64 {
		s.resumable.mu.Lock()
		defer s.resumable.mu.Unlock()
		return int64(len(s.resumable.all))
	})
	return &stats{
		stanzas: [3]*metric.Counter{
			stanza.Message:  m.Counter(metric.Desc{Name: "messagesIn", Help: "messages from clients"}),
			stanza.Presence: m.Counter(metric.Desc{Name: "presencesIn", Help: "presence stanzas from clients"}),
			stanza.IQ:       m.Counter(metric.Desc{Name: "iqsIn", Help: "IQ stanzas from clients"}),
		},
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
