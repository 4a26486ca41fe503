package main

import "math"

// experiment is one kind of run; it yields the values of one or more rows of the table.
type experiment struct {
	name string
	rows []row
	skip []string // servers that it says nothing about
	run  func(*bench, server) ([]float64, error)
}

// row is one figure.
type row struct {
	key, title string
	unit       string
	higher     bool // more is better
	decimals   int
	must, aim  goal
}

// goal is a number to reach: the value itself, or the value times what it is measured against.
type goal struct {
	value   float64
	against string // "", a server's name, bestPeer, or another row's key (linnet's value there)
}

// bestPeer stands for the better of the XMPP servers of others in the same run.
const bestPeer = "best peer"

// peers are the XMPP servers of others; subject is ours.
var (
	peers   = []string{"prosody", "ejabberd"}
	subject = "linnet"
)

var experiments = []experiment{
	{
		name: "chat-plain", run: chatExperiment(chatKind{}),
		rows: []row{{key: "chat-plain", title: "chat, plain", unit: "msg/CPU·s", higher: true,
			must: goal{0.27, "floor"}, aim: goal{0.5, "floor"}}},
	},
	{
		name: "chat-tls", run: chatExperiment(chatKind{tls: true}),
		rows: []row{{key: "chat-tls", title: "chat, TLS", unit: "msg/CPU·s", higher: true,
			must: goal{0.33, "floor"}, aim: goal{0.5, "floor"}}},
	},
	{
		name: "managed-plain", run: chatExperiment(chatKind{managed: true}), skip: []string{"floor"},
		rows: []row{{key: "managed-plain", title: "chat, SM + carbons, plain", unit: "msg/CPU·s", higher: true,
			must: goal{0.7, "chat-plain"}, aim: goal{0.85, "chat-plain"}}},
	},
	{
		name: "managed-tls", run: chatExperiment(chatKind{managed: true, tls: true}), skip: []string{"floor"},
		rows: []row{{key: "managed-tls", title: "chat, SM + carbons, TLS", unit: "msg/CPU·s", higher: true,
			must: goal{0.7, "chat-tls"}, aim: goal{0.85, "chat-tls"}}},
	},
	{
		name: "archive", run: chatExperiment(chatKind{managed: true, archive: true}), skip: []string{"floor"},
		rows: []row{{key: "archive", title: "chat, archive on, settled", unit: "msg/CPU·s", higher: true,
			must: goal{20_000, ""}, aim: goal{60_000, ""}}},
	},
	{
		name: "paced", run: pacedExperiment,
		rows: []row{
			{key: "paced-p50", title: "chat paced 1,000/s, p50", unit: "ms", decimals: 2},
			{key: "paced-p99", title: "chat paced 1,000/s, p99", unit: "ms", decimals: 2,
				must: goal{1, bestPeer}, aim: goal{0.5, ""}},
		},
	},
	{
		name: "client-plain", run: clientExperiment(false), skip: []string{"floor"},
		rows: []row{{key: "client-plain", title: "idle client, plain", unit: "KB", decimals: 1,
			must: goal{9, ""}, aim: goal{6, ""}}},
	},
	{
		name: "client-tls", run: clientExperiment(true), skip: []string{"floor"},
		rows: []row{{key: "client-tls", title: "idle client, TLS", unit: "KB", decimals: 1,
			must: goal{22, ""}, aim: goal{15, ""}}},
	},
	{
		name: "idle", run: idleExperiment, skip: []string{"floor"},
		rows: []row{{key: "idle", title: "idle server", unit: "MB", decimals: 1,
			must: goal{12, ""}, aim: goal{8.5, ""}}},
	},
	{
		name: "start", run: startExperiment, skip: []string{"floor"},
		rows: []row{{key: "start", title: "start to accepting, 10 MB", unit: "ms",
			must: goal{60, ""}, aim: goal{25, ""}}},
	},
	{
		name: "logins", run: loginExperiment,
		rows: []row{{key: "logins", title: "logins, TLS 1.3 + SCRAM", unit: "logins/CPU·s", higher: true,
			must: goal{1_500, ""}, aim: goal{2_000, ""}}},
	},
}

// results holds the values of every run: by row, by server, one per round.
type results map[string]map[string][]float64

func (r results) add(row, server string, value float64) {
	if r[row] == nil {
		r[row] = map[string][]float64{}
	}
	r[row][server] = append(r[row][server], value)
}

// median returns NaN where nothing was measured.
func (r results) median(row, server string) float64 { return median(r[row][server]) }

// best returns the better peer's median of a row, NaN without peers.
func (r results) best(w row) float64 {
	best := math.NaN()
	for _, peer := range peers {
		v := r.median(w.key, peer)
		if math.IsNaN(best) || w.better(v, best) {
			best = v
		}
	}
	return best
}

func (w row) better(a, b float64) bool {
	if w.higher {
		return a > b
	}
	return a < b
}

// limit returns what the subject must show to reach a goal; NaN where there is no goal or nothing to measure it against.
func (r results) limit(w row, g goal) float64 {
	switch {
	case g.value == 0:
		return math.NaN()
	case g.against == "":
		return g.value
	case g.against == bestPeer:
		return g.value * r.best(w)
	case r[g.against] != nil:
		return g.value * r.median(g.against, subject)
	default:
		return g.value * r.median(w.key, g.against)
	}
}

// verdict judges the subject's median of a row.
func (r results) verdict(w row) string {
	value, must, aim := r.median(w.key, subject), r.limit(w, w.must), r.limit(w, w.aim)
	reached := func(limit float64) bool { return value == limit || w.better(value, limit) } // false for NaN
	switch {
	case math.IsNaN(value) || math.IsNaN(must):
		return "-"
	case !reached(must):
		return "MISSED"
	case reached(aim):
		return "aim"
	default:
		return "must"
	}
}
