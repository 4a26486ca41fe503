package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linnet/appliance/features"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/metric/numbers"
)

var update = flag.Bool("update", false, "write firmware/noc")

const noc = "../../firmware/noc"

// The files are those that the declarations make.
func TestFiles(t *testing.T) {
	for _, f := range features.Table {
		if !f.Linked() {
			t.Skip("the files are those of a program with everything, and this one lacks " + f.Name)
		}
	}
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := write(noc, files); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(noc, path))
		if err != nil {
			t.Errorf("%v; `go test ./cmd/mkmib -update` writes it", err)
		} else if string(got) != want {
			t.Errorf("%s is another one; `go test ./cmd/mkmib -update` writes it", path)
		}
	}
}

// Names beyond what SMIv2 allows are found, wherever they come from.
func TestMistakes(t *testing.T) {
	long := "aNameOfThirtyOneLettersAndDigits"[:31]
	for _, tc := range []struct {
		name   string
		metric metric.Desc
		syntax numbers.Syntax
		want   string
	}{
		{"scalar", metric.Desc{Name: long}, numbers.Counter64, ""},
		{"scalar of 32", metric.Desc{Name: long + "a"}, numbers.Counter64, ""},
		{"scalar of 33", metric.Desc{Name: long + "ab"}, numbers.Counter64, "33 letters"},
		{"time", metric.Desc{Name: long}, numbers.Time, "Count has 36 letters"},
		{"table", metric.Desc{Name: long, Labels: []string{"a"}}, numbers.Gauge32, "Table has 36 letters"},
		{"label", metric.Desc{Name: "short", Labels: []string{long}}, numbers.Gauge32, "36 letters"},
		{"same as another", metric.Desc{Name: "linnetBox"}, numbers.Gauge32, "twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.metric.Help = "Help."
			d := &declared{metrics: []numbered{{tc.metric, 1, tc.syntax}}}
			_, err := mibText(d)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want something about %q", err, tc.want)
			}
		})
	}
}

// What is gone keeps its number, as a remark.
func TestGone(t *testing.T) {
	d := &declared{metrics: []numbered{{metric.Desc{Name: "was"}, 1, numbers.Counter64}, {metric.Desc{Name: "is", Help: `It "is".`}, 2, numbers.Gauge32}},
		events: []*event.Desc{nil}}
	text, err := mibText(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-- { linnetMetrics 1 } was was\n", "\"It 'is'.\"\n    ::= { linnetMetrics 2 }", "-- { linnetNotifications 1 } was "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(zabbix(d), "linnet.was") || strings.Contains(exporter(d), "linnet_was") || strings.Contains(librenmsDiscovery(d), "was") {
		t.Error("what is gone is asked for")
	}
}

// Long texts are broken, quotation marks cannot end them early.
func TestQuoted(t *testing.T) {
	got := quoted(strings.Repeat("word ", 40) + `"end"`)
	for line := range strings.Lines(got) {
		if len(line) > 77 {
			t.Errorf("%d letters: %s", len(line), line)
		}
	}
	if strings.Count(got, `"`) != 2 || !strings.HasSuffix(got, "'end'\"\n") {
		t.Error(got)
	}
}

func TestIDs(t *testing.T) {
	if a := id("a"); len(a) != 32 || a[12] != '4' || !strings.Contains("89ab", a[16:17]) || a == id("b") || a != id("a") {
		t.Errorf("%s is no UUID of version 4", a)
	}
}
