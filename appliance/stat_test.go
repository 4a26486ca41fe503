package appliance

import (
	"strings"
	"testing"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/metric"
)

// Those who pick commands from a list find one for each service; the command line has `stat`.
func TestStatOfServices(t *testing.T) {
	n := startNode(t, "")
	remote := command.Caller{Name: "somebody", Role: command.Operator, Via: "ad-hoc"}
	run := func(level string) (names []string) {
		r, err := n.Commands().Run(t.Context(), remote, "stat appliance", command.Values{"level": {level}})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			if serviceOf(row[0]) != "appliance" {
				t.Errorf("row %q", row)
			}
			names = append(names, strings.TrimSpace(row[1]+" "+row[2]))
		}
		return names
	}
	info, fine, finest := strings.Join(run("info"), ", "), strings.Join(run("fine"), ", "), strings.Join(run("finest"), ", ")
	if !strings.Contains(info, "version") || strings.Contains(info, "serviceUp") || strings.Contains(info, "storeFailures") {
		t.Errorf("info: %s", info)
	}
	if !strings.Contains(fine, "serviceUp alpha") || strings.Contains(fine, "storeFailures") {
		t.Errorf("fine: %s", fine)
	}
	if !strings.Contains(finest, "serviceUp alpha") || !strings.Contains(finest, "storeFailures") {
		t.Errorf("finest: %s", finest)
	}
	if _, err := n.Commands().Run(t.Context(), remote, "stat appliance", nil); err != nil {
		t.Error(err)
	}
	local := command.Caller{Role: command.Admin, Local: true}
	for _, c := range n.Commands().For(local) {
		if strings.HasPrefix(c.Name, "stat ") {
			t.Errorf("the command line has %s", c.Name)
		}
	}
	for _, name := range []string{"stat alpha", "stat memory", "stat command"} {
		if n.Commands().Find(name) == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestShown(t *testing.T) {
	row, time := []string{"x"}, metric.Sample{Count: 1, Sum: time.Second}
	for _, tc := range []struct {
		name   string
		sample metric.Sample
		want   [3]bool // info, fine, finest
	}{
		{"zero", metric.Sample{}, [3]bool{false, false, true}},
		{"value", metric.Sample{Value: -1}, [3]bool{true, true, true}},
		{"text", metric.Sample{Text: "x"}, [3]bool{true, true, true}},
		{"time", time, [3]bool{true, true, true}},
		{"row", metric.Sample{Value: 1, Labels: row}, [3]bool{false, true, true}},
		{"zero row", metric.Sample{Labels: row}, [3]bool{false, false, true}},
	} {
		for i, level := range levels {
			if got := shown(level, &tc.sample); got != tc.want[i] {
				t.Errorf("%s at %s: %v", tc.name, level, got)
			}
		}
	}
}
