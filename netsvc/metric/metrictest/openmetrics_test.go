package metrictest

import (
	"strings"
	"testing"
)

func TestOpenMetrics(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       string // part of the only fault, "" for none
	}{
		{"empty", "# EOF\n", ""},
		{"counter", "# TYPE a counter\n# HELP a Help.\na_total 1\n# EOF\n", ""},
		{"labels", "# TYPE a gauge\na{b=\"c\\\"\\\\\\n\",d=\"\"} -1\na{b=\"x\"} 2.5\n# EOF\n", ""},
		{"summary", "# TYPE a_seconds summary\n# UNIT a_seconds seconds\na_seconds_count 1\na_seconds_sum 1.5\n# EOF\n", ""},
		{"info", "# TYPE a info\na_info{v=\"1\"} 1\n# EOF\n", ""},
		{"no end", "# TYPE a gauge\na 1\n", "# EOF"},
		{"after the end", "# EOF\n# TYPE a gauge\n# EOF\n", "not the last"},
		{"no type", "a 1\n# EOF\n", "no type"},
		{"no total", "# TYPE a counter\na 1\n# EOF\n", "no sample of"},
		{"negative counter", "# TYPE a counter\na_total -1\n# EOF\n", "negative"},
		{"two pieces", "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n", "two pieces"},
		{"mixed", "# TYPE a gauge\n# TYPE b gauge\na 1\n# EOF\n", "no sample of"},
		{"late metadata", "# TYPE a gauge\na 1\n# HELP a x\n# EOF\n", "after samples"},
		{"unit", "# TYPE a gauge\n# UNIT a bytes\na 1\n# EOF\n", "unit"},
		{"type", "# TYPE a meter\n# EOF\n", "type"},
		{"twice", "# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 2\n# EOF\n", "twice"},
		{"label twice", "# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n# EOF\n", "twice"},
		{"label form", "# TYPE a gauge\na{b=\"c\nd\"} 1\n# EOF\n", "no sample"},
		{"escape", "# TYPE a gauge\na{b=\"\\t\"} 1\n# EOF\n", "labels"},
		{"value", "# TYPE a gauge\na one\n# EOF\n", "value"},
		{"info value", "# TYPE a info\na_info 2\n# EOF\n", "not 1"},
		{"name", "# TYPE 1a gauge\n# EOF\n", "no name"},
	} {
		faults := strings.Join(OpenMetrics(tc.text), "; ")
		if (faults == "") != (tc.want == "") || !strings.Contains(faults, tc.want) {
			t.Errorf("%s: %s", tc.name, faults)
		}
	}
}
