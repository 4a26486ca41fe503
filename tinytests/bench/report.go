package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// format writes a value with the row's decimals and with commas; NaN is "-".
func (w row) format(value float64) string {
	if math.IsNaN(value) {
		return "-"
	}
	text := strconv.FormatFloat(value, 'f', w.decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// advantage tells how many times better a is than b: 2.0 for twice the rate, and for half the memory.
func (w row) advantage(a, b float64) string {
	ratio := a / b
	if !w.higher {
		ratio = b / a
	}
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "-"
	}
	return strconv.FormatFloat(ratio, 'f', 2, 64)
}

// text describes a goal: "20,000" or "0.27 × floor = 99,900".
func (r results) text(w row, g goal) string {
	switch {
	case g.value == 0:
		return "-"
	case g.against == "":
		return w.format(g.value)
	}
	text := g.against
	if g.value != 1 {
		text = strconv.FormatFloat(g.value, 'g', -1, 64) + " × " + g.against
	}
	if limit := r.limit(w, g); !math.IsNaN(limit) {
		text += " = " + w.format(limit)
	}
	return text
}

// measured returns the rows that have a value, in the order of the experiments.
func (r results) measured() []row {
	var rows []row
	for _, e := range experiments {
		for _, w := range e.rows {
			if len(r[w.key]) > 0 {
				rows = append(rows, w)
			}
		}
	}
	return rows
}

// writeTable prints medians, ratios and verdicts.
func (b *bench) writeTable(out io.Writer) {
	head := []string{"figure", "unit"}
	for _, s := range b.servers {
		head = append(head, s.name())
	}
	table := [][]string{append(head, "× best peer", "× floor", "must", "aim", "reached")}
	for _, w := range b.results.measured() {
		line := []string{w.title, w.unit}
		for _, s := range b.servers {
			line = append(line, w.format(b.results.median(w.key, s.name())))
		}
		own := b.results.median(w.key, subject)
		table = append(table, append(line,
			w.advantage(own, b.results.best(w)), w.advantage(own, b.results.median(w.key, "floor")),
			b.results.text(w, w.must), b.results.text(w, w.aim), b.results.verdict(w)))
	}
	fmt.Fprintf(out, "\n%s\n", b.headline())
	writeColumns(out, table)
	if b.disturbed > 0 {
		fmt.Fprintf(out, "%d runs were disturbed: other programs, or waiting for the disk, kept both the server and the load below 85 %%.\n", b.disturbed)
	}
	for _, failure := range b.failures {
		fmt.Fprintln(out, "FAILED:", failure)
	}
}

// headline says what was measured where.
func (b *bench) headline() string {
	var versions []string
	for _, s := range b.servers {
		versions = append(versions, strings.TrimSpace(s.name()+" "+b.versions[s.name()]))
	}
	return fmt.Sprintf("%s; median of %d; servers on core %d, load on core %d; %s; %s %s/%s",
		time.Now().Format(time.DateOnly), b.rounds, b.serverCore, b.loadCore, strings.Join(versions, ", "), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// writeColumns aligns: the first two columns and the last three to the left, the numbers between to the right.
func writeColumns(out io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		var text strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < 2 || i >= len(line)-3 {
				text.WriteString(cell + pad)
			} else {
				text.WriteString(pad + cell)
			}
			text.WriteString("  ")
		}
		fmt.Fprintln(out, strings.TrimRight(text.String(), " "))
	}
}

// record is the JSON form of a run. Numbers that do not exist are null.
type record struct {
	When      time.Time         `json:"when"`
	Go        string            `json:"go"`
	Rounds    int               `json:"rounds"`
	Servers   map[string]string `json:"servers"`
	Figures   []figureRecord    `json:"figures"`
	Disturbed int               `json:"disturbed"` // runs during which the machine was busy with other work
	Failures  []string          `json:"failures,omitempty"`
}

type figureRecord struct {
	Key     string               `json:"key"`
	Title   string               `json:"title"`
	Unit    string               `json:"unit"`
	Higher  bool                 `json:"higher_is_better"`
	Values  map[string][]float64 `json:"values"` // one per round
	Median  map[string]float64   `json:"median"`
	Must    *float64             `json:"must"`
	Aim     *float64             `json:"aim"`
	Reached string               `json:"reached"`
}

func (b *bench) record() record {
	r := record{When: time.Now().UTC(), Go: runtime.Version(), Rounds: b.rounds, Servers: b.versions, Disturbed: b.disturbed, Failures: b.failures}
	for _, w := range b.results.measured() {
		f := figureRecord{
			Key: w.key, Title: w.title, Unit: w.unit, Higher: w.higher, Values: b.results[w.key], Median: map[string]float64{},
			Must: number(b.results.limit(w, w.must)), Aim: number(b.results.limit(w, w.aim)), Reached: b.results.verdict(w),
		}
		for server, values := range f.Values {
			f.Median[server] = median(values)
		}
		r.Figures = append(r.Figures, f)
	}
	return r
}

func number(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func (b *bench) writeJSON(file string, out io.Writer) error {
	text, err := json.MarshalIndent(b.record(), "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if file == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
