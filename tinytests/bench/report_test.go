package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		value    float64
		decimals int
		want     string
	}{
		{value: 7, want: "7"}, {value: 999.6, want: "1,000"}, {value: 1234567, want: "1,234,567"}, {value: 123456, want: "123,456"},
		{value: 12.345, decimals: 1, want: "12.3"}, {value: 1234.5, decimals: 2, want: "1,234.50"}, {value: -1234, want: "-1,234"},
		{value: math.NaN(), want: "-"},
	} {
		if got := (row{decimals: test.decimals}).format(test.value); got != test.want {
			t.Errorf("format(%v) = %q, want %q", test.value, got, test.want)
		}
	}
}

var (
	rateRow   = row{key: "rate", title: "rate", unit: "msg/CPU·s", higher: true, must: goal{0.25, "floor"}, aim: goal{0.5, "floor"}}
	memoryRow = row{key: "memory", title: "memory", unit: "MB", decimals: 1, must: goal{12, ""}, aim: goal{8.5, ""}}
	peerRow   = row{key: "late", title: "late", unit: "ms", decimals: 2, must: goal{1, bestPeer}, aim: goal{0.5, ""}}
	ownRow    = row{key: "half", title: "half", unit: "msg/CPU·s", higher: true, must: goal{0.7, "rate"}, aim: goal{0.85, "rate"}}
)

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		name   string
		row    row
		values map[string]float64 // by "row server"
		want   string
	}{
		{name: "nothing measured", row: rateRow, want: "-"},
		{name: "no floor to compare with", row: rateRow, values: map[string]float64{"rate linnet": 100}, want: "-"},
		{name: "just not", row: rateRow, values: map[string]float64{"rate linnet": 24.9, "rate floor": 100}, want: "MISSED"},
		{name: "exactly", row: rateRow, values: map[string]float64{"rate linnet": 25, "rate floor": 100}, want: "must"},
		{name: "aim", row: rateRow, values: map[string]float64{"rate linnet": 51, "rate floor": 100}, want: "aim"},
		{name: "too much memory", row: memoryRow, values: map[string]float64{"memory linnet": 12.1}, want: "MISSED"},
		{name: "little memory", row: memoryRow, values: map[string]float64{"memory linnet": 8.5}, want: "aim"},
		{name: "better than both peers", row: peerRow, values: map[string]float64{"late linnet": 0.6, "late prosody": 17, "late ejabberd": 0.7}, want: "must"},
		{name: "better than one peer", row: peerRow, values: map[string]float64{"late linnet": 0.8, "late prosody": 17, "late ejabberd": 0.7}, want: "MISSED"},
		{name: "one peer left out", row: peerRow, values: map[string]float64{"late linnet": 0.8, "late prosody": 17}, want: "must"},
		{name: "share of another row", row: ownRow, values: map[string]float64{"rate linnet": 100, "rate floor": 1000, "half linnet": 80}, want: "must"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := results{}
			for place, value := range test.values {
				row, server, _ := strings.Cut(place, " ")
				r.add(row, server, value)
			}
			if got := r.verdict(test.row); got != test.want {
				t.Errorf("verdict %q, want %q", got, test.want)
			}
		})
	}
}

func TestAdvantage(t *testing.T) {
	if got := rateRow.advantage(200, 100); got != "2.00" {
		t.Errorf("twice the rate is %s", got)
	}
	if got := memoryRow.advantage(5, 20); got != "4.00" {
		t.Errorf("a quarter of the memory is %s", got)
	}
	if got := rateRow.advantage(math.NaN(), 1); got != "-" {
		t.Errorf("nothing is %s", got)
	}
}

// sample is a run with one row, of which two rounds were measured.
func sample() *bench {
	b := &bench{rounds: 2, servers: []server{&linnet{}, prosody{}, &floor{}}, versions: map[string]string{"prosody": "0.12"}, results: results{}}
	for server, values := range map[string][]float64{"linnet": {90_000, 110_000}, "prosody": {10_000, 10_000}, "floor": {300_000, 300_000}} {
		for _, v := range values {
			b.results.add("chat-plain", server, v)
		}
	}
	b.failures = []string{"paced, linnet, round 1: pair 3 got message 7 after 5"}
	return b
}

func TestTable(t *testing.T) {
	var out strings.Builder
	sample().writeTable(&out)
	_, table, _ := strings.Cut(strings.TrimPrefix(out.String(), "\n"), "\n") // the headline has the date
	want := strings.Join([]string{
		"figure       unit        linnet  prosody    floor  × best peer  × floor  must                   aim                    reached",
		"chat, plain  msg/CPU·s  100,000   10,000  300,000        10.00     0.33  0.27 × floor = 81,000  0.5 × floor = 150,000  must",
		"FAILED: paced, linnet, round 1: pair 3 got message 7 after 5",
		"",
	}, "\n")
	if table != want {
		t.Errorf("the table is\n%swant\n%s", table, want)
	}
}

func TestJSON(t *testing.T) {
	b := sample()
	b.results.add("idle", "prosody", 18) // linnet has no value here: numbers that do not exist must not break JSON
	var out strings.Builder
	if err := b.writeJSON("-", &out); err != nil {
		t.Fatal(err)
	}
	var got record
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Figures) != 2 || got.Figures[0].Median["linnet"] != 100_000 || *got.Figures[0].Must != 81_000 || got.Figures[1].Reached != "-" {
		t.Errorf("the record is %+v", got)
	}
}

func TestExperiments(t *testing.T) {
	keys := map[string]bool{"": true, bestPeer: true}
	for _, s := range everyServer("") {
		keys[s.name()] = true
	}
	for _, e := range experiments {
		for _, w := range e.rows {
			if keys[w.key] {
				t.Errorf("two rows, or a row and a server, are called %s", w.key)
			}
			keys[w.key] = true
		}
	}
	for _, e := range experiments {
		for _, w := range e.rows {
			if !keys[w.must.against] || !keys[w.aim.against] {
				t.Errorf("%s is measured against what is not there", w.key)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	same := func(s string) string { return s }
	all := []string{"chat-plain", "chat-tls", "paced"}
	for patterns, want := range map[string]string{"*": "chat-plain chat-tls paced", "paced,chat-t*": "chat-tls paced", "paced": "paced"} {
		if got, err := choose(all, same, patterns); err != nil || strings.Join(got, " ") != want {
			t.Errorf("choose %q = %v, %v; want %s", patterns, got, err, want)
		}
	}
	if _, err := choose(all, same, "chat*,pacde"); err == nil {
		t.Error("a pattern that matches nothing was accepted")
	}
}
