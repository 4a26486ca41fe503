package metrics

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"linnet/appliance"
	"linnet/appliance/features"
	"linnet/netsvc/command"
	"linnet/netsvc/event"
	"linnet/netsvc/metric"
	"linnet/netsvc/metric/metrictest"
	"linnet/netsvc/metric/numbers"
	"linnet/netsvc/module"
	"linnet/tinytests/scenario"
)

var update = flag.Bool("update", false, "append to testdata/labels.txt; it changes no line that is there")

// start runs a node whose data says something in as many tables as possible. All services are declared, whether
// they run or not.
func start(t *testing.T) *scenario.Node {
	t.Helper()
	if feature, missing := features.Absent("watch"); missing {
		t.Skipf("the feature %s is not in this build", feature)
	}
	n, err := scenario.StartNode(t.TempDir(), "services = [\"watch\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// TestNumbers holds that each metric that is linked has a number, with a syntax that suits it, and the labels that it
// was given with the number: they are columns.
func TestNumbers(t *testing.T) {
	const file = "testdata/labels.txt"
	b, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	fixed := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		name, labels, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, twice := fixed[name]; twice {
			t.Errorf("%s: %s is there twice", file, name)
		}
		fixed[name] = labels
	}
	suits := map[metric.Kind][]numbers.Syntax{
		metric.KindCounter: {numbers.Counter64},
		metric.KindGauge:   {numbers.Gauge32, numbers.Gauge64, numbers.Integer32},
		metric.KindInfo:    {numbers.Text},
		metric.KindTime:    {numbers.Time},
	}
	n := start(t)
	for _, d := range n.App().Declared().Metrics.Descs() {
		number, syntax := numbers.Metric(d.Name)
		if number == 0 {
			suit := suits[d.Kind][0]
			if d.Unit == metric.Bytes && d.Kind == metric.KindGauge {
				suit = numbers.Gauge64
			}
			t.Errorf("%s has no number: append {%q, %s}, to numbers.Metrics", d.Name, d.Name, suit)
			continue
		}
		suited := false
		for _, s := range suits[d.Kind] {
			suited = suited || s == syntax
		}
		if !suited || d.Unit == metric.Bytes && d.Kind == metric.KindGauge && syntax != numbers.Gauge64 {
			t.Errorf("%s, a %s of %q, is shown as %s", d.Name, d.Kind, d.Unit, syntax)
		}
		labels := strings.Join(d.Labels, " ")
		was, known := fixed[d.Name]
		switch {
		case known && was != labels:
			t.Errorf("%s has the labels %q; with its number it was given %q", d.Name, labels, was)
		case !known && *update:
			b = append(b, strings.TrimSpace(d.Name+" "+labels)+"\n"...)
		case !known:
			t.Errorf("the labels of %s are not fixed: run this test with -update", d.Name)
		}
	}
	if *update {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEvents does the same for events.
func TestEvents(t *testing.T) {
	n := start(t)
	for _, d := range event.Of(host(n)).Descs() {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		if numbers.Event(d.Name) == 0 {
			t.Errorf("%s has no number: append it to numbers.Events", d.Name)
		}
		for _, f := range d.Fields {
			number, syntax := numbers.Field(f.Name)
			if number == 0 {
				t.Errorf("%s of %s has no number: append it to numbers.Fields", f.Name, d.Name)
			} else if (f.Kind == event.Number) != (syntax == numbers.Integer32) || f.Kind != event.Number && syntax != numbers.Text {
				t.Errorf("%s of %s is shown as %s", f.Name, d.Name, syntax)
			}
		}
	}
}

// live is a Host that has only the live state.
type live struct {
	module.Host
	runtime module.Runtime
}

func (h live) Live(name string, make func() any) any { return h.runtime.Live(name, make) }

func host(n *scenario.Node) module.Host { return live{runtime: n.App().Host()} }

// sample is what Walk showed: the name, and the values of the labels.
type sample struct {
	section, name string
	kind          metric.Kind
	labels        []string
}

func walk(app *appliance.Appliance) (list []sample) {
	app.Metrics().Walk(func(s metric.Sample) bool {
		list = append(list, sample{s.Section, s.Desc.Name, s.Desc.Kind, append([]string(nil), s.Labels...)})
		return true
	})
	return list
}

func TestOpenMetrics(t *testing.T) {
	n := start(t)
	text, err := n.Ctl("stat", "-openmetrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range metrictest.OpenMetrics(text) {
		t.Error(fault)
	}
	types := strings.Count(text, "# TYPE ")
	want := 0
	for _, d := range n.App().Declared().Metrics.Descs() {
		want++
		if d.Kind == metric.KindTime {
			want++ // the longest is a family of its own
		}
	}
	if types != want {
		t.Errorf("%d families, want %d", types, want)
	}
}

// TestCtl asks as an operator at the command line does, for programs and for eyes.
func TestCtl(t *testing.T) {
	n := start(t)
	before := walk(n.App()) // asking counts, and may make rows
	out, err := n.Ctl("stat", "-json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Service, Metric, Labels, Unit string }
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, r := range rows {
		seen[strings.TrimSpace(r.Service+" "+r.Metric+" "+r.Labels)] = true
	}
	table, err := n.Ctl("stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range before {
		key := strings.TrimSpace(strings.Join(append([]string{s.section, s.name}, s.labels...), " "))
		if !seen[key] {
			t.Errorf("stat -json has no %s", key)
		}
		if !strings.Contains(table, s.name) {
			t.Errorf("stat has no %s", s.name)
		}
	}
}

// TestCommands asks as a client does that picks commands from a list: with its highest level, each service shows all it
// has.
func TestCommands(t *testing.T) {
	n := start(t)
	caller := command.Caller{Name: "operator", Role: command.Operator, Via: "ad-hoc"}
	before := walk(n.App())
	set := n.App().Commands()
	seen := make(map[string]bool)
	for _, c := range set.For(caller) {
		if !strings.HasPrefix(c.Name, "stat ") {
			continue
		}
		r, err := set.Run(t.Context(), caller, c.Name, command.Values{"level": {"finest"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			seen[strings.TrimSpace(strings.Join(row[:3], " "))] = true
		}
	}
	for _, s := range before {
		if key := strings.TrimSpace(strings.Join(append([]string{s.section, s.name}, s.labels...), " ")); !seen[key] {
			t.Errorf("no command shows %s", key)
		}
	}
}

// TestStatistics asks over XMPP for every figure.
func TestStatistics(t *testing.T) {
	n := start(t)
	escape := func(s string) string {
		var b strings.Builder
		if err := xml.EscapeText(&b, []byte(s)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	run := func(lines string) {
		t.Helper()
		s, err := scenario.Parse(t.Name(), []byte(lines))
		if err != nil {
			t.Fatal(err)
		}
		if err := scenario.Run(s, n); err != nil {
			t.Fatal(err)
		}
	}
	run("accounts operator\nctl user role operator@localhost operator\nconnect operator/x as O\nclose O\n")
	ask, want := "", ""
	for _, s := range walk(n.App()) {
		name := strings.Join(append([]string{s.section, s.name}, s.labels...), "/")
		names := []string{name}
		if s.kind == metric.KindTime {
			names = append(names, name+"/sum", name+"/longest")
		}
		for _, name := range names {
			ask += fmt.Sprintf("<stat name='%s'/>", escape(name))
			want += fmt.Sprintf("<stat name='%s' units='*' value='*'/>", escape(name))
		}
	}
	query := "<query xmlns='http://jabber.org/protocol/stats'>"
	run("connect operator/x as O\nO: <iq type='get' id='1' to='localhost'>" + query + ask + "</query></iq>\n" +
		"O> <iq type='result' id='1'>" + query + want + "</query></iq>\n")
}

// figures are the 32 scalars of TIGASE-MANAGEMENT-MIB, and what linnet has for each: a metric, or one of its rows.
// What names a service that this server does not have is left to that service.
var figures = [][2]string{
	{"usersSessions", "sessions"},
	{"usersRegistered", "accounts"},
	{"connectionsClient", "clientConnections"},
	{"loadSMLastSecond", "rates stanzas in second"},
	{"loadSMLastMinute", "rates stanzas in minute"},
	{"loadSMLastHour", "rates stanzas in hour"},
	{"loadMRLastSecond", "rates routed second"},
	{"loadMRLastMinute", "rates routed minute"},
	{"loadMRLastHour", "rates routed hour"},
	{"loadC2SLastSecond", "rates stanzas out second"},
	{"loadC2SLastMinute", "rates stanzas out minute"},
	{"loadC2SLastHour", "rates stanzas out hour"},
	{"systemHeapTotal", "memoryClass heapTotal"},
	{"systemHeapUsed", "memoryClass heapUsed"},
	{"systemNonHeapTotal", "memoryClass otherTotal"},
	{"systemNonHeapUsed", "memoryClass otherUsed"},
	{"systemUptime", "uptime"},
}

// TestFigures holds that nobody who comes from there misses a figure (features.md S2-09).
func TestFigures(t *testing.T) {
	n := start(t)
	seen := make(map[string]bool)
	for began := time.Now(); !seen["rates routed hour"] && time.Since(began) < time.Minute; time.Sleep(50 * time.Millisecond) { // until the first look
		for _, s := range walk(n.App()) {
			key := s.name
			for _, l := range s.labels {
				if l != "" {
					key += " " + l
				}
			}
			seen[key] = true
		}
	}
	for _, f := range figures {
		if !seen[f[1]] {
			t.Errorf("%s: there is no %s", f[0], f[1])
		}
	}
}
